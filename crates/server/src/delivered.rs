//! Counts what is handed to sockets: how many messages, and how long after they were stored.
//!
//! A connection's writer and the answer of a poll count here. The clock is read at most once a write, and only where the
//! write has a new message in it; nothing is looked up, and threads do not share what they add to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use moorline_protocol::{Carries, Frame};
use moorline_store::{Times, TimesRead};

/// Threads that add without meeting each other; more of them share.
const SHARDS: usize = 16;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

/// The counts of all connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delivered(Arc<[Shard; SHARDS]>);

/// What a few threads add to, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    messages: AtomicU64,
    times: Times,
}

/// One write, or one answer, that takes frames.
pub(crate) struct Handing<'a> {
    delivered: &'a Delivered,
    now: Option<Instant>,
    messages: u64,
    /// New messages of one moment, which mostly come together.
    alike: Option<(Instant, u64)>,
}

impl Delivered {
    /// Begins to hand frames over.
    pub(crate) fn hand(&self) -> Handing<'_> {
        Handing { delivered: self, now: None, messages: 0, alike: None }
    }

    /// Messages handed over so far.
    pub(crate) fn messages(&self) -> u64 {
        self.0.iter().map(|shard| shard.messages.load(Ordering::Relaxed)).sum()
    }

    /// How long new ones among them were on their way.
    pub(crate) fn times(&self) -> TimesRead {
        self.0.iter().fold(TimesRead::default(), |sum, shard| sum.with(&shard.times.read()))
    }

    fn shard(&self) -> Option<&Shard> {
        self.0.get(SHARD.with(|shard| *shard))
    }
}

impl Handing<'_> {
    /// This frame is handed over.
    pub(crate) fn took(&mut self, frame: &Frame) {
        let since = match frame.carries() {
            Carries::Other => return,
            Carries::Message => None,
            Carries::NewMessage(since) => Some(since),
        };
        self.messages += 1;
        let Some(since) = since else { return };
        match &mut self.alike {
            Some((moment, count)) if *moment == since => *count += 1,
            _ => {
                self.settle();
                self.alike = Some((since, 1));
            }
        }
    }

    fn settle(&mut self) {
        let Some((since, count)) = self.alike.take() else { return };
        let now = *self.now.get_or_insert_with(Instant::now);
        if let Some(shard) = self.delivered.shard() {
            shard.times.add(now.saturating_duration_since(since), count);
        }
    }
}

impl Drop for Handing<'_> {
    fn drop(&mut self) {
        self.settle();
        if self.messages > 0
            && let Some(shard) = self.delivered.shard()
        {
            shard.messages.fetch_add(self.messages, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(carries: Carries) -> Frame {
        Frame::text("{}").carrying(carries)
    }

    #[test]
    fn messages_count_and_only_new_ones_are_timed() {
        let delivered = Delivered::default();
        let Some(since) = Instant::now().checked_sub(Duration::from_secs(60)) else { return };
        let later = since + Duration::from_secs(59);
        let mut handing = delivered.hand();
        handing.took(&frame(Carries::Other));
        handing.took(&frame(Carries::Message));
        for moment in [since, since, later] {
            handing.took(&frame(Carries::NewMessage(moment)));
        }
        drop(handing);
        assert_eq!(delivered.messages(), 4);
        let times = delivered.times();
        assert_eq!(times.count(), 3);
        assert_eq!(times.buckets().last().map(|(_, over_ten_seconds)| *over_ten_seconds), Some(2));
        assert!(times.seconds() >= 121.0, "{}", times.seconds());
    }

    #[test]
    fn what_many_threads_hand_over_adds_up() {
        let delivered = Delivered::default();
        let hand_two = || {
            let mut handing = delivered.hand();
            handing.took(&frame(Carries::NewMessage(Instant::now())));
            handing.took(&frame(Carries::Message));
        };
        std::thread::scope(|scope| {
            for _ in 0..SHARDS + 3 {
                scope.spawn(|| (0..100).for_each(|_| hand_two()));
            }
        });
        let threads = SHARDS as u64 + 3;
        assert_eq!(
            (delivered.messages(), delivered.times().count()),
            (200 * threads, 100 * threads)
        );
    }
}
