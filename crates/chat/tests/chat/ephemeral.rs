//! What is never stored: typing, presence, receipts.

use std::time::{Duration, Instant};

use moorline_protocol::{Presence, Read, Seq};
use serde_json::json;

use crate::harness::{TestChat, user};

#[tokio::test]
async fn typing_is_told_to_the_room_and_ends_with_the_message() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let (ann, bob) = (chat.live("ann").await, chat.live("bob").await);
    let now = Instant::now();
    chat.chat.hub().typed(&ann.listener, &chat.room, now);
    assert_eq!(
        bob.frames(),
        [json!({"type": "typing", "room": chat.room, "users": ["ann"], "more": 0})]
    );
    chat.send("ann", "done").await;
    chat.chat.hub().typed(&bob.listener, &chat.room, now + Duration::from_secs(2));
    let typing: Vec<_> =
        ann.frames().into_iter().filter(|frame| frame["type"] == "typing").collect();
    assert_eq!(typing.last().map(|frame| &frame["users"]), Some(&json!(["bob"])));
}

#[tokio::test]
async fn one_who_is_not_in_the_room_types_to_nobody() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let bob = chat.live("bob").await;
    let eve = chat.window("eve");
    chat.chat.hub().typed(&eve.listener, &chat.room, Instant::now());
    assert!(bob.frames().is_empty());
}

#[tokio::test]
async fn a_read_marker_is_told_after_its_commit_and_only_grows() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let (ann, bob) = (chat.live("ann").await, chat.live("bob").await);
    let sent = chat.send("ann", "hi").await;
    bob.frames();
    for seq in [sent.seq, Seq(1)] {
        chat.chat.read(&user("bob"), Read { room: chat.room.clone(), seq });
    }
    chat.chat.store().flush().await.unwrap();
    let receipts: Vec<_> =
        ann.frames().into_iter().filter(|frame| frame["type"] == "receipt").collect();
    assert_eq!(
        receipts,
        [json!({"type": "receipt", "room": chat.room, "user": "bob", "seq": sent.seq.0})]
    );
}

#[tokio::test]
async fn coming_is_told_once_and_going_after_the_grace() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let bob = chat.live("bob").await;
    let ann = chat.live("ann").await;
    chat.chat.hub().set_members(&chat.room, 2);
    let hub = chat.chat.hub();
    hub.tell_coming(&ann.listener, 5);
    hub.tell_coming(&ann.listener, 6);
    assert_eq!(
        bob.frames(),
        [json!({"type": "presence", "user": "ann", "state": "online", "at": 5})]
    );
    ann.close();
    hub.tick(Instant::now(), 7);
    assert!(bob.frames().is_empty());
    assert_eq!(hub.presence(&user("ann")), Presence::Online);
    hub.tick(Instant::now() + Duration::from_secs(31), 8);
    assert_eq!(
        bob.frames(),
        [json!({"type": "presence", "user": "ann", "state": "offline", "at": 8})]
    );
}

#[tokio::test]
async fn one_who_leaves_the_screen_is_told_away_and_back() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let (bob, ann) = (chat.live("bob").await, chat.live("ann").await);
    chat.chat.hub().set_members(&chat.room, 2);
    let hub = chat.chat.hub();
    hub.tell_coming(&ann.listener, 5);
    bob.frames();
    hub.set_away(&ann.listener, true, 6);
    hub.set_away(&ann.listener, true, 7);
    assert_eq!(
        bob.frames(),
        [json!({"type": "presence", "user": "ann", "state": "away", "at": 6})]
    );
    assert_eq!(hub.presence(&user("ann")), Presence::Away);
    let second = chat.live("ann").await;
    hub.tell_coming(&second.listener, 8);
    second.close();
    hub.set_away(&ann.listener, false, 9);
    let states: Vec<_> = bob.frames().into_iter().map(|frame| frame["state"].clone()).collect();
    assert_eq!(states, ["online", "away", "online"]);
}

#[tokio::test]
async fn another_name_is_told_to_those_around_and_to_ones_own_windows() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let (bob, ann) = (chat.live("bob").await, chat.live("ann").await);
    let eve = chat.window("eve");
    chat.chat.hub().set_members(&chat.room, 2);
    ann.frames();
    bob.frames();
    chat.chat.hub().renamed(&user("ann"), "Anna");
    let told = [json!({"type": "people", "people": [{"id": "ann", "name": "Anna"}]})];
    assert_eq!((bob.frames(), ann.frames()), (told.to_vec(), told.to_vec()));
    assert!(eve.frames().is_empty());
    assert_eq!(ann.listener.name().as_deref(), Some("Anna"));
}

#[tokio::test]
async fn a_revoked_session_is_closed_and_told_not_to_come_back() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let ann = chat.live("ann").await;
    chat.chat.store().revoke_sessions(user("ann"), 9).await.unwrap();
    let context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut said = Vec::new();
    let drained = ann.listener.outbox().drain(&context, |frame| {
        said.push(String::from_utf8_lossy(frame.payload()).into_owned());
        true
    });
    assert_eq!(said, [r#"{"type":"goodbye","code":4403,"reconnect":false,"after_ms":0}"#]);
    assert!(matches!(drained, moorline_chat::Drained::Close(close) if close.code.0 == 4403));
}
