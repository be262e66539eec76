//! Violations of delivery: I7, I8, I11, I12, I13, I16.

use serde_json::{Value, json};

use super::story::{Story, breaks, keeps, leaves_open, passes};
use crate::soak::Promise;

#[test]
fn i7_an_event_that_never_comes_to_a_connected_member_is_found() {
    let mut story = Story::in_a_room();
    let number = story.sends("ann", 1, "x", "hi");
    let seq = story.stores("ann", "x", "hi");
    story.event("ann", 1, seq).acks("ann", 1, number, seq).wait(60);
    let verdict = story.ends_as_it_is();
    breaks(Promise::I7, &verdict);
    assert_eq!(verdict.lost, 1);
}

#[test]
fn i7_an_event_that_comes_too_late_is_found() {
    let mut story = Story::in_a_room();
    let number = story.sends("ann", 1, "x", "hi");
    let seq = story.stores("ann", "x", "hi");
    story.event("ann", 1, seq).acks("ann", 1, number, seq).wait(60).event("bob", 1, seq);
    breaks(Promise::I7, &story.ends());
}

#[test]
fn i7_what_is_missing_in_a_run_that_ends_at_once_is_not_decided() {
    let mut story = Story::in_a_room();
    let number = story.sends("ann", 1, "x", "hi");
    let seq = story.stores("ann", "x", "hi");
    story.event("ann", 1, seq).acks("ann", 1, number, seq);
    let verdict = story.ends_as_it_is();
    passes(&verdict);
    leaves_open(Promise::I7, &verdict);
}

/// Bob misses two messages, comes back from `position`, and `answer` is what he gets.
fn resumed(position: Value, answer: impl FnOnce(&mut Story, u64)) -> crate::soak::Verdict {
    let mut story = Story::in_a_room_with_faults();
    story.fault("begin").close("bob", 1).fault("end");
    for cid in ["x", "y"] {
        let number = story.sends("ann", 1, cid, cid);
        let seq = story.stores("ann", cid, cid);
        story.event("ann", 1, seq).acks("ann", 1, number, seq);
    }
    let rooms = story.room(0);
    story.connect("bob", 2, Some(json!({"r":position})), rooms);
    let head = story.head();
    answer(&mut story, head);
    story.wait(20);
    story.ends_as_it_is()
}

#[test]
fn i8_a_resume_that_is_never_answered_is_found() {
    breaks(Promise::I8, &resumed(json!({"epoch":"e","seq":2}), |_, _| {}));
}

#[test]
fn i8_a_resume_that_skips_an_event_is_found() {
    let skip = |story: &mut Story, head| _ = story.event("bob", 2, head);
    breaks(Promise::I8, &resumed(json!({"epoch":"e","seq":2}), skip));
}

#[test]
fn i8_a_resume_that_stops_half_way_is_found() {
    let half = |story: &mut Story, head| _ = story.event("bob", 2, head - 1);
    breaks(Promise::I8, &resumed(json!({"epoch":"e","seq":2}), half));
}

#[test]
fn i8_a_position_from_the_future_needs_a_reset() {
    breaks(Promise::I8, &resumed(json!({"epoch":"e","seq":99}), |_, _| {}));
    let reset = |story: &mut Story, head: u64| {
        let frame =
            json!({"type":"reset","room":"r","reason":"future","epoch":"e","first":1,"head":head});
        story.got("bob", 2, frame);
    };
    keeps(Promise::I8, &resumed(json!({"epoch":"e","seq":99}), reset));
}

#[test]
fn i8_a_reset_for_a_reason_that_is_not_true_is_found() {
    for reason in ["future", "epoch", "pruned", "because"] {
        let reset = |story: &mut Story, head: u64| {
            let frame = json!({"type":"reset","room":"r","reason":reason,"epoch":"e","first":1,"head":head});
            story.got("bob", 2, frame);
        };
        breaks(Promise::I8, &resumed(json!({"epoch":"e","seq":2}), reset));
    }
}

#[test]
fn i8_a_position_that_was_pruned_is_answered_with_a_reset_that_says_where_the_log_begins() {
    let reset = |first: u64| {
        move |story: &mut Story, head: u64| {
            let frame = json!({"type":"reset","room":"r","reason":"pruned","epoch":"e","first":first,"head":head});
            story.got("bob", 2, frame);
        }
    };
    keeps(Promise::I8, &resumed(json!({"epoch":"e","seq":2}), reset(3)));
    breaks(Promise::I8, &resumed(json!({"epoch":"e","seq":2}), reset(2)));
}

#[test]
fn i14_a_position_of_another_epoch_needs_a_reset() {
    breaks(Promise::I14, &resumed(json!({"epoch":"old","seq":2}), |_, _| {}));
}

/// Bob is live and asks for what follows an older position; two messages come meanwhile, and `answer` is what he gets.
fn asks_again(answer: impl FnOnce(&mut Story, u64)) -> crate::soak::Verdict {
    let mut story = Story::in_a_room();
    let live = story.says("ann", 1, "while bob is live");
    story.sent("bob", 1, json!({"type":"resume","positions":{"r":{"epoch":"e","seq":live - 1}}}));
    for cid in ["x", "y"] {
        let number = story.sends("ann", 1, cid, cid);
        let seq = story.stores("ann", cid, cid);
        story.event("ann", 1, seq).acks("ann", 1, number, seq);
    }
    answer(&mut story, live);
    story.wait(60);
    story.ends_as_it_is()
}

#[test]
fn i8_what_was_under_way_before_a_position_was_heard_of_is_no_skip() {
    let verdict = asks_again(|story, live| {
        story.event("bob", 1, live + 1);
        for seq in live..=live + 2 {
            story.event("bob", 1, seq);
        }
    });
    keeps(Promise::I8, &verdict);
    passes(&verdict);
}

#[test]
fn i8_going_on_where_a_connection_was_is_no_answer_to_an_older_position() {
    let goes_on =
        |story: &mut Story, live| _ = story.event("bob", 1, live + 1).event("bob", 1, live + 2);
    breaks(Promise::I8, &asks_again(goes_on));
}

#[test]
fn i8_an_answer_with_a_hole_is_found_beside_what_was_under_way() {
    let hole = |story: &mut Story, live| {
        story.event("bob", 1, live + 1).event("bob", 1, live).event("bob", 1, live + 2);
    };
    breaks(Promise::I7, &asks_again(hole));
    let skip = |story: &mut Story, live| _ = story.event("bob", 1, live + 2);
    breaks(Promise::I8, &asks_again(skip));
}

#[test]
fn i8_an_event_that_skips_the_missed_ones_of_a_hello_is_found_though_the_welcome_told_its_head() {
    let live = |story: &mut Story, _| {
        let number = story.sends("ann", 1, "z", "z");
        let seq = story.stores("ann", "z", "z");
        story.event("ann", 1, seq).acks("ann", 1, number, seq).event("bob", 2, seq);
    };
    breaks(Promise::I8, &resumed(json!({"epoch":"e","seq":2}), live));
}

fn removal(story: &mut Story) -> u64 {
    story.sent("ann", 1, json!({"type":"remove","id":7,"room":"r","cid":"rm","users":["bob"]}));
    let changes = json!([{"user":"bob","change":"removed"}]);
    let seq = story.stored(json!({"kind":"member","from":"ann","cid":"rm","changes":changes}));
    story.event("ann", 1, seq).event("bob", 1, seq);
    story.got("ann", 1, json!({"type":"ack","id":7,"room":"r","epoch":"e","seq":seq}));
    story.got("bob", 1, json!({"type":"room","change":"gone","id":"r"}));
    seq
}

#[test]
fn i11_an_event_above_one_s_removal_is_found() {
    for leaks in [false, true] {
        let mut story = Story::in_a_room();
        removal(&mut story);
        let number = story.sends("ann", 1, "secret", "secret");
        let seq = story.stores("ann", "secret", "secret");
        story.event("ann", 1, seq).acks("ann", 1, number, seq);
        if leaks {
            story.event("bob", 1, seq);
        }
        let verdict = story.ends_as_it_is();
        if leaks { breaks(Promise::I11, &verdict) } else { keeps(Promise::I11, &verdict) }
    }
}

#[test]
fn i11_a_page_shown_to_a_stranger_is_found() {
    let mut story = Story::in_a_room();
    story.connect("eve", 1, None, json!([]));
    story.sent("eve", 1, json!({"type":"history","id":9,"room":"r","limit":10}));
    let event = story.at(2).clone();
    story.got("eve", 1, json!({"type":"page","id":9,"room":"r","epoch":"e","first":1,"head":2,"events":[event],"more":true}));
    breaks(Promise::I11, &story.ends());
}

#[test]
fn i11_what_was_before_a_joining_is_shown_only_where_history_is_for_all() {
    let mut story = Story::in_a_room();
    story.connect("eve", 1, None, json!([]));
    story.sent("ann", 1, json!({"type":"invite","id":7,"room":"r","cid":"in","users":["eve"]}));
    let changes = json!([{"user":"eve","change":"joined"}]);
    let seq = story.stored(json!({"kind":"member","from":"ann","cid":"in","changes":changes}));
    for who in ["ann", "bob"] {
        story.event(who, 1, seq);
    }
    story.got("ann", 1, json!({"type":"ack","id":7,"room":"r","epoch":"e","seq":seq}));
    story.sent("eve", 1, json!({"type":"history","id":9,"room":"r","limit":10}));
    let events: Vec<_> = (1..=seq).map(|seq| story.at(seq).clone()).collect();
    story.got("eve", 1, json!({"type":"page","id":9,"room":"r","epoch":"e","first":1,"head":seq,"events":events,"more":false}));
    breaks(Promise::I11, &story.ends_as_it_is());
}

#[test]
fn i11_typing_long_after_a_removal_is_found() {
    for (seconds, clean) in [(1, true), (7, false)] {
        let mut story = Story::in_a_room();
        removal(&mut story);
        story.wait(seconds).got(
            "bob",
            1,
            json!({"type":"typing","room":"r","users":["ann"],"more":0}),
        );
        story.sends("ann", 1, "x", "x");
        let verdict = story.ends_as_it_is();
        if clean { passes(&verdict) } else { breaks(Promise::I11, &verdict) }
    }
}

#[test]
fn i11_a_revoked_session_that_stays_is_found() {
    for (seconds, clean) in [(3, true), (9, false)] {
        let mut story = Story::in_a_room();
        story.says("bob", 1, "hi");
        story.line(json!({"is":"revoked","user":"bob"})).wait(seconds).close("bob", 1);
        let verdict = story.ends_as_it_is();
        if clean { keeps(Promise::I11, &verdict) } else { breaks(Promise::I11, &verdict) }
    }
}

#[test]
fn i12_repeats_without_faults_are_found_and_a_few_with_faults_are_not() {
    let mut story = Story::in_a_room();
    for _ in 0..3 {
        story.event("bob", 1, 2);
    }
    breaks(Promise::I12, &story.ends());

    let mut story = Story::in_a_room_with_faults();
    story.fault("begin").line(json!({"is":"hint","what":"lost"})).fault("end");
    for n in 0..20 {
        story.says("ann", 1, &format!("{n}"));
    }
    story.event("bob", 1, 2);
    let verdict = story.ends();
    passes(&verdict);
    assert_eq!(verdict.counts.wire_repeats, 1);
}

#[test]
fn i13_a_send_without_any_answer_is_found() {
    let mut story = Story::in_a_room();
    story.sends("ann", 1, "x", "hi");
    story.wait(12);
    breaks(Promise::I13, &story.ends_as_it_is());
}

#[test]
fn i13_a_retryable_error_says_when_to_retry() {
    for (after, clean) in [(json!(200), true), (Value::Null, false)] {
        let mut story = Story::in_a_room();
        let number = story.sends("ann", 1, "x", "hi");
        story.got("ann", 1, json!({"type":"error","id":number,"code":"unavailable","retry":true,"retry_after_ms":after}));
        let verdict = story.ends();
        if clean { keeps(Promise::I13, &verdict) } else { breaks(Promise::I13, &verdict) }
    }
}

#[test]
fn i16_no_ack_within_five_seconds_after_a_fault_is_found() {
    for (seconds, clean) in [(1, true), (7, false)] {
        let mut story = Story::in_a_room_with_faults();
        story.fault("begin").line(json!({"is":"hint","what":"lost"})).fault("end");
        let number = story.sends("ann", 1, "x", "hi");
        let seq = story.stores("ann", "x", "hi");
        story.wait(seconds).event("ann", 1, seq).event("bob", 1, seq).acks("ann", 1, number, seq);
        let verdict = story.ends();
        if clean { keeps(Promise::I16, &verdict) } else { breaks(Promise::I16, &verdict) }
    }
}

#[test]
fn i16_is_not_decided_if_nobody_sent_after_the_fault() {
    let mut story = Story::in_a_room_with_faults();
    story.fault("begin").line(json!({"is":"hint","what":"lost"})).fault("end").wait(30);
    let verdict = story.ends();
    passes(&verdict);
    leaves_open(Promise::I16, &verdict);
}
