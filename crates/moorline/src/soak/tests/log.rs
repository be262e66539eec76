//! Violations in the store's log: I1 to I5, and I14.

use serde_json::json;

use super::story::{Story, breaks, id, keeps, leaves_open, passes};
use crate::soak::Promise;

#[test]
fn i1_an_acknowledged_send_that_is_not_stored_is_lost() {
    let mut story = Story::in_a_room();
    story.says("ann", 1, "here today");
    story.forget_last();
    let verdict = story.ends_as_it_is();
    breaks(Promise::I1, &verdict);
    assert_eq!(verdict.lost, 1);
}

#[test]
fn i1_an_ack_without_a_position_is_none() {
    let mut story = Story::in_a_room();
    let number = story.sends("ann", 1, "x", "hi");
    story.got("ann", 1, json!({"type":"ack","id":number,"room":"r"}));
    breaks(Promise::I1, &story.ends());
}

#[test]
fn i2_one_cid_stored_twice_is_doubled() {
    let mut story = Story::in_a_room();
    story.says("ann", 1, "once");
    story.stores("ann", "cid once", "once");
    let verdict = story.ends_as_it_is();
    breaks(Promise::I2, &verdict);
    assert_eq!(verdict.doubled, 1);
}

#[test]
fn i2_one_cid_acknowledged_at_two_positions_is_doubled() {
    let mut story = Story::in_a_room();
    story.says("ann", 1, "once");
    let number = story.sends("ann", 1, "cid once", "once");
    story.acks("ann", 1, number, story.head() - 1);
    breaks(Promise::I2, &story.ends());
}

#[test]
fn i2_a_second_body_under_a_cid_must_be_refused() {
    let mut story = Story::in_a_room();
    let seq = story.says("ann", 1, "one");
    let number = story.sends("ann", 1, "cid one", "two");
    story.acks("ann", 1, number, seq);
    breaks(Promise::I2, &story.ends());

    let mut story = Story::in_a_room();
    story.says("ann", 1, "one");
    let number = story.sends("ann", 1, "cid one", "two");
    story.got("ann", 1, json!({"type":"error","id":number,"code":"cid_conflict","retry":false}));
    passes(&story.ends());
}

#[test]
fn i2_a_repeated_send_gets_the_first_ack_and_no_refusal() {
    let mut story = Story::in_a_room();
    let seq = story.says("ann", 1, "one");
    let number = story.sends("ann", 1, "cid one", "one");
    story.acks("ann", 1, number, seq);
    let verdict = story.ends();
    passes(&verdict);
    assert_eq!(verdict.counts.repeated, 1);

    let mut story = Story::in_a_room();
    story.says("ann", 1, "one");
    let number = story.sends("ann", 1, "cid one", "one");
    story.got("ann", 1, json!({"type":"error","id":number,"code":"not_found","retry":false}));
    breaks(Promise::I2, &story.ends());
}

#[test]
fn i3_a_hole_in_the_log_is_found() {
    let mut story = Story::in_a_room();
    let seq = story.says("ann", 1, "hi");
    story.at(seq)["seq"] = json!(seq + 5);
    breaks(Promise::I3, &story.ends_as_it_is());
}

#[test]
fn i3_a_head_above_the_last_event_is_found() {
    let mut story = Story::in_a_room();
    let page = json!({"room":"r","epoch":"e","first":1,"head":9,"events":[],"more":false});
    story.line(json!({"is":"audit","page":page}));
    breaks(Promise::I3, &story.verdict());
}

#[test]
fn i4_a_message_that_nobody_sent_is_a_phantom() {
    let mut story = Story::in_a_room();
    story.stores("bob", "never sent", "boo");
    breaks(Promise::I4, &story.ends());
}

#[test]
fn i4_a_message_under_another_name_is_a_phantom() {
    let mut story = Story::in_a_room();
    let number = story.sends("ann", 1, "x", "hi");
    let seq = story.stores("bob", "x", "hi");
    story.acks("ann", 1, number, seq);
    breaks(Promise::I4, &story.ends());
}

#[test]
fn i4_an_altered_message_is_a_phantom() {
    let mut story = Story::in_a_room();
    let number = story.sends("ann", 1, "x", "hi");
    let seq = story.stores("ann", "x", "HI");
    story.acks("ann", 1, number, seq);
    breaks(Promise::I4, &story.ends());
}

#[test]
fn i4_a_refused_send_that_is_stored_is_a_phantom() {
    let mut story = Story::in_a_room();
    let number = story.sends("ann", 1, "x", "hi");
    story.got("ann", 1, json!({"type":"error","id":number,"code":"forbidden","retry":false}));
    story.stores("ann", "x", "hi");
    breaks(Promise::I4, &story.ends());
}

#[test]
fn i4_a_stranger_s_message_and_an_unasked_membership_are_phantoms() {
    let mut story = Story::in_a_room();
    story.connect("eve", 1, None, json!([]));
    let number = story.sends("eve", 1, "x", "hi");
    let seq = story.stores("eve", "x", "hi");
    story.acks("eve", 1, number, seq);
    breaks(Promise::I4, &story.ends());

    let mut story = Story::in_a_room();
    let changes = json!([{"user":"eve","change":"joined"}]);
    story.stored(json!({"kind":"member","from":"ann","cid":"y","changes":changes}));
    breaks(Promise::I4, &story.ends());
}

#[test]
fn i4_an_edited_text_must_have_been_sent_as_an_edit() {
    for (shown, clean) in [("better", true), ("made up", false)] {
        let mut story = Story::in_a_room();
        let seq = story.says("ann", 1, "hi");
        story.sent(
            "ann",
            1,
            json!({"type":"edit","id":7,"room":"r","cid":"ed","message":id(seq),"body":"better"}),
        );
        let edit = json!({"kind":"edit","from":"ann","cid":"ed","message":id(seq),"of":seq,"body":"better"});
        let edit = story.stored(edit);
        story.event("ann", 1, edit).event("bob", 1, edit);
        story.got("ann", 1, json!({"type":"ack","id":7,"room":"r","epoch":"e","seq":edit}));
        story.at(seq)["body"] = json!(shown);
        story.at(seq)["edited"] = json!({"seq":edit,"at":5});
        let verdict = story.ends();
        if clean { passes(&verdict) } else { breaks(Promise::I4, &verdict) }
    }
}

#[test]
fn i4_a_deleted_message_keeps_its_position_and_loses_its_text() {
    for (left, clean) in [("", true), ("secret", false)] {
        let mut story = Story::in_a_room();
        let seq = story.says("ann", 1, "secret");
        story.sent(
            "ann",
            1,
            json!({"type":"delete","id":7,"room":"r","cid":"de","message":id(seq)}),
        );
        let deletion = story
            .stored(json!({"kind":"delete","from":"ann","cid":"de","message":id(seq),"of":seq}));
        story.event("ann", 1, deletion).event("bob", 1, deletion);
        story.got("ann", 1, json!({"type":"ack","id":7,"room":"r","epoch":"e","seq":deletion}));
        story.at(seq)["body"] = json!(left);
        story.at(seq)["deleted"] = json!({"seq":deletion,"at":5});
        let verdict = story.ends();
        if clean { passes(&verdict) } else { breaks(Promise::I4, &verdict) }
    }
}

#[test]
fn i4_a_rename_that_nobody_asked_for_is_a_phantom() {
    for (name, clean) in [("Night shift", true), ("Pwned", false)] {
        let mut story = Story::in_a_room();
        story.sent(
            "ann",
            1,
            json!({"type":"rename","id":7,"room":"r","cid":"re","name":"Night shift"}),
        );
        let seq = story.stored(json!({"kind":"rename","from":"ann","cid":"re","name":name}));
        story.event("ann", 1, seq).event("bob", 1, seq);
        story.got("ann", 1, json!({"type":"ack","id":7,"room":"r","epoch":"e","seq":seq}));
        let verdict = story.ends();
        if clean { passes(&verdict) } else { breaks(Promise::I4, &verdict) }
    }
}

#[test]
fn i5_one_position_seen_as_two_events_is_found() {
    for (field, other) in
        [("id", json!("other")), ("from", json!("bob")), ("at", json!(1)), ("body", json!("no"))]
    {
        let mut story = Story::in_a_room();
        let seq = story.says("ann", 1, "hi");
        story.at(seq)[field] = other;
        breaks(Promise::I5, &story.ends());
    }
}

#[test]
fn i5_an_event_shown_before_it_was_stored_is_found() {
    let mut story = Story::in_a_room();
    story.sends("ann", 1, "x", "hi");
    let seq = story.stores("ann", "x", "hi");
    story.event("bob", 1, seq);
    story.forget_last();
    breaks(Promise::I5, &story.ends_as_it_is());
}

#[test]
fn i14_history_rewritten_by_a_restore_under_the_old_epoch_is_found() {
    let mut story = Story::in_a_room_with_faults();
    let seq = story.says("ann", 1, "before");
    story.line(json!({"is":"fault","name":"restore","edge":"begin"}));
    story.line(json!({"is":"fault","name":"restore","edge":"end"}));
    story.forget_last();
    let number = story.sends("ann", 1, "after", "after");
    story.stores("ann", "after", "after");
    story.at(seq)["id"] = json!("another");
    story.event("bob", 1, seq).acks("ann", 1, number, seq);
    breaks(Promise::I14, &story.ends_as_it_is());
}

#[test]
fn i14_a_position_with_another_check_is_answered_by_a_reset_only() {
    for honest in [true, false] {
        let mut story = Story::in_a_room_with_faults();
        let seq = story.says("ann", 1, "hi");
        story.fault("begin").close("bob", 1).fault("end");
        let rooms = story.room(0);
        story.connect(
            "bob",
            2,
            Some(json!({"r":{"epoch":"e","seq":seq - 1,"check":"ffffffff"}})),
            rooms,
        );
        if honest {
            let head = story.head();
            story.got("bob", 2, json!({"type":"reset","room":"r","reason":"epoch","epoch":"e","first":1,"head":head}));
        } else {
            story.event("bob", 2, seq);
        }
        let verdict = story.ends_as_it_is();
        if honest { keeps(Promise::I14, &verdict) } else { breaks(Promise::I14, &verdict) }
    }
}

#[test]
fn i14_events_of_a_new_epoch_need_a_reset_first() {
    let mut story = Story::in_a_room();
    let mut event = story.at(1).clone();
    event["epoch"] = json!("new");
    event["id"] = json!("another");
    story.got("bob", 1, event);
    breaks(Promise::I14, &story.ends());
    leaves_open(Promise::I14, &Story::in_a_room().ends());
}
