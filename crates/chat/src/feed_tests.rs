//! A feed's holes, repeats, tail, removals and slow readers.

use std::task::{Context, Waker};

use moorline_protocol::EventId;

use super::*;
use crate::Outbox;

const EPOCH: Epoch = Epoch(7);

fn room() -> RoomId {
    RoomId::new("r").unwrap()
}

fn message(seq: u64) -> Arc<Event> {
    let kind = EventKind::Rename { name: seq.to_string() };
    let id = EventId(format!("01930000-0000-7000-8000-{seq:012x}").parse().unwrap());
    let from = UserId::new("ann").unwrap();
    Arc::new(Event {
        room: room(),
        epoch: EPOCH,
        seq: Seq(seq),
        kind,
        id,
        from,
        cid: None,
        at: 1,
        people: Vec::new(),
    })
}

fn messages(seqs: &[u64]) -> Vec<Arc<Event>> {
    seqs.iter().map(|seq| message(*seq)).collect()
}

fn listener(limit_bytes: usize) -> Arc<Listener> {
    Listener::new(UserId::new("bob").unwrap(), None, Arc::new(Outbox::new(limit_bytes)))
}

fn warm_feed(head: u64) -> Arc<Feed> {
    let feed = Feed::new(room(), Instant::now());
    feed.warm(Head { epoch: EPOCH, first: Seq(1), head: Seq(head) });
    feed
}

fn deliver(feed: &Feed, seqs: &[u64]) -> Delivered {
    feed.deliver(&messages(seqs), &|_| None, &mut Round::of(Instant::now()))
}

fn seen(listener: &Listener) -> Vec<u64> {
    let mut seqs = Vec::new();
    let context = Context::from_waker(Waker::noop());
    listener.outbox().drain(&context, |frame| {
        let event: Event = serde_json::from_slice(frame.payload()).unwrap();
        seqs.push(event.seq.0);
        true
    });
    seqs
}

#[test]
fn what_was_delivered_before_is_dropped() {
    let (feed, bob) = (warm_feed(2), listener(10_000));
    assert_eq!(feed.enter(&bob, (EPOCH, Seq(2))), Entered::Live);
    for seqs in [&[1, 2, 3][..], &[3], &[2, 4], &[4, 3]] {
        assert_eq!(deliver(&feed, seqs), Delivered::Done);
    }
    assert_eq!(seen(&bob), [3, 4]);
}

#[test]
fn a_hole_is_told_and_nothing_behind_it_is_delivered() {
    let (feed, bob) = (warm_feed(2), listener(10_000));
    feed.enter(&bob, (EPOCH, Seq(2)));
    assert_eq!(deliver(&feed, &[3, 6, 7]), Delivered::Hole(Seq(3)));
    assert_eq!(seen(&bob), [3]);
    assert_eq!(deliver(&feed, &[4, 5]), Delivered::Done);
    assert_eq!(deliver(&feed, &[6, 7]), Delivered::Done);
    assert_eq!(seen(&bob), [4, 5, 6, 7]);
}

#[test]
fn an_event_of_another_life_of_the_log_is_not_delivered() {
    let (feed, bob) = (warm_feed(2), listener(10_000));
    feed.enter(&bob, (EPOCH, Seq(2)));
    let foreign = Event { epoch: Epoch(8), ..(*message(3)).clone() };
    assert_eq!(
        feed.deliver(&[Arc::new(foreign)], &|_| None, &mut Round::of(Instant::now())),
        Delivered::Done
    );
    assert!(seen(&bob).is_empty());
    assert_eq!(feed.enter(&bob, (Epoch(8), Seq(2))), Entered::OtherEpoch);
}

#[test]
fn a_feed_that_does_not_know_its_head_lets_nobody_in_and_forgets_nothing() {
    let (feed, bob) = (Feed::new(room(), Instant::now()), listener(10_000));
    assert_eq!(feed.enter(&bob, (EPOCH, Seq(4))), Entered::Cold);
    // This event was committed after the head was read, and published before the feed heard of that head.
    deliver(&feed, &[5]);
    feed.warm(Head { epoch: EPOCH, first: Seq(1), head: Seq(4) });
    assert_eq!(feed.enter(&bob, (EPOCH, Seq(4))), Entered::Behind(Seq(4)));
    assert_eq!(feed.enter(&bob, (EPOCH, Seq(5))), Entered::Live);
}

#[test]
fn one_who_comes_a_moment_late_gets_the_tail() {
    let (feed, ann, bob) = (warm_feed(0), listener(10_000), listener(10_000));
    feed.enter(&ann, (EPOCH, Seq(0)));
    deliver(&feed, &[1, 2, 3]);
    assert_eq!(feed.enter(&bob, (EPOCH, Seq(1))), Entered::Live);
    assert_eq!(seen(&bob), [2, 3]);
}

#[test]
fn the_tail_is_bounded_and_a_quiet_room_gives_it_back() {
    let (feed, bob) = (warm_feed(0), listener(10_000_000));
    let all: Vec<u64> = (1..=1_000).collect();
    deliver(&feed, &all);
    assert_eq!(feed.enter(&bob, (EPOCH, Seq(900))), Entered::Behind(Seq(900)));
    assert_eq!(feed.enter(&bob, (EPOCH, Seq(990))), Entered::Live);
    for _ in 0..=QUIET_SWEEPS {
        feed.sweep(Instant::now());
    }
    assert_eq!(feed.enter(&bob, (EPOCH, Seq(990))), Entered::Behind(Seq(990)));
}

#[test]
fn a_position_that_the_tail_shows_is_gone_on_from_without_the_store() {
    let (feed, bob) = (warm_feed(0), listener(10_000));
    deliver(&feed, &[1, 2, 3]);
    let at = |seq: u64, check: String| Position { epoch: EPOCH, seq: Seq(seq), check: Some(check) };
    let check = message(1).id.check();
    assert_eq!(feed.resume(&bob, &at(1, "00000000".into()), Seq(3)), None);
    assert_eq!(feed.resume(&bob, &at(9, check.clone()), Seq(3)), None);
    assert!(seen(&bob).is_empty());
    assert_eq!(feed.resume(&bob, &at(1, check), Seq(3)), Some(2));
    deliver(&feed, &[4]);
    assert_eq!(seen(&bob), [2, 3, 4]);
}

#[test]
fn one_removed_after_the_reading_is_not_let_in_by_the_tail() {
    let (feed, bob) = (warm_feed(0), listener(10_000));
    deliver(&feed, &[1, 2]);
    bob.bar(&room(), Seq(2));
    let from = Position { epoch: EPOCH, seq: Seq(1), check: Some(message(1).id.check()) };
    assert_eq!(feed.resume(&bob, &from, Seq(1)), None);
    assert!(seen(&bob).is_empty());
}

#[test]
fn an_erased_text_does_not_stay_in_the_tail() {
    let (feed, bob) = (warm_feed(0), listener(10_000));
    deliver(&feed, &[1]);
    let kind = EventKind::Delete { message: message(1).id, of: Seq(1) };
    feed.deliver(
        &[Arc::new(Event { kind, ..(*message(2)).clone() })],
        &|_| None,
        &mut Round::of(Instant::now()),
    );
    assert_eq!(feed.enter(&bob, (EPOCH, Seq(0))), Entered::Behind(Seq(0)));
}

#[test]
fn one_whose_outbox_is_full_leaves_and_knows_from_where_to_go_on() {
    let (feed, bob) = (warm_feed(0), listener(100));
    feed.enter(&bob, (EPOCH, Seq(0)));
    deliver(&feed, &[1, 2, 3]);
    let context = Context::from_waker(Waker::noop());
    let std::task::Poll::Ready(notices) = bob.outbox().poll_notices(&context) else {
        panic!("no notice")
    };
    assert_eq!(notices, [Notice::Behind { room: room(), from: Seq(2) }]);
    assert_eq!(seen(&bob), [1]);
    deliver(&feed, &[4]);
    assert!(seen(&bob).is_empty());
}
