//! Sending: durable, dense, once.

use moorline_protocol::{EventKind, Seq};
use moorline_store::Error;

use super::stage::{Stage, line, room};

#[tokio::test]
async fn a_message_is_stored_at_the_next_position_and_told_once() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    let stored = stage.send("ann", "r", "c1", "hi").await.unwrap();
    assert_eq!((stored.seq, &stored.room), (Seq(2), &room("r")));
    assert_eq!(stage.lines("bob", "r").await, ["1 ann +ann +bob", "2 ann: hi"]);
    let told: Vec<String> = stage.told.lock().events.iter().map(|event| line(event)).collect();
    assert_eq!(told, ["1 ann +ann +bob", "2 ann: hi"]);
}

#[tokio::test]
async fn the_same_cid_again_gets_the_first_answer_and_is_told_to_nobody() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    let first = stage.send("ann", "r", "c1", "hi").await.unwrap();
    let second = stage.send("ann", "r", "c1", "hi").await.unwrap();
    assert_eq!(first, second);
    assert_eq!(stage.told.lock().events.len(), 2);
}

#[tokio::test]
async fn the_same_cid_twice_in_one_batch_is_one_row_and_two_answers() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    let replies: Vec<_> = (0..50).map(|_| stage.send("ann", "r", "c1", "hi")).collect();
    let mut answers = Vec::new();
    for reply in replies {
        answers.push(reply.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(stage.lines("ann", "r").await, ["1 ann +ann +bob", "2 ann: hi"]);
}

#[tokio::test]
async fn the_same_cid_with_another_body_is_a_conflict() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    stage.send("ann", "r", "c1", "hi").await.unwrap();
    assert_eq!(stage.send("ann", "r", "c1", "ho").await, Err(Error::CidConflict));
    let message = stage.send("ann", "r", "c2", "hi").await.unwrap();
    let answered = stage.answer("ann", "r", "c1", "hi", Some(message.id)).await;
    assert_eq!(answered, Err(Error::CidConflict));
}

#[tokio::test]
async fn cids_of_other_people_and_rooms_are_other_cids() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    stage.make("q", moorline_protocol::RoomKind::Group, &["ann"]).await.unwrap();
    stage.send("ann", "r", "c1", "a").await.unwrap();
    stage.send("bob", "r", "c1", "b").await.unwrap();
    stage.send("ann", "q", "c1", "c").await.unwrap();
    assert_eq!(stage.lines("ann", "r").await.len(), 3);
    assert_eq!(stage.lines("ann", "q").await, ["1 ann +ann", "2 ann: c"]);
}

#[tokio::test]
async fn a_repeat_is_answered_even_after_the_senders_removal() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    let first = stage.send("bob", "r", "c1", "hi").await.unwrap();
    stage.remove("ann", "r", "c2", &["bob"]).await.unwrap();
    assert_eq!(stage.send("bob", "r", "c1", "hi").await.unwrap(), first);
    assert_eq!(stage.send("bob", "r", "c1", "ho").await, Err(Error::CidConflict));
    assert_eq!(stage.send("bob", "r", "c3", "hi").await, Err(Error::NotFound));
}

#[tokio::test]
async fn a_repeat_is_answered_after_a_restart() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    let first = stage.send("ann", "r", "0193b5c8-7a11-7aaa-8bbb-0123456789ab", "hi").await.unwrap();
    let stage = stage.reopen().await;
    let again = stage.send("ann", "r", "0193b5c8-7a11-7aaa-8bbb-0123456789ab", "hi").await.unwrap();
    assert_eq!(first, again);
    let events = stage.history("ann", "r").await.unwrap().events;
    assert_eq!(events[1].cid.as_ref().unwrap().as_str(), "0193b5c8-7a11-7aaa-8bbb-0123456789ab");
}

#[tokio::test]
async fn cids_that_look_like_uuids_keep_their_letters() {
    let stage = Stage::with_group("r", &["ann"]).await;
    for key in ["0193B5C8-7A11-7AAA-8BBB-0123456789AB", "0193b5c87a117aaa8bbb0123456789ab"] {
        stage.send("ann", "r", key, "hi").await.unwrap();
        let events = stage.history("ann", "r").await.unwrap().events;
        assert_eq!(events.last().unwrap().cid.as_ref().unwrap().as_str(), key);
    }
}

#[tokio::test]
async fn a_refused_send_never_fails_its_neighbours() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    let good = stage.send("ann", "r", "c1", "one");
    let stranger = stage.send("eve", "r", "c1", "no");
    let nowhere = stage.send("ann", "nowhere", "c1", "no");
    let long = stage.send("ann", "r", "c2", &"x".repeat(1 << 19));
    let also_good = stage.send("bob", "r", "c1", "two");
    assert_eq!(good.await.unwrap().seq, Seq(2));
    assert_eq!(stranger.await, Err(Error::NotFound));
    assert_eq!(nowhere.await, Err(Error::NotFound));
    assert!(matches!(long.await, Err(Error::Invalid(_))));
    assert_eq!(also_good.await.unwrap().seq, Seq(3));
}

#[tokio::test]
async fn a_room_keeps_the_order_of_arrival_without_holes() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    let replies: Vec<_> =
        (0..3_000).map(|n| stage.send("ann", "r", &format!("c{n}"), &format!("{n}"))).collect();
    for (n, reply) in replies.into_iter().enumerate() {
        assert_eq!(reply.await.unwrap().seq, Seq(n as u64 + 2));
    }
    let told = stage.told.lock();
    for (n, event) in told.events.iter().skip(1).enumerate() {
        assert_eq!(line(event), format!("{} ann: {n}", n + 2));
    }
}

#[tokio::test]
async fn an_answer_names_a_message_of_the_same_room_that_its_sender_may_see() {
    let stage = Stage::with_group("r", &["ann", "bob", "cid"]).await;
    stage.make("q", moorline_protocol::RoomKind::Group, &["ann", "bob"]).await.unwrap();
    let here = stage.send("ann", "r", "c1", "question").await.unwrap();
    let there = stage.send("ann", "q", "c1", "question").await.unwrap();
    assert!(stage.answer("bob", "r", "c2", "answer", Some(here.id)).await.is_ok());
    assert_eq!(stage.answer("bob", "r", "c3", "no", Some(there.id)).await, Err(Error::NotFound));
    let events = stage.history("ann", "r").await.unwrap().events;
    let EventKind::Message { reply_to, .. } = &events[2].kind else { panic!("no message") };
    assert_eq!(*reply_to, Some(here.id));
}

#[tokio::test]
async fn a_wall_clock_that_jumps_changes_no_order() {
    let stage = Stage::with_group("r", &["ann"]).await;
    for (n, at_ms) in [9_000_000_000_000, 5, 0, 1_795_000_000_000, u64::MAX].into_iter().enumerate()
    {
        let mut send = moorline_store::Send {
            from: super::stage::user("ann"),
            room: room("r"),
            cid: super::stage::cid(&format!("c{n}")),
            body: n.to_string(),
            reply_to: None,
            at_ms,
        };
        send.at_ms = at_ms;
        assert_eq!(stage.store.send(send).await.unwrap().seq, Seq(n as u64 + 2));
    }
    let lines = stage.lines("ann", "r").await;
    assert_eq!(lines[1..], ["2 ann: 0", "3 ann: 1", "4 ann: 2", "5 ann: 3", "6 ann: 4"]);
}

#[tokio::test]
async fn more_than_the_queue_holds_is_refused_at_once_as_overloaded() {
    let place = crate::backend::Place::new();
    let config = moorline_store::StoreConfig { queue: 10, ..place.config() };
    let (store, commits) = moorline_store::Store::open(config).unwrap();
    // Nobody reads the commits yet, so the writer soon stands still.
    let replies: Vec<_> = (0..1_000)
        .map(|n| store.put_user(super::stage::user(&format!("u{n}")), "U".into(), 1))
        .collect();
    tokio::spawn(commits.answer_all());
    let mut refused = 0;
    for reply in replies {
        match reply.await {
            Ok(true) => {}
            Err(Error::Overloaded { .. }) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0);
}
