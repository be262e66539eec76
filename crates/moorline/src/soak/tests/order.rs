//! Violations of order and of reading: I6, I9, I10, I15.

use serde_json::json;

use super::story::{Story, breaks, id, keeps, passes};
use crate::soak::{Promise, Verdict};

fn applied(seqs: &[u64]) -> Verdict {
    let mut story = Story::in_a_room();
    for text in ["a", "b", "c", "d"] {
        story.says("ann", 1, text);
    }
    for seq in seqs {
        story
            .line(json!({"is":"applied","c":"bob","room":"r","epoch":"e","seq":seq,"id":id(*seq)}));
    }
    story.ends()
}

#[test]
fn i6_applied_in_order_and_once_passes() {
    let verdict = applied(&[1, 2, 3, 4]);
    passes(&verdict);
    keeps(Promise::I6, &verdict);
}

#[test]
fn i6_applied_twice_skipped_or_backwards_is_found() {
    let twice = applied(&[1, 2, 2, 3]);
    breaks(Promise::I6, &twice);
    assert_eq!(twice.doubled, 1);
    let skipped = applied(&[1, 2, 4]);
    breaks(Promise::I6, &skipped);
    assert_eq!(skipped.out_of_order, 1);
    breaks(Promise::I6, &applied(&[1, 2, 3, 2]));
}

#[test]
fn i6_after_a_reset_a_client_goes_on_anywhere() {
    let mut story = Story::in_a_room();
    for text in ["a", "b", "c"] {
        story.says("ann", 1, text);
    }
    story.line(json!({"is":"applied","c":"bob","room":"r","epoch":"e","seq":1}));
    let head = story.head();
    story.got(
        "bob",
        1,
        json!({"type":"reset","room":"r","reason":"too_far","epoch":"e","first":1,"head":head}),
    );
    story.line(json!({"is":"applied","c":"bob","room":"r","epoch":"e","seq":4}));
    passes(&story.ends());
}

#[test]
fn i9_a_page_without_one_s_own_acknowledged_send_is_found() {
    for short in [false, true] {
        let mut story = Story::in_a_room();
        let seq = story.says("ann", 1, "mine");
        story.sent("ann", 1, json!({"type":"history","id":9,"room":"r","limit":100}));
        let last = if short { seq - 1 } else { seq };
        let events: Vec<_> = (1..=last).map(|seq| story.at(seq).clone()).collect();
        story.got("ann", 1, json!({"type":"page","id":9,"room":"r","epoch":"e","first":1,"head":last,"events":events,"more":false}));
        let verdict = story.ends();
        if short { breaks(Promise::I9, &verdict) } else { keeps(Promise::I9, &verdict) }
    }
}

#[test]
fn i9_a_page_that_stops_below_its_head_is_found() {
    let mut story = Story::in_a_room();
    let seq = story.says("ann", 1, "mine");
    story.sent("ann", 1, json!({"type":"history","id":9,"room":"r","after":0}));
    let first = story.at(1).clone();
    story.got("ann", 1, json!({"type":"page","id":9,"room":"r","epoch":"e","first":1,"head":seq,"events":[first],"more":false}));
    breaks(Promise::I9, &story.ends());
}

#[test]
fn i9_a_welcome_that_falls_behind_is_found() {
    let mut story = Story::in_a_room_with_faults();
    story.says("ann", 1, "mine");
    story.fault("begin").close("ann", 1).fault("end");
    let mut rooms = story.room(0);
    rooms[0]["head"] = json!(1);
    story.connect("ann", 2, None, rooms);
    breaks(Promise::I9, &story.ends_as_it_is());
}

#[test]
fn i9_a_message_shown_without_its_acknowledged_edit_is_found() {
    let mut story = Story::in_a_room();
    let seq = story.says("ann", 1, "hi");
    story.sent(
        "ann",
        1,
        json!({"type":"edit","id":7,"room":"r","cid":"ed","message":id(seq),"body":"better"}),
    );
    let edit =
        json!({"kind":"edit","from":"ann","cid":"ed","message":id(seq),"of":seq,"body":"better"});
    let edit = story.stored(edit);
    story.event("ann", 1, edit).event("bob", 1, edit);
    story.got("ann", 1, json!({"type":"ack","id":7,"room":"r","epoch":"e","seq":edit}));
    story.sent("ann", 1, json!({"type":"history","id":9,"room":"r","limit":100}));
    let events: Vec<_> = (1..=edit).map(|seq| story.at(seq).clone()).collect();
    story.got("ann", 1, json!({"type":"page","id":9,"room":"r","epoch":"e","first":1,"head":edit,"events":events,"more":false}));
    breaks(Promise::I9, &story.ends());
}

#[test]
fn i10_a_send_after_an_ack_that_gets_a_smaller_seq_is_found() {
    let mut story = Story::in_a_room();
    let late = story.stores("bob", "late", "late");
    story.says("ann", 1, "early");
    let number = story.sends("bob", 1, "late", "late");
    story.acks("bob", 1, number, late);
    let verdict = story.ends();
    breaks(Promise::I10, &verdict);
    assert!(verdict.out_of_order > 0);
}

#[test]
fn i10_two_sends_of_one_connection_that_change_places_are_found() {
    let mut story = Story::in_a_room();
    let one = story.sends("ann", 1, "one", "one");
    let two = story.sends("ann", 1, "two", "two");
    let second = story.stores("ann", "two", "two");
    let first = story.stores("ann", "one", "one");
    story.event("ann", 1, second).event("ann", 1, first);
    story.event("bob", 1, second).event("bob", 1, first);
    story.acks("ann", 1, two, second).acks("ann", 1, one, first);
    breaks(Promise::I10, &story.ends());
}

#[test]
fn i15_a_marker_that_falls_is_found() {
    let receipt = |seq: u64| json!({"type":"receipt","room":"r","user":"bob","seq":seq});
    let mut story = Story::in_a_room();
    story.got("ann", 1, receipt(1)).got("ann", 1, receipt(2));
    keeps(Promise::I15, &story.ends());

    let mut story = Story::in_a_room();
    story.got("ann", 1, receipt(2)).got("ann", 1, receipt(1));
    breaks(Promise::I15, &story.ends());
}

#[test]
fn i15_a_welcome_or_a_member_list_with_an_older_marker_is_found() {
    let mut story = Story::in_a_room_with_faults();
    story.fault("begin").close("bob", 1).fault("end");
    let rooms = story.room(2);
    story.connect("bob", 2, None, rooms).close("bob", 2);
    let rooms = story.room(1);
    story.connect("bob", 3, None, rooms);
    breaks(Promise::I15, &story.ends_as_it_is());

    let mut story = Story::in_a_room();
    story.got("ann", 1, json!({"type":"receipt","room":"r","user":"bob","seq":2}));
    story.sent("ann", 1, json!({"type":"members","id":9,"room":"r"}));
    let members = json!([{"id":"bob","name":"Bob","role":"member","read":1}]);
    story.got("ann", 1, json!({"type":"members","id":9,"room":"r","members":members,"more":false}));
    breaks(Promise::I15, &story.ends());
}
