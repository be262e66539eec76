//! Several nodes on one database.

use std::collections::HashSet;
use std::sync::Arc;

use moorline_protocol::{RoomKind, Seq};
use moorline_store::{Error, Range, Send, Store};

use crate::stage::{Stage, cid, follow, room, user};

fn send(
    store: &Store,
    from: &str,
    to: &str,
    key: &str,
) -> moorline_store::Reply<moorline_store::Stored> {
    let (from, room, cid, body) = (user(from), room(to), cid(key), key.to_owned());
    store.send(Send { from, room, cid, body, reply_to: None, at_ms: 1_795_000_000_000 })
}

#[tokio::test]
async fn nodes_that_write_to_the_same_rooms_at_full_rate_leave_no_hole_and_keep_each_ones_order() {
    const NODES: usize = 3;
    const ROOMS: usize = 12;
    const EACH: usize = 1_500;
    let stage = Stage::with(&["ann"]).await;
    for number in 0..ROOMS {
        stage.make(&format!("r{number}"), RoomKind::Group, &["ann"]).await.unwrap();
    }
    let mut nodes = Vec::new();
    for number in 0..NODES {
        let (folder, opened) = stage.place().another_node();
        let (store, commits) = opened.unwrap();
        follow(commits);
        nodes.push(tokio::spawn(async move {
            let _folder = folder;
            let mut replies = Vec::new();
            for count in 0..EACH {
                let key = format!("n{number}-{count}");
                replies.push(send(&store, "ann", &format!("r{}", count % ROOMS), &key));
            }
            for reply in replies {
                reply.await.unwrap();
            }
            store.close().await;
        }));
    }
    for node in nodes {
        node.await.unwrap();
    }
    for number in 0..ROOMS {
        let place = room(&format!("r{number}"));
        let page =
            stage.store.events(&user("ann"), &place, Range::After(Seq(0)), 1_000).await.unwrap();
        let seqs: Vec<u64> = page.events.iter().map(|event| event.seq.0).collect();
        let wanted: Vec<u64> = (1..=(NODES * EACH / ROOMS + 1) as u64).collect();
        assert_eq!(seqs, wanted, "{place}");
        for node in 0..NODES {
            let counts: Vec<usize> = page
                .events
                .iter()
                .filter_map(|event| {
                    event.cid.as_ref()?.as_str().strip_prefix(&format!("n{node}-"))?.parse().ok()
                })
                .collect();
            assert!(counts.is_sorted() && counts.len() == EACH / ROOMS, "{place} {counts:?}");
        }
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(stage.place().database().psql(deadlocks).unwrap(), "0");
}

#[tokio::test]
async fn the_same_cid_on_two_nodes_at_once_is_one_message() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let (_folder, opened) = stage.place().another_node();
    let (other, commits) = opened.unwrap();
    follow(commits);
    for count in 0..50 {
        let key = format!("c{count}");
        let (one, two) = (send(&stage.store, "ann", "r", &key), send(&other, "ann", "r", &key));
        assert_eq!(one.await.unwrap().id, two.await.unwrap().id);
    }
    assert_eq!(stage.store.head(&room("r")).await.unwrap().head, Seq(51));
}

#[tokio::test]
async fn a_room_made_on_several_nodes_at_once_is_one_room() {
    let stage = Stage::with(&["ann", "bob"]).await;
    let stage = Arc::new(stage);
    let (_folder, opened) = stage.place().another_node();
    let (other, commits) = opened.unwrap();
    follow(commits);
    let create = |key: &str, kind, id: Option<&str>| moorline_store::Create {
        by: Some(user("ann")),
        id: id.map(room),
        cid: cid(key),
        kind,
        name: None,
        members: vec![user("bob")],
        at_ms: 1,
    };
    let mut rooms = HashSet::new();
    for count in 0..10 {
        let id = format!("g{count}");
        let pairs = [
            (create("d1", RoomKind::Direct, None), create("d2", RoomKind::Direct, None)),
            (create("same", RoomKind::Group, None), create("same", RoomKind::Group, None)),
            (
                create(&format!("a{id}"), RoomKind::Group, Some(&id)),
                create(&format!("b{id}"), RoomKind::Group, Some(&id)),
            ),
        ];
        for (one, two) in pairs {
            let (one, two) = (stage.store.create(one), other.create(two));
            let (one, two) = (one.await.unwrap(), two.await.unwrap());
            assert_eq!((&one.room, one.id), (&two.room, two.id));
            rooms.insert(one.room);
        }
    }
    assert_eq!(rooms.len(), 12);
}

#[tokio::test]
async fn what_one_node_commits_the_others_read_at_once() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    let (_folder, opened) = stage.place().another_node();
    let (other, commits) = opened.unwrap();
    follow(commits);
    for count in 0..20 {
        let stored = send(&stage.store, "ann", "r", &format!("c{count}")).await.unwrap();
        assert_eq!(other.head(&room("r")).await.unwrap().head, stored.seq);
    }
    stage.remove("ann", "r", "x", &["bob"]).await.unwrap();
    assert_eq!(send(&other, "bob", "r", "late").await, Err(Error::NotFound));
    assert!(!other.is_member(&user("bob"), &room("r")).await.unwrap());
}
