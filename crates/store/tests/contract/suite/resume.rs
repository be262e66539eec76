//! Going on from a position: what follows, whole, or an honest reset.

use moorline_protocol::{Epoch, Position, ResetReason, Seq};
use moorline_store::{Range, Resumed};

use super::stage::{Stage, line, room, user};

async fn stage_with(messages: usize) -> Stage {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    let replies: Vec<_> =
        (0..messages).map(|n| stage.send("ann", "r", &format!("c{n}"), &format!("{n}"))).collect();
    for reply in replies {
        reply.await.unwrap();
    }
    stage
}

fn reason(resumed: &Resumed) -> Option<ResetReason> {
    match resumed {
        Resumed::Reset { reason, .. } => Some(*reason),
        _ => None,
    }
}

fn lines(resumed: &Resumed) -> Vec<String> {
    let Resumed::Events { events, .. } = resumed else { panic!("{resumed:?}") };
    events.iter().map(line).collect()
}

#[tokio::test]
async fn a_resume_brings_what_follows_up_to_the_head() {
    let stage = stage_with(4).await;
    let from = stage.position("r", 3).await;
    assert_eq!(lines(&stage.resume("bob", "r", from).await), ["4 ann: 2", "5 ann: 3"]);
    let head = stage.position("r", 5).await;
    assert!(lines(&stage.resume("bob", "r", head).await).is_empty());
}

#[tokio::test]
async fn one_who_has_nothing_yet_goes_on_from_the_first_that_they_may_see() {
    let stage = stage_with(2).await;
    let from = stage.position("r", 0).await;
    assert_eq!(lines(&stage.resume("bob", "r", from.clone()).await).len(), 3);
    stage.store.put_user(user("cid"), "Cid".to_owned(), 1).await.unwrap();
    stage.invite("ann", "r", "i", &["cid"]).await.unwrap();
    assert_eq!(lines(&stage.resume("cid", "r", from).await), ["4 ann +cid"]);
}

#[tokio::test]
async fn a_position_that_cannot_be_gone_on_from_is_a_reset_with_its_reason() {
    let stage = stage_with(4).await;
    let good = stage.position("r", 3).await;
    let future = Position { seq: Seq(6), check: None, ..good.clone() };
    assert_eq!(reason(&stage.resume("bob", "r", future).await), Some(ResetReason::Future));
    let huge = Position { seq: Seq((1 << 53) - 1), ..good.clone() };
    assert_eq!(reason(&stage.resume("bob", "r", huge).await), Some(ResetReason::Future));
    let epoch = Position { epoch: Epoch::UNKNOWN, ..good.clone() };
    assert_eq!(reason(&stage.resume("bob", "r", epoch).await), Some(ResetReason::Epoch));
    let check = Position { check: Some("00000000".to_owned()), ..good.clone() };
    assert_eq!(reason(&stage.resume("bob", "r", check).await), Some(ResetReason::Epoch));
    let unchecked = Position { check: None, ..good };
    assert_eq!(reason(&stage.resume("bob", "r", unchecked).await), None);
    let gone = stage.position("r", 1).await;
    assert_eq!(stage.resume("eve", "r", gone).await, Resumed::Gone);
}

#[tokio::test]
async fn a_reset_tells_where_the_log_stands() {
    let stage = stage_with(4).await;
    let future = Position { seq: Seq(9), ..stage.position("r", 1).await };
    let Resumed::Reset { epoch, first, head, .. } = stage.resume("bob", "r", future).await else {
        panic!("no reset");
    };
    let known = stage.store.head(&room("r")).await.unwrap();
    assert_eq!((epoch, first, head), (known.epoch, Seq(1), Seq(5)));
}

#[tokio::test]
async fn more_than_the_limit_is_too_far_and_as_much_as_the_limit_is_not() {
    let stage = stage_with(50).await;
    let ask = async |seq: u64, limit: usize| {
        let from = stage.position("r", seq).await;
        stage.store.resume(&user("bob"), &room("r"), from, limit).await.unwrap()
    };
    assert_eq!(lines(&ask(31, 20).await).len(), 20);
    assert_eq!(reason(&ask(30, 20).await), Some(ResetReason::TooFar));
}

#[tokio::test]
async fn more_text_than_a_resume_carries_is_too_far() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    let text = "x".repeat(60_000);
    for n in 0..100 {
        stage.send("ann", "r", &format!("c{n}"), &text).await.unwrap();
    }
    let from = stage.position("r", 1).await;
    assert_eq!(reason(&stage.resume("bob", "r", from).await), Some(ResetReason::TooFar));
    let page = stage.history("bob", "r").await.unwrap();
    assert!(page.more && page.events.len() < 25, "{} events", page.events.len());
}

#[tokio::test]
async fn a_position_before_ones_own_joining_is_not_gone_on_from_in_silence() {
    let stage = stage_with(3).await;
    let old = stage.position("r", 2).await;
    stage.leave("bob", "r", "l").await.unwrap();
    stage.send("ann", "r", "x", "unseen").await.unwrap();
    stage.invite("ann", "r", "i", &["bob"]).await.unwrap();
    let resumed = stage.resume("bob", "r", old).await;
    assert_eq!(reason(&resumed), Some(ResetReason::Pruned));
}

#[tokio::test]
async fn a_resume_tells_messages_as_they_are_now() {
    let stage = stage_with(2).await;
    let message = stage.send("ann", "r", "c", "wrogn").await.unwrap();
    let from = stage.position("r", 3).await;
    stage.edit("ann", "r", "e", message.id, "right").await.unwrap();
    let resumed = stage.resume("bob", "r", from).await;
    assert_eq!(lines(&resumed), ["4 ann: right (edited by 5)", "5 ann edits 4: right"]);
}

#[tokio::test]
async fn pages_go_both_ways_and_say_whether_there_is_more() {
    let stage = stage_with(9).await;
    let page = async |range| stage.store.events(&user("bob"), &room("r"), range, 4).await.unwrap();
    let seqs = |page: &moorline_store::Page| -> Vec<u64> {
        page.events.iter().map(|event| event.seq.0).collect()
    };
    let newest = page(Range::Newest).await;
    assert_eq!((seqs(&newest), newest.more), (vec![7, 8, 9, 10], true));
    let before = page(Range::Before(Seq(4))).await;
    assert_eq!((seqs(&before), before.more), (vec![1, 2, 3], false));
    let after = page(Range::After(Seq(6))).await;
    assert_eq!((seqs(&after), after.more), (vec![7, 8, 9, 10], false));
    let some = page(Range::After(Seq(2))).await;
    assert_eq!((seqs(&some), some.more), (vec![3, 4, 5, 6], true));
    for empty in [Range::After(Seq(10)), Range::After(Seq(u64::MAX)), Range::Before(Seq(0))] {
        let none = page(empty).await;
        assert_eq!((none.events.len(), none.more), (0, false));
    }
    assert_eq!(newest.people.len(), 1);
    assert_eq!(before.people.len(), 2);
}

#[tokio::test]
async fn the_nodes_own_feed_reads_the_log_without_a_person() {
    let stage = stage_with(3).await;
    let page = stage.store.log(&room("r"), Seq(1), 2).await.unwrap();
    let seqs: Vec<u64> = page.events.iter().map(|event| event.seq.0).collect();
    assert_eq!((seqs, page.more, page.head), (vec![2, 3], true, Seq(4)));
}

#[tokio::test]
async fn several_rooms_resumed_together_bring_what_is_small_and_leave_the_rest_for_later() {
    let stage = stage_with(300).await;
    stage.make("small", moorline_protocol::RoomKind::Group, &["ann", "bob"]).await.unwrap();
    let position = async |of: &str, seq| (room(of), stage.position(of, seq).await);
    let positions = vec![
        position("r", 2).await,
        position("small", 0).await,
        (room("nowhere"), stage.position("r", 1).await),
        position("r", 299).await,
    ];
    let some = stage.store.for_welcome(&user("bob"), 10, positions).await.unwrap().missed;
    let left: Vec<String> = some.left.iter().map(|(room, _)| room.to_string()).collect();
    assert_eq!(left, ["r"]);
    let resumed: Vec<_> =
        some.resumed.iter().map(|one| (one.room.as_str(), &one.resumed)).collect();
    assert_eq!(lines(resumed[0].1), ["1 ann +ann +bob"]);
    assert_eq!(resumed[1], ("nowhere", &Resumed::Gone));
    assert_eq!(lines(resumed[2].1), ["300 ann: 298", "301 ann: 299"]);
}
