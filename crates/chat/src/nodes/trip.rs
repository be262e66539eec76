//! How long a hint is under way, as this node's own ones tell, which come back to it like everybody's. Time is an argument.

use std::time::{Duration, Instant};

/// What is ahead of its neighbours waits at least so long for them. Where no hint is lost they come by themselves, and the
/// wait costs nobody anything.
pub(crate) const LEAST: Duration = Duration::from_millis(50);
/// And never longer.
const MOST: Duration = Duration::from_millis(500);

/// The way of one own hint at a time.
#[derive(Debug, Default)]
pub(super) struct Trip {
    /// The number of the hint that is watched, and when it was sent.
    watched: Option<(u64, Instant)>,
    /// How long the last ones took: rises at once, falls slowly.
    took: Duration,
}

impl Trip {
    /// A hint goes out. One that never came back is watched no longer once another could have.
    pub(super) fn sent(&mut self, number: u64, now: Instant) {
        if self.watched.is_none_or(|(_, since)| now.duration_since(since) > MOST) {
            self.watched = Some((number, now));
        }
    }

    /// An own hint came back; those before it have, or never will.
    pub(super) fn came(&mut self, number: u64, now: Instant) {
        if let Some((watched, since)) = self.watched
            && number >= watched
        {
            self.took = now.duration_since(since).max(self.took * 7 / 8);
            self.watched = None;
        }
    }

    /// How long to wait for what other nodes may have said already: twice the way, within bounds.
    pub(super) fn patience(&self, now: Instant) -> Duration {
        let under_way = self.watched.map_or(Duration::ZERO, |(_, since)| now.duration_since(since));
        (self.took.max(under_way) * 2).clamp(LEAST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(10);

    #[test]
    fn patience_follows_the_way_of_the_own_hints_up_at_once_and_down_slowly() {
        let (mut trip, start) = (Trip::default(), Instant::now());
        assert_eq!(trip.patience(start), LEAST);
        trip.sent(1, start);
        trip.came(1, start + STEP);
        assert_eq!(trip.patience(start + STEP), LEAST);
        trip.sent(2, start);
        trip.sent(3, start + 10 * STEP);
        trip.came(3, start + 16 * STEP);
        assert_eq!(trip.patience(start + 16 * STEP), 32 * STEP, "the first of the two was watched");
        trip.sent(4, start + 20 * STEP);
        trip.came(4, start + 21 * STEP);
        assert_eq!(trip.patience(start + 21 * STEP), 28 * STEP);
    }

    #[test]
    fn what_has_not_come_back_yet_counts_and_nobody_waits_for_ever() {
        let (mut trip, start) = (Trip::default(), Instant::now());
        trip.sent(1, start);
        assert_eq!(trip.patience(start + 20 * STEP), 40 * STEP);
        assert_eq!(trip.patience(start + 3_000 * STEP), MOST);
        trip.sent(2, start + 3_000 * STEP);
        trip.came(2, start + 3_001 * STEP);
        assert_eq!(trip.patience(start + 3_001 * STEP), LEAST, "the first is lost");
    }
}
