//! Read markers and what is unread.

use moorline_protocol::Seq;

use super::stage::{Stage, eventually, room, user};

impl Stage {
    async fn unread(&self, who: &str) -> (u64, u64) {
        let (info, _) = self.store.room_of(&user(who), &room("r")).await.unwrap();
        (info.read.0, info.unread)
    }

    async fn read_and_see(&self, who: &str, seq: u64, wanted: (u64, u64)) {
        self.read(who, "r", seq);
        eventually(async || self.unread(who).await == wanted).await;
    }
}

#[tokio::test]
async fn unread_counts_messages_of_others_only() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    assert_eq!(stage.unread("bob").await, (1, 0));
    let message = stage.send("ann", "r", "c1", "one").await.unwrap();
    stage.rename("ann", "r", "c2", "Ours").await.unwrap();
    stage.edit("ann", "r", "c3", message.id, "uno").await.unwrap();
    stage.send("ann", "r", "c4", "two").await.unwrap();
    assert_eq!(stage.unread("bob").await, (1, 2));
    assert_eq!(stage.unread("ann").await, (5, 0));
    let rooms = stage.store.rooms_of(&user("bob"), None, 10).await.unwrap();
    assert_eq!((rooms.totals.unread, rooms.rooms[0].unread), (2, 2));
}

#[tokio::test]
async fn sending_moves_ones_own_marker() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    stage.send("ann", "r", "c1", "one").await.unwrap();
    stage.send("bob", "r", "c1", "two").await.unwrap();
    assert_eq!(stage.unread("bob").await, (3, 0));
    assert_eq!(stage.unread("ann").await, (2, 1));
}

#[tokio::test]
async fn a_marker_moves_to_any_event_and_never_back() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    for n in 0..5 {
        stage.send("ann", "r", &format!("c{n}"), "x").await.unwrap();
    }
    stage.read_and_see("bob", 3, (3, 3)).await;
    stage.read("bob", "r", 2);
    stage.read_and_see("bob", 4, (4, 2)).await;
    stage.read_and_see("bob", 999, (6, 0)).await;
    // What is committed can be read before it is told.
    eventually(async || stage.told.lock().receipts.len() >= 3).await;
    let told = stage.told.lock();
    let receipts: Vec<(String, Seq)> =
        told.receipts.iter().map(|receipt| (receipt.user.to_string(), receipt.seq)).collect();
    let bob = |seq| ("bob".to_owned(), Seq(seq));
    assert_eq!(receipts, [bob(3), bob(4), bob(6)]);
}

#[tokio::test]
async fn markers_of_strangers_and_in_no_rooms_are_ignored() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.read("eve", "r", 1);
    stage.read("ann", "nowhere", 1);
    stage.send("ann", "r", "c1", "x").await.unwrap();
    stage.store.flush().await.unwrap();
    assert!(stage.told.lock().receipts.is_empty());
}

#[tokio::test]
async fn many_markers_of_one_batch_are_one_receipt() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    for n in 0..20 {
        stage.send("ann", "r", &format!("c{n}"), "x").await.unwrap();
    }
    for seq in 1..=20 {
        stage.read("bob", "r", seq);
    }
    stage.store.flush().await.unwrap();
    assert_eq!(stage.unread("bob").await, (20, 1));
    assert_eq!(stage.told.lock().receipts.len(), 1);
}

#[tokio::test]
async fn markers_survive_a_restart() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    stage.send("ann", "r", "c1", "x").await.unwrap();
    stage.send("ann", "r", "c2", "x").await.unwrap();
    stage.read_and_see("bob", 2, (2, 1)).await;
    let stage = stage.reopen().await;
    assert_eq!(stage.unread("bob").await, (2, 1));
}

#[tokio::test]
async fn one_who_joins_begins_with_nothing_unread() {
    let stage = Stage::with_public("r", &["ann"]).await;
    stage.store.put_user(user("bob"), "Bob".to_owned(), 1).await.unwrap();
    stage.send("ann", "r", "c1", "x").await.unwrap();
    stage.join("bob", "r", "c1").await.unwrap();
    assert_eq!(stage.unread("bob").await, (3, 0));
}
