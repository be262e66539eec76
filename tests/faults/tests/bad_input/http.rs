//! HTTP that is too much or not what it seems: bodies, header bombs, smuggling, slow senders.

use std::time::Duration;

use moorline_faults::raw::handshake;
use moorline_faults::server::{API_KEY, Answer, exchange, request};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::canary::Ground;

fn code(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.status, body["error"]["code"].as_str().unwrap_or("").to_owned())
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let ground = Ground::new().await;
    for path in ["/api/v1/login", "/api/v1/signup", "/api/v1/rooms"] {
        let huge = json!({"name":"x".repeat(2 << 20)});
        let answer = request(ground.site.address, "POST", path, Some(&huge), &[]).await.unwrap();
        assert_eq!(answer.status, 413, "{path}: {}", answer.head);
    }
    // A length that is only said must not be believed in memory.
    let head = format!(
        "POST /api/v1/rooms HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {API_KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
    );
    assert_eq!(exchange(ground.site.address, head.as_bytes()).await.unwrap().status, 413);
    ground.stayed_calm().await;
}

#[tokio::test]
async fn bad_bodies_of_the_api_have_their_codes() {
    let ground = Ground::new().await;
    let server = &ground.server;
    let messages = "/api/v1/rooms/hall/messages";
    let wrong = [
        (json!(7), "invalid"),
        (json!({"from":5,"body":"x"}), "invalid"),
        (json!({"from":"ann"}), "invalid"),
        (json!({"from":"ann","body":"x".repeat(65_537)}), "too_large"),
        (json!({"from":"cem","body":"x"}), "not_found"),
    ];
    for (body, expected) in wrong {
        let key = [("Idempotency-Key", "new")];
        let answer = server.request("POST", messages, Some(&body), &key).await.unwrap();
        let (_, got) = code(&answer);
        let fits = got == expected || (expected == "invalid" && got == "bad_json");
        assert!(fits, "{expected}, not {got}: {}", String::from_utf8_lossy(&answer.body));
    }
    let unknown = server.request("GET", "/api/v1/rooms/unheard/events", None, &[]).await.unwrap();
    assert_eq!(code(&unknown), (404, "not_found".to_owned()));
    for query in ["after=-1", "after=x", "limit=99999999999999999999"] {
        let path = format!("/api/v1/rooms/hall/events?{query}");
        let answer = server.request("GET", &path, None, &[]).await.unwrap();
        assert_eq!(answer.status, 400, "{query}");
    }
    let key = [("Idempotency-Key", "once")];
    let post = |text: &str| json!({"from":"ann","body":text});
    let first = server.request("POST", messages, Some(&post("one")), &key).await.unwrap();
    assert_eq!(first.status, 201, "{}", String::from_utf8_lossy(&first.body));
    let other = server.request("POST", messages, Some(&post("two")), &key).await.unwrap();
    assert_eq!(code(&other), (409, "cid_conflict".to_owned()));
    ground.stayed_calm().await;
}

#[tokio::test]
async fn without_the_key_the_api_is_unauthorized() {
    let ground = Ground::new().await;
    for header in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic eDp5\r\n"] {
        let head = format!(
            "GET /api/v1/rooms/hall/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n"
        );
        let answer = exchange(ground.site.address, head.as_bytes()).await.unwrap();
        assert_eq!(code(&answer), (401, "unauthorized".to_owned()));
    }
    ground.stayed_calm().await;
}

#[tokio::test]
async fn header_bombs_are_431() {
    let ground = Ground::new().await;
    let address = ground.site.address;
    let many = "X: y\r\n".repeat(500);
    let long = format!("X: {}\r\n", "y".repeat(200_000));
    for headers in [&many, &long] {
        for head in
            [format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n"), handshake(address, headers)]
        {
            let answer = exchange(address, head.as_bytes()).await.unwrap();
            assert_eq!(answer.status, 431, "{}", answer.head);
        }
    }
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_request_framed_in_two_ways_is_400_and_the_connection_ends() {
    let ground = Ground::new().await;
    let hidden = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    let framings = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: chunked\r\ncontent-length : 4\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: 4, 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "X: y\r\n folded\r\nContent-Length: 4\r\nContent-Length: 0\r\n",
    ];
    for framing in framings {
        let text =
            format!("POST /api/v1/login HTTP/1.1\r\nHost: x\r\n{framing}\r\n0\r\n\r\n{hidden}");
        let answer = exchange(ground.site.address, text.as_bytes()).await.unwrap();
        assert!(matches!(answer.status, 400 | 501), "{framing:?}: {}", answer.head);
        let rest = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!rest.contains("HTTP/1.1"), "{framing:?} was answered twice: {rest}");
    }
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_sender_that_drips_its_head_is_dropped() {
    let ground = Ground::new().await;
    let mut stream = TcpStream::connect(ground.site.address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        writer.write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\nX: ").await.unwrap();
        while writer.write_all(b"y").await.is_ok() {
            sleep(Duration::from_millis(200)).await;
        }
    };
    let mut answer = Vec::new();
    let end = async {
        // A reset is an end as well.
        let _ = reader.read_to_end(&mut answer).await;
    };
    // Ten seconds, and as many again for a machine that others keep busy.
    let dropped = timeout(Duration::from_secs(20), async {
        tokio::select! { () = drip => {}, () = end => {} }
    });
    dropped.await.expect("the slow sender is still there");
    ground.stayed_calm().await;
}

#[tokio::test]
async fn a_sender_that_drips_its_body_is_dropped() {
    let ground = Ground::new().await;
    let head = "POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    let began = Instant::now();
    let answer =
        timeout(Duration::from_secs(20), exchange(ground.site.address, head.as_bytes())).await;
    assert!(answer.is_ok(), "the slow sender is still there after {:?}", began.elapsed());
    ground.stayed_calm().await;
}
