//! The proof of two nodes at full rate: in short, or at full numbers with `MOORLINE_PROOF=full`, as `cargo xtask prove
//! two-nodes` runs it.
#![allow(clippy::unwrap_used)]

use moorline_faults::times;
use moorline_faults::two_nodes::{Load, Planted, prove};

fn is_full() -> bool {
    times(0, 1) == 1
}

fn spread() -> Load {
    if is_full() { Load::SPREAD } else { Load::SPREAD_SHORT }
}

fn one_room() -> Load {
    if is_full() { Load::ONE_ROOM } else { Load::ONE_ROOM_SHORT }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_5000_messages_a_second_over_two_nodes_no_hint_is_dropped() {
    let outcome = prove(spread(), Planted::Nothing).await.unwrap();
    println!("{}", outcome.line());
    assert!(outcome.lost_no_hint(), "{}", outcome.line());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_at_full_rate_in_one_room_read_the_store_for_less_than_one_message_in_a_hundred()
{
    let outcome = prove(one_room(), Planted::Nothing).await.unwrap();
    println!("{}", outcome.line());
    assert!(outcome.lost_no_hint(), "{}", outcome.line());
    // How much is read depends on how soon hints come, which beside other tests nobody can say.
    assert!(outcome.hardly_read() || !is_full(), "{}", outcome.line());
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_that_are_dropped_or_late_are_found_and_still_everything_is_heard_in_order() {
    let narrow = prove(spread(), Planted::NarrowChannels).await.unwrap();
    assert!(!narrow.lost_no_hint(), "{}", narrow.line());
    let slow = prove(one_room(), Planted::SlowHints).await.unwrap();
    assert!(!slow.hardly_read(), "{}", slow.line());
}
