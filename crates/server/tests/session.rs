//! The unified chat consumer, as typed users see it over a real socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod people;

use people::{Heard, TestServer, position};
use serde_json::json;

#[tokio::test]
async fn two_people_talk_and_each_sees_both_messages_in_one_order() {
    let server = TestServer::start().await;
    let (mut ann, mut bob, room) = server.ann_and_bob().await;
    let first = ann.send(&room, "hello bob").await;
    let second = bob.send(&room, "hello ann").await;
    assert_eq!((first["type"].as_str(), second["seq"].as_u64()), (Some("ack"), Some(3)));
    assert_eq!([ann.message().await, ann.message().await], ["hello bob", "hello ann"]);
}

#[tokio::test]
async fn welcome_says_who_one_is_and_what_is_unread() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let sent = ann.send(&room, "while you were out").await;
    let bob = server.person("bob").await;
    let welcome = &bob.welcome;
    assert_eq!(welcome["user"], json!({"id": "bob", "name": "bob"}));
    assert_eq!(welcome["keepalive"], json!({"interval_ms": 25_000, "timeout_ms": 60_000}));
    assert_eq!(welcome["totals"], json!({"rooms": 1, "unread": 1, "mentions": 0}));
    let told = &welcome["rooms"][0];
    assert_eq!(
        (&told["id"], &told["head"], &told["unread"]),
        (&json!(room), &sent["seq"], &json!(1))
    );
    assert_eq!(told["last"]["body"], "while you were out");
    assert!(welcome["people"].as_array().unwrap().iter().any(|person| person["id"] == "ann"));
}

#[tokio::test]
async fn a_command_sent_again_on_another_connection_gets_the_first_ack() {
    let server = TestServer::start().await;
    let (mut ann, mut bob, room) = server.ann_and_bob().await;
    let send = json!({"type": "send", "room": room, "cid": "once", "body": "hi"});
    let first = ann.ask(send.clone()).await;
    drop(ann);
    let mut again = server.person("ann").await;
    let second = again.ask(send).await;
    assert_eq!((&first["seq"], &first["message"]), (&second["seq"], &second["message"]));
    let other =
        again.ask(json!({"type": "send", "room": room, "cid": "once", "body": "else"})).await;
    assert_eq!(other["code"], "cid_conflict");
    bob.send(&room, "end").await;
    assert_eq!([bob.message().await], ["hi"]);
}

#[tokio::test]
async fn a_reconnect_brings_what_was_missed_and_then_what_is_new() {
    let server = TestServer::start().await;
    let (mut ann, mut bob, room) = server.ann_and_bob().await;
    let seen = ann.send(&room, "seen").await;
    assert_eq!(bob.message().await, "seen");
    drop(bob);
    ann.send(&room, "missed").await;
    let mut bob = server.person_with("bob", json!({&room: position(&seen)})).await;
    ann.send(&room, "live").await;
    assert_eq!([bob.message().await, bob.message().await], ["missed", "live"]);
}

#[tokio::test]
async fn one_who_had_received_nothing_resumes_from_the_beginning() {
    let server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    let sent = ann.send(&room, "the first").await;
    let start = json!({"epoch": sent["epoch"], "seq": 0});
    let mut bob = server.person_with("bob", json!({&room: start})).await;
    let created = bob.next("event").await;
    assert_eq!((&created["seq"], &created["kind"]), (&json!(1), &json!("member")));
    assert_eq!(bob.message().await, "the first");
}

#[tokio::test]
async fn one_removed_sees_nothing_more_and_a_stranger_sees_no_difference_to_no_room() {
    let server = TestServer::start().await;
    let (mut ann, mut bob, room) = server.ann_and_bob().await;
    let cid = ann.cid();
    ann.ask(json!({"type": "remove", "room": room, "cid": cid, "users": ["bob"]})).await;
    ann.send(&room, "secret").await;
    assert_eq!(bob.next("room").await, json!({"type": "room", "change": "gone", "id": room}));
    for place in [room.as_str(), "no-such-room"] {
        for mut command in [
            json!({"type": "history"}),
            json!({"type": "members"}),
            json!({"type": "send", "cid": "x", "body": "hi"}),
            json!({"type": "rename", "cid": "x", "name": "mine"}),
            json!({"type": "invite", "cid": "x", "users": ["bob"]}),
            json!({"type": "leave", "cid": "x"}),
        ] {
            command["room"] = json!(place);
            let mut answer = bob.ask(command.clone()).await;
            answer["id"].take();
            let expected = json!({"type": "error", "id": null, "code": "not_found",
                "message": "There is no such room or message.", "retry": false});
            assert_eq!(answer, expected, "{command}");
        }
    }
}

#[tokio::test]
async fn edits_and_deletions_are_events_and_show_in_history() {
    let server = TestServer::start().await;
    let (mut ann, mut bob, room) = server.ann_and_bob().await;
    let sent = ann.send(&room, "helo").await;
    let (edit, delete) = (ann.cid(), ann.cid());
    ann.ask(json!({"type": "edit", "room": room, "cid": edit, "message": sent["message"], "body": "hello"})).await;
    let page = bob.ask(json!({"type": "history", "room": room})).await;
    assert_eq!(page["events"][1]["body"], "hello");
    assert_eq!(page["events"][1]["edited"]["seq"], 3);
    let refused = bob.ask(json!({"type": "edit", "room": room, "cid": "b", "message": sent["message"], "body": "x"})).await;
    assert_eq!(refused["code"], "forbidden");
    ann.ask(json!({"type": "delete", "room": room, "cid": delete, "message": sent["message"]}))
        .await;
    let page = bob.ask(json!({"type": "history", "room": room})).await;
    assert!(!page.to_string().contains("hel"), "{page}");
    assert_eq!(page["events"][3]["kind"], "delete");
}

#[tokio::test]
async fn a_direct_room_is_found_again_from_either_side() {
    let server = TestServer::start().await;
    let mut bob = server.person("bob").await;
    let mut ann = server.person("ann").await;
    let room = ann.create("direct", &["bob"]).await;
    assert_eq!(bob.create("direct", &["ann"]).await, room);
    assert_eq!(bob.next("room").await["room"]["peer"], "ann");
}

#[tokio::test]
async fn a_public_room_is_found_joined_and_left() {
    let server = TestServer::start().await;
    let mut ann = server.person("ann").await;
    let mut bob = server.person("bob").await;
    let room = ann.create("public", &[]).await;
    ann.send(&room, "anybody?").await;
    let found = bob.ask(json!({"type": "browse", "query": "op"})).await;
    assert_eq!((&found["rooms"][0]["id"], found["rooms"][0].get("role")), (&json!(room), None));
    let (join, leave) = (bob.cid(), bob.cid());
    assert_eq!(bob.ask(json!({"type": "join", "room": room, "cid": join})).await["type"], "ack");
    let page = bob.ask(json!({"type": "history", "room": room})).await;
    assert_eq!(page["events"][1]["body"], "anybody?");
    bob.ask(json!({"type": "leave", "room": room, "cid": leave})).await;
    assert_eq!(bob.ask(json!({"type": "history", "room": room})).await["code"], "not_found");
}

#[tokio::test]
async fn a_token_that_names_a_room_lets_its_holder_join_but_not_undo_a_removal() {
    let server = TestServer::start().await;
    let mut ann = server.person("ann").await;
    let room = ann.create("group", &[]).await;
    let mut bob = server.socket().await;
    bob.say(json!({"type": "hello", "token": server.token_for("bob", 60, &[&room])})).await;
    bob.next("welcome").await;
    assert_eq!(bob.ask(json!({"type": "join", "room": room, "cid": "j1"})).await["type"], "ack");
    let cid = ann.cid();
    ann.ask(json!({"type": "remove", "room": room, "cid": cid, "users": ["bob"]})).await;
    assert_eq!(bob.ask(json!({"type": "join", "room": room, "cid": "j2"})).await["type"], "error");
}

#[tokio::test]
async fn each_kind_of_bad_input_has_its_answer_and_the_connection_lives_on() {
    let server = TestServer::start().await;
    let mut ann = server.person("ann").await;
    let room = ann.create("group", &[]).await;
    let long = "x".repeat(65_537);
    for (text, code) in [
        ("nonsense".to_owned(), "bad_json"),
        (r#"{"type":"dance"}"#.to_owned(), "unknown_type"),
        (r#"{"type":"hello"}"#.to_owned(), "already_hello"),
        (r#"{"type":"read","room":"r","seq":-1}"#.to_owned(), "invalid"),
        (format!(r#"{{"type":"x","y":{}{}}}"#, "[".repeat(40), "]".repeat(40)), "too_deep"),
        (json!({"type": "send", "room": room, "cid": "a", "body": long}).to_string(), "too_large"),
        (json!({"type": "send", "room": room, "cid": "a", "body": " "}).to_string(), "invalid"),
        (json!({"type": "create", "cid": "b", "kind": "direct"}).to_string(), "invalid"),
        (json!({"type": "rooms", "after": "junk"}).to_string(), "invalid"),
    ] {
        ann.say_text(text.clone()).await;
        assert_eq!(ann.next("error").await["code"], code, "{text}");
    }
    ann.say_bytes(vec![1, 2, 3]).await;
    assert_eq!(ann.next("error").await["code"], "bad_json");
    assert_eq!(ann.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn a_first_command_that_is_no_hello_ends_the_connection() {
    let server = TestServer::start().await;
    for first in [r#"{"type":"ping"}"#, "junk"] {
        let mut stranger = server.socket().await;
        stranger.say_text(first.into()).await;
        assert_eq!(stranger.closed().await, 4400);
    }
}

#[tokio::test]
async fn a_forged_missing_or_expired_token_is_refused() {
    let server = TestServer::start().await;
    let expired = server.token_for("ann", 0, &[]);
    let forged = format!("{}x", server.token("ann"));
    for token in [json!(forged), json!(null), json!("")] {
        let mut stranger = server.socket().await;
        stranger.say(json!({"type": "hello", "token": token})).await;
        assert_eq!(stranger.next("error").await["code"], "token_refused");
        assert_eq!(stranger.closed().await, 4401);
    }
    // Within the leeway for clocks that differ, an expired token still signs in.
    let mut late = server.socket().await;
    late.say(json!({"type": "hello", "token": expired})).await;
    late.next("welcome").await;
}

#[tokio::test]
async fn a_flood_is_asked_to_wait_and_nobody_else_notices() {
    let server = TestServer::start_limited().await;
    let (mut ann, mut bob, room) = server.ann_and_bob().await;
    for _ in 0..300 {
        ann.say(json!({"type": "ping"})).await;
    }
    let refused = ann.next("error").await;
    assert_eq!(
        (refused["code"].as_str(), refused["retry"].as_bool()),
        (Some("rate_limited"), Some(true))
    );
    assert!(refused["retry_after_ms"].as_u64().unwrap() <= 1_000);
    assert_eq!(bob.send(&room, "calm").await["type"], "ack");
}

#[tokio::test]
async fn a_drain_says_goodbye_flushes_and_closes_with_1012() {
    let mut server = TestServer::start().await;
    let (mut ann, bob, room) = server.ann_and_bob().await;
    drop(bob);
    ann.say(json!({"type": "send", "id": 900, "room": room, "cid": "last", "body": "last words"}))
        .await;
    ann.next("ack").await;
    server.begin_drain();
    let goodbye = ann.next("goodbye").await;
    assert_eq!((&goodbye["code"], &goodbye["reconnect"]), (&json!(1012), &json!(true)));
    assert!(matches!(ann.hear().await, Heard::Closed(1012)));
    server.drain().await;
}

#[tokio::test]
async fn an_idle_client_with_keepalive_hears_of_a_drain_at_once() {
    let mut server = TestServer::start().await;
    let mut ann = server.socket().await;
    ann.say(json!({"type": "hello", "token": server.token("ann"), "keepalive": true})).await;
    ann.next("welcome").await;
    ann.ask(json!({"type": "ping"})).await;
    server.begin_drain();
    // The keepalive's own timer would come round only after 25 s, and nothing here waits for longer than 10.
    ann.next("goodbye").await;
    assert_eq!(ann.closed().await, 1012);
}

#[tokio::test]
async fn typing_and_receipts_reach_the_others() {
    let server = TestServer::start().await;
    let (mut ann, mut bob, room) = server.ann_and_bob().await;
    // Typing may be dropped, so both must be in the room's live feed first.
    ann.send(&room, "hi").await;
    assert_eq!([ann.message().await, bob.message().await], ["hi", "hi"]);
    ann.say(json!({"type": "typing", "room": room})).await;
    assert_eq!(bob.next("typing").await["users"], json!(["ann"]));
    let sent = ann.send(&room, "done").await;
    bob.say(json!({"type": "read", "room": room, "seq": sent["seq"]})).await;
    let receipt = ann.next("receipt").await;
    assert_eq!((&receipt["user"], &receipt["seq"]), (&json!("bob"), &sent["seq"]));
    let members = ann.ask(json!({"type": "members", "room": room})).await;
    assert_eq!(
        (&members["total"], &members["members"][0]["presence"]),
        (&json!(2), &json!("online"))
    );
}
