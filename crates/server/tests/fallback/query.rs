//! `GET` of streams and polls: for `EventSource` and curl, which keep nothing but the last id.

use serde_json::json;

use crate::http::{Http, Stream};
use crate::people::TestServer;

async fn open(server: &TestServer, user: &str, query: &str) -> Stream {
    let path = format!("/api/v1/stream{query}");
    Http::of(server, user).await.stream("GET", &path, json!(null)).await
}

#[tokio::test]
async fn an_id_goes_on_where_the_last_event_was_also_in_rooms_where_nothing_was_said() {
    let server = TestServer::start().await;
    let (mut ann, bob, quiet) = server.ann_and_bob().await;
    drop(bob);
    let loud = ann.create("group", &["bob"]).await;
    let query = format!("?room={quiet}&room={loud}");
    let mut stream = open(&server, "bob", &query).await;
    stream.next("welcome").await;
    ann.send(&loud, "one").await;
    assert_eq!(stream.message().await, "one");
    let id = stream.id.clone().unwrap();
    drop(stream);
    ann.send(&loud, "two").await;
    ann.send(&quiet, "three").await;
    for header in [true, false] {
        let mut again = if header {
            let token = format!("Authorization: Bearer {}", server.token("bob"));
            let last = format!("Last-Event-ID: {id}");
            let http = Http::connect(&server, &[&token, &last]).await;
            http.stream("GET", &format!("/api/v1/stream{query}"), json!(null)).await
        } else {
            open(&server, "bob", &format!("{query}&from={id}")).await
        };
        let mut heard = [again.message().await, again.message().await];
        heard.sort();
        assert_eq!(heard, ["three", "two"]);
        ann.send(&quiet, "live").await;
        assert_eq!(again.message().await, "live");
        ann.send(&loud, "two").await;
        ann.send(&quiet, "three").await;
        if header {
            // What the first client heard beyond the id comes again to whoever goes on from there.
            let mut third =
                open(&server, "bob", &format!("{query}&from={}", again.id.unwrap())).await;
            let mut heard = [third.message().await, third.message().await];
            heard.sort();
            assert_eq!(heard, ["three", "two"]);
            break;
        }
    }
}

#[tokio::test]
async fn only_the_rooms_that_were_named_are_told() {
    let server = TestServer::start().await;
    let (mut ann, bob, wanted) = server.ann_and_bob().await;
    drop(bob);
    let other = ann.create("group", &["bob"]).await;
    let mut stream = open(&server, "bob", &format!("?room={wanted}")).await;
    stream.next("welcome").await;
    ann.send(&other, "elsewhere").await;
    ann.send(&wanted, "here").await;
    assert_eq!(stream.message().await, "here");
    assert!(!stream.id.unwrap().contains(&other));
}

#[tokio::test]
async fn without_a_name_all_rooms_come_also_new_ones() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut stream = open(&server, "bob", "").await;
    stream.next("welcome").await;
    ann.send(&room, "one").await;
    assert_eq!(stream.message().await, "one");
    let later = ann.create("group", &["bob"]).await;
    stream.next("room").await;
    ann.send(&later, "two").await;
    assert_eq!(stream.message().await, "two");
    let id = stream.id.clone().unwrap();
    assert!(id.contains(&room) && id.contains(&later), "{id}");
}

#[tokio::test]
async fn a_room_that_is_not_ones_own_is_answered_by_gone() {
    let server = TestServer::start().await;
    let (_ann, _bob, room) = server.ann_and_bob().await;
    let mut stream = open(&server, "eve", &format!("?room={room}&room=unknown")).await;
    let mut gone = [stream.next("reset").await, stream.next("reset").await];
    gone.sort_by_key(|reset| reset["room"] == "unknown");
    assert_eq!(gone[0], json!({"type": "reset", "room": room, "reason": "gone"}));
    assert_eq!(gone[1], json!({"type": "reset", "room": "unknown", "reason": "gone"}));
}

#[tokio::test]
async fn a_script_polls_by_the_id_of_the_last_answer() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut bob = Http::of(&server, "bob").await;
    for query in [format!("?room={room}&"), "?".to_owned()] {
        let first = bob.get(&format!("/api/v1/poll{query}wait_ms=0")).await;
        assert_eq!(first.body["frames"][0]["type"], "welcome");
        ann.send(&room, "one").await;
        let from = first.body["id"].as_str().unwrap();
        let second = bob.get(&format!("/api/v1/poll{query}from={from}")).await;
        assert_eq!(second.body["frames"][0]["body"], "one", "{second:?}");
        let from = second.body["id"].as_str().unwrap();
        let third = bob.get(&format!("/api/v1/poll{query}wait_ms=1&from={from}")).await;
        assert_eq!((&third.body["frames"], &third.body["id"]), (&json!([]), &json!(from)));
    }
}

#[tokio::test]
async fn what_a_query_may_not_say_is_refused() {
    let server = TestServer::start().await;
    let mut http = Http::of(&server, "ann").await;
    let many: String = (0..51).map(|n| format!("room=r{n}&")).collect();
    for query in ["room=no/room", "from=r1", "keepalive=maybe", "wait_ms=soon", &many] {
        for path in ["stream", "poll"] {
            if (path, query) == ("stream", "wait_ms=soon") {
                continue;
            }
            let answer = http.get(&format!("/api/v1/{path}?{query}")).await;
            assert_eq!(answer.body["error"]["code"], "invalid", "{path} {query}: {answer:?}");
        }
    }
    let mut ann = server.person("ann").await;
    for _ in 0..51 {
        ann.create("group", &[]).await;
    }
    assert_eq!(http.get("/api/v1/poll").await.status, 400);
}

#[tokio::test]
async fn a_page_reads_by_its_cookie_only_where_it_is_the_own_one() {
    let server = TestServer::start().await;
    let cookie = "Cookie: moorline_session=x";
    for (line, status) in [
        ("Sec-Fetch-Site: same-origin", 401),
        ("Origin: http://localhost", 401),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Origin: http://evil.example", 403),
        ("X-Nothing: 1", 403),
    ] {
        let mut http = Http::connect(&server, &[cookie, line]).await;
        assert_eq!(http.get("/api/v1/stream").await.status, status, "{line}");
    }
}
