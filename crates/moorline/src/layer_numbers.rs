//! What the channel layer counts, read at each scrape of `/metrics`. `serve` registers it where there is a layer.

use std::fmt;

use moorline_layer::ChannelLayer;
use moorline_server::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

/// Adds the numbers of this layer to `/metrics`.
pub fn register(metrics: &Metrics, layer: &ChannelLayer) {
    let collector = Box::new(LayerNumbers(layer.clone()));
    metrics.register(|to| to.register_collector(collector));
}

#[derive(Debug)]
struct LayerNumbers(ChannelLayer);

impl Collector for LayerNumbers {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.0.counters();
        for (name, help, value) in [
            ("layer_sent", "Messages put on the channel layer", counts.sent),
            ("layer_received", "Messages taken from the channel layer", counts.received),
            (
                "layer_capacity_drops",
                "Messages dropped since a channel or a reader here was full",
                counts.dropped_at_capacity,
            ),
            ("layer_expired", "Messages that nobody read in time", counts.expired),
            ("layer_undecodable", "Messages that could not be decoded", counts.undecodable),
            ("layer_reconnects", "Connections of the layer made again", counts.reconnects),
            ("layer_forgotten", "Times that Redis had forgotten the groups", counts.forgotten),
        ] {
            let counter = ConstCounter::new(value);
            let descriptor = to.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(descriptor)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use moorline_layer::{Message, Options};

    use super::*;

    #[tokio::test]
    async fn a_scrape_shows_what_the_layer_did_until_then() {
        let (metrics, layer) = (Metrics::new(), ChannelLayer::memory(Options::default()).unwrap());
        register(&metrics, &layer);
        assert!(metrics.render().contains("\nmoorline_layer_sent_total 0\n"));
        layer.send("channel", &Message::of_type("x")).await.unwrap();
        assert!(metrics.render().contains("\nmoorline_layer_sent_total 1\n"));
    }
}
