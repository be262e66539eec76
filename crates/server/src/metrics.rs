//! What the server counts, in Prometheus' text form. Names begin with `moorline_`; no label names a person or a room.

use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
    NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use moorline_protocol::CloseCode;
use moorline_store::TimesRead;

use crate::consumer::{Closed, Dispatched, Side};
use crate::delivered::Delivered;
use crate::transport::Transport;

/// The transport's own metrics and the registry into which other parts put theirs.
pub struct Metrics {
    registry: Mutex<Registry>,
    connections: Family<TransportLabels, Gauge>,
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
    pub(crate) delivered: Delivered,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CloseLabels {
    code: Code,
    side: Side,
}

/// A close code that this server sends or that RFC 6455 has for a peer; others, which a peer may choose freely, are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Code(Option<u16>);

impl Code {
    /// No code came with the close frame, and no close frame came at all.
    const OF_PEERS: [u16; 2] = [1005, 1006];

    fn of(code: CloseCode) -> Self {
        let is_known = Self::OF_PEERS.contains(&code.0)
            || CloseCode::ALL.iter().any(|(known, _)| *known == code);
        Self(is_known.then_some(code.0))
    }
}

impl EncodeLabelValue for Code {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self.0 {
            Some(code) => EncodeLabelValue::encode(&code, encoder),
            None => EncodeLabelValue::encode(&"other", encoder),
        }
    }
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
            connections: Family::default(),
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
            delivered: Delivered::default(),
        };
        // So that nobody connected shows as 0, and not as nothing.
        Transport::ALL.into_iter().for_each(|transport| drop(metrics.by_transport(transport)));
        metrics.register_all();
        metrics
    }

    fn register_all(&self) {
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        self.register(|to| {
            to.register("build", "This build", version);
            let connections = self.connections.clone();
            to.register("connections", "Open connections by transport", connections);
            to.register_collector(Box::new(Deliveries(self.delivered.clone())));
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
        self.connections.get_or_create_owned(&TransportLabels { transport: transport.word() })
    }

    pub(crate) fn closed(&self, closed: &Closed, age: Duration) {
        let labels = CloseLabels { code: Code::of(closed.code), side: closed.side };
        self.closes.get_or_create(&labels).inc();
        self.durations.observe(age.as_secs_f64());
        if closed.code == CloseCode::SLOW_READER {
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

/// What was handed to sockets, read at each scrape.
#[derive(Debug)]
struct Deliveries(Delivered);

impl Collector for Deliveries {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let messages = ConstCounter::new(self.0.messages());
        let help = "Messages handed to sockets, each for every connection that it went to";
        let descriptor =
            to.encode_descriptor("messages_delivered", help, None, messages.metric_type())?;
        messages.encode(descriptor)?;
        let help = "From a message's commit, or from word of another node's, to its socket";
        encode_times(&mut to, "delivery_seconds", help, &self.0.times())
    }
}

/// Writes how long something took as a histogram.
///
/// # Errors
/// Where the text cannot be written.
pub fn encode_times(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    times: &TimesRead,
) -> Result<(), std::fmt::Error> {
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Histogram)?;
    let (seconds, count) = (times.seconds(), times.count());
    metric.encode_histogram::<NoLabelSet>(seconds, count, &times.buckets(), None)
}
