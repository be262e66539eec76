//! Whether a history is fit to be judged, and the words of the verdict.

use std::io::Write;

use serde_json::json;

use super::story::{Story, breaks, keeps, leaves_open, passes};
use crate::soak::{Promise, judge, verify};

#[test]
fn a_clean_history_passes() {
    let mut story = Story::in_a_room();
    story.says("ann", 1, "hi");
    let verdict = story.ends();
    passes(&verdict);
    for promise in [Promise::I1, Promise::I2, Promise::I3, Promise::I4, Promise::I5, Promise::I7] {
        keeps(promise, &verdict);
    }
    assert!(verdict.text().starts_with("0 lost, 0 doubled, 0 out of order: contract kept"));
}

#[test]
fn a_clean_history_with_faults_passes_and_decides_resume_and_recovery() {
    let mut story = Story::in_a_room_with_faults();
    story.fault("begin").close("bob", 1).fault("end");
    let number = story.sends("ann", 1, "missed", "missed by bob");
    let seq = story.stores("ann", "missed", "missed by bob");
    story.event("ann", 1, seq).acks("ann", 1, number, seq);
    let rooms = story.room(0);
    story.connect("bob", 2, Some(json!({"r":{"epoch":"e","seq":seq - 1}})), rooms);
    story.event("bob", 2, seq);
    let verdict = story.ends_as_it_is();
    passes(&verdict);
    keeps(Promise::I8, &verdict);
    keeps(Promise::I16, &verdict);
    assert_eq!(verdict.counts.reconnects, 1);
}

#[test]
fn a_fault_that_only_put_commands_off_has_bitten_and_one_that_did_nothing_has_not() {
    let mut story = Story::in_a_room_with_faults();
    story.fault("begin");
    let number = story.sends("ann", 1, "late", "hi");
    let full = json!({"type":"error","id":number,"code":"storage_full","message":"","retry":true,"retry_after_ms":9});
    story.got("ann", 1, full).fault("end");
    let number = story.sends("ann", 1, "late", "hi");
    let seq = story.stores("ann", "late", "hi");
    story.event("ann", 1, seq).event("bob", 1, seq).acks("ann", 1, number, seq);
    let verdict = story.ends_as_it_is();
    passes(&verdict);
    assert_eq!(verdict.counts.put_off, 1);

    let mut story = Story::in_a_room_with_faults();
    story.fault("begin").fault("end").says("ann", 1, "hi");
    breaks(Promise::History, &story.ends_as_it_is());
}

#[test]
fn what_a_history_cannot_show_is_not_called_kept() {
    let verdict = Story::in_a_room().ends();
    for promise in
        [Promise::I6, Promise::I8, Promise::I11, Promise::I14, Promise::I15, Promise::I16]
    {
        leaves_open(promise, &verdict);
    }
}

#[test]
fn without_an_audit_durability_is_not_decided() {
    let mut story = Story::in_a_room();
    story.says("ann", 1, "hi");
    story.line(json!({"is":"end"}));
    let verdict = story.verdict();
    passes(&verdict);
    leaves_open(Promise::I1, &verdict);
    leaves_open(Promise::I3, &verdict);
}

#[test]
fn an_empty_history_fails() {
    breaks(Promise::History, &judge(&b""[..]).unwrap());
    breaks(Promise::History, &Story::new().ends_as_it_is());
}

#[test]
fn a_history_without_an_end_fails() {
    let mut story = Story::in_a_room();
    story.says("ann", 1, "hi");
    breaks(Promise::History, &story.verdict());
}

#[test]
fn a_client_that_never_sent_fails_the_run() {
    let mut story = Story::in_a_room();
    story.connect("eve", 1, None, json!([]));
    breaks(Promise::History, &story.ends());
}

#[test]
fn a_run_that_claims_faults_fails_if_none_bit() {
    let mut story = Story::in_a_room_with_faults();
    breaks(Promise::History, &story.ends());
    let mut story = Story::in_a_room_with_faults();
    story.fault("begin").fault("end");
    breaks(Promise::History, &story.ends());
    let mut story = Story::in_a_room_with_faults();
    story.fault("begin").line(json!({"is":"hint","what":"lost","count":3})).fault("end");
    passes(&story.ends());
}

#[test]
fn a_line_out_of_time_or_out_of_form_fails() {
    let run = r#"{"t":5,"is":"run","version":1}"#;
    for bad in [r#"{"t":4,"is":"end"}"#, "nonsense", r#"{"t":6,"is":"unheard"}"#] {
        breaks(Promise::History, &judge(format!("{run}\n{bad}\n").as_bytes()).unwrap());
    }
}

#[test]
fn bad_commands_of_a_client_are_counted_and_harm_nothing() {
    let mut story = Story::in_a_room();
    story.sent("ann", 1, json!({"type":"send","room":7,"seq":-1}));
    story.sent("ann", 1, json!("no object"));
    story.says("ann", 1, "hi");
    let verdict = story.ends();
    passes(&verdict);
    assert_eq!(verdict.counts.malformed, 2);
}

#[test]
fn verify_prints_the_lines_of_the_first_violation() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"{\"t\":1,\"is\":\"run\",\"version\":1}\n{\"t\":0,\"is\":\"end\"}\n").unwrap();
    let mut out = Vec::new();
    assert!(!verify(file.path(), false, &mut out).unwrap());
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("first violation, History"), "{text}");
    assert!(text.contains("2: {\"t\":0,\"is\":\"end\"}"), "{text}");
    let mut out = Vec::new();
    assert!(!verify(file.path(), true, &mut out).unwrap());
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["promises"]["I1"]["verdict"], "not_decided");
}
