//! `POST /api/v1/stream`: what a WebSocket would bring, as events.

use std::time::Duration;

use moorline_server::Pace;
use serde_json::json;
use tokio::time::Instant;

use crate::http::{Http, SOON, Stream};
use crate::people::{TestServer, position};

#[tokio::test]
async fn a_stream_brings_the_welcome_what_was_missed_and_what_is_new() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    let seen = ann.send(&room, "seen").await;
    drop(bob);
    ann.send(&room, "missed").await;
    let resume = json!({"resume": {&room: position(&seen)}});
    let mut bob = Stream::of(&server, "bob", resume).await;
    let welcome = bob.hear().await.unwrap();
    assert_eq!((&welcome["type"], &welcome["user"]["id"]), (&json!("welcome"), &json!("bob")));
    ann.send(&room, "live \n \u{2028} {\"type\":\"goodbye\"}").await;
    assert_eq!(bob.message().await, "missed");
    assert_eq!(bob.message().await, "live \n \u{2028} {\"type\":\"goodbye\"}");
}

#[tokio::test]
async fn the_head_and_two_kilobytes_come_before_anything_is_said() {
    let server = TestServer::start().await;
    let stream = Stream::of(&server, "ann", json!({})).await;
    for line in [
        "content-type: text/event-stream; charset=utf-8",
        "cache-control: no-store, no-transform",
        "x-accel-buffering: no",
        "connection: close",
        "x-frame-options: DENY",
    ] {
        assert!(stream.head.contains(line), "{line} is not in {}", stream.head);
    }
}

#[tokio::test]
async fn large_and_small_events_come_whole_and_in_order() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut bob = Stream::of(&server, "bob", json!({})).await;
    bob.next("welcome").await;
    let texts: Vec<String> =
        (0..60).map(|number| format!("{number} {}", "x".repeat(number * 1_000))).collect();
    for text in &texts {
        ann.send(&room, text).await;
    }
    for text in &texts {
        assert_eq!(bob.message().await, *text);
    }
}

#[tokio::test]
async fn positions_of_more_rooms_than_a_hello_takes_are_all_resumed() {
    let server = TestServer::start().await;
    server.person("bob").await;
    let mut ann = server.person("ann").await;
    let mut positions = json!({});
    let mut rooms = Vec::new();
    for _ in 0..230 {
        let room = ann.create("group", &["bob"]).await;
        let sent = ann.send(&room, "before").await;
        positions[&room] = position(&sent);
        rooms.push(room);
    }
    for room in &rooms {
        ann.send(room, room).await;
    }
    let mut bob = Stream::of(&server, "bob", json!({"resume": positions})).await;
    bob.next("welcome").await;
    let mut heard = Vec::new();
    for _ in &rooms {
        heard.push(bob.message().await);
    }
    heard.sort();
    rooms.sort();
    assert_eq!(heard, rooms);
}

#[tokio::test]
async fn a_room_that_is_not_ones_own_any_more_is_gone() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    let sent = ann.send(&room, "hi").await;
    drop(bob);
    let cid = ann.cid();
    ann.ask(json!({"type": "remove", "room": room, "cid": cid, "users": ["bob"]})).await;
    let mut bob = Stream::of(&server, "bob", json!({"resume": {&room: position(&sent)}})).await;
    let reset = bob.next("reset").await;
    assert_eq!((&reset["room"], &reset["reason"]), (&json!(room), &json!("gone")));
}

#[tokio::test]
async fn a_stream_is_kept_alive_and_pinged_where_that_is_asked() {
    let pace = Pace { interval: Duration::from_millis(200), timeout: Duration::from_millis(600) };
    let server = TestServer::start_at(false, pace).await;
    let mut quiet = Stream::of(&server, "ann", json!({})).await;
    let mut pinged = Stream::of(&server, "bob", json!({"keepalive": true})).await;
    quiet.next("welcome").await;
    // It says nothing, and lives for longer than a WebSocket that answers no ping.
    for _ in 0..6 {
        pinged.next("ping").await;
    }
    assert!(pinged.comments >= 6, "{}", pinged.comments);
    let mut speaker = server.person("ann").await;
    let room = speaker.create("group", &[]).await;
    quiet.next("room").await;
    speaker.send(&room, "still there").await;
    assert_eq!(quiet.message().await, "still there");
    assert!(quiet.comments >= 4, "{}", quiet.comments);
}

#[tokio::test]
async fn a_drain_is_told_with_a_time_to_come_back() {
    let mut server = TestServer::start().await;
    let mut stream = Stream::of(&server, "ann", json!({})).await;
    stream.next("welcome").await;
    server.begin_drain();
    let goodbye = stream.next("goodbye").await;
    assert_eq!((goodbye["code"].as_u64(), &goodbye["reconnect"]), (Some(1012), &json!(true)));
    assert!(goodbye["after_ms"].as_u64().unwrap() < 3_000);
    assert_eq!(stream.hear().await, None);
    drop(stream);
    server.drain().await;
}

#[tokio::test]
async fn a_revocation_ends_the_stream_within_five_seconds() {
    let server = TestServer::start().await;
    let mut stream = Stream::of(&server, "ann", json!({})).await;
    stream.next("welcome").await;
    let began = Instant::now();
    let now = moorline_chat::now_ms() + 1_000;
    server.chat.store().revoke_sessions("ann".parse().unwrap(), now).await.unwrap();
    assert_eq!(stream.goodbye().await, 4403);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut again =
        Http::of(&server, "ann").await.stream("POST", "/api/v1/stream", json!({})).await;
    assert_eq!(again.next("error").await["code"], "token_refused");
    assert_eq!(again.goodbye().await, 4401);
}

#[tokio::test]
async fn a_removal_ends_the_room_within_five_seconds() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut bob = Stream::of(&server, "bob", json!({})).await;
    bob.next("welcome").await;
    let began = Instant::now();
    let cid = ann.cid();
    ann.ask(json!({"type": "remove", "room": room, "cid": cid, "users": ["bob"]})).await;
    ann.send(&room, "not for bob").await;
    let gone = bob.next("room").await;
    assert_eq!((&gone["change"], &gone["id"]), (&json!("gone"), &json!(room)));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let other = ann.create("group", &["bob"]).await;
    // What is sent before bob is told of the room stands in its head, and comes as no event.
    assert_eq!(bob.next("room").await["change"], "added");
    ann.send(&other, "for bob").await;
    assert_eq!(bob.message().await, "for bob");
}

#[tokio::test]
async fn a_token_that_expires_ends_the_stream() {
    let server = TestServer::start().await;
    // A token is good for its leeway longer.
    let token = server.token_ending("ann", -27);
    let line = format!("Authorization: Bearer {token}");
    let http = Http::connect(&server, &[&line]).await;
    let mut stream = http.stream("POST", "/api/v1/stream", json!({})).await;
    stream.next("welcome").await;
    assert_eq!(stream.goodbye().await, 4401);
}

#[tokio::test]
async fn whoever_leaves_is_gone_at_once() {
    let server = TestServer::start().await;
    let mut stream = Stream::of(&server, "ann", json!({})).await;
    stream.next("welcome").await;
    let open = |metrics: &str| metrics.contains("moorline_connections{transport=\"stream\"} 1");
    assert!(open(&server.metrics.render()), "{}", server.metrics.render());
    drop(stream);
    let until = Instant::now() + SOON;
    while open(&server.metrics.render()) {
        assert!(Instant::now() < until, "the stream is still counted");
        tokio::task::yield_now().await;
    }
}

/// The reader takes nothing while 8 MiB are sent, far more than its outbox and its socket hold.
#[tokio::test]
async fn a_slow_reader_gets_everything_from_the_log() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut slow = Stream::of(&server, "bob", json!({})).await;
    slow.next("welcome").await;
    let long = "x".repeat(60_000);
    for number in 0..140 {
        ann.send(&room, &format!("{number} {long}")).await;
    }
    for number in 0..140 {
        let text = slow.message().await;
        assert!(text.starts_with(&format!("{number} ")), "{number}: {}", &text[..10]);
    }
    ann.send(&room, "live again").await;
    assert_eq!(slow.message().await, "live again");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off() {
    let pace = Pace { interval: Duration::from_millis(300), timeout: Duration::from_secs(1) };
    let server = TestServer::start_at(false, pace).await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut stuck = Stream::of(&server, "bob", json!({})).await;
    stuck.next("welcome").await;
    let long = "x".repeat(60_000);
    for number in 0..200 {
        ann.send(&room, &format!("{number} {long}")).await;
    }
    let until = Instant::now() + SOON;
    while !server.metrics.render().contains("moorline_slow_reader_closes_total 1") {
        assert!(Instant::now() < until, "it is still open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_cannot_open_a_stream_is_refused_by_http() {
    let server = TestServer::start().await;
    let token = format!("Authorization: Bearer {}", server.token("ann"));
    let forged = "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.";
    let cases: [(&[&str], &str, u16, &str); 7] = [
        (&[], "{}", 401, "unauthorized"),
        (&[forged], "{}", 401, "token_refused"),
        (&[&token], "{", 400, "bad_json"),
        (&[&token], r#"{"resume":7}"#, 400, "invalid"),
        (&[&token], r#"{"resume":{"no/room":{"epoch":"e","seq":1}}}"#, 400, "invalid"),
        (&[&token], r#"{"resume":{"r":{"epoch":"e","seq":-1}}}"#, 400, "invalid"),
        (&["Cookie: moorline_session=x", "Origin: http://evil.example"], "{}", 403, "bad_origin"),
    ];
    for (lines, body, status, code) in cases {
        let mut http = Http::connect(&server, lines).await;
        let answer = http.post_text("/api/v1/stream", body).await;
        let told = (answer.status, answer.body["error"]["code"].as_str().unwrap_or_default());
        assert_eq!(told, (status, code), "{lines:?} {body}: {answer:?}");
    }
    let mut http = Http::of(&server, "ann").await;
    let many: serde_json::Map<_, _> =
        (0..5_001).map(|n| (format!("r{n}"), json!({"epoch": "e", "seq": 1}))).collect();
    assert_eq!(http.post("/api/v1/stream", json!({"resume": many})).await.status, 400);
    let padded = format!("{{\"device\":\"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(http.post_text("/api/v1/stream", &padded).await.status, 413);
    let mut http = Http::of(&server, "ann").await;
    http.begin("DELETE", "/api/v1/stream", "").await;
    assert_eq!(http.answer().await.status, 405);
}
