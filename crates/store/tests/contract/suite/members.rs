//! Coming and going, and what those who are not there see: nothing.

use moorline_protocol::{RoomKind, Seq};
use moorline_store::{Error, Invite, Range, Remove, Resumed};

use super::stage::{Stage, cid, line, room, user};

#[tokio::test]
async fn a_stranger_sees_a_room_exactly_as_one_that_does_not_exist() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.store.put_user(user("eve"), "Eve".to_owned(), 1).await.unwrap();
    let message = stage.send("ann", "r", "c1", "hi").await.unwrap().id;
    for place in ["r", "nowhere"] {
        let (eve, at) = (user("eve"), room(place));
        assert_eq!(stage.history("eve", place).await, Err(Error::NotFound));
        assert_eq!(stage.store.members(&eve, &at, None, 10).await, Err(Error::NotFound));
        assert_eq!(stage.store.room_of(&eve, &at).await, Err(Error::NotFound));
        assert!(!stage.store.is_member(&eve, &at).await.unwrap());
        let position = stage.position("r", 1).await;
        assert_eq!(stage.resume("eve", place, position).await, Resumed::Gone);
        assert_eq!(stage.send("eve", place, "c1", "x").await, Err(Error::NotFound));
        assert_eq!(stage.edit("eve", place, "c2", message, "x").await, Err(Error::NotFound));
        assert_eq!(stage.delete("eve", place, "c3", message).await, Err(Error::NotFound));
        assert_eq!(stage.join("eve", place, "c4").await, Err(Error::NotFound));
        assert_eq!(stage.leave("eve", place, "c5").await, Err(Error::NotFound));
        assert_eq!(stage.invite("eve", place, "c6", &["eve"]).await, Err(Error::NotFound));
        assert_eq!(stage.remove("eve", place, "c7", &["ann"]).await, Err(Error::NotFound));
        assert_eq!(stage.rename("eve", place, "c8", "x").await, Err(Error::NotFound));
    }
}

#[tokio::test]
async fn anyone_joins_a_public_room_and_sees_all_of_it() {
    let stage = Stage::with_public("hall", &["ann"]).await;
    stage.store.put_user(user("bob"), "Bob".to_owned(), 1).await.unwrap();
    stage.send("ann", "hall", "c1", "before").await.unwrap();
    let joined = stage.join("bob", "hall", "c1").await.unwrap();
    assert_eq!(joined.seq, Seq(3));
    assert_eq!(stage.lines("bob", "hall").await, ["1 ann +ann", "2 ann: before", "3 bob +bob"]);
}

#[tokio::test]
async fn one_who_is_in_already_gets_the_event_that_brought_them_in() {
    let stage = Stage::with_public("hall", &["ann", "bob"]).await;
    stage.send("ann", "hall", "c1", "hi").await.unwrap();
    let again = stage.join("bob", "hall", "c1").await.unwrap();
    assert_eq!(again.seq, Seq(1));
    let invited = stage.invite("ann", "hall", "c2", &["bob"]).await.unwrap();
    assert_eq!((invited.seq, invited.id), (again.seq, again.id));
    // The cid is spent: after leaving, it does not join again.
    stage.leave("bob", "hall", "c2").await.unwrap();
    assert_eq!(stage.join("bob", "hall", "c1").await.unwrap(), again);
    assert!(!stage.store.is_member(&user("bob"), &room("hall")).await.unwrap());
}

#[tokio::test]
async fn joins_and_leaves_of_one_batch_share_an_event_and_each_gets_an_answer() {
    let people: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let stage = Stage::with(&names).await;
    stage.make("hall", RoomKind::Public, &["p0"]).await.unwrap();
    let replies: Vec<_> = names[1..].iter().map(|who| stage.join(who, "hall", "c")).collect();
    for reply in replies {
        reply.await.unwrap();
    }
    let events = stage.history("p0", "hall").await.unwrap().events;
    let mentioned: Vec<String> = events
        .iter()
        .flat_map(|event| {
            let words: Vec<String> = line(event).split(' ').skip(2).map(str::to_owned).collect();
            words
        })
        .collect();
    let wanted: Vec<String> = names.iter().map(|who| format!("+{who}")).collect();
    assert_eq!(mentioned, wanted);
    assert!(events.len() < 40, "{} events", events.len());
    let told: Vec<String> = stage.told.lock().events.iter().map(|event| line(event)).collect();
    assert_eq!(told, events.iter().map(line).collect::<Vec<_>>());
    let members = stage.store.members(&user("p7"), &room("hall"), None, 100).await.unwrap();
    assert_eq!((members.total, members.members.len()), (40, 40));
}

#[tokio::test]
async fn what_is_sent_right_after_a_join_stands_after_it() {
    let stage = Stage::with_public("hall", &["ann"]).await;
    for who in ["bob", "cid"] {
        stage.store.put_user(user(who), who.to_owned(), 1).await.unwrap();
    }
    let replies = [
        stage.join("bob", "hall", "c1"),
        stage.send("bob", "hall", "c2", "hi"),
        stage.leave("bob", "hall", "c3"),
        stage.join("cid", "hall", "c1"),
        stage.send("bob", "hall", "c4", "too late"),
        stage.send("cid", "hall", "c2", "ho"),
    ];
    let mut refused = 0;
    for reply in replies {
        refused += usize::from(reply.await == Err(Error::NotFound));
    }
    assert_eq!(refused, 1);
    let lines = stage.lines("ann", "hall").await;
    let flat: Vec<&str> = lines
        .iter()
        .flat_map(|line| line.split(' ').skip(1))
        .filter(|word| *word != "bob" && *word != "cid")
        .collect();
    assert_eq!(flat, ["ann", "+ann", "+bob", "bob:", "hi", "-bob", "+cid", "cid:", "ho"]);
    assert_eq!(lines.iter().filter(|line| line.contains(':')).count(), 2);
}

#[tokio::test]
async fn a_group_shows_newcomers_what_comes_after_them() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.store.put_user(user("bob"), "Bob".to_owned(), 1).await.unwrap();
    let old = stage.send("ann", "r", "c1", "before").await.unwrap();
    stage.invite("ann", "r", "c2", &["bob"]).await.unwrap();
    stage.send("ann", "r", "c3", "after").await.unwrap();
    assert_eq!(stage.lines("bob", "r").await, ["3 ann +bob", "4 ann: after"]);
    let page =
        stage.store.events(&user("bob"), &room("r"), Range::Before(Seq(99)), 10).await.unwrap();
    assert_eq!((page.first, page.events.len(), page.more), (Seq(3), 2, false));
    let (info, _) = stage.store.room_of(&user("bob"), &room("r")).await.unwrap();
    assert_eq!((info.first, info.unread), (Seq(3), 1));
    // What one does not see, one does not answer or change either.
    let answered = stage.answer("bob", "r", "c1", "?", Some(old.id)).await;
    assert_eq!(answered, Err(Error::NotFound));
    assert_eq!(stage.delete("bob", "r", "c2", old.id).await, Err(Error::NotFound));
}

#[tokio::test]
async fn the_newest_message_is_no_preview_for_one_who_joined_after_it() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.store.put_user(user("bob"), "Bob".to_owned(), 1).await.unwrap();
    stage.send("ann", "r", "c1", "before").await.unwrap();
    stage.invite("ann", "r", "c2", &["bob"]).await.unwrap();
    let (info, _) = stage.store.room_of(&user("bob"), &room("r")).await.unwrap();
    assert_eq!((info.last, info.unread), (None, 0));
}

#[tokio::test]
async fn one_who_comes_back_sees_what_the_new_membership_allows() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    stage.send("ann", "r", "c1", "one").await.unwrap();
    stage.leave("bob", "r", "c1").await.unwrap();
    assert_eq!(stage.history("bob", "r").await, Err(Error::NotFound));
    stage.send("ann", "r", "c2", "two").await.unwrap();
    stage.invite("ann", "r", "c3", &["bob"]).await.unwrap();
    assert_eq!(stage.lines("bob", "r").await, ["5 ann +bob"]);
}

#[tokio::test]
async fn owners_remove_and_are_not_removed() {
    let stage = Stage::with_group("r", &["ann", "bob", "cid"]).await;
    assert_eq!(stage.remove("bob", "r", "c1", &["cid"]).await, Err(Error::Forbidden));
    let removed = stage.remove("ann", "r", "c1", &["cid", "nobody"]).await.unwrap();
    assert_eq!(stage.remove("ann", "r", "c1", &["cid", "nobody"]).await.unwrap(), removed);
    assert_eq!(stage.remove("ann", "r", "c2", &["cid"]).await, Err(Error::NotFound));
    assert_eq!(stage.lines("bob", "r").await.last().unwrap(), "2 ann !cid");
    assert_eq!(stage.history("cid", "r").await, Err(Error::NotFound));
}

#[tokio::test]
async fn nobody_comes_into_or_goes_out_of_a_direct_room() {
    let stage = Stage::with(&["ann", "bob", "eve"]).await;
    let made = stage.direct("ann", "bob", "c0").await.unwrap();
    let place = made.room.as_str();
    assert_eq!(stage.invite("ann", place, "c1", &["eve"]).await, Err(Error::Forbidden));
    assert_eq!(stage.remove("ann", place, "c2", &["bob"]).await, Err(Error::Forbidden));
    assert_eq!(stage.leave("ann", place, "c3").await, Err(Error::Forbidden));
    assert_eq!(stage.join_granted("eve", place, "c4", Some(u64::MAX)).await, Err(Error::NotFound));
}

#[tokio::test]
async fn a_token_brings_its_holder_in_but_not_back() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.store.put_user(user("bob"), "Bob".to_owned(), 1).await.unwrap();
    let issued = stage.now();
    assert_eq!(stage.join("bob", "r", "c0").await, Err(Error::NotFound));
    stage.join_granted("bob", "r", "c1", Some(issued)).await.unwrap();
    stage.remove("ann", "r", "c1", &["bob"]).await.unwrap();
    assert_eq!(stage.join_granted("bob", "r", "c2", Some(issued)).await, Err(Error::NotFound));
    let younger = stage.now();
    stage.join_granted("bob", "r", "c3", Some(younger)).await.unwrap();
}

#[tokio::test]
async fn the_api_brings_in_and_takes_out_without_being_a_member() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.store.put_user(user("bob"), "Bob".to_owned(), 1).await.unwrap();
    let (users, at_ms) = (vec![user("bob")], stage.now());
    let invite = Invite { by: None, room: room("r"), cid: cid("k1"), users: users.clone(), at_ms };
    stage.store.invite(invite).await.unwrap();
    let remove = Remove { by: None, room: room("r"), cid: cid("k2"), users, at_ms };
    stage.store.remove(remove).await.unwrap();
    assert_eq!(stage.lines("ann", "r").await[1..], ["2 moorline +bob", "3 moorline !bob"]);
}

#[tokio::test]
async fn members_are_told_page_by_page_with_their_markers() {
    let stage = Stage::with_group("r", &["ann", "bob", "cid"]).await;
    let first = stage.store.members(&user("ann"), &room("r"), None, 2).await.unwrap();
    assert_eq!((first.more, first.total, first.members.len()), (true, 3, 2));
    let last = first.members.last().unwrap().id.clone();
    let second = stage.store.members(&user("ann"), &room("r"), Some(&last), 2).await.unwrap();
    assert_eq!((second.more, second.members.len()), (false, 1));
    assert_eq!(second.members[0].read, Some(Seq(1)));
    assert_eq!(stage.store.member_ids(&room("r")).await.unwrap().len(), 3);
}
