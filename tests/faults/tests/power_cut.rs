//! The whole server under power cuts, failed syncs and `kill -9`, in short. `cargo xtask prove`
//! runs the same at full numbers.
#![allow(clippy::unwrap_used)]

use moorline_faults::{kill, power_cut};

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_power_cut() {
    let outcome = power_cut::prove(12, 1).await.unwrap();
    assert!(outcome.failures.is_empty(), "{}", outcome.failures.join("\n"));
    assert_eq!(outcome.resets, 0, "a power cut loses nothing synced, so nobody is reset");
    assert!(outcome.with_unsynced > 3, "{}", outcome.verdict("power cut"));
}

#[tokio::test]
async fn on_a_disk_that_ignores_sync_the_same_proof_fails() {
    let outcome = power_cut::prove_planted(4, 1).await.unwrap();
    assert!(outcome.failures.len() >= 2, "{}", outcome.verdict("planted"));
    assert!(outcome.lost > 0, "{}", outcome.failures.join("\n"));
}

#[tokio::test]
async fn a_failed_sync_is_never_followed_by_an_ack_that_a_cut_takes_back() {
    let outcome = power_cut::prove_failed_sync(2, 1).await.unwrap();
    assert!(outcome.failures.is_empty(), "{}", outcome.failures.join("\n"));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_kill_9() {
    let outcome = kill::prove(20, 1).await.unwrap();
    assert!(outcome.judgement.ok, "{}", outcome.judgement.text);
    for promise in ["I1", "I2", "I3", "I5", "I6", "I8", "I10", "I13", "I16"] {
        assert!(outcome.judgement.keeps(promise), "{}", outcome.judgement.text);
    }
}
