//! I14: an older store, put back, gives every room a new life; nothing else does.

use std::fs;
use std::path::Path;

use moorline_protocol::ResetReason;
use moorline_store::{Resumed, Store};
use tempfile::TempDir;

use crate::backend::open;
use crate::stage::{Stage, follow, room, user};

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

async fn epoch(store: &Store) -> u64 {
    store.head(&room("r")).await.unwrap().epoch.0
}

#[tokio::test]
async fn an_orderly_restart_keeps_the_epoch() {
    let mut stage = Stage::with_group("r", &["ann"]).await;
    let before = epoch(&stage.store).await;
    for _ in 0..3 {
        stage = stage.reopen().await;
        assert_eq!(epoch(&stage.store).await, before);
    }
}

#[tokio::test]
async fn a_crash_at_any_moment_keeps_the_epoch() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let before = epoch(&stage.store).await;
    for n in 0..10 {
        stage.send("ann", "r", &format!("c{n}"), "x").await.unwrap();
        // A copy of the folder of a running store is what a crash leaves.
        let crashed = TempDir::new().unwrap();
        copy(stage.place().folder(), crashed.path());
        let (store, commits) = open(crashed.path()).unwrap();
        follow(commits);
        assert_eq!(epoch(&store).await, before);
        assert_eq!(store.head(&room("r")).await.unwrap().head.0, n + 2);
        store.close().await;
    }
}

#[tokio::test]
async fn a_crash_between_the_store_and_its_note_keeps_the_epoch() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let before = epoch(&stage.store).await;
    let note = stage.place().folder().join("moorline.generation");
    let older = fs::read(&note).unwrap();
    let folder = stage.place().folder().to_owned();
    let stage = stage.reopen().await;
    stage.store.clone().close().await;
    fs::write(&note, older).unwrap();
    let (store, commits) = open(&folder).unwrap();
    follow(commits);
    assert_eq!(epoch(&store).await, before);
}

#[tokio::test]
async fn an_older_store_put_back_is_a_reset_for_everybody() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.send("ann", "r", "c1", "kept").await.unwrap();
    let backup = TempDir::new().unwrap();
    copy(stage.place().folder(), backup.path());
    stage.send("ann", "r", "c2", "lost").await.unwrap();
    let position = stage.position("r", 3).await;
    let before = epoch(&stage.store).await;
    let stage = stage.reopen().await;
    let folder = stage.place().folder().to_owned();
    stage.store.clone().close().await;
    for file in ["moorline.db", "moorline.db-wal", "moorline.db-shm"] {
        let _ = fs::remove_file(folder.join(file));
        let _ = fs::copy(backup.path().join(file), folder.join(file));
    }
    let (store, commits) = open(&folder).unwrap();
    follow(commits);
    assert_ne!(epoch(&store).await, before);
    let resumed = store.resume(&user("ann"), &room("r"), position, 100).await.unwrap();
    assert!(matches!(resumed, Resumed::Reset { reason: ResetReason::Epoch, .. }));
    let head = store.head(&room("r")).await.unwrap();
    assert_eq!(head.head.0, 2);
    // And it stays so.
    let after = epoch(&store).await;
    store.close().await;
    let (store, commits) = open(&folder).unwrap();
    follow(commits);
    assert_eq!(epoch(&store).await, after);
}

#[tokio::test]
async fn a_store_whose_note_is_missing_or_of_another_store_begins_a_new_life() {
    let other = Stage::with_group("r", &["ann"]).await;
    let foreign = fs::read(other.place().folder().join("moorline.generation")).unwrap();
    for note in [None, Some(b"nonsense".to_vec()), Some(foreign)] {
        let stage = Stage::with_group("r", &["ann"]).await;
        let (before, folder) = (epoch(&stage.store).await, stage.place().folder().to_owned());
        stage.store.clone().close().await;
        match note {
            None => fs::remove_file(folder.join("moorline.generation")).unwrap(),
            Some(bytes) => fs::write(folder.join("moorline.generation"), bytes).unwrap(),
        }
        let (store, commits) = open(&folder).unwrap();
        follow(commits);
        assert_ne!(epoch(&store).await, before);
    }
}

#[tokio::test]
async fn another_event_at_the_position_is_a_reset_even_in_the_same_epoch() {
    // A copy taken while the store ran has its generation: the event's own id tells the two apart.
    let stage = Stage::with_group("r", &["ann"]).await;
    let fork = TempDir::new().unwrap();
    copy(stage.place().folder(), fork.path());
    stage.send("ann", "r", "c1", "in one history").await.unwrap();
    let position = stage.position("r", 2).await;
    let (store, commits) = open(fork.path()).unwrap();
    follow(commits);
    let send = moorline_store::Send {
        from: user("ann"),
        room: room("r"),
        cid: crate::stage::cid("c2"),
        body: "in the other".to_owned(),
        reply_to: None,
        at_ms: 1,
    };
    store.send(send).await.unwrap();
    let resumed = store.resume(&user("ann"), &room("r"), position, 100).await.unwrap();
    assert!(matches!(resumed, Resumed::Reset { reason: ResetReason::Epoch, .. }));
}
