//! The whole server under power cuts and failed syncs: in short, or at full numbers with
//! `MOORLINE_PROOF=full`, as `cargo xtask prove power-cut` runs it.
#![allow(clippy::unwrap_used)]

use moorline_faults::power_cut::{Outcome, prove, prove_failed_sync, prove_planted};
use moorline_faults::times;

fn holds(name: &str, outcome: &Outcome) {
    println!("{}", outcome.verdict(name));
    assert!(outcome.failures.is_empty(), "{}", outcome.failures.join("\n"));
    assert!(outcome.resets.is_empty(), "what was synced is there, so nobody needs a reset");
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_power_cut() {
    let outcome = prove(times(12, 300), 1).await.unwrap();
    holds("power cut", &outcome);
    assert!(outcome.with_unsynced > outcome.cuts / 4, "{}", outcome.verdict("power cut"));
}

#[tokio::test]
async fn on_a_disk_that_ignores_sync_the_same_proof_fails() {
    let outcome = prove_planted(times(4, 12), 1).await.unwrap();
    println!("{}", outcome.verdict("the planted fault, a disk that ignores sync"));
    assert!(!outcome.failures.is_empty(), "the planted fault was not seen");
    assert!(outcome.lost > 0, "{}", outcome.failures.join("\n"));
}

#[tokio::test]
async fn a_failed_sync_is_never_followed_by_an_ack_that_a_cut_takes_back() {
    let outcome = prove_failed_sync(times(2, 30), 1).await.unwrap();
    holds("failed syncs", &outcome);
}
