//! What reaches whom: order, once, nothing above a removal, slow readers, resume.

use std::task::Poll;

use moorline_chat::{Followed, Notice};
use moorline_protocol::{Cid, Epoch, Frame, Position, Seq};
use serde_json::json;

use crate::harness::{TestChat, Window};

#[tokio::test]
async fn a_message_reaches_every_member_once_and_in_order() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let (ann, bob) = (chat.live("ann").await, chat.live("bob").await);
    for body in ["one", "two", "three"] {
        chat.send("ann", body).await;
    }
    let expected = ["2 ann: one", "3 ann: two", "4 ann: three"];
    assert_eq!(ann.messages(), expected);
    assert_eq!(bob.messages(), expected);
}

#[tokio::test]
async fn a_message_sent_twice_is_stored_once() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let bob = chat.live("bob").await;
    let cid = Cid::new("same").unwrap();
    let first = chat.send_with("ann", "hi", cid.clone()).await.unwrap();
    let second = chat.send_with("ann", "hi", cid).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(bob.messages(), ["2 ann: hi"]);
}

#[tokio::test]
async fn many_senders_at_once_are_seen_in_one_order_by_all() {
    let chat = TestChat::with_room(&["ann", "bob", "cid"]).await;
    let windows = [chat.live("ann").await, chat.live("bob").await, chat.live("cid").await];
    let sends = (0..300).map(|n| {
        let from = ["ann", "bob", "cid"][n % 3];
        let cid = Cid::new(format!("m{n}")).unwrap();
        let body = format!("m{n}");
        let chat = &chat;
        async move { chat.send_with(from, &body, cid).await.unwrap() }
    });
    futures_util::future::join_all(sends).await;
    let seen: Vec<Vec<u64>> = windows.iter().map(Window::seqs).collect();
    assert_eq!(seen[0], (2..=301).collect::<Vec<u64>>());
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[tokio::test]
async fn one_removed_gets_the_removal_and_nothing_above_it() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let bob = chat.live("bob").await;
    chat.send("ann", "before").await;
    let removal = chat.remove("ann", "bob").await;
    chat.send("ann", "after").await;
    let frames = bob.frames();
    assert_eq!(frames.last(), Some(&json!({"type": "room", "change": "gone", "id": chat.room})));
    let seqs: Vec<_> = frames.iter().filter_map(|frame| frame["seq"].as_u64()).collect();
    assert_eq!(seqs.last(), Some(&removal.seq.0));
}

#[tokio::test]
async fn one_removed_between_reading_and_entering_is_not_let_in() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let _ann = chat.live("ann").await;
    let bob = chat.window("bob");
    let head_as_read = chat.head().await;
    chat.remove("ann", "bob").await;
    chat.send("ann", "secret").await;
    assert_eq!(bob.follow(&chat, head_as_read).await, Followed::Gone);
    assert!(bob.messages().is_empty());
}

#[tokio::test]
async fn a_room_that_was_read_before_a_removal_is_not_told_of_behind_it() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let bob = chat.live("bob").await;
    let told = |known| bob.listener.tell_unless_changed(known, Frame::text("{\"read\":true}"));
    let before = bob.listener.membership_changes();
    assert!(told(before));
    let head = chat.head().await;
    chat.remove("ann", "bob").await;
    assert!(!told(before));
    assert!(!bob.listener.may_enter(&chat.room, head));
    chat.invite("ann", "bob").await;
    assert!(!told(before), "it was read before they came back");
    assert!(told(bob.listener.membership_changes()));
    let kinds: Vec<_> = bob.frames().iter().map(|frame| frame["change"].clone()).collect();
    assert_eq!(kinds, [json!(null), json!(null), json!("gone"), json!(null)]);
}

#[tokio::test]
async fn one_brought_back_is_told_and_may_enter_again() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let bob = chat.live("bob").await;
    chat.remove("ann", "bob").await;
    let back = chat.invite("ann", "bob").await;
    assert!(bob.notices().contains(&Notice::Added { room: chat.room.clone() }));
    bob.frames();
    assert_eq!(bob.follow(&chat, back.seq).await, Followed::Live);
    chat.send("ann", "welcome back").await;
    assert_eq!(bob.messages(), [format!("{} ann: welcome back", back.seq.0 + 1)]);
}

#[tokio::test]
async fn a_slow_reader_leaves_the_feed_and_is_caught_up_without_a_hole() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let bob = chat.window_with("bob", 2_000);
    bob.follow(&chat, chat.head().await).await;
    for n in 0..400 {
        chat.send("ann", &format!("message {n}")).await;
    }
    let mut seen = bob.seqs();
    let notices = bob.notices();
    let [Notice::Behind { from, .. }] = notices.as_slice() else {
        panic!("the outbox never filled: {notices:?}")
    };
    assert_eq!(seen.last().map(|last| last + 1), Some(from.0));
    let following = bob.follow(&chat, Seq(from.0 - 1));
    tokio::pin!(following);
    // The reader drains while it is caught up, as a driver would.
    while futures_util::poll!(following.as_mut()).is_pending() {
        seen.extend(bob.seqs());
        tokio::task::yield_now().await;
    }
    seen.extend(bob.seqs());
    chat.send("ann", "live again").await;
    seen.extend(bob.seqs());
    assert_eq!(seen, (2..=402).collect::<Vec<u64>>());
}

#[tokio::test]
async fn an_attempt_to_follow_that_ends_early_is_gone_on_with_and_repeats_nothing() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    for n in 0..500 {
        chat.send("ann", &format!("message {n}")).await;
    }
    let bob = chat.window_with("bob", 2_000);
    let (mut cursor, mut seen, mut broken) = ((chat.epoch, Seq(0)), Vec::new(), 0);
    // It waits for room after every page; there it is given up, as where the store does not answer.
    let lives = loop {
        let following = chat.chat.follow(&bob.listener, &chat.room, &mut cursor);
        tokio::pin!(following);
        let before = seen.len();
        let lives = loop {
            match futures_util::poll!(following.as_mut()) {
                Poll::Ready(lives) => break Some(lives.unwrap()),
                Poll::Pending if bob.listener.outbox().is_over_mark() => break None,
                Poll::Pending => tokio::task::yield_now().await,
            }
        };
        seen.extend(bob.seqs());
        match lives {
            Some(lives) => break lives,
            None => broken += usize::from(seen.len() > before),
        }
    };
    assert_eq!(lives, Followed::Live);
    assert!(broken > 1, "no attempt was given up");
    assert_eq!(seen, (1..=501).collect::<Vec<u64>>());
    assert_eq!(cursor.1, Seq(501));
}

#[tokio::test]
async fn a_slow_reader_slows_down_nobody_else() {
    let chat = TestChat::with_room(&["ann", "bob", "cid"]).await;
    let slow = chat.window_with("bob", 100);
    slow.follow(&chat, chat.head().await).await;
    let quick = chat.live("cid").await;
    for n in 0..50 {
        chat.send("ann", &n.to_string()).await;
    }
    assert_eq!(quick.seqs(), (2..=51).collect::<Vec<u64>>());
    assert!(slow.seqs().len() < 50);
}

#[tokio::test]
async fn a_resume_brings_exactly_what_was_missed() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let seen = chat.send("ann", "seen").await;
    for body in ["missed 1", "missed 2"] {
        chat.send("ann", body).await;
    }
    let bob = chat.window("bob");
    let check = Some(seen.id.check());
    bob.resume(&chat, Position { epoch: chat.epoch, seq: seen.seq, check }).await;
    chat.send("ann", "live").await;
    assert_eq!(bob.messages(), ["3 ann: missed 1", "4 ann: missed 2", "5 ann: live"]);
}

#[tokio::test]
async fn a_position_that_cannot_be_gone_on_from_is_a_reset_with_its_reason() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let sent = chat.send("ann", "hi").await;
    let at = |epoch, seq, check: &str| Position { epoch, seq: Seq(seq), check: Some(check.into()) };
    for (position, reason) in [
        (at(Epoch(1), 2, &sent.id.check()), "epoch"),
        (at(chat.epoch, 2, "00000000"), "epoch"),
        (at(chat.epoch, 99, "00000000"), "future"),
    ] {
        let bob = chat.window("bob");
        bob.resume(&chat, position).await;
        let frames = bob.frames();
        assert_eq!((&frames[0]["type"], &frames[0]["reason"]), (&json!("reset"), &json!(reason)));
        assert_eq!(frames[0]["head"], json!(2));
        bob.close();
    }
    let eve = chat.window("eve");
    eve.resume(&chat, at(chat.epoch, 1, "00000000")).await;
    assert_eq!(eve.frames(), [json!({"type": "reset", "room": chat.room, "reason": "gone"})]);
}

#[tokio::test]
async fn a_hint_of_any_kind_changes_nothing_that_a_client_sees() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let bob = chat.live("bob").await;
    chat.send("ann", "one").await;
    for _ in 0..3 {
        chat.chat.hub().advance(&chat.room).await;
    }
    chat.send("ann", "two").await;
    assert_eq!(bob.messages(), ["2 ann: one", "3 ann: two"]);
}

#[tokio::test]
async fn a_room_that_no_page_named_is_announced_by_its_first_event() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let bob = chat.live("bob").await;
    let quiet = chat.window("ann");
    chat.chat.hub().enter_unannounced(&quiet.listener, &chat.room);
    chat.send("bob", "hello").await;
    assert_eq!(quiet.notices(), [Notice::Added { room: chat.room.clone() }]);
    assert!(quiet.frames().is_empty());
    assert_eq!(bob.seqs(), [2]);
}

#[tokio::test]
async fn a_sender_is_introduced_to_a_newcomer_once() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let _ann = chat.live("ann").await;
    let bob = chat.live("bob").await;
    chat.send("ann", "first").await;
    chat.send("ann", "second").await;
    let people: Vec<bool> =
        bob.frames().iter().map(|frame| frame["people"][0]["name"] == "ann").collect();
    assert_eq!(people, [true, false]);
}
