//! One round of delivery: what the hub's task carries from a commit to the outboxes of many rooms.
//!
//! The hub makes one for each commit, hint or look at the store; feeds put into it whom to wake. It decides nothing.

use std::task::Waker;
use std::time::Instant;

/// A round that is under way.
pub(crate) struct Round {
    /// When the events of this round were durable here, or heard of from another node.
    pub(crate) since: Instant,
    /// Whom to wake at its end, once no lock is held.
    pub(crate) wakers: Vec<Waker>,
}

impl Round {
    /// A round with events of this moment.
    pub(crate) fn of(since: Instant) -> Self {
        Self { since, wakers: Vec::new() }
    }

    /// Wakes everybody.
    pub(crate) fn end(self) {
        self.wakers.into_iter().for_each(Waker::wake);
    }
}
