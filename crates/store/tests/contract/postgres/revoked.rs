//! Sessions that one node ends are told to the others, whatever else they look at.

use moorline_protocol::RoomKind;
use moorline_store::{NewSession, Since, Store};

use crate::stage::{Stage, eventually, room, user};

/// Who was revoked since the last look, and how many rooms changed.
async fn look(store: &Store, since: &mut Option<Since>) -> (Vec<String>, usize) {
    let changed = store.changed_rooms(*since).await.unwrap().unwrap();
    *since = Some(changed.since);
    let mut revoked: Vec<String> = changed.revoked.iter().map(ToString::to_string).collect();
    revoked.sort();
    (revoked, changed.rooms.len())
}

async fn settle(store: &Store, since: &mut Option<Since>) {
    eventually(async || look(store, since).await == (vec![], 0)).await;
}

async fn sign_in(stage: &Stage, who: &str, token: u8) -> moorline_store::SessionId {
    let session = NewSession {
        token_hash: [token; 32],
        user: user(who),
        device: None,
        at_ms: 1,
        expires_ms: u64::MAX >> 1,
    };
    stage.store.add_session(session).await.unwrap()
}

#[tokio::test]
async fn whose_sessions_ended_is_told_to_other_nodes_and_only_that() {
    let stage = Stage::with(&["ann", "bob", "cid"]).await;
    let session = sign_in(&stage, "ann", 1).await;
    sign_in(&stage, "ann", 2).await;
    let (_folder, opened) = stage.place().another_node();
    let (other, _commits) = opened.unwrap();
    let mut since = None;
    look(&other, &mut since).await;
    settle(&other, &mut since).await;
    sign_in(&stage, "cid", 3).await;
    assert_eq!(look(&other, &mut since).await.0, Vec::<String>::new());
    assert!(stage.store.revoke_session(user("ann"), session.clone()).await.unwrap());
    assert_eq!(look(&other, &mut since).await.0, ["ann"]);
    stage.store.revoke_sessions(user("bob"), 5).await.unwrap();
    assert!(look(&other, &mut since).await.0.contains(&"bob".to_owned()));
    settle(&other, &mut since).await;
    // Ending what has ended is no news.
    assert!(!stage.store.revoke_session(user("ann"), session).await.unwrap());
    assert_eq!(look(&other, &mut since).await.0, Vec::<String>::new());
}

#[tokio::test]
async fn more_rooms_than_one_look_tells_are_told_by_the_next_ones() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let mut since = None;
    look(&stage.store, &mut since).await;
    settle(&stage.store, &mut since).await;
    let many = "INSERT INTO moorline.rooms (id, kind, history, folded, epoch, first, head, messages, members,
             last_message, active, at, made_as, changed)
         SELECT 'many' || i, 2, 1, '', 1, 1, 0, 0, 0, 0, i, 0, '', pg_current_xact_id()
         FROM generate_series(1, 25000) i";
    stage.place().database().psql(many).unwrap();
    stage.make("q", RoomKind::Group, &["ann"]).await.unwrap();
    let mut told = std::collections::HashSet::new();
    let mut looks = 0;
    loop {
        let changed = stage.store.changed_rooms(since).await.unwrap().unwrap();
        since = Some(changed.since);
        told.extend(changed.rooms.into_iter().map(|touched| touched.room));
        looks += 1;
        if !changed.since.has_rest() {
            break;
        }
    }
    assert_eq!((told.len(), looks), (25_001, 3));
    assert!(told.contains(&room("q")));
}
