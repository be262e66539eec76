//! Who is on which node: leases by the database's clock, places in batches, and what a look finds of them.

use std::time::Duration;

use moorline_store::{Lease, NodeId, Place, PresenceLook, PresenceSince, PutPresence, Store};

use crate::stage::{Stage, eventually, room, user};

const ONE: NodeId = NodeId(u64::MAX);
const TWO: NodeId = NodeId(2);
const LENGTH: Duration = Duration::from_secs(45);

async fn renew(store: &Store, node: NodeId, length: Duration) -> bool {
    store.renew_lease(Lease { node, length }).await.unwrap()
}

fn place(who: &str, connections: u32, version: u64) -> Place {
    Place { user: user(who), connections, is_away: false, version }
}

async fn put(store: &Store, node: NodeId, places: Vec<Place>) {
    store.put_presence(PutPresence { node, places }).await.unwrap();
}

/// A look to its end.
async fn look(store: &Store, since: &mut PresenceSince) -> PresenceLook {
    let mut places = Vec::new();
    loop {
        let mut found = store.presence(*since).await.unwrap().unwrap();
        *since = found.since;
        places.append(&mut found.places);
        if !since.has_rest() {
            return PresenceLook { places, ..found };
        }
    }
}

fn told(look: &PresenceLook) -> Vec<(NodeId, &str, u32, u64)> {
    let mut all = Vec::new();
    for (node, place) in &look.places {
        all.push((*node, place.user.as_str(), place.connections, place.version));
    }
    all.sort_by_key(|(node, user, ..)| (node.0, *user));
    all
}

async fn settle(store: &Store, since: &mut PresenceSince) {
    eventually(async || look(store, since).await.places.is_empty()).await;
}

#[tokio::test]
async fn a_lease_lasts_by_the_databases_clock_and_tells_when_it_had_ended() {
    let stage = Stage::new();
    assert!(!renew(&stage.store, ONE, LENGTH).await, "there was none");
    assert!(renew(&stage.store, ONE, Duration::ZERO).await);
    renew(&stage.store, TWO, LENGTH).await;
    let mut nodes = look(&stage.store, &mut PresenceSince::default()).await.nodes;
    nodes.sort_by_key(|(node, _)| node.0);
    assert_eq!(nodes, [(TWO, true), (ONE, false)]);
    assert!(!renew(&stage.store, ONE, LENGTH).await, "it had ended");
    assert!(renew(&stage.store, ONE, LENGTH).await);
}

#[tokio::test]
async fn a_look_tells_the_places_that_changed_and_an_older_version_changes_nothing() {
    let stage = Stage::with(&["ann", "bob"]).await;
    let (_folder, opened) = stage.place().another_node();
    let (other, _commits) = opened.unwrap();
    let mut since = PresenceSince::default();
    assert!(look(&other, &mut since).await.places.is_empty());
    put(&stage.store, ONE, vec![place("ann", 2, 5), place("nobody", 1, 6)]).await;
    put(&stage.store, TWO, vec![place("ann", 1, 1)]).await;
    let found = look(&other, &mut since).await;
    assert_eq!(told(&found), [(TWO, "ann", 1, 1), (ONE, "ann", 2, 5)]);
    settle(&other, &mut since).await;
    put(&stage.store, ONE, vec![place("ann", 0, 4)]).await;
    settle(&other, &mut since).await;
    put(&stage.store, ONE, vec![place("ann", 0, 7), place("bob", 1, 8)]).await;
    assert_eq!(told(&look(&other, &mut since).await), [(ONE, "ann", 0, 7), (ONE, "bob", 1, 8)]);
    // Whoever begins anew gets all of it.
    assert_eq!(look(&other, &mut PresenceSince::default()).await.places.len(), 3);
}

#[tokio::test]
async fn more_places_than_one_look_tells_come_with_the_next_ones_each_once() {
    let stage = Stage::with(&["ann"]).await;
    let many = "INSERT INTO moorline.users (id, name, folded, at)
             SELECT 'p' || i, 'P', ' p', 0 FROM generate_series(1, 12000) i;
         INSERT INTO moorline.presence (usr, node, connections, away, version, changed)
             SELECT n, n % 2, 1, false, 1, pg_current_xact_id() FROM moorline.users WHERE id LIKE 'p%'";
    stage.place().database().psql(many).unwrap();
    let first = stage.store.presence(PresenceSince::default()).await.unwrap().unwrap();
    assert!(first.since.has_rest() && first.nodes.is_empty());
    let all = look(&stage.store, &mut PresenceSince::default()).await;
    let people: std::collections::HashSet<_> =
        all.places.iter().map(|(_, one)| &one.user).collect();
    assert_eq!((all.places.len(), people.len()), (12_000, 12_000));
}

#[tokio::test]
async fn what_a_node_left_behind_is_taken_away_and_its_people_were_seen_when_it_lived() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    renew(&stage.store, ONE, Duration::ZERO).await;
    put(&stage.store, ONE, vec![place("ann", 1, 1), place("bob", 0, 2)]).await;
    let past =
        "UPDATE moorline.nodes SET until = until - interval '1 minute', renewed = to_timestamp(7)";
    stage.place().database().psql(past).unwrap();
    renew(&stage.store, TWO, LENGTH).await;
    let left = look(&stage.store, &mut PresenceSince::default()).await;
    assert_eq!(left.places, []);
    let members = stage.store.members(&user("bob"), &room("r"), None, 9).await.unwrap().members;
    let seen: Vec<_> = members.iter().map(|member| (member.id.as_str(), member.seen)).collect();
    assert_eq!(seen, [("ann", Some(7_000)), ("bob", None)]);
    let long_past = "UPDATE moorline.nodes SET until = until - interval '1 hour' WHERE node = -1";
    stage.place().database().psql(long_past).unwrap();
    renew(&stage.store, TWO, LENGTH).await;
    let nodes = look(&stage.store, &mut PresenceSince::default()).await.nodes;
    assert_eq!(nodes, [(TWO, true)]);
}

#[tokio::test]
async fn one_whose_erasing_begins_is_nowhere_and_cannot_be_put_anywhere() {
    let stage = Stage::with(&["ann"]).await;
    put(&stage.store, ONE, vec![place("ann", 1, 1)]).await;
    let mut since = PresenceSince::default();
    look(&stage.store, &mut since).await;
    settle(&stage.store, &mut since).await;
    stage.store.begin_erasing(user("ann"), false, 9).await.unwrap();
    assert_eq!(told(&look(&stage.store, &mut since).await), [(ONE, "ann", 0, 2)]);
    settle(&stage.store, &mut since).await;
    put(&stage.store, ONE, vec![place("ann", 1, 9)]).await;
    settle(&stage.store, &mut since).await;
}

#[tokio::test]
async fn small_rooms_are_those_with_at_most_so_many_members() {
    let stage = Stage::with_group("small", &["ann", "bob"]).await;
    stage.store.put_user(user("cid"), "Cid".to_owned(), 1).await.unwrap();
    let kind = moorline_protocol::RoomKind::Group;
    let large = stage.make("large", kind, &["ann", "bob", "cid"]).await.unwrap();
    assert!(!large.existing);
    let people = [user("ann"), user("cid"), user("nobody")];
    let mut rooms = stage.store.small_rooms_of(&people, 2).await.unwrap();
    assert_eq!(rooms, [(user("ann"), room("small"))]);
    rooms = stage.store.small_rooms_of(&people, 3).await.unwrap();
    assert_eq!(rooms.len(), 3);
}
