//! What other nodes changed is found, however late a transaction commits.

use moorline_store::{Since, Store};
use tokio_postgres::{Client, NoTls};

use crate::stage::{Stage, room, user};

async fn client(stage: &Stage) -> Client {
    let url = stage.place().url();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("SET search_path = moorline").await.unwrap();
    client
}

async fn look(store: &Store, since: &mut Option<Since>) -> Vec<String> {
    let changed = store.changed_rooms(*since).await.unwrap().unwrap();
    *since = Some(changed.since);
    let mut rooms: Vec<String> = changed.rooms.iter().map(|room| room.room.to_string()).collect();
    rooms.sort();
    rooms
}

/// Looks until nothing is told again: transactions of other tests on the server may still be open.
async fn settle(store: &Store, since: &mut Option<Since>) {
    crate::stage::eventually(async || look(store, since).await.is_empty()).await;
}

#[tokio::test]
async fn a_look_tells_what_changed_since_the_look_before_and_nothing_else() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.make("q", moorline_protocol::RoomKind::Group, &["ann"]).await.unwrap();
    let mut since = None;
    settle(&stage.store, &mut since).await;
    stage.send("ann", "r", "c1", "x").await.unwrap();
    let changed = stage.store.changed_rooms(since).await.unwrap().unwrap();
    assert_eq!((changed.rooms.len(), &changed.rooms[0].room), (1, &room("r")));
    assert_eq!(changed.rooms[0].head, stage.store.head(&room("r")).await.unwrap());
    since = Some(changed.since);
    settle(&stage.store, &mut since).await;
}

#[tokio::test]
async fn the_first_look_tells_what_changed_since_the_store_was_opened() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    stage.make("before", moorline_protocol::RoomKind::Group, &["ann"]).await.unwrap();
    let (_folder, opened) = stage.place().another_node();
    let (other, _commits) = opened.unwrap();
    stage.send("ann", "r", "c1", "x").await.unwrap();
    stage.store.revoke_sessions(user("bob"), 5).await.unwrap();
    let first = other.changed_rooms(None).await.unwrap().unwrap();
    assert!(first.rooms.iter().any(|touched| touched.room == room("r")));
    assert!(first.revoked.contains(&user("bob")));
}

#[tokio::test]
async fn a_transaction_that_stays_open_across_two_looks_is_not_missed() {
    let stage = Stage::with_group("late", &["ann"]).await;
    stage.make("other", moorline_protocol::RoomKind::Group, &["ann"]).await.unwrap();
    let mut since = None;
    look(&stage.store, &mut since).await;
    settle(&stage.store, &mut since).await;
    let late = client(&stage).await;
    let change = "UPDATE rooms SET head = head, changed = pg_current_xact_id() WHERE id = 'late'";
    late.batch_execute("BEGIN").await.unwrap();
    late.batch_execute(change).await.unwrap();
    for key in ["c1", "c2"] {
        stage.send("ann", "other", key, "x").await.unwrap();
        assert_eq!(look(&stage.store, &mut since).await, ["other"]);
    }
    late.batch_execute("COMMIT").await.unwrap();
    assert!(look(&stage.store, &mut since).await.contains(&"late".to_owned()));
}

#[tokio::test]
async fn a_look_tells_who_joined() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.store.put_user(user("bob"), "Bob".to_owned(), 1).await.unwrap();
    let mut since = None;
    look(&stage.store, &mut since).await;
    settle(&stage.store, &mut since).await;
    let invited = stage.invite("ann", "r", "c1", &["bob"]).await.unwrap();
    stage.send("bob", "r", "c2", "x").await.unwrap();
    let joined = stage.store.changed_rooms(since).await.unwrap().unwrap().joined;
    assert_eq!((&joined[0].user, joined[0].seq, joined.len()), (&user("bob"), invited.seq, 1));
}
