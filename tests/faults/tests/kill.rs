//! `kill -9` just after an ack: in short, or at full numbers with `MOORLINE_PROOF=full`, as
//! `cargo xtask prove kill` runs it.
#![allow(clippy::unwrap_used)]

use moorline_faults::kill::prove;
use moorline_faults::times;

#[tokio::test]
async fn what_was_acknowledged_is_there_after_kill_9() {
    let outcome = prove(times(20, 200), 1).await.unwrap();
    let judgement = &outcome.judgement;
    println!("kill -9: {} kills, {}", outcome.kills, judgement.headline());
    assert!(judgement.ok, "{}", judgement.text);
    assert!(outcome.resets.is_empty(), "what was committed is there, so nobody needs a reset");
    for promise in ["I1", "I2", "I3", "I5", "I6", "I8", "I10", "I13", "I16"] {
        assert!(judgement.keeps(promise), "{}", judgement.text);
    }
}
