//! Crash points on PostgreSQL: in short, or at full numbers with `MOORLINE_PROOF=full`, as
//! `cargo xtask prove postgres-crash` runs it.
#![allow(clippy::unwrap_used)]

use moorline_faults::postgres::prove;
use moorline_faults::times;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_whatever_crashes() {
    let outcome = prove(times(10, 300), 1).await.unwrap();
    let judgement = &outcome.judgement;
    println!("crash points: {:?}, {}", outcome.crashes, judgement.headline());
    assert!(outcome.crashes.iter().all(|(_, times)| *times > 0));
    assert!(judgement.ok, "{}", judgement.text);
    assert!(outcome.resets.is_empty(), "what was committed is there, so nobody needs a reset");
    for promise in ["I1", "I2", "I3", "I5", "I6", "I8", "I10", "I13", "I16"] {
        assert!(judgement.keeps(promise), "{}", judgement.text);
    }
}
