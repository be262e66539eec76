//! What the threads of the store share: the queue, the gate between writing and restarting the log, and how it all is.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::queue::Queue;
use crate::{Health, Times};

/// Bytes of a page: SQLite's default, and the frame of its log without the header.
pub(super) const PAGE_BYTES: u64 = 4_096 + 24;

/// Pages in the log at which it is brought into the file, 12 MiB: the larger, the fewer times a busy page is copied;
/// what is written meanwhile comes on top and must stay under 64 MiB.
pub(super) const CHECKPOINT_PAGES: u32 = 3_000;

/// Shared by the handles, the writer, the checkpointer and the readers.
pub(super) struct Shared {
    pub(super) queue: Queue,
    /// Held while a transaction writes, and while the log is being restarted.
    pub(super) gate: Mutex<()>,
    /// Pages in the log after the last commit.
    pub(super) wal_pages: AtomicU32,
    pub(super) is_writable: AtomicBool,
    pub(super) is_ended: AtomicBool,
    pub(super) commits: AtomicU64,
    pub(super) commands: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) commit_times: Times,
    pub(super) index_rows: AtomicU64,
    index_since: Mutex<Option<Instant>>,
    last_error: Mutex<Option<String>>,
    tick: Mutex<bool>,
    ticked: Condvar,
}

impl Shared {
    pub(super) fn new(queue: usize) -> Self {
        Self {
            queue: Queue::new(queue),
            gate: Mutex::new(()),
            wal_pages: AtomicU32::new(0),
            is_writable: AtomicBool::new(true),
            is_ended: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            commit_times: Times::default(),
            index_rows: AtomicU64::new(0),
            index_since: Mutex::new(None),
            last_error: Mutex::new(None),
            tick: Mutex::new(false),
            ticked: Condvar::new(),
        }
    }

    /// Notes a failure, once, where operators look.
    pub(super) fn failed(&self, what: &str, error: &dyn std::fmt::Display) {
        tracing::error!(%error, "the store could not {what}");
        self.is_writable.store(false, Ordering::Relaxed);
        *self.last_error.lock() = Some(format!("{what}: {error}"));
    }

    pub(super) fn worked(&self) {
        if !self.is_writable.swap(true, Ordering::Relaxed) {
            tracing::info!("the store can write again");
        }
    }

    pub(super) fn set_index_lag(&self, rows: u64, since: Option<Instant>) {
        self.index_rows.store(rows, Ordering::Relaxed);
        *self.index_since.lock() = since;
    }

    /// How long the oldest message that search does not find has been stored, ms.
    pub(super) fn index_behind_ms(&self) -> u64 {
        let since = *self.index_since.lock();
        since.map_or(0, |since| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn wal_bytes(&self) -> u64 {
        u64::from(self.wal_pages.load(Ordering::Relaxed)) * PAGE_BYTES
    }

    pub(super) fn health(&self) -> Health {
        Health {
            writable: self.is_writable.load(Ordering::Relaxed)
                && !self.is_ended.load(Ordering::Relaxed),
            last_error: self.last_error.lock().clone(),
            wal_bytes: self.wal_bytes(),
            index_lag_rows: self.index_rows.load(Ordering::Relaxed),
            index_lag_ms: self.index_behind_ms(),
            queued: self.queue.len(),
            commits: self.commits.load(Ordering::Relaxed),
            commands: self.commands.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
        }
    }

    /// Tells the checkpointer that the log has grown, or that the store ends.
    pub(super) fn tick(&self) {
        *self.tick.lock() = true;
        self.ticked.notify_one();
    }

    /// Waits for a tick, at most a second. False where none came.
    pub(super) fn wait_tick(&self) -> bool {
        let mut tick = self.tick.lock();
        if !*tick {
            let _ = self.ticked.wait_for(&mut tick, std::time::Duration::from_secs(1));
        }
        std::mem::take(&mut *tick)
    }
}
