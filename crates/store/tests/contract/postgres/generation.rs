//! I14: a database that is older than what a node has seen gives every room a new life; nothing else does.

use std::sync::Arc;

use moorline_protocol::ResetReason;
use moorline_store::{Resumed, Store};

use crate::backend::Place;
use crate::stage::{Stage, eventually, follow, room, user};

async fn epoch(store: &Store) -> u64 {
    store.head(&room("r")).await.unwrap().epoch.0
}

#[tokio::test]
async fn restarts_and_other_nodes_keep_the_epoch() {
    let mut stage = Stage::with_group("r", &["ann"]).await;
    let before = epoch(&stage.store).await;
    for _ in 0..3 {
        stage = stage.reopen().await;
        let (_folder, opened) = stage.place().another_node();
        let (other, commits) = opened.unwrap();
        follow(commits);
        assert_eq!((epoch(&stage.store).await, epoch(&other).await), (before, before));
    }
}

#[tokio::test]
async fn an_older_database_put_back_is_a_reset_for_everybody() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.send("ann", "r", "c1", "kept").await.unwrap();
    let before = epoch(&stage.store).await;
    let place = Arc::clone(stage.place());
    stage.store.close().await;
    let name = place.database().psql("SELECT current_database()").unwrap();
    let admin = Place::new();
    let sql = |sql: &str| admin.database().psql(sql).unwrap();
    // The connections that read take a moment to be gone.
    let copy = format!("CREATE DATABASE {name}_old TEMPLATE {name}");
    eventually(async || admin.database().psql(&copy).is_ok()).await;
    let stage = Stage::at(Arc::clone(&place));
    stage.send("ann", "r", "c2", "lost").await.unwrap();
    let position = stage.position("r", 3).await;
    assert_eq!(epoch(&stage.store).await, before);
    stage.store.close().await;
    sql(&format!("DROP DATABASE {name} WITH (FORCE)"));
    sql(&format!("ALTER DATABASE {name}_old RENAME TO {name}"));
    let stage = Stage::at(Arc::clone(&place));
    let after = epoch(&stage.store).await;
    assert_ne!(after, before);
    let resumed = stage.store.resume(&user("ann"), &room("r"), position, 100).await.unwrap();
    assert!(matches!(resumed, Resumed::Reset { reason: ResetReason::Epoch, .. }));
    let stage = stage.reopen().await;
    assert_eq!(epoch(&stage.store).await, after);
}
