//! The proof of many nodes: in short, or at full numbers with `MOORLINE_PROOF=full`, as `cargo xtask prove many-nodes`
//! runs it.
#![allow(clippy::unwrap_used)]

use moorline_faults::many_nodes::{Fault, Size, prove};
use moorline_faults::times;

fn size() -> Size {
    if times(0, 1) == 1 { Size::FULL } else { Size::SHORT }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_keep_every_promise_whatever_happens_to_redis_and_to_them() {
    let outcome = prove(size(), 1, false).await.unwrap();
    let (judgement, counts) = (&outcome.judgement, outcome.counts);
    println!("{}", judgement.text);
    assert!(judgement.ok, "{}", judgement.text);
    assert!(judgement.headline().starts_with("0 lost, 0 doubled, 0 out of order"));
    for number in 1..=16 {
        assert!(judgement.keeps(&format!("I{number}")), "I{number}: {}", judgement.text);
    }
    assert_eq!(outcome.resets, ["epoch"], "only the provoked one is due");
    assert!(counts.lost() > 0 && counts.filled > 0 && outcome.reconnects > 0, "{counts:?}");
    let bitten = |fault: &Fault| {
        outcome.bites.iter().any(|(known, lost, filled)| known == fault && lost + filled > 0)
    };
    let of_redis = Fault::ALL.iter().filter(|fault| fault.name().starts_with("redis"));
    for fault in of_redis.chain([&Fault::Failover]) {
        assert!(bitten(fault), "{fault:?} did nothing to the hints: {:?}", outcome.bites);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_of_somebody_who_has_the_key_are_found_by_the_checker() {
    let size = Size { messages: 200, rounds: 1, faults: &[Fault::NodeKill], ..size() };
    let outcome = prove(size, 1, true).await.unwrap();
    let judgement = &outcome.judgement;
    assert!(!judgement.ok && judgement.text.contains("BROKEN"), "{}", judgement.text);
    assert!(!judgement.keeps("I5"), "{}", judgement.text);
}
