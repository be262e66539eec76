//! `POST /api/v1/commands`: a list of commands and their answers.

use serde_json::{Value, json};

use crate::http::{Http, Stream};
use crate::people::TestServer;

#[tokio::test]
async fn commands_are_answered_in_their_order() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let mut bob = Http::of(&server, "bob").await;
    let answers = bob
        .commands(json!([
            {"type": "send", "id": 1, "room": room, "cid": "c1", "body": "one"},
            {"type": "history", "id": 2, "room": room, "after": 0},
            {"type": "read", "room": room, "seq": 2},
            {"type": "send", "id": 4, "room": "nowhere", "cid": "c2", "body": "two"},
            {"type": "typing", "room": room},
            {"type": "send", "id": 6, "room": room, "cid": "c1", "body": "one"},
        ]))
        .await;
    let kinds: Vec<_> = answers.iter().map(|answer| answer["type"].as_str()).collect();
    assert_eq!(kinds, [Some("ack"), Some("page"), None, Some("error"), None, Some("ack")]);
    assert_eq!((&answers[3]["id"], &answers[3]["code"]), (&json!(4), &json!("not_found")));
    assert_eq!(answers[0]["seq"], answers[5]["seq"]);
    assert_eq!(answers[1]["events"].as_array().unwrap().last().unwrap()["body"], "one");
    assert_eq!(ann.message().await, "one");
}

#[tokio::test]
async fn what_a_command_changes_comes_by_the_stream() {
    let server = TestServer::start().await;
    let mut stream = Stream::of(&server, "ann", json!({})).await;
    stream.next("welcome").await;
    let mut ann = Http::of(&server, "ann").await;
    let created =
        ann.commands(json!([{"type": "create", "cid": "a", "kind": "group", "name": "Ops"}])).await;
    let added = stream.next("room").await;
    assert_eq!(added["room"]["id"], created[0]["room"]);
    ann.commands(json!([{"type": "send", "room": created[0]["room"], "cid": "b", "body": "hi"}]))
        .await;
    assert_eq!(stream.message().await, "hi");
}

#[tokio::test]
async fn one_connection_carries_many_requests_and_refusals_do_not_end_it() {
    let server = TestServer::start().await;
    let (_ann, _bob, room) = server.ann_and_bob().await;
    let mut http = Http::of(&server, "ann").await;
    for number in 0..20 {
        let send = json!({"type": "send", "room": room, "cid": format!("n{number}"), "body": "x"});
        let answers = http.commands(json!([send, {"type": "nope", "id": 9}, 7, "text"])).await;
        let codes: Vec<_> = answers.iter().map(|answer| answer["code"].as_str()).collect();
        assert_eq!(codes, [None, Some("unknown_type"), Some("bad_json"), Some("bad_json")]);
        for (body, status) in [("[]", 400), ("{", 400), (r#"{"commands":[]}"#, 400)] {
            assert_eq!(http.post_text("/api/v1/commands", body).await.status, status, "{body}");
        }
    }
}

/// A refusal before the body was read used to cut the next request off.
#[tokio::test]
async fn a_request_behind_a_refused_one_is_answered() {
    let server = TestServer::start().await;
    for padding in [0, 100, 30_000, 900_000] {
        let mut http = Http::connect(&server, &[]).await;
        let body = json!({"commands": [], "padding": "x".repeat(padding)});
        for path in ["/api/v1/commands", "/api/v1/stream", "/api/v1/poll", "/api/v1/commands"] {
            let answer = http.post(path, body.clone()).await;
            assert_eq!(answer.status, 401, "{path} {padding}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn commands_of_a_connection_are_refused_here() {
    let server = TestServer::start().await;
    let mut ann = Http::of(&server, "ann").await;
    let answers = ann
        .commands(json!([
            {"type": "hello", "id": 1}, {"type": "resume", "id": 2, "positions": {}},
            {"type": "ping", "id": 3}, {"type": "pong", "id": 4}, {"type": "away", "id": 5, "on": true},
        ]))
        .await;
    for (answer, id) in answers.iter().zip(1..) {
        assert_eq!((&answer["code"], &answer["id"]), (&json!("invalid"), &json!(id)), "{answer}");
    }
}

#[tokio::test]
async fn away_is_said_of_the_stream_that_it_names() {
    let server = TestServer::start().await;
    let (mut ann, bob, _) = server.ann_and_bob().await;
    drop(bob);
    let mut stream = Stream::of(&server, "bob", json!({})).await;
    let connection = stream.next("welcome").await["connection"].clone();
    let mut bob = Http::of(&server, "bob").await;
    let away = json!({"connection": connection, "commands": [{"type": "away", "on": true}]});
    assert_eq!(bob.post("/api/v1/commands", away).await.body["answers"], json!([null]));
    let told = ann.next("presence").await;
    assert_eq!((&told["user"], &told["state"]), (&json!("bob"), &json!("away")));
}

#[tokio::test]
async fn typing_is_told_by_members_only() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    for who in ["eve", "bob"] {
        let mut http = Http::of(&server, who).await;
        let answers = http.commands(json!([{"type": "typing", "room": room}])).await;
        assert_eq!(answers, [Value::Null]);
    }
    assert_eq!(ann.next("typing").await["users"], json!(["bob"]));
}

#[tokio::test]
async fn a_person_is_held_to_the_rate_over_all_their_requests() {
    let server = TestServer::start_limited().await;
    let mut all = Vec::new();
    for _ in 0..3 {
        let mut http = Http::of(&server, "ann").await;
        let commands: Vec<_> = (0..100).map(|id| json!({"type": "rooms", "id": id})).collect();
        all.extend(http.commands(json!(commands)).await);
    }
    let refused: Vec<_> = all.iter().filter(|answer| answer["code"] == "rate_limited").collect();
    assert!((1..=100).contains(&refused.len()), "{}", refused.len());
    assert!(refused.iter().all(|answer| answer["retry_after_ms"].as_u64().unwrap() > 0));
    let mut bob = Http::of(&server, "bob").await;
    assert_eq!(bob.commands(json!([{"type": "rooms"}])).await[0]["type"], "rooms");
}

#[tokio::test]
async fn too_many_and_too_long_commands_are_refused() {
    let server = TestServer::start().await;
    let mut ann = Http::of(&server, "ann").await;
    let commands: Vec<_> = (0..101).map(|_| json!({"type": "rooms"})).collect();
    assert_eq!(ann.post("/api/v1/commands", json!({"commands": commands})).await.status, 400);
    let long = json!({"type": "send", "room": "r", "cid": "c", "body": "x".repeat(300_000)});
    assert_eq!(ann.commands(json!([long])).await[0]["code"], "too_large");
    let longer = json!({"commands": ["x".repeat(1024 * 1024)]});
    assert_eq!(ann.post("/api/v1/commands", longer).await.status, 413);
    let mut http = Http::of(&server, "ann").await;
    http.begin("GET", "/api/v1/commands", "").await;
    assert_eq!(http.answer().await.status, 405);
}
