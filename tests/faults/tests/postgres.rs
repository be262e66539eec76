//! Crash points on PostgreSQL: in short, or at full numbers with `MOORLINE_PROOF=full`, as
//! `cargo xtask prove postgres-crash` runs it.
#![allow(clippy::unwrap_used)]

use moorline_faults::postgres::prove;
use moorline_faults::times;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_whatever_crashes() {
    let outcome = prove(times(12, 300), 1, false).await.unwrap();
    let judgement = &outcome.judgement;
    println!("crash points: {:?}, {}", outcome.crashes, judgement.headline());
    assert!(outcome.crashes.iter().all(|(_, times)| *times > 0));
    assert!(judgement.ok, "{}", judgement.text);
    assert!(outcome.resets.is_empty(), "what was committed is there, so nobody needs a reset");
    for promise in ["I1", "I2", "I3", "I5", "I6", "I8", "I10", "I13", "I16"] {
        assert!(judgement.keeps(promise), "{}", judgement.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_lost_between_the_node_and_its_server_is_found() {
    let outcome = prove(times(4, 12), 1, true).await.unwrap();
    let judgement = &outcome.judgement;
    assert!(!judgement.ok && judgement.text.contains("BROKEN"), "{}", judgement.text);
    assert!(!judgement.keeps("I1"), "{}", judgement.text);
}
