//! The delivery contract over event streams and long-poll, by the same people, faults and checker as over WebSockets; and
//! over changes from any of them to any other. Short, or with 1,000 seeds with `MOORLINE_PROOF=full`.
#![allow(clippy::unwrap_used)]

use moorline_faults::network::prove_over;
use moorline_faults::recorder::Judgement;
use moorline_faults::{times, transports};
use moorline_load::wire::Transport;

/// All that a run with faults decides; a socket's own promises are the same over HTTP.
const PROMISES: [&str; 13] =
    ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I12", "I13", "I16"];

fn kept(judgement: &Judgement, promises: &[&str]) {
    assert!(judgement.ok, "{}", judgement.text);
    for promise in promises {
        assert!(judgement.keeps(promise), "{promise}: {}", judgement.text);
    }
}

async fn bad_network(transports: &[Transport], seed: u64) {
    let outcome = prove_over(transports, times(1, 20), seed).await.unwrap();
    println!("{transports:?}: {} faults, {}", outcome.faults, outcome.judgement.headline());
    assert!(outcome.resets.is_empty(), "nothing was lost, so nobody needs a reset: {outcome:?}");
    kept(&outcome.judgement, &PROMISES);
}

#[tokio::test]
async fn streams_over_a_bad_network_lose_nothing() {
    bad_network(&[Transport::Stream], 2).await;
}

#[tokio::test]
async fn polls_over_a_bad_network_lose_nothing() {
    bad_network(&[Transport::Poll], 3).await;
}

#[tokio::test]
async fn changes_of_transport_over_a_bad_network_lose_nothing() {
    bad_network(&Transport::ALL, 4).await;
}

#[tokio::test]
async fn changes_of_transport_in_mid_talk_lose_and_double_nothing() {
    let outcomes = transports::prove(0..times(3, 1_000), 1_000).await.unwrap();
    for (seed, outcome) in outcomes.iter().enumerate() {
        assert!(outcome.connections > 10, "seed {seed} hardly changed: {outcome:?}");
        assert!(outcome.resets.is_empty(), "seed {seed}: {outcome:?}");
        kept(&outcome.judgement, &["I1", "I2", "I3", "I5", "I6", "I7", "I8", "I9", "I10"]);
    }
    let connections: u64 = outcomes.iter().map(|outcome| outcome.connections).sum();
    println!("{} seeds, {connections} connections: kept", outcomes.len());
}

#[tokio::test]
async fn a_client_that_loses_an_event_between_two_connections_is_found() {
    let outcome = transports::run(7, 50, true).await.unwrap();
    assert!(!outcome.judgement.ok, "{}", outcome.judgement.text);
    println!("{}", outcome.judgement.headline());
}
