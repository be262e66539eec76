//! What the relays count, for `/metrics`. No label names a person, a room or a path.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::Metrics;

/// The numbers of all relays of a server.
#[derive(Debug, Default)]
pub struct RelayCounts {
    pub(crate) sockets: Gauge,
    pub(crate) to_browsers: Counter,
    /// Fewer than those passed to browsers: one message is encoded once for all sockets of its group here.
    pub(crate) encoded: Counter,
    pub(crate) from_browsers: Counter,
    dropped: Family<DroppedLabels, Counter>,
}

/// Why something did not get through a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// The worker's channel is full, so the worker is slow or gone.
    InboxFull,
    /// The layer does not answer, or does not take it.
    Layer,
    /// The browser said something where nothing is listened to, or no JSON object with a field that is passed on.
    FromBrowser,
    /// The message holds what JSON cannot carry.
    ToBrowser,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    reason: &'static str,
}

impl RelayCounts {
    /// Puts them into `/metrics`.
    pub fn register(&self, metrics: &Metrics) {
        metrics.register(|to| {
            to.register("relay_sockets", "Open sockets of relays", self.sockets.clone());
            let down = self.to_browsers.clone();
            to.register("relay_to_browsers", "Messages that relays passed to browsers", down);
            let encoded = self.encoded.clone();
            to.register("relay_encoded", "Messages that relays encoded for browsers", encoded);
            let up = self.from_browsers.clone();
            to.register("relay_from_browsers", "Messages that relays took from browsers", up);
            let dropped = self.dropped.clone();
            to.register("relay_dropped", "Messages that relays did not pass on", dropped);
        });
    }

    pub(crate) fn dropped(&self, why: Dropped) {
        let reason = match why {
            Dropped::InboxFull => "inbox_full",
            Dropped::Layer => "layer",
            Dropped::FromBrowser => "from_browser",
            Dropped::ToBrowser => "to_browser",
        };
        self.dropped.get_or_create(&DroppedLabels { reason }).inc();
    }
}
