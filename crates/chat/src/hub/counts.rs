//! What the hub counts for metrics: relaxed additions, a commit or a batch at a time, read at each scrape.

use std::sync::atomic::{AtomicU64, Ordering};

use moorline_protocol::{Event, EventKind, RoomId, Seq};

/// What the hub did since it was started.
#[derive(Debug, Default)]
pub struct Counts {
    /// Ephemeral frames that a full outbox did not take.
    pub dropped: AtomicU64,
    /// Holes filled from the store.
    pub filled: AtomicU64,
    /// Events that were read for them.
    pub read: AtomicU64,
    /// Events published.
    pub published: AtomicU64,
    /// Messages among them.
    pub accepted: AtomicU64,
    /// What became of the positions with which clients came back.
    pub resumes: Resumes,
    /// Holes in what was about to be handed out, which the store promises never to have.
    pub gaps: AtomicU64,
}

/// What became of the positions with which clients came back: one count a room.
#[derive(Debug, Default)]
pub struct Resumes {
    /// What was missed was still in memory.
    pub memory: AtomicU64,
    /// What was missed was read from the store.
    pub store: AtomicU64,
    /// The client was told to begin anew.
    pub reset: AtomicU64,
    /// The room is not the person's (any more).
    pub gone: AtomicU64,
}

impl Counts {
    /// Events of this node's own commits were published.
    pub(super) fn published<'a>(&self, events: impl ExactSizeIterator<Item = &'a Event>) {
        self.published.fetch_add(events.len() as u64, Ordering::Relaxed);
        let messages = events.filter(|event| matches!(event.kind, EventKind::Message { .. }));
        self.accepted.fetch_add(messages.count() as u64, Ordering::Relaxed);
    }

    /// Looks at a piece of a log that is about to be handed out: each event must follow the one before. `first` is what
    /// the piece must begin with; none where any beginning will do.
    pub(crate) fn look_for_gap<'a>(
        &self,
        room: &RoomId,
        first: Option<Seq>,
        events: impl IntoIterator<Item = &'a Event>,
    ) {
        let mut wanted = first;
        for event in events {
            if let Some(seq) = wanted.filter(|seq| *seq != event.seq) {
                self.gap(room, seq, event.seq);
            }
            wanted = Some(event.seq.next());
        }
    }

    /// An event is missing where the store promises that none ever is.
    pub(super) fn gap(&self, room: &RoomId, missing: Seq, instead: Seq) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            room.id = %room,
            missing = missing.0,
            instead = instead.0,
            "the log of room {room} has a hole: look at the store (moorline doctor), and restore a backup if it is damaged"
        );
    }
}

impl Resumes {
    /// One more of these.
    pub(crate) fn one(of: &AtomicU64) {
        of.fetch_add(1, Ordering::Relaxed);
    }
}
