//! Rooms and people as an operator lists them.

use moorline_protocol::{RoomId, RoomKind, UserId};
use moorline_store::RoomOverview;

use super::stage::{Stage, room, user};

fn ids(rooms: &[RoomOverview]) -> Vec<&str> {
    rooms.iter().map(|room| room.id.as_str()).collect()
}

#[tokio::test]
async fn all_rooms_come_in_the_order_of_their_ids_page_by_page() {
    let stage = Stage::with(&["ann", "bob"]).await;
    for id in ["ops", "Dev", "art"] {
        stage.make(id, RoomKind::Group, &["ann", "bob"]).await.unwrap();
    }
    let first = stage.store.all_rooms(None, 2).await.unwrap();
    assert_eq!(ids(&first), ["Dev", "art"]);
    let rest = stage.store.all_rooms(Some(&room("art")), 2).await.unwrap();
    assert_eq!(ids(&rest), ["ops"]);
    assert!(stage.store.all_rooms(Some(&room("ops")), 2).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_room_is_shown_with_its_numbers_and_without_a_text() {
    let stage = Stage::with_group("ops", &["ann", "bob"]).await;
    let sent = stage.send("ann", "ops", "c1", "a secret").await.unwrap();
    let seen = stage.store.room_overview(&room("ops")).await.unwrap().unwrap();
    assert_eq!((seen.members, seen.messages, seen.head), (2, 1, sent.seq));
    assert_eq!(
        (seen.epoch, seen.kind, seen.name.as_deref()),
        (sent.epoch, RoomKind::Group, Some("The ops"))
    );
    assert_eq!((seen.retention, seen.active_ms), (None, sent.at_ms));
    assert!(!format!("{seen:?}").contains("secret"));
    assert_eq!(stage.store.room_overview(&RoomId::new("none").unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn all_people_are_those_who_are_not_erased_and_not_the_server_itself() {
    let stage = Stage::with(&["bob", "ann", "eve"]).await;
    stage.store.begin_erasing(user("eve"), false, stage.now()).await.unwrap();
    let people = stage.store.all_people(None, 10).await.unwrap();
    let ids: Vec<&UserId> = people.iter().map(|person| &person.id).collect();
    assert_eq!(ids, [&user("ann"), &user("bob")]);
    let rest = stage.store.all_people(Some(&user("ann")), 10).await.unwrap();
    assert_eq!((rest.len(), rest[0].name.as_str()), (1, "BOB"));
}
