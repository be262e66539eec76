//! A network that breaks in every way and servers that are drained: in short, or at full numbers
//! with `MOORLINE_PROOF=full`.
#![allow(clippy::unwrap_used)]

use moorline_faults::network::prove;
use moorline_faults::times;

#[tokio::test]
async fn a_bad_network_and_drained_servers_lose_nothing() {
    let outcome = prove(times(2, 20), 1).await.unwrap();
    let judgement = &outcome.judgement;
    println!("bad network: {} faults, {}", outcome.faults, judgement.headline());
    assert!(judgement.ok, "{}", judgement.text);
    assert!(outcome.resets.is_empty(), "nothing was lost, so nobody needs a reset: {outcome:?}");
    for promise in
        ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I12", "I13", "I16"]
    {
        assert!(judgement.keeps(promise), "{promise}: {}", judgement.text);
    }
}
