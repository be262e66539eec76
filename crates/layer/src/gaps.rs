//! Where messages may have been missed: events that a caller can await, besides the counters and the log.
//!
//! The back ends report; whoever must not miss anything listens, and reads its own store when one comes. Reporting
//! never waits: a listener that falls behind is told how much it missed.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::counters::Tally;
use crate::error::DecodeError;

/// Events that wait for a slow listener; older ones are dropped and counted as [`Gap::Missed`].
const WAITING: usize = 256;

/// At most one line in the log for undecodable messages in this time.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Something after which messages may be missing here or elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// A connection to this host was lost and is there again; the memberships of groups are restored.
    Reconnected {
        /// The host, its password masked.
        host: String,
    },
    /// Redis had forgotten the memberships of groups while the connection held, as after `FLUSHALL`. They are restored;
    /// what was sent to the groups in between is lost.
    Forgotten {
        /// The host, its password masked.
        host: String,
    },
    /// Redis Pub/Sub: subscriptions were made again. What was published in between is lost.
    Resubscribed {
        /// The host, its password masked.
        host: String,
    },
    /// A channel was full, so messages to it were not sent.
    OverCapacity {
        /// The channel of `send`, or the group of `group_send`.
        name: String,
        /// How many channel keys were full.
        count: u64,
    },
    /// A buffer in this process was full: its reader is slow, and the oldest message was dropped.
    Overflowed {
        /// The channel whose reader is slow.
        channel: String,
    },
    /// A message arrived that could not be decoded or that is for nobody.
    Undecodable {
        /// Why, or `None` if it names no channel of this process.
        why: Option<DecodeError>,
    },
    /// This listener fell behind and missed that many events.
    Missed(u64),
}

/// The events from the moment of [`gaps`](crate::ChannelLayer::gaps) on.
#[derive(Debug)]
pub struct Gaps(broadcast::Receiver<Gap>);

impl Gaps {
    /// The next event; `None` once the layer is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Gap> {
        match self.0.recv().await {
            Ok(gap) => Some(gap),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Gap::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// The reporting side, which counts as well.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    tally: Arc<Tally>,
    /// Gone once the layer is closed, which ends the listeners.
    events: Arc<Mutex<Option<broadcast::Sender<Gap>>>>,
    undecodable: Arc<Mutex<Quiet>>,
}

/// What was not logged since the last line.
#[derive(Debug, Default)]
struct Quiet {
    logged_at: Option<Instant>,
    unsaid: u64,
}

impl Reporter {
    pub(crate) fn new() -> Self {
        Self {
            tally: Arc::default(),
            events: Arc::new(Mutex::new(Some(broadcast::Sender::new(WAITING)))),
            undecodable: Arc::default(),
        }
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) fn listen(&self) -> Gaps {
        let events = self.events.lock();
        Gaps(events.as_ref().map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe))
    }

    pub(crate) fn close(&self) {
        self.events.lock().take();
    }

    /// An error here only says that nobody listens.
    pub(crate) fn report(&self, gap: Gap) {
        if let Some(events) = self.events.lock().as_ref() {
            let _ = events.send(gap);
        }
    }

    pub(crate) fn over_capacity(&self, name: &str, count: u64) {
        self.tally.dropped_at_capacity(count);
        self.report(Gap::OverCapacity { name: name.to_owned(), count });
    }

    pub(crate) fn overflowed(&self, channel: &str) {
        self.tally.dropped_at_capacity(1);
        self.report(Gap::Overflowed { channel: channel.to_owned() });
    }

    pub(crate) fn undecodable(&self, key: &str, why: Option<DecodeError>) {
        self.tally.undecodable();
        if let Some(unsaid) = self.undecodable.lock().speaks(Instant::now()) {
            let reason = why.as_ref().map_or("it names no channel".to_owned(), ToString::to_string);
            tracing::warn!(key, reason, unsaid, "skipped a message that cannot be delivered");
        }
        self.report(Gap::Undecodable { why });
    }
}

impl Quiet {
    /// How many were not told since the last line, if it is time for a line again.
    fn speaks(&mut self, now: Instant) -> Option<u64> {
        if self.logged_at.is_some_and(|at| now.duration_since(at) < LOG_EVERY) {
            self.unsaid += 1;
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undecodable_messages_are_logged_once_a_minute_with_the_number_of_the_others() {
        let (mut quiet, start) = (Quiet::default(), Instant::now());
        assert_eq!(quiet.speaks(start), Some(0));
        assert_eq!(quiet.speaks(start + Duration::from_secs(1)), None);
        assert_eq!(quiet.speaks(start + Duration::from_secs(59)), None);
        assert_eq!(quiet.speaks(start + Duration::from_secs(60)), Some(2));
    }

    #[tokio::test]
    async fn a_slow_listener_is_told_how_much_it_missed_and_the_end() {
        let reporter = Reporter::new();
        let mut gaps = reporter.listen();
        (0..WAITING as u64 + 3).for_each(|count| reporter.over_capacity("room", count));
        assert_eq!(gaps.next().await, Some(Gap::Missed(3)));
        let next = Gap::OverCapacity { name: "room".to_owned(), count: 3 };
        assert_eq!(gaps.next().await, Some(next));
        reporter.close();
        while let Some(gap) = gaps.next().await {
            assert!(matches!(gap, Gap::OverCapacity { .. }));
        }
        assert_eq!(reporter.listen().next().await, None);
    }
}
