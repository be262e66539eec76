//! All open connections of this server, so that a drain can tell each of them and wait for the last.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use tokio::sync::Notify;

use crate::connection::{Connection, ConnectionId, Shared};
use crate::metrics::Metrics;
use crate::transport::Transport;

/// The open connections.
pub(crate) struct Registry {
    connections: Mutex<HashMap<ConnectionId, Weak<Shared>>>,
    emptied: Notify,
    metrics: Arc<Metrics>,
}

/// One connection's place in the registry; it is given back at the end.
pub(crate) struct Registration {
    registry: Arc<Registry>,
    id: ConnectionId,
    open: Gauge,
}

impl Registry {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { connections: Mutex::default(), emptied: Notify::new(), metrics }
    }

    /// The same, and each scrape adds up what waits for them: nothing is counted on the way of a frame.
    pub(crate) fn counting(metrics: Arc<Metrics>) -> Arc<Self> {
        let registry = Arc::new(Self::new(metrics));
        let queues = Box::new(Queues(Arc::downgrade(&registry)));
        registry.metrics.register(|to| to.register_collector(queues));
        registry
    }

    pub(crate) fn register(
        self: &Arc<Self>,
        connection: &Connection,
        transport: Transport,
    ) -> Registration {
        let id = connection.id();
        self.connections.lock().insert(id, Arc::downgrade(connection.shared()));
        let open = self.metrics.by_transport(transport);
        open.inc();
        Registration { registry: Arc::clone(self), id, open }
    }

    /// All of them, the oldest first.
    pub(crate) fn all(&self) -> Vec<Connection> {
        let open: Vec<_> = self.connections.lock().values().filter_map(Weak::upgrade).collect();
        let mut open: Vec<Connection> = open.into_iter().map(Connection::of).collect();
        open.sort_by_key(|connection| std::cmp::Reverse(connection.shared().age()));
        open
    }

    /// One of them.
    pub(crate) fn get(&self, id: ConnectionId) -> Option<Connection> {
        let shared = self.connections.lock().get(&id).and_then(Weak::upgrade);
        shared.map(Connection::of)
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.lock().len()
    }

    /// Bytes that wait in the outboxes of all of them.
    fn queued_bytes(&self) -> u64 {
        let open: Vec<_> = self.connections.lock().values().filter_map(Weak::upgrade).collect();
        open.into_iter().map(|shared| Connection::of(shared).outbox().queued_bytes() as u64).sum()
    }

    /// Tells every connection to end; each is given a random moment within `spread` to come back.
    pub(crate) fn drain(&self, spread: Duration) {
        let open: Vec<_> = self.connections.lock().values().filter_map(Weak::upgrade).collect();
        for connection in open {
            connection.begin_drain(spread.mul_f64(rand::random::<f64>()));
        }
    }

    /// Waits until the last connection is gone.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut connections = self.registry.connections.lock();
        connections.remove(&self.id);
        self.open.dec();
        if connections.is_empty() {
            self.registry.emptied.notify_waiters();
        }
    }
}

/// The outboxes of all open connections.
struct Queues(Weak<Registry>);

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queues")
    }
}

impl Collector for Queues {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let bytes = self.0.upgrade().map_or(0, |registry| registry.queued_bytes());
        let gauge = ConstGauge::new(bytes as f64);
        let help = "Bytes that wait to be written to all connections";
        gauge.encode(to.encode_descriptor(
            "outbound_queue_bytes",
            help,
            None,
            gauge.metric_type(),
        )?)
    }
}
