//! How long something took, counted in fixed buckets: cheap enough for a hot path, read at each scrape of metrics.
//!
//! The store counts its transactions here, the server its deliveries; neither looks anything up, allocates or locks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds: 0.1 ms for a sync that a disk's cache takes, 10 s for a disk that is sick.
const BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];
/// All of them, and one for what took longer.
const BUCKETS: usize = BOUNDS_US.len() + 1;

/// Counts that only grow. Every call is two relaxed additions.
#[derive(Debug, Default)]
pub struct Times {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TimesRead {
    buckets: [u64; BUCKETS],
    nanos: u64,
}

impl Times {
    /// So many things took so long each.
    pub fn add(&self, took: Duration, things: u64) {
        let (nanos, micros) = (took.as_nanos(), took.as_micros());
        let bucket = BOUNDS_US.partition_point(|bound| u128::from(*bound) < micros);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(things, Ordering::Relaxed);
        }
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX).saturating_mul(things);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn read(&self) -> TimesRead {
        let buckets = std::array::from_fn(|at| {
            self.buckets.get(at).map_or(0, |bucket| bucket.load(Ordering::Relaxed))
        });
        TimesRead { buckets, nanos: self.nanos.load(Ordering::Relaxed) }
    }
}

impl TimesRead {
    /// Together with what was counted elsewhere.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
        self.nanos += other.nanos;
        self
    }

    /// How many things there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How long all of them took together, s.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanos).as_secs_f64()
    }

    /// Each bucket's upper bound in seconds and how many are in it and in no lower one. The last has no bound.
    #[must_use]
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS_US.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
        bounds.zip(self.buckets).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(read: &TimesRead) -> Vec<(f64, u64)> {
        read.buckets().into_iter().filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn each_time_is_in_the_lowest_bucket_that_it_fits_in() {
        let times = Times::default();
        times.add(Duration::ZERO, 1);
        times.add(Duration::from_micros(100), 1);
        times.add(Duration::from_micros(101), 3);
        times.add(Duration::from_secs(10), 1);
        times.add(Duration::from_secs(11), 2);
        let read = times.read();
        assert_eq!(filled(&read), [(0.0001, 2), (0.00025, 3), (10.0, 1), (f64::INFINITY, 2)]);
        assert_eq!(read.count(), 8);
        assert!((read.seconds() - 32.000_403).abs() < 1e-9, "{}", read.seconds());
    }

    #[test]
    fn what_was_counted_in_two_places_adds_up() {
        let (one, other) = (Times::default(), Times::default());
        one.add(Duration::from_millis(1), 2);
        other.add(Duration::from_millis(1), 3);
        other.add(Duration::from_secs(1), 1);
        let both = one.read().with(&other.read());
        assert_eq!(filled(&both), [(0.001, 5), (1.0, 1)]);
        assert!((both.seconds() - 1.005).abs() < 1e-9);
    }
}
