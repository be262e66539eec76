//! A message of our own through the layer, opened with the server's options: to a group and back.

use std::time::{Duration, Instant};

use moorline_layer::{ChannelLayer, Error, Message};

use super::layer;
use crate::finding::Outcome;
use crate::subject::{Layer, Subject};

/// For the whole way; some hundred times what it takes.
const LONGEST: Duration = Duration::from_secs(10);
/// Slower than this, people notice it on every message between nodes.
const SLOW: Duration = Duration::from_millis(250);

pub(crate) async fn comes_back(subject: &Subject) -> Outcome {
    let layer = match layer(subject) {
        Ok(layer) => layer,
        Err(skipped) => return skipped,
    };
    let why =
        "Between nodes, and between Django and Moorline, messages would come late or not at all.";
    match send_and_receive(layer).await {
        Ok(Some(took)) => {
            let seen = format!("It came back after {:.1} ms.", took.as_secs_f64() * 1e3);
            if took < SLOW {
                return Outcome::pass(seen);
            }
            let fix = "Look at what Redis is busy with: redis-cli --latency, redis-cli SLOWLOG GET 10, and at the network to it.";
            Outcome::warn(seen, why, fix)
        }
        Ok(None) => Outcome::fail(
            format!("It did not come back within {} s.", LONGEST.as_secs()),
            why,
            "Mend what the other checks of Redis name, then try again: moorline doctor --only redis.",
        ),
        Err(Error::Unavailable { .. }) => Outcome::skipped(super::UNREACHED),
        Err(error) => Outcome::fail(
            format!("The layer refuses it: {error}."),
            why,
            "Mend what the other checks of Redis name, then try again: moorline doctor --only redis.",
        ),
    }
}

async fn send_and_receive(layer: &Layer) -> Result<Option<Duration>, Error> {
    let options = layer.options.clone();
    let open = if layer.is_pubsub { ChannelLayer::redis_pubsub } else { ChannelLayer::redis };
    let opened = open(options)?;
    let tried = tokio::time::timeout(LONGEST, once(&opened)).await;
    // What was joined and what waits is taken away, also where it failed.
    let _ = tokio::time::timeout(LONGEST, opened.close()).await;
    tried.unwrap_or(Ok(None))
}

async fn once(layer: &ChannelLayer) -> Result<Option<Duration>, Error> {
    let group = format!("moorline.doctor.{:016x}", rand::random::<u64>());
    let mark = format!("{:016x}", rand::random::<u64>());
    let channel = layer.new_channel().await?;
    layer.group_add(&group, &channel).await?;
    let started = Instant::now();
    layer
        .group_send(&group, &Message::of_type("moorline.doctor").with("mark", mark.as_str()))
        .await?;
    let got = layer.receive(&channel).await?;
    let took = started.elapsed();
    layer.group_discard(&group, &channel).await?;
    Ok((got.text("mark") == Some(mark.as_str())).then_some(took))
}
