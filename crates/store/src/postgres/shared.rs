//! What the lanes share: how it all is.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::{Health, Times};

/// Shared by the handles and the lanes.
#[derive(Default)]
pub(super) struct Shared {
    /// Lanes whose last write failed, or that have ended.
    failing: AtomicUsize,
    pub(super) commits: AtomicU64,
    pub(super) commands: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) commit_times: Times,
    last_error: Mutex<Option<String>>,
}

impl Shared {
    /// Notes a failure where operators look; the first of all lanes in the log.
    pub(super) fn failed(&self, lane: &str, error: &dyn std::fmt::Display, is_first: bool) {
        let text = format!("write: {error}");
        self.last_error.lock().replace(text);
        // Lanes fail together; the first one tells.
        if is_first && self.failing.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(lane, %error, "the store could not write");
        } else {
            tracing::debug!(lane, %error, "the store could not write");
        }
    }

    /// A lane that failed works again.
    pub(super) fn worked_again(&self, lane: &str) {
        if self.failing.fetch_sub(1, Ordering::Relaxed) == 1 {
            tracing::info!(lane, "the store can write again");
        }
    }

    /// A lane is over.
    pub(super) fn ended(&self) {
        self.failing.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn health(&self, queued: usize) -> Health {
        Health {
            writable: self.failing.load(Ordering::Relaxed) == 0,
            last_error: self.last_error.lock().clone(),
            queued,
            commits: self.commits.load(Ordering::Relaxed),
            commands: self.commands.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
            ..Health::default()
        }
    }
}
