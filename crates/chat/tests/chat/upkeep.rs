//! Retention and erasing as the people who are connected see them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use moorline_chat::{Erased, Export};
use moorline_protocol::{Position, Seq};
use moorline_store::{Error, NewTicket, UPKEEP_STEP};
use serde_json::{Value, json};

use crate::harness::{TestChat, user};

const PATIENCE: Duration = Duration::from_secs(20);
/// The harness stamps what people send with 2.
const AN_HOUR_LATER: u64 = 3_600_002;

async fn export(chat: &TestChat, of: &str) -> (Value, usize) {
    let mut export = Export::begin(chat.chat.store(), &user(of), 77).await.unwrap().unwrap();
    let (mut text, mut pieces) = (String::new(), 0);
    while let Some(piece) = export.next().await.unwrap() {
        text += &piece;
        pieces += 1;
    }
    (serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")), pieces)
}

#[tokio::test]
async fn a_round_prunes_what_is_older_than_it_is_kept_and_sends_go_on() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let bob = chat.live("bob").await;
    for n in 0..200 {
        chat.send("ann", &format!("m{n}")).await;
    }
    let hour = Some(Duration::from_secs(3_600));
    let keep_up = chat.chat.keep_up_once("node", hour, AN_HOUR_LATER + 1_000);
    let send = async { chat.send("ann", "meanwhile").await };
    let (kept_up, sent) = tokio::join!(keep_up, send);
    kept_up.unwrap();
    assert_eq!(sent.seq, Seq(202));
    let head = chat.chat.store().head(&chat.room).await.unwrap();
    assert!(head.first >= Seq(201) && head.first <= head.head, "{head:?}");
    assert_eq!(chat.chat.upkept().pruned.load(Ordering::Relaxed), head.first.0 - 1);
    assert_eq!(bob.messages().len(), 201, "who listens loses nothing");
}

#[tokio::test]
async fn a_round_drops_all_tickets_that_have_ended_and_no_others() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let store = chat.chat.store();
    let ticket = |number: u8, ends_ms| NewTicket {
        hash: [number; 32],
        user: user(&format!("p{}", number / 16)),
        session: None,
        issued_ms: 2,
        at_ms: 2,
        until_ms: ends_ms,
        ends_ms,
    };
    for number in 0..=(UPKEEP_STEP as u8 + 1) {
        store.put_user(user(&format!("p{}", number / 16)), "P".into(), 2).await.unwrap();
        store.add_ticket(ticket(number, if number == 7 { 20 } else { 10 })).await.unwrap();
    }
    chat.chat.keep_up_once("node", None, 10).await.unwrap();
    assert_eq!(store.drop_tickets(10).await.unwrap(), 0, "more than one step was needed");
    assert!(store.ticket([7; 32], 10).await.unwrap().is_some());
}

#[tokio::test]
async fn without_a_time_nothing_is_pruned() {
    let chat = TestChat::with_room(&["ann"]).await;
    chat.send("ann", "old").await;
    chat.send("ann", "new").await;
    chat.chat.keep_up_once("node", None, u64::MAX >> 12).await.unwrap();
    assert_eq!(chat.chat.store().head(&chat.room).await.unwrap().first, Seq(1));
}

#[tokio::test]
async fn one_who_comes_back_from_before_the_pruning_is_told_so() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let old = chat.send("ann", "old").await;
    for n in 0..5 {
        chat.send("ann", &format!("m{n}")).await;
    }
    let hour = Some(Duration::from_secs(3_600));
    chat.chat.keep_up_once("node", hour, AN_HOUR_LATER + 1_000).await.unwrap();
    let bob = chat.window("bob");
    let from = Position { epoch: old.epoch, seq: old.seq, check: Some(old.id.check()) };
    bob.resume(&chat, from).await;
    let frames = bob.frames();
    assert_eq!(frames.len(), 1, "{frames:?}");
    let told = (&frames[0]["type"], &frames[0]["reason"], &frames[0]["first"], &frames[0]["head"]);
    assert_eq!(told, (&json!("reset"), &json!("pruned"), &json!(7), &json!(7)));
    chat.send("ann", "live").await;
    assert_eq!(bob.messages(), ["8 ann: live"]);
}

#[tokio::test]
async fn a_slow_reader_whose_rest_was_pruned_meanwhile_is_told_so() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    for n in 0..10 {
        chat.send("ann", &format!("m{n}")).await;
    }
    let hour = Some(Duration::from_secs(3_600));
    chat.chat.keep_up_once("node", hour, AN_HOUR_LATER + 1_000).await.unwrap();
    let bob = chat.window("bob");
    bob.follow(&chat, Seq(3)).await;
    let frames = bob.frames();
    assert_eq!((&frames[0]["type"], &frames[0]["reason"]), (&json!("reset"), &json!("pruned")));
    assert_eq!(frames.len(), 1, "{frames:?}");
}

#[tokio::test]
async fn an_erased_person_is_closed_and_everybody_sees_tombstones_without_a_reload() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let (ann, bob) = (chat.live("ann").await, chat.live("bob").await);
    let sent = chat.send("ann", "mine").await;
    chat.send("bob", "yours").await;
    let erased = chat.chat.erase(&user("ann"), false, PATIENCE).await.unwrap();
    assert_eq!(erased, Erased::Through);
    assert_eq!(ann.closed(), Some(4403));
    let frames = bob.frames();
    let people = frames.iter().find(|frame| frame["type"] == "people").unwrap();
    assert_eq!(people["people"], json!([{"id": "ann", "name": "Deleted account"}]));
    let removal = frames.iter().find(|frame| frame["kind"] == "member").unwrap();
    assert_eq!(removal["changes"], json!([{"user": "ann", "change": "removed"}]));
    let deletion = frames.iter().find(|frame| frame["kind"] == "delete").unwrap();
    assert_eq!((&deletion["of"], &deletion["from"]), (&json!(sent.seq.0), &json!("moorline")));
    let again = chat.chat.erase(&user("ann"), false, PATIENCE).await.unwrap();
    assert_eq!(again, Erased::Through, "asked again it tells how it stands");
    let nobody = chat.chat.erase(&user("nobody"), false, PATIENCE).await;
    assert_eq!(nobody, Err(Error::UnknownUser));
}

#[tokio::test]
async fn an_erasing_that_nobody_waits_for_goes_on_and_one_that_was_cut_off_is_taken_up() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    chat.send("ann", "mine").await;
    let erased = chat.chat.erase(&user("ann"), true, Duration::ZERO).await.unwrap();
    assert_eq!(erased, Erased::Begun);
    tokio::time::timeout(PATIENCE, async {
        while !chat.chat.store().erasings().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    // As after a crash: it has begun, and nobody runs it.
    chat.chat.store().begin_erasing(user("bob"), false, 5).await.unwrap();
    assert_eq!(chat.chat.store().erasings().await.unwrap().len(), 1);
    chat.chat.keep_up_once("node", None, 6).await.unwrap();
    assert!(chat.chat.store().erasings().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_export_has_all_that_is_known_of_a_person_and_nothing_of_others() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let first = chat.send("ann", "mine \"quoted\" \u{1F40B}").await;
    chat.send("bob", "secret of bob").await;
    let (export, _) = export(&chat, "ann").await;
    assert_eq!(
        (&export["format"], &export["version"], &export["at"]),
        (&json!("moorline-export"), &json!(1), &json!(77))
    );
    assert_eq!(export["person"], json!({"id": "ann", "name": "ann", "created": 1, "seen": 0}));
    assert_eq!(export["sessions"], json!([]));
    let room = json!({"id": chat.room, "kind": "group", "name": "Ops", "role": "owner", "read": 2});
    assert_eq!(export["rooms"], json!([room]));
    let message = json!({"room": chat.room, "seq": 2, "id": first.id, "at": 2, "body": "mine \"quoted\" \u{1F40B}"});
    assert_eq!(export["messages"], json!([message]));
    assert!(Export::begin(chat.chat.store(), &user("nobody"), 1).await.unwrap().is_none());
}

#[tokio::test]
async fn a_long_export_comes_in_bounded_pieces_and_whole() {
    let chat = TestChat::with_room(&["ann", "bob"]).await;
    let sends = (0..3_000).map(|n| {
        let (from, chat) = (if n % 3 == 0 { "ann" } else { "bob" }, &chat);
        async move { chat.send(from, &format!("{n} {}", "x".repeat(2_000))).await }
    });
    futures_util::future::join_all(sends).await;
    let (whole, pieces) = export(&chat, "ann").await;
    let messages = whole["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1_000);
    let mut seqs: Vec<u64> = messages.iter().map(|one| one["seq"].as_u64().unwrap()).collect();
    seqs.dedup();
    assert_eq!(seqs.len(), 1_000, "each once");
    assert!(pieces > 5, "only {pieces} pieces");
    let (nothing, _) = export(&chat, "eve").await;
    assert_eq!((&nothing["rooms"], &nothing["messages"]), (&json!([]), &json!([])));
}
