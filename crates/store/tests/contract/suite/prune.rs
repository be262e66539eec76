//! Retention: what is old goes, dense logs stay dense, and nobody is told a lie about what is gone.

use moorline_protocol::{Position, ResetReason, Seq};
use moorline_store::{Error, Prune, Range, Resumed, SetRetention, UPKEEP_STEP};

use super::stage::{Stage, eventually, room, user};

impl Stage {
    /// Prunes what was stored before an event of the room, step by step; answers how many steps did something.
    async fn prune_below(&self, of: &str, seq: u64) -> usize {
        let page = self.store.log(&room(of), Seq(seq - 1), 1).await.unwrap();
        let before_ms = page.events[0].at;
        let mut steps = 0;
        loop {
            let prune = Prune { room: room(of), before_ms };
            let pruned = self.store.prune(prune).await.unwrap();
            assert!(pruned <= UPKEEP_STEP as u64, "a step is bounded");
            if pruned == 0 {
                return steps;
            }
            steps += 1;
        }
    }

    async fn fill_more(&self, to: &str, count: usize) {
        for n in 0..count {
            self.send("ann", to, &format!("g{n}"), "more").await.unwrap();
        }
    }

    async fn fill(&self, to: &str, count: usize) {
        let sends: Vec<_> = (0..count)
            .map(|n| self.send("ann", to, &format!("f{n}"), &format!("word{n}")))
            .collect();
        for send in sends {
            send.await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_older_than_its_time_goes_in_small_steps_and_first_rises() {
    let stage = Stage::with_public("r", &["ann", "bob"]).await;
    stage.fill("r", 200).await;
    assert_eq!(stage.prune_below("r", 150).await, 149_usize.div_ceil(UPKEEP_STEP));
    let page = stage.history("bob", "r").await.unwrap();
    assert_eq!((page.first, page.head), (Seq(150), Seq(201)));
    let seqs: Vec<u64> = page.events.iter().map(|event| event.seq.0).collect();
    assert_eq!(seqs, (150..=201).collect::<Vec<_>>(), "the log is dense from there on");
    let touched = stage.told.lock().rooms.last().cloned().unwrap();
    assert_eq!(touched.head.first, Seq(150), "the commit tells where the log begins");
    assert_eq!(stage.store.head(&room("r")).await.unwrap().first, Seq(150));
    let older =
        stage.store.events(&user("bob"), &room("r"), Range::Before(Seq(150)), 10).await.unwrap();
    assert!(older.events.is_empty() && !older.more);
    assert_eq!((older.first, older.pruned), (Seq(150), true), "the answer says where it begins");
    assert!(stage.store.log(&room("r"), Seq(0), 1).await.unwrap().pruned);
    assert_eq!(stage.send("ann", "r", "next", "hi").await.unwrap().seq, Seq(202));
}

#[tokio::test]
async fn one_who_came_later_is_told_of_pruning_only_where_it_took_something_from_them() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.store.put_user(user("bob"), "Bob".into(), 1).await.unwrap();
    stage.fill("r", 10).await;
    stage.invite("ann", "r", "i", &["bob"]).await.unwrap();
    stage.fill_more("r", 10).await;
    let told = async |who: &str| {
        let page = stage.history(who, "r").await.unwrap();
        (page.first.0, page.pruned)
    };
    assert_eq!((told("ann").await, told("bob").await), ((1, false), (12, false)));
    stage.prune_below("r", 5).await;
    assert_eq!((told("ann").await, told("bob").await), ((5, true), (12, false)));
    stage.prune_below("r", 15).await;
    assert_eq!((told("ann").await, told("bob").await), ((15, true), (15, true)));
}

#[tokio::test]
async fn the_newest_event_stays_whatever_its_age() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.fill("r", 3).await;
    let all = Prune { room: room("r"), before_ms: u64::MAX };
    assert_eq!(stage.store.prune(all.clone()).await.unwrap(), 3);
    assert_eq!(stage.store.prune(all).await.unwrap(), 0);
    assert_eq!(stage.lines("ann", "r").await, ["4 ann: word2"]);
    let position = stage.position("r", 4).await;
    let Resumed::Events { events, head, .. } = stage.resume("ann", "r", position).await else {
        panic!("who has everything goes on")
    };
    assert_eq!((events.len(), head), (0, Seq(4)));
    let nobody = Prune { room: room("none"), before_ms: u64::MAX };
    assert_eq!(stage.store.prune(nobody).await, Err(Error::NotFound));
}

#[tokio::test]
async fn a_position_that_is_gone_is_answered_with_pruned_and_one_that_is_left_goes_on() {
    let stage = Stage::with_public("r", &["ann"]).await;
    stage.fill("r", 20).await;
    let (gone, last_gone, left) =
        (stage.position("r", 5).await, stage.position("r", 9).await, stage.position("r", 10).await);
    stage.prune_below("r", 10).await;
    for position in [gone.clone(), last_gone, Position { check: None, ..gone.clone() }] {
        let Resumed::Reset { reason, first, head, .. } = stage.resume("ann", "r", position).await
        else {
            panic!("no reset")
        };
        assert_eq!((reason, first, head), (ResetReason::Pruned, Seq(10), Seq(21)));
    }
    let Resumed::Events { events, .. } = stage.resume("ann", "r", left.clone()).await else {
        panic!("the position is there")
    };
    assert_eq!(events.first().unwrap().seq, Seq(11));
    let other_id = Position { check: gone.check.clone(), ..left };
    let Resumed::Reset { reason, .. } = stage.resume("ann", "r", other_id).await else {
        panic!("another event stands there")
    };
    assert_eq!(reason, ResetReason::Epoch);
    let positions = vec![(room("r"), gone)];
    let missed = stage.store.for_welcome(&user("ann"), 10, positions).await.unwrap().missed;
    let Resumed::Reset { reason, .. } = missed.resumed[0].resumed else { panic!("no reset") };
    assert_eq!(reason, ResetReason::Pruned);
}

#[tokio::test]
async fn a_pruned_message_is_no_hit_no_answer_and_no_edit() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let old = stage.send("ann", "r", "c1", "an ancient walrus").await.unwrap();
    stage.send("ann", "r", "c2", "a young walrus").await.unwrap();
    stage.indexed().await;
    assert_eq!(stage.find("ann", "walrus").await.len(), 2);
    stage.prune_below("r", 3).await;
    assert_eq!(stage.find("ann", "walrus").await, ["3 ann: a young walrus"]);
    assert!(stage.find("ann", "ancient").await.is_empty());
    let answer = stage.answer("ann", "r", "c3", "yes", Some(old.id)).await;
    assert_eq!(answer, Err(Error::NotFound));
    assert_eq!(stage.edit("ann", "r", "c4", old.id, "new").await, Err(Error::NotFound));
    assert_eq!(stage.delete("ann", "r", "c5", old.id).await, Err(Error::NotFound));
}

#[tokio::test]
async fn the_cid_of_a_pruned_message_gets_its_first_answer_and_never_a_second_message() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let first = stage.send("ann", "r", "c1", "old").await.unwrap();
    stage.send("ann", "r", "c2", "new").await.unwrap();
    stage.prune_below("r", 3).await;
    assert_eq!(stage.send("ann", "r", "c1", "old").await.unwrap(), first);
    assert_eq!(stage.send("ann", "r", "c1", "other").await, Err(Error::CidConflict));
    let stage = stage.reopen().await;
    assert_eq!(stage.send("ann", "r", "c1", "old").await.unwrap(), first);
    assert_eq!(stage.lines("ann", "r").await, ["3 ann: new"]);
}

#[tokio::test]
async fn the_cid_of_a_deleted_message_gets_its_first_answer_too() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let first = stage.send("ann", "r", "c1", "old").await.unwrap();
    stage.delete("ann", "r", "c2", first.id).await.unwrap();
    assert_eq!(stage.send("ann", "r", "c1", "old").await.unwrap(), first);
    let lines = stage.lines("ann", "r").await;
    assert_eq!(lines[1..], ["2 ann: (deleted by 3)", "3 ann deletes 2"]);
}

#[tokio::test]
async fn what_is_gone_is_unread_by_nobody() {
    let stage = Stage::with_public("r", &["ann", "bob"]).await;
    stage.fill("r", 10).await;
    let unread = async || stage.store.rooms_of(&user("bob"), None, 10).await.unwrap();
    assert_eq!(unread().await.totals.unread, 10);
    stage.prune_below("r", 8).await;
    let rooms = unread().await;
    assert_eq!((rooms.totals.unread, rooms.rooms[0].unread), (4, 4));
    assert_eq!(rooms.rooms[0].first, Seq(8));
    stage.read("bob", "r", 9);
    eventually(async || unread().await.totals.unread == 2).await;
    let page = stage.store.rooms_of(&user("bob"), None, 1).await.unwrap();
    assert_eq!(page.totals.unread, 2);
}

#[tokio::test]
async fn who_joins_again_after_their_joining_was_pruned_is_answered_all_the_same() {
    let stage = Stage::with_public("r", &["ann", "bob"]).await;
    stage.fill("r", 5).await;
    stage.prune_below("r", 4).await;
    let stored = stage.join("bob", "r", "again").await.unwrap();
    assert_eq!(stored.seq, Seq(4));
    assert_eq!(stage.join("bob", "r", "again").await.unwrap(), stored);
    assert_eq!(stage.lines("ann", "r").await.len(), 3, "nothing was added");
}

#[tokio::test]
async fn each_room_may_say_itself_how_long_its_events_are_kept() {
    let stage = Stage::with(&["ann"]).await;
    for id in ["short", "ever", "usual", "young"] {
        stage.make(id, moorline_protocol::RoomKind::Group, &["ann"]).await.unwrap();
        stage.send("ann", id, "c", "x").await.unwrap();
    }
    let set = |id: &str, seconds| SetRetention { room: room(id), seconds };
    assert!(stage.store.set_retention(set("short", Some(60))).await.unwrap());
    assert!(!stage.store.set_retention(set("short", Some(60))).await.unwrap());
    assert!(stage.store.set_retention(set("ever", Some(0))).await.unwrap());
    assert!(stage.store.set_retention(set("young", Some(7_200))).await.unwrap());
    assert_eq!(stage.store.set_retention(set("none", None)).await, Err(Error::NotFound));
    assert_eq!(stage.store.retention(&room("short")).await.unwrap(), Some(60));
    assert_eq!(stage.store.retention(&room("usual")).await.unwrap(), None);
    let in_an_hour = stage.now() + 3_600_000;
    let overdue = async |seconds: Option<u64>| -> Vec<String> {
        let found = stage.store.overdue(seconds, in_an_hour, None).await.unwrap();
        assert_eq!(found.next, None);
        found.rooms.iter().map(|(room, _)| room.to_string()).collect()
    };
    assert_eq!(overdue(None).await, ["short"]);
    assert_eq!(overdue(Some(1_800)).await, ["short", "usual"]);
    assert_eq!(overdue(Some(7_200)).await, ["short"]);
    assert!(stage.store.set_retention(set("short", None)).await.unwrap());
    assert!(overdue(None).await.is_empty());
    let found = stage.store.overdue(Some(60), in_an_hour, None).await.unwrap();
    let before = found.rooms[0].1;
    assert_eq!(before, in_an_hour - 60_000);
    for (room, before_ms) in found.rooms {
        assert_eq!(stage.store.prune(Prune { room, before_ms }).await.unwrap(), 1);
    }
    assert!(overdue(Some(60)).await.is_empty(), "the newest event is left and not looked at again");
}
