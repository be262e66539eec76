//! What the Redis back ends promise beyond the contract: keys as Django makes them, recovery, and never being deaf.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by failing"
)]

mod connections;
mod forgotten;
mod hosts;
mod inspect;
mod keys;
mod logins;
mod publisher;
mod recovery;
#[path = "../support/mod.rs"]
mod support;

use moorline_layer::{ChannelLayer, Gap, Gaps};
use support::{DEADLINE, TestRedis, number};

async fn receive(layer: &ChannelLayer, channel: &str) -> i64 {
    number(
        &layer.receive_within(channel, DEADLINE).await.unwrap().expect("no message came in time"),
    )
}

async fn next(gaps: &mut Gaps) -> Gap {
    tokio::time::timeout(DEADLINE, gaps.next()).await.unwrap().unwrap()
}

fn core(redis: &TestRedis) -> ChannelLayer {
    ChannelLayer::redis(redis.options()).unwrap()
}

/// A score some seconds ago, so that order is kept and nothing expires.
fn ago(seconds: f64) -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs_f64() - seconds
}

/// Django's bytes of `{"type": "test.message", "n": 7}` with twelve bytes before it.
const WIRE: &[u8] = b"123456789012\x82\xa4type\xactest.message\xa1n\x07";

async fn add(redis: &TestRedis, key: &str, score: f64, member: &[u8]) {
    let mut command = redis::cmd("ZADD");
    command.arg(key).arg(score).arg(member);
    let () = command.query_async(&mut redis.peer().await).await.unwrap();
}
