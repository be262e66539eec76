//! I14: a database that is older than what a node has seen, or that was promoted, gives every room a new life.

use std::sync::Arc;

use moorline_protocol::ResetReason;
use moorline_store::{Resumed, Store};
use moorline_test_postgres::Server;

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

#[tokio::test]
async fn a_replica_that_is_promoted_while_a_node_runs_gives_new_epochs_before_anything_is_served() {
    let primary = Server::start();
    let mut replica = Server::replica_of(&primary);
    // One address for both, as behind a name that moves: the node is told of it by a folder that is moved under it.
    let stage = Stage::at(Arc::new(Place::on(&primary)));
    stage.store.put_user(user("ann"), "Ann".to_owned(), 1).await.unwrap();
    stage.make("r", moorline_protocol::RoomKind::Group, &["ann"]).await.unwrap();
    let before = epoch(&stage.store).await;
    eventually(async || {
        replica
            .psql("postgres", "SELECT count(*) FROM moorline.rooms")
            .is_ok_and(|rows| rows == "1")
    })
    .await;
    let mut primary = primary;
    primary.kill("KILL");
    replica.promote();
    replica.kill("INT");
    std::fs::rename(primary.folder().join("data"), primary.folder().join("data.lost")).unwrap();
    std::fs::rename(replica.folder().join("data"), primary.folder().join("data")).unwrap();
    primary.resume();
    eventually(async || stage.send("ann", "r", "c1", "after").await.is_ok()).await;
    assert_ne!(epoch(&stage.store).await, before);
    let stored = stage.send("ann", "r", "c2", "x").await.unwrap();
    assert_eq!(stored.epoch.0, epoch(&stage.store).await);
}
