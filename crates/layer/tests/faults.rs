//! The resilience mode of the memory layer: it does what it says, by a seed, and the twin without it does not.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::time::Duration;

use moorline_layer::{ChannelLayer, Faults, Message, Options, Value};

const COUNT: i64 = 300;

/// What one channel receives of the numbers sent to it.
async fn received(layer: &ChannelLayer) -> Vec<i64> {
    for n in 0..COUNT {
        layer.send("worker", &Message::new().with("n", n)).await.unwrap();
    }
    let mut numbers = Vec::new();
    while let Some(message) = layer.receive_within("worker", Duration::from_secs(1)).await.unwrap()
    {
        numbers.extend(message.get("n").and_then(Value::as_i64));
    }
    numbers
}

fn none(seed: u64) -> Faults {
    let longest_delay = Duration::from_millis(50);
    Faults { seed, lost: 0.0, repeated: 0.0, delayed: 0.0, reordered: 0.0, longest_delay }
}

async fn under(faults: Faults) -> Vec<i64> {
    received(&ChannelLayer::memory_with_faults(Options::default(), faults).unwrap()).await
}

fn distinct(numbers: &[i64]) -> usize {
    numbers.iter().collect::<std::collections::HashSet<_>>().len()
}

#[tokio::test(start_paused = true)]
async fn without_faults_everything_arrives_once_and_in_order() {
    let all: Vec<i64> = (0..COUNT).collect();
    assert_eq!(under(none(1)).await, all);
    assert_eq!(received(&ChannelLayer::memory(Options::default()).unwrap()).await, all);
}

#[tokio::test(start_paused = true)]
async fn lost_messages_never_arrive() {
    let numbers = under(Faults { lost: 0.2, ..none(1) }).await;
    assert!((180..300).contains(&numbers.len()), "{}", numbers.len());
    assert!(numbers.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn repeated_messages_arrive_twice() {
    let numbers = under(Faults { repeated: 0.2, ..none(1) }).await;
    assert_eq!(distinct(&numbers), COUNT as usize);
    assert!((330..420).contains(&numbers.len()), "{}", numbers.len());
}

#[tokio::test(start_paused = true)]
async fn delayed_and_overtaken_messages_arrive_once_and_out_of_order() {
    for faults in [Faults { delayed: 0.2, ..none(1) }, Faults { reordered: 0.2, ..none(1) }] {
        let numbers = under(faults).await;
        assert_eq!((numbers.len(), distinct(&numbers)), (COUNT as usize, COUNT as usize));
        assert!(!numbers.is_sorted(), "{faults:?} did not bite");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nothing_overtakes_arrives_all_the_same() {
    let faults = Faults { reordered: 1.0, ..none(1) };
    let layer = ChannelLayer::memory_with_faults(Options::default(), faults).unwrap();
    layer.send("worker", &Message::new().with("n", 1)).await.unwrap();
    assert!(layer.receive_within("worker", Duration::from_secs(1)).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let run = |seed| under(Faults { delayed: 0.0, ..Faults::with_seed(seed) });
    assert_eq!(run(5).await, run(5).await);
    assert_ne!(run(5).await, run(6).await);
}
