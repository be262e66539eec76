//! A feed's tail: its newest events as they went out, for those who come back within a moment.

use std::collections::VecDeque;

use moorline_protocol::{Carries, EventId, Frame, Seq};

/// Events kept.
const MOST: usize = 64;
/// Bytes of them: 1,000 rooms at full speed hold 32 MiB, and with compression what those became, which is shorter.
const MOST_BYTES: usize = 32 * 1024;

/// One event, as it went out.
pub(crate) struct Kept {
    pub(crate) seq: Seq,
    pub(crate) id: EventId,
    pub(crate) frame: Frame,
}

/// The newest events of a room, without a hole.
#[derive(Default)]
pub(crate) struct Tail {
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl Tail {
    /// Adds the event that follows the last one; the oldest go.
    pub(crate) fn keep(&mut self, mut kept: Kept) {
        if let Carries::NewMessage(_) = kept.frame.carries() {
            // To those who come later it is none.
            kept.frame = kept.frame.carrying(Carries::Message);
        }
        self.bytes += kept.frame.len();
        self.kept.push_back(kept);
        while self.kept.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.frame.len();
        }
    }

    /// Events below this seq go.
    pub(crate) fn forget_below(&mut self, first: Seq) {
        while self.kept.front().is_some_and(|oldest| oldest.seq < first) {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes -= oldest.frame.len();
        }
    }

    /// The event at this position, if it is still kept.
    pub(crate) fn get(&self, seq: Seq) -> Option<&Kept> {
        let first = self.kept.front()?.seq;
        self.kept.get(usize::try_from(seq.0.checked_sub(first.0)?).ok()?)
    }
}
