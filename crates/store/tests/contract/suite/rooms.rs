//! Rooms: made once, found again, named, listed.

use moorline_protocol::{EventKind, RoomKind, Seq};
use moorline_store::{Create, Error, SYSTEM_USER};

use super::stage::{Stage, cid, room, user};

fn by_the_api(id: Option<&str>, key: &str, kind: RoomKind, members: &[&str]) -> Create {
    Create {
        by: None,
        id: id.map(room),
        cid: cid(key),
        kind,
        name: Some("Ops".to_owned()),
        members: members.iter().map(|id| user(id)).collect(),
        at_ms: 1_000,
    }
}

#[tokio::test]
async fn a_room_is_made_once_for_a_cid() {
    let stage = Stage::with(&["ann", "bob"]).await;
    let create = Create {
        by: Some(user("ann")),
        id: None,
        cid: cid("c1"),
        kind: RoomKind::Group,
        name: Some("Ops".to_owned()),
        members: vec![user("bob"), user("bob")],
        at_ms: 1_000,
    };
    let first = stage.store.create(create.clone()).await.unwrap();
    let second = stage.store.create(create.clone()).await.unwrap();
    assert_eq!((first.existing, second.existing), (false, true));
    assert_eq!((&first.room, first.seq, first.id), (&second.room, second.seq, second.id));
    let other = Create { name: Some("Dev".to_owned()), ..create.clone() };
    assert_eq!(stage.store.create(other).await, Err(Error::CidConflict));
    let another = stage.store.create(Create { cid: cid("c2"), ..create }).await.unwrap();
    assert_ne!(another.room, first.room);
    assert_eq!(stage.told.lock().events.len(), 2);
}

#[tokio::test]
async fn the_making_of_a_room_is_told_once_and_that_of_an_empty_one_too() {
    let stage = Stage::with(&["ann"]).await;
    let full = by_the_api(Some("full"), "c1", RoomKind::Group, &["ann"]);
    let empty = by_the_api(Some("empty"), "c2", RoomKind::Public, &[]);
    for create in [&full, &empty, &full, &empty] {
        stage.store.create(create.clone()).await.unwrap();
    }
    stage.store.create(Create { cid: cid("c3"), ..full }).await.unwrap();
    let refused = by_the_api(Some("none"), "c4", RoomKind::Group, &["nobody"]);
    stage.store.create(refused).await.unwrap_err();
    let made = stage.told.lock().made.clone();
    let told: Vec<_> =
        made.iter().map(|made| (made.room.as_str(), made.kind, made.name.as_deref())).collect();
    assert_eq!(
        told,
        [("full", RoomKind::Group, Some("Ops")), ("empty", RoomKind::Public, Some("Ops"))]
    );
    assert!(made.iter().all(|made| made.by.is_none() && made.at_ms == 1_000));
}

#[tokio::test]
async fn a_direct_room_is_one_per_pair_whoever_asks() {
    let stage = Stage::with(&["ann", "bob", "cid"]).await;
    let one = stage.direct("ann", "bob", "c1").await.unwrap();
    let two = stage.direct("bob", "ann", "c1").await.unwrap();
    let third = stage.direct("ann", "cid", "c2").await.unwrap();
    assert_eq!((&one.room, one.seq, two.existing), (&two.room, Seq(1), true));
    assert_eq!(one.id, two.id);
    assert_ne!(one.room, third.room);
    let (info, people) = stage.store.room_of(&user("ann"), &one.room).await.unwrap();
    assert_eq!((info.kind, info.peer), (RoomKind::Direct, Some(user("bob"))));
    assert!(people.iter().any(|person| person.name == "BOB"));
}

#[tokio::test]
async fn two_who_open_their_direct_room_at_once_open_one() {
    let stage = Stage::with(&["ann", "bob"]).await;
    let (one, two) = (stage.direct("ann", "bob", "c1"), stage.direct("bob", "ann", "c1"));
    assert_eq!(one.await.unwrap().room, two.await.unwrap().room);
    assert_eq!(stage.told.lock().events.len(), 1);
}

#[tokio::test]
async fn a_direct_room_is_for_two_people_who_exist() {
    let stage = Stage::with(&["ann", "bob"]).await;
    let oneself = stage.direct("ann", "ann", "c1").await;
    assert!(matches!(oneself, Err(Error::Invalid(_))));
    assert_eq!(stage.direct("ann", "nobody", "c2").await, Err(Error::UnknownUser));
}

#[tokio::test]
async fn the_api_makes_the_same_room_again_and_not_another_under_its_id() {
    let stage = Stage::with(&["ann", "bob"]).await;
    let first =
        stage.store.create(by_the_api(Some("ops"), "k1", RoomKind::Group, &["ann", "bob"])).await;
    let same =
        stage.store.create(by_the_api(Some("ops"), "k2", RoomKind::Group, &["bob", "ann"])).await;
    let other = stage.store.create(by_the_api(Some("ops"), "k3", RoomKind::Group, &["ann"])).await;
    assert_eq!((first.unwrap().existing, same.unwrap().existing), (false, true));
    assert_eq!(other, Err(Error::Conflict));
    let events = stage.history("ann", "ops").await.unwrap().events;
    assert_eq!(events[0].from.as_str(), SYSTEM_USER);
}

#[tokio::test]
async fn a_room_made_without_members_is_empty_until_somebody_is_brought_in() {
    let stage = Stage::with(&["ann"]).await;
    let made =
        stage.store.create(by_the_api(Some("hall"), "k", RoomKind::Public, &[])).await.unwrap();
    assert_eq!((made.seq, made.id), (Seq(0), None));
    assert_eq!(stage.join("ann", "hall", "c1").await.unwrap().seq, Seq(1));
}

#[tokio::test]
async fn only_those_who_run_a_room_rename_it() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    assert_eq!(stage.rename("bob", "r", "c1", "Ours").await, Err(Error::Forbidden));
    assert_eq!(stage.rename("eve", "r", "c1", "Ours").await, Err(Error::NotFound));
    stage.rename("ann", "r", "c1", "Ours").await.unwrap();
    let (info, _) = stage.store.room_of(&user("bob"), &room("r")).await.unwrap();
    assert_eq!(info.name.as_deref(), Some("Ours"));
    let made = stage.direct("ann", "bob", "c2").await.unwrap();
    let renamed = stage.rename("ann", made.room.as_str(), "c3", "Us").await;
    assert_eq!(renamed, Err(Error::Forbidden));
}

#[tokio::test]
async fn rooms_are_listed_by_their_latest_activity_page_by_page() {
    let stage = Stage::with(&["ann", "bob"]).await;
    for n in 0..7 {
        stage.make(&format!("r{n}"), RoomKind::Group, &["ann", "bob"]).await.unwrap();
    }
    stage.send("bob", "r2", "c1", "last").await.unwrap();
    let first = stage.store.rooms_of(&user("ann"), None, 4).await.unwrap();
    let ids = |rooms: &moorline_store::Rooms| -> Vec<String> {
        rooms.rooms.iter().map(|room| room.id.to_string()).collect()
    };
    assert_eq!(ids(&first), ["r2", "r6", "r5", "r4"]);
    assert!(first.more);
    assert_eq!((first.totals.rooms, first.totals.unread), (7, 1));
    let last = first.rooms[0].last.as_ref().unwrap();
    assert!(matches!(&last.kind, EventKind::Message { body, .. } if body == "last"));
    assert!(first.people.iter().any(|person| person.id == user("bob")));
    let cursor = first.after.unwrap().to_string().parse().unwrap();
    let second = stage.store.rooms_of(&user("ann"), Some(cursor), 4).await.unwrap();
    assert_eq!(ids(&second), ["r3", "r1", "r0"]);
    assert!(!second.more && second.after.is_none());
    assert_eq!(stage.store.room_ids_of(&user("ann")).await.unwrap().len(), 7);
}

#[tokio::test]
async fn public_rooms_are_found_by_anyone_and_show_nothing_of_their_inside() {
    let stage = Stage::with_public("hall", &["ann"]).await;
    stage.make("private", RoomKind::Group, &["ann"]).await.unwrap();
    stage.send("ann", "hall", "c1", "hi").await.unwrap();
    stage.store.put_user(user("eve"), "Eve".to_owned(), 1).await.unwrap();
    let found = stage.store.browse(&user("eve"), Some("HALL"), None, 10).await.unwrap();
    assert_eq!(found.rooms.len(), 1);
    assert_eq!((found.rooms[0].role, &found.rooms[0].last), (None, &None));
    let all = stage.store.browse(&user("eve"), None, None, 10).await.unwrap();
    assert_eq!(all.rooms.len(), 1);
    assert!(stage.store.browse(&user("eve"), Some("zz"), None, 10).await.unwrap().rooms.is_empty());
}

#[tokio::test]
async fn a_public_room_needs_a_name() {
    let stage = Stage::with(&["ann"]).await;
    let create = Create { name: None, ..by_the_api(None, "k", RoomKind::Public, &["ann"]) };
    assert!(matches!(stage.store.create(create).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn nobody_is_in_more_rooms_than_the_limit() {
    let stage = Stage::with(&["ann", "bob"]).await;
    let limit = usize::try_from(moorline_store::MAX_ROOMS).unwrap();
    let names: Vec<String> = (0..limit).map(|n| format!("r{n}")).collect();
    let replies: Vec<_> =
        names.iter().map(|id| stage.make(id, RoomKind::Public, &["ann"])).collect();
    for reply in replies {
        reply.await.unwrap();
    }
    let full = Err(Error::TooManyRooms { limit: moorline_store::MAX_ROOMS });
    assert_eq!(stage.make("more", RoomKind::Public, &["ann"]).await, full);
    stage.make("other", RoomKind::Public, &["bob"]).await.unwrap();
    assert_eq!(
        stage.invite("bob", "other", "c1", &["ann"]).await.map(|_| ()),
        full.clone().map(|_| ())
    );
    assert_eq!(stage.join("ann", "other", "c2").await.map(|_| ()), full.map(|_| ()));
    stage.leave("ann", "r0", "c3").await.unwrap();
    stage.join("ann", "other", "c4").await.unwrap();
    let rooms = stage.store.rooms_of(&user("ann"), None, 100).await.unwrap();
    assert_eq!((rooms.rooms.len(), rooms.totals.rooms), (100, moorline_store::MAX_ROOMS));
}

#[tokio::test]
async fn a_welcome_tells_of_the_person_and_the_same_rooms_whether_they_are_few_or_many() {
    let stage = Stage::with(&["ann", "bob"]).await;
    for name in ["one", "two", "three", "four"] {
        stage.make(name, RoomKind::Group, &["ann", "bob"]).await.unwrap();
    }
    stage.send("bob", "two", "c1", "hi").await.unwrap();
    let page = stage.store.rooms_of(&user("ann"), None, 10).await.unwrap();
    let few = stage.store.for_welcome(&user("ann"), 10, vec![]).await.unwrap();
    assert_eq!(few.user.map(|user| user.name).as_deref(), Some("ANN"));
    assert_eq!((few.rooms.totals.rooms, few.rooms.totals.unread), (4, 1));
    assert_eq!(few.rooms.rooms, page.rooms);
    let many = stage.store.for_welcome(&user("ann"), 3, vec![]).await.unwrap();
    assert_eq!(many.rooms.rooms, page.rooms[..3]);
    assert_eq!((many.rooms.totals, many.rooms.more), (page.totals, true));
    let nobody = stage.store.for_welcome(&user("zoe"), 3, vec![]).await.unwrap();
    assert_eq!(nobody, moorline_store::ForWelcome::default());
}
