//! What the layer did, as numbers that only grow.
//!
//! The back ends count; the program that embeds the layer reads a [`Counters`] whenever it likes, for its metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers at one moment, since the layer was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Messages put on the wire; one `group_send` counts once for every channel key or host it reached.
    pub sent: u64,
    /// Messages that `receive` returned.
    pub received: u64,
    /// Messages dropped because a channel, or a reader's buffer in this process, was full.
    pub dropped_at_capacity: u64,
    /// Messages that nobody read within the expiry, as far as this process noticed.
    pub expired: u64,
    /// Messages that arrived but could not be decoded.
    pub undecodable: u64,
    /// Connections made again after one was lost.
    pub reconnects: u64,
    /// How often a host of the core layer was found to have forgotten the groups.
    pub forgotten: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    sent: AtomicU64,
    received: AtomicU64,
    dropped_at_capacity: AtomicU64,
    expired: AtomicU64,
    undecodable: AtomicU64,
    reconnects: AtomicU64,
    forgotten: AtomicU64,
}

impl Tally {
    pub(crate) fn sent(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dropped_at_capacity(&self, count: u64) {
        self.dropped_at_capacity.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn expired(&self, count: u64) {
        self.expired.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn undecodable(&self) {
        self.undecodable.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn forgotten(&self) {
        self.forgotten.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            dropped_at_capacity: self.dropped_at_capacity.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
            undecodable: self.undecodable.load(Ordering::Relaxed),
            reconnects: self.reconnects.load(Ordering::Relaxed),
            forgotten: self.forgotten.load(Ordering::Relaxed),
        }
    }
}
