//! What the store and the hub count, read at each scrape of `/metrics`. The transport's own numbers are in `server`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moorline_chat::{Chat, Resumes};
use moorline_server::{Metrics, encode_times};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::process_numbers;

/// Adds the numbers of this chat, its store and this process to `/metrics`.
pub fn register(metrics: &Metrics, chat: &Arc<Chat>) {
    process_numbers::register(metrics);
    let collector = ChatNumbers(Arc::clone(chat));
    metrics.register(|to| to.register_collector(Box::new(collector)));
}

struct ChatNumbers(Arc<Chat>);

impl fmt::Debug for ChatNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChatNumbers")
    }
}

impl ChatNumbers {
    fn counters(&self) -> [(&'static str, &'static str, u64); 11] {
        let (store, hub) = (self.0.store().health(), self.0.hub().counts());
        let upkept = self.0.upkept();
        [
            ("store_commits", "Transactions committed by the store", store.commits),
            ("store_commands", "Commands answered by the store", store.commands),
            (
                "duplicates_dropped",
                "Commands that came again, and got the first answer again",
                store.repeated,
            ),
            (
                "messages_accepted",
                "Messages that this node stored",
                hub.accepted.load(Ordering::Relaxed),
            ),
            (
                "gap_detected",
                "Holes in what was about to be handed out; never one where the store is sound",
                hub.gaps.load(Ordering::Relaxed),
            ),
            (
                "events_published",
                "Events given to live feeds",
                hub.published.load(Ordering::Relaxed),
            ),
            (
                "feed_holes_filled",
                "Holes of live feeds filled from the store",
                hub.filled.load(Ordering::Relaxed),
            ),
            (
                "feed_events_read",
                "Events that live feeds read from the store to fill them",
                hub.read.load(Ordering::Relaxed),
            ),
            (
                "events_pruned",
                "Events that were older than they are kept",
                upkept.pruned.load(Ordering::Relaxed),
            ),
            ("people_erased", "People erased by this node", upkept.erased.load(Ordering::Relaxed)),
            (
                "ephemeral_dropped",
                "Typing, presence and receipts that a full outbox did not take",
                hub.dropped.load(Ordering::Relaxed),
            ),
        ]
    }

    /// What became of the hints between nodes; nothing where there is no layer.
    fn hints(&self) -> Vec<(&'static str, &'static str, u64)> {
        let Some((hints, _)) = self.0.hub().hints() else { return Vec::new() };
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        vec![
            ("hints_sent", "Messages to the other nodes", read(&hints.sent)),
            (
                "hints_dropped",
                "Messages to the other nodes that the layer did not take",
                read(&hints.dropped),
            ),
            ("hints_received", "Messages of other nodes", read(&hints.received)),
            ("hints_missed", "Messages of other nodes that did not come", read(&hints.missed)),
            (
                "hints_refused",
                "Messages to the nodes that are malformed or forged",
                read(&hints.refused),
            ),
            ("hints_foreign", "Messages of nodes on another store", read(&hints.foreign)),
        ]
    }

    fn gauges(&self) -> [(&'static str, &'static str, f64); 5] {
        let store = self.0.store().health();
        let queued = u64::try_from(store.queued).unwrap_or(u64::MAX);
        [
            (
                "store_writable",
                "Whether the last write succeeded",
                u64::from(store.writable) as f64,
            ),
            ("store_queued_commands", "Commands waiting for the writer", queued as f64),
            ("store_wal_bytes", "Size of the write-ahead log", store.wal_bytes as f64),
            (
                "search_lag_messages",
                "Messages not yet found by search",
                store.index_lag_rows as f64,
            ),
            (
                "search_lag_seconds",
                "Age of the oldest of them",
                store.index_lag_ms as f64 / 1_000.0,
            ),
        ]
    }
}

/// What became of the positions with which clients came back.
fn encode_resumes(chat: &Chat, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let Resumes { memory, store, reset, gone } = &chat.hub().counts().resumes;
    let help = "Rooms in which a client came back with a position, by what it got";
    let mut family = to.encode_descriptor("resumes", help, None, MetricType::Counter)?;
    for (result, count) in [("memory", memory), ("store", store), ("reset", reset), ("gone", gone)]
    {
        let counter = ConstCounter::new(count.load(Ordering::Relaxed));
        counter.encode(family.encode_family(&[("result", result)])?)?;
    }
    Ok(())
}

/// One line for each part in trouble; none while all is well.
fn encode_troubles(chat: &Chat, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Parts that do not work as they should, and why";
    let gauge = ConstGauge::new(1.0);
    let mut family = to.encode_descriptor("degraded", help, None, gauge.metric_type())?;
    for trouble in chat.troubles() {
        let labels = [("part", trouble.part.as_str()), ("cause", trouble.cause)];
        gauge.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

impl Collector for ChatNumbers {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in self.counters().into_iter().chain(self.hints()) {
            let counter = ConstCounter::new(value);
            let descriptor = to.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(descriptor)?;
        }
        encode_resumes(&self.0, &mut to)?;
        encode_troubles(&self.0, &mut to)?;
        let help = "How long a transaction of the store took, waiting for its turn included";
        encode_times(&mut to, "store_commit_seconds", help, &self.0.store().commit_times())?;
        let layer = self.0.hub().hints().map(|(_, is_deaf)| {
            ("layer_up", "Whether the channel layer carries hints", f64::from(u8::from(!is_deaf)))
        });
        for (name, help, value) in self.gauges().into_iter().chain(layer) {
            let gauge = ConstGauge::new(value);
            let descriptor = to.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(descriptor)?;
        }
        Ok(())
    }
}
