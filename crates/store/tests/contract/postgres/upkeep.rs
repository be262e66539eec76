//! Upkeep with several nodes on one database: one prunes, and an erasing holds on all of them.

use moorline_protocol::{RoomId, Seq};
use moorline_store::{Eraser, Error, Prune, Send, Store};
use tempfile::TempDir;

use crate::stage::{Stage, cid, follow, room, user};

/// Another node on the stage's database.
fn another(stage: &Stage) -> (TempDir, Store) {
    let (folder, opened) = stage.place().another_node();
    let (store, commits) = opened.unwrap();
    let _ = follow(commits);
    (folder, store)
}

#[tokio::test]
async fn of_several_nodes_one_prunes_and_another_takes_over_when_its_time_is_over() {
    let stage = Stage::new();
    let (_folder, other) = another(&stage);
    assert!(stage.store.claim_upkeep("one", 60).await.unwrap());
    assert!(!other.claim_upkeep("two", 60).await.unwrap());
    assert!(stage.store.claim_upkeep("one", 0).await.unwrap(), "the holder may go on");
    assert!(other.claim_upkeep("two", 60).await.unwrap(), "its time was over at once");
    assert!(!stage.store.claim_upkeep("one", 60).await.unwrap());
}

#[tokio::test]
async fn two_nodes_that_prune_one_room_at_once_prune_each_event_once() {
    let stage = Stage::with_public("r", &["ann"]).await;
    let (_folder, other) = another(&stage);
    for n in 0..300 {
        stage.send("ann", "r", &format!("c{n}"), "x").await.unwrap();
    }
    let prune = async |store: &Store| {
        let mut pruned = 0;
        loop {
            let step = store.prune(Prune { room: room("r"), before_ms: u64::MAX }).await.unwrap();
            if step == 0 {
                return pruned;
            }
            pruned += step;
        }
    };
    let sends = async {
        for n in 0..50 {
            stage.send("ann", "r", &format!("d{n}"), "y").await.unwrap();
        }
    };
    let (one, two, ()) = tokio::join!(prune(&stage.store), prune(&other), sends);
    let head = stage.store.head(&room("r")).await.unwrap();
    assert_eq!(head.head, Seq(351));
    assert_eq!(one + two, head.first.0 - 1, "{one} and {two}");
    let page = other.log(&room("r"), Seq(0), 1_000).await.unwrap();
    let seqs: Vec<u64> = page.events.iter().map(|event| event.seq.0).collect();
    assert_eq!(seqs, (head.first.0..=351).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_is_erased_on_one_node_can_do_nothing_on_another() {
    let stage = Stage::with_public("r", &["bob", "ann"]).await;
    let (_folder, other) = another(&stage);
    let send = |key: &str| {
        let (from, room): (_, RoomId) = (user("ann"), room("r"));
        let (cid, body) = (cid(key), key.to_owned());
        other.send(Send { from, room, cid, body, reply_to: None, at_ms: 5 })
    };
    send("before").await.unwrap();
    stage.store.begin_erasing(user("ann"), false, 6).await.unwrap();
    assert_eq!(send("after").await, Err(Error::NotFound));
    let erasing = other.erasings().await.unwrap().pop().unwrap();
    let mut eraser = Eraser::new(other.clone(), erasing);
    while eraser.step(7).await.unwrap() {}
    assert!(stage.store.erasings().await.unwrap().is_empty(), "another node may finish it");
    assert_eq!(stage.lines("bob", "r").await[1], "2 deleted: (deleted by 4)");
    assert!(other.user(&user("ann")).await.unwrap().unwrap().removed);
}

#[tokio::test]
async fn nodes_that_send_for_a_person_while_they_are_erased_leave_nothing_behind() {
    let stage = Stage::with_public("r", &["bob", "ann"]).await;
    let (_folder, other) = another(&stage);
    let sends = async {
        for n in 0..200 {
            let (from, room) = (user("ann"), room("r"));
            let (cid, body) = (cid(&format!("c{n}")), format!("walrus {n}"));
            if other.send(Send { from, room, cid, body, reply_to: None, at_ms: 5 }).await.is_err() {
                return n;
            }
        }
        200
    };
    let erase = async {
        while stage.store.head(&room("r")).await.unwrap().head < Seq(20) {}
        stage.store.begin_erasing(user("ann"), false, 6).await.unwrap();
        let erasing = stage.store.erasings().await.unwrap().pop().unwrap();
        let mut eraser = Eraser::new(stage.store.clone(), erasing);
        while eraser.step(7).await.unwrap() {}
    };
    let (sent, ()) = tokio::join!(sends, erase);
    assert!((19..200).contains(&sent), "it fell into the sending: {sent}");
    let lines = stage.lines("bob", "r").await;
    let texts = lines.iter().filter(|line| line.contains("walrus")).count();
    let tombstones = lines.iter().filter(|line| line.contains("(deleted by")).count();
    assert_eq!((texts, tombstones), (0, sent));
    let left = "SELECT count(*) FROM moorline.cids c JOIN moorline.users u ON u.n = c.sender
         WHERE u.removed IS NOT NULL";
    assert_eq!(stage.place().database().psql(left).unwrap().trim(), "0", "their cids are gone");
    let named = "SELECT count(*) FROM moorline.users WHERE id = 'ann' OR name ILIKE 'ann'";
    assert_eq!(stage.place().database().psql(named).unwrap().trim(), "0");
}
