//! `moorline soak` finds a server with a planted bug guilty, each time, and clean what is clean; short, or at full numbers with
//! `cargo xtask prove soak` and `soak-bugs`.
#![allow(clippy::unwrap_used)]

use moorline_faults::planted::Bug;
use moorline_faults::soak::{is_clean, is_guilty, of_bug, of_nodes};

/// Some hundred messages, so that one of forty is bad more than once.
const TALK: [&str; 8] = ["--duration", "4s", "--rate", "60", "--people", "4", "--rooms", "1"];

async fn guilty(bug: Bug, promises: &[&str]) {
    let (said, struck) = of_bug(bug, 40, &TALK).await.unwrap();
    is_guilty(bug, &said, struck).unwrap();
    for promise in promises {
        assert_eq!(said.verdict(promise), "broken", "{promise}: {}", said.promises());
    }
}

#[tokio::test]
async fn a_server_that_acknowledges_and_forgets_is_found_guilty() {
    guilty(Bug::Forgets, &["I1"]).await;
}

#[tokio::test]
async fn a_server_that_hides_a_message_from_a_window_is_found_guilty() {
    guilty(Bug::Hides, &["I7"]).await;
}

#[tokio::test]
async fn a_server_that_stores_a_message_twice_is_found_guilty() {
    guilty(Bug::StoresTwice, &["I2"]).await;
}

#[tokio::test]
async fn a_server_that_shows_a_message_twice_is_found_guilty() {
    guilty(Bug::ShowsTwice, &["I5"]).await;
}

#[tokio::test]
async fn a_server_that_stores_two_messages_in_the_wrong_order_is_found_guilty() {
    guilty(Bug::StoresSwapped, &["I10"]).await;
}

#[tokio::test]
async fn a_server_that_shows_two_messages_in_the_wrong_order_is_found_guilty() {
    guilty(Bug::ShowsSwapped, &["I5"]).await;
}

#[tokio::test]
async fn the_same_server_without_a_bug_is_found_clean() {
    let (said, struck) = of_bug(Bug::Nothing, 40, &TALK).await.unwrap();
    assert_eq!(struck, 0);
    is_clean(&said).unwrap();
    for promise in ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I10", "I13"] {
        assert_eq!(said.verdict(promise), "kept", "{promise}");
    }
}

#[tokio::test]
async fn three_nodes_that_are_killed_one_after_the_other_are_found_clean() {
    let words = [
        "--duration",
        "8s",
        "--every",
        "2s",
        "--people",
        "9",
        "--tabs",
        "2",
        "--rate",
        "40",
        "--transport",
        "mixed",
        "--faults",
        "kill-connections,stall,storm",
    ];
    let (said, restarts) = of_nodes(&words).await.unwrap();
    is_clean(&said).unwrap();
    assert!(restarts > 0, "no node was killed");
    let outcome = &said.phase()["outcome"];
    let faults = outcome["faults"].as_array().unwrap();
    for name in ["kill-connections", "stall", "storm"] {
        let bites = |fault: &&serde_json::Value| fault["name"] == name && fault["bitten"] != 0;
        assert!(faults.iter().any(|fault| bites(&fault)), "{name} did nothing: {faults:?}");
    }
    assert!(
        outcome["reconnects"].as_u64().unwrap() >= 18,
        "a storm reconnects everybody: {outcome}"
    );
    for promise in
        ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I12", "I13", "I16"]
    {
        assert_eq!(said.verdict(promise), "kept", "{promise}: {}", said.promises());
    }
}
