//! Plain HTTP: health, metrics, headers, and requests that are made to harm.

use std::time::Duration;

use moorline_server::{Degraded, Server, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::site::{Site, read_all, read_head};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn health_and_metrics_are_answered() {
    let site = Site::start().await;
    assert!(site.answer(get("/livez")).await.ends_with("ok\n"));
    assert!(site.answer(get("/readyz")).await.contains("\"ready\":true"));
    let metrics = site.answer(get("/metrics")).await;
    for name in ["moorline_connections{", "moorline_ping_rtt_seconds_count", "moorline_build_info"]
    {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    let post = "POST /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert!(site.answer(post).await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn what_is_degraded_is_told_and_leaves_the_server_ready() {
    let degraded = || {
        let error = "Redis cannot be used: WRONGPASS".to_owned();
        vec![Degraded { part: "layer", cause: "password_wrong", error }]
    };
    let change = |server: Server| server.degraded_by(Box::new(degraded));
    let site = Site::changed(ServerConfig::default(), change).await;
    let answer = site.answer(get("/readyz")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let told = serde_json::json!({
        "part": "layer", "cause": "password_wrong", "error": "Redis cannot be used: WRONGPASS",
    });
    let expected = serde_json::json!({
        "ready": true, "draining": false, "failing": [], "degraded": [told],
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn metrics_are_for_this_machine_only() {
    let site = Site::start().await;
    let outside = get("/metrics").replace("Host", "X-Forwarded-For: 203.0.113.9\r\nHost");
    let answer = site.answer(outside).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(!answer.contains("moorline_connections"));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let site = Site::start().await;
    for path in ["/hello", "/nowhere", "/livez", "/echo"] {
        let answer = site.answer(get(path)).await;
        for header in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "referrer-policy: no-referrer",
            "cross-origin-opener-policy: same-origin",
        ] {
            assert!(answer.contains(header), "{path}: {header} in {answer}");
        }
        assert!(!answer.to_ascii_lowercase().contains("access-control-allow"));
    }
}

/// Requests whose length two readers might see differently; behind each stands a second one that must get no answer.
#[tokio::test]
async fn a_smuggled_request_gets_no_answer() {
    let site = Site::start().await;
    let hidden = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    for head in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "transfer-encoding : chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: xchunked",
    ] {
        let request = format!("POST /bytes HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n0\r\n\r\n{hidden}");
        let answer = site.answer(request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{head}: {answer}");
    }
}

#[tokio::test]
async fn honest_requests_on_one_connection_are_all_answered() {
    let site = Site::start().await;
    let chunked = "POST /bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n0\r\n\r\n";
    let sized = "POST /bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    let mut socket = site.socket().await;
    for request in [chunked, sized, chunked, sized] {
        socket.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut socket).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let mut body = [0; 1];
        tokio::io::AsyncReadExt::read_exact(&mut socket, &mut body).await.unwrap();
        assert_eq!(&body, b"5");
    }
}

#[tokio::test]
async fn heads_and_bodies_may_be_as_large_as_the_limits_and_no_larger() {
    let site = Site::with(ServerConfig { body_bytes: 1000, ..ServerConfig::default() }).await;
    let headers = |count: usize| {
        let lines: String = (0..count).map(|number| format!("x-{number}: 1\r\n")).collect();
        format!("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n")
    };
    assert!(site.answer(headers(98)).await.starts_with("HTTP/1.1 200"));
    assert!(site.answer(headers(99)).await.starts_with("HTTP/1.1 431"));
    let long = |length: usize| {
        get("/hello").replace("Host", &format!("X: {}\r\nHost", "x".repeat(length)))
    };
    assert!(site.answer(long(15_000)).await.starts_with("HTTP/1.1 200"));
    assert!(site.answer(long(17_000)).await.starts_with("HTTP/1.1 431"));
    let sized = |length: usize| {
        let body = "x".repeat(length);
        let head = "POST /bytes HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ";
        format!("{head}{length}\r\n\r\n{body}")
    };
    assert!(site.answer(sized(1000)).await.starts_with("HTTP/1.1 200"));
    assert!(site.answer(sized(1001)).await.starts_with("HTTP/1.1 413"));
    let chunk = "x".repeat(1001);
    let chunked = format!(
        "POST /bytes HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         3e9\r\n{chunk}\r\n0\r\n\r\n"
    );
    assert!(site.answer(chunked).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn peers_that_stall_are_cut_in_every_phase() {
    let site = Site::start().await;
    let began = Instant::now();
    let stalls = [
        "",
        "GET /hello HT",
        "GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        "POST /bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
    ];
    let cut = stalls.map(async |bytes| {
        let mut socket = site.socket().await;
        socket.write_all(bytes.as_bytes()).await.unwrap();
        read_all(&mut socket).await;
        began.elapsed()
    });
    for (bytes, after) in stalls.iter().zip(futures_util::future::join_all(cut).await) {
        // Ten seconds, and as many again for a machine that others keep busy; uncut, it would be for ever.
        assert!(after < Duration::from_secs(20), "{bytes:?} took {after:?}");
    }
    assert!(site.answer(get("/hello")).await.ends_with("hello"));
}

#[tokio::test]
async fn nonsense_is_refused_and_the_server_stays() {
    let site = Site::start().await;
    for bytes in [&b"\0\0\0\0\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET\r\n\r\n"]
    {
        let answer = site.answer(bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert!(site.answer(get("/hello")).await.ends_with("hello"));
}
