//! What the server counts, in Prometheus' text form. Names begin with `moorline_`; no label names a person or a room.

use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::consumer::{Closed, Dispatched, Side};
use crate::transport::Transport;

/// The transport's own metrics and the registry into which other parts put theirs.
pub struct Metrics {
    registry: Mutex<Registry>,
    pub(crate) connections: Gauge,
    transports: Family<TransportLabels, Gauge>,
    pub(crate) closes: Family<CloseLabels, Counter>,
    pub(crate) durations: Histogram,
    pub(crate) ping_rtt: Histogram,
    pub(crate) pong_timeouts: Counter,
    pub(crate) slow_reader_closes: Counter,
    pub(crate) panics: Counter,
    pub(crate) refused: Family<RefusedLabels, Counter>,
    pub(crate) layer_handled: Counter,
    pub(crate) layer_unknown: Counter,
    frames_deflated: Counter,
    deflated_from_bytes: Counter,
    deflated_to_bytes: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CloseLabels {
    code: u16,
    side: Side,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransportLabels {
    transport: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RefusedLabels {
    reason: &'static str,
}

impl EncodeLabelValue for Side {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry with the transport's metrics in it.
    #[must_use]
    pub fn new() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("moorline")),
            connections: Gauge::default(),
            transports: Family::default(),
            closes: Family::default(),
            durations: Histogram::new(exponential_buckets(0.1, 8.0, 8)),
            ping_rtt: Histogram::new(exponential_buckets(0.001, 4.0, 8)),
            pong_timeouts: Counter::default(),
            slow_reader_closes: Counter::default(),
            panics: Counter::default(),
            refused: Family::default(),
            layer_handled: Counter::default(),
            layer_unknown: Counter::default(),
            frames_deflated: Counter::default(),
            deflated_from_bytes: Counter::default(),
            deflated_to_bytes: Counter::default(),
        };
        metrics.register_all();
        metrics
    }

    fn register_all(&self) {
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        self.register(|to| {
            to.register("build", "This build", version);
            to.register("connections", "Open connections", self.connections.clone());
            let transports = self.transports.clone();
            to.register("transport_connections", "Open connections by transport", transports);
            to.register("closes", "Closed connections by code and side", self.closes.clone());
            let durations = self.durations.clone();
            to.register("connection_duration_seconds", "Ages of closed connections", durations);
            to.register("ping_rtt_seconds", "Round trips of pings", self.ping_rtt.clone());
            let timeouts = self.pong_timeouts.clone();
            to.register("pong_timeouts", "Connections closed after silence", timeouts);
            let slow = self.slow_reader_closes.clone();
            to.register("slow_reader_closes", "Connections closed without progress", slow);
            to.register("connection_panics", "Connections ended by a panic", self.panics.clone());
            let refused = self.refused.clone();
            to.register("handshakes_refused", "Refused handshakes and sockets", refused);
            let handled = self.layer_handled.clone();
            to.register("layer_messages_handled", "Layer messages that consumers took", handled);
            let unknown = self.layer_unknown.clone();
            to.register(
                "layer_messages_unknown",
                "Layer messages of types unknown to their consumer",
                unknown,
            );
            let deflated = self.frames_deflated.clone();
            to.register("frames_deflated", "Frames deflated, each once for all sockets", deflated);
            let from = self.deflated_from_bytes.clone();
            to.register("deflated_from_bytes", "Payloads of these frames before", from);
            let to_bytes = self.deflated_to_bytes.clone();
            to.register("deflated_to_bytes", "Payloads of these frames after", to_bytes);
        });
    }

    /// Lets another part put its metrics in.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock());
    }

    /// Everything in the text form that `/metrics` answers.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry.lock()).is_err() {
            text.clear();
        }
        text
    }

    /// The open connections of one transport.
    pub(crate) fn by_transport(&self, transport: Transport) -> Gauge {
        self.transports.get_or_create_owned(&TransportLabels { transport: transport.word() })
    }

    pub(crate) fn closed(&self, closed: &Closed, age: Duration) {
        let labels = CloseLabels { code: closed.code.0, side: closed.side };
        self.closes.get_or_create(&labels).inc();
        self.durations.observe(age.as_secs_f64());
        if closed.code == moorline_protocol::CloseCode::SLOW_READER {
            self.slow_reader_closes.inc();
        }
    }

    pub(crate) fn dispatched(&self, dispatched: Dispatched) {
        match dispatched {
            Dispatched::Handled => self.layer_handled.inc(),
            Dispatched::Unknown => self.layer_unknown.inc(),
        };
    }

    /// A frame was deflated, from so many bytes to so many.
    pub(crate) fn deflated(&self, from: usize, to: usize) {
        self.frames_deflated.inc();
        self.deflated_from_bytes.inc_by(from as u64);
        self.deflated_to_bytes.inc_by(to as u64);
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&RefusedLabels { reason }).inc();
    }
}
