//! Pruning, erasing and a store that fails, as typed users see them over a real socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod people;

use std::time::Duration;

use moorline_chat::{Erased, now_ms};
use moorline_protocol::UserId;
use people::{TestServer, position};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3_600);

async fn erase(server: &TestServer, who: &str, keeps_messages: bool) {
    let user = UserId::new(who).unwrap();
    let erased = server.chat.erase(&user, keeps_messages, PATIENCE).await.unwrap();
    assert_eq!(erased, Erased::Through);
}

/// All but the newest event of each room goes, as if two hours had passed.
async fn prune(server: &TestServer) {
    let later = now_ms() + 2 * 3_600_000;
    server.chat.keep_up_once("test", Some(HOUR), later).await.unwrap();
}

#[tokio::test]
async fn one_who_comes_back_behind_the_pruning_is_reset_and_reads_what_is_left() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    let old = ann.send(&room, "old").await;
    drop(bob);
    ann.send(&room, "older than an hour").await;
    let newest = ann.send(&room, "newest").await;
    prune(&server).await;
    let mut bob = server.person_with("bob", json!({&room: position(&old)})).await;
    assert_eq!(bob.welcome["rooms"][0]["first"], newest["seq"]);
    let reset = bob.next("reset").await;
    let expected = json!({"type": "reset", "room": room, "reason": "pruned", "epoch": old["epoch"],
        "first": newest["seq"], "head": newest["seq"]});
    assert_eq!(reset, expected);
    let page = bob.ask(json!({"type": "history", "room": room, "limit": 50})).await;
    let bodies: Vec<_> =
        page["events"].as_array().unwrap().iter().map(|one| &one["body"]).collect();
    assert_eq!(
        (bodies, &page["more"], &page["pruned"]),
        (vec![&json!("newest")], &json!(false), &json!(true))
    );
    ann.send(&room, "live").await;
    assert_eq!(bob.message().await, "live");
    let again = json!({"type": "hello"});
    assert_eq!(bob.ask(again).await["code"], "already_hello", "the connection goes on");
}

#[tokio::test]
async fn a_room_without_pruning_says_nothing_of_it() {
    let server = TestServer::start().await;
    let (mut ann, _bob, room) = server.ann_and_bob().await;
    let page = ann.ask(json!({"type": "history", "room": room, "limit": 50})).await;
    assert_eq!((page["first"].as_u64(), page.get("pruned")), (Some(1), None));
}

#[tokio::test]
async fn an_erased_person_is_signed_out_and_cannot_come_back() {
    let server = TestServer::start().await;
    let (mut ann, mut bob, room) = server.ann_and_bob().await;
    let sent = ann.send(&room, "of ann").await;
    assert_eq!(bob.message().await, "of ann");
    erase(&server, "ann", false).await;
    assert_eq!(ann.closed().await, 4403);
    let told = bob.next("people").await;
    assert_eq!(told["people"], json!([{"id": "ann", "name": "Deleted account"}]));
    let deletion = loop {
        let event = bob.next("event").await;
        if event["kind"] == "delete" {
            break event;
        }
    };
    assert_eq!((&deletion["of"], &deletion["message"]), (&sent["seq"], &sent["message"]));
    let page = bob.ask(json!({"type": "history", "room": room, "limit": 50})).await;
    let message =
        page["events"].as_array().unwrap().iter().find(|one| one["kind"] == "message").unwrap();
    assert_eq!((&message["from"], &message["body"]), (&json!("deleted"), &json!("")));
    assert_eq!(message["deleted"]["seq"], deletion["seq"]);
    for id in ["ann", "deleted"] {
        let mut back = server.socket().await;
        back.say(json!({"type": "hello", "id": 1, "token": server.token(id)})).await;
        let refused = back.next("error").await;
        assert_eq!((&refused["code"], &refused["retry"]), (&json!("token_refused"), &json!(false)));
        assert_eq!(back.closed().await, 4401, "{id}");
    }
}

#[tokio::test]
async fn kept_messages_are_nobodys_for_those_who_come_back() {
    let server = TestServer::start().await;
    let (mut ann, mut bob, room) = server.ann_and_bob().await;
    let before = bob.send(&room, "of bob").await;
    ann.send(&room, "of ann").await;
    assert_eq!([bob.message().await, bob.message().await], ["of bob", "of ann"]);
    drop(bob);
    erase(&server, "ann", true).await;
    let mut bob = server.person_with("bob", json!({&room: position(&before)})).await;
    let event = bob.next("event").await;
    assert_eq!((&event["from"], &event["body"]), (&json!("deleted"), &json!("of ann")));
    assert_eq!(event.get("cid"), None);
    assert!(
        event["people"]
            .as_array()
            .unwrap()
            .contains(&json!({"id": "deleted", "name": "Deleted account"}))
    );
}

#[tokio::test]
async fn a_hello_that_the_store_cannot_answer_gets_an_error_before_the_close() {
    let server = TestServer::start().await;
    let (mut good, mut late) = (server.socket().await, server.socket().await);
    let hello = json!({"type": "hello", "id": 7, "token": server.token("ann")});
    good.say(hello.clone()).await;
    good.next("welcome").await;
    server.chat.store().clone().close().await;
    late.say(hello).await;
    let error = late.next("error").await;
    assert_eq!(
        (&error["id"], &error["code"], &error["retry"]),
        (&json!(7), &json!("unavailable"), &json!(true)),
        "{error}"
    );
    assert!(error["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{error}");
    assert_eq!(late.closed().await, 4420, "come back with backoff");
}
