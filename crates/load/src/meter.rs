//! What a run measures: how long messages took, from the moment at which they were *meant* to be sent, so that a server that
//! stands still is charged for every message that it kept waiting; and how many went and came in each second.
//!
//! A message carries its own time and sender in its text (`stamp`), so that nothing has to be looked up. Clients report
//! here, the run's watch closes a second at a time.

use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use crate::probe::Load;

/// The longest time that is told apart: an hour, in microseconds.
const LONGEST_US: u64 = 3_600_000_000;
/// Digits of the whole run, and of a second of it.
const DIGITS: (u8, u8) = (3, 2);
/// Seconds that are kept one by one: a day and more. What is longer is in the totals only.
const KEPT: usize = 100_000;

/// Collects; shared by all clients of a run.
#[derive(Debug)]
pub struct Meter {
    start: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    total: Span,
    now: Span,
    seconds: Vec<Second>,
}

/// What happened in some time.
#[derive(Debug)]
struct Span {
    sent: u64,
    acks: Histogram<u64>,
    seen: Histogram<u64>,
}

/// How long things took; milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Half of them were faster.
    pub p50_ms: f64,
    /// Nine of ten were faster.
    pub p90_ms: f64,
    /// All but one of a hundred were faster.
    pub p99_ms: f64,
    /// All but one of a thousand were faster.
    pub p999_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// One second of a run.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Second {
    /// Seconds since the start.
    pub at: f64,
    /// Messages that were meant to be sent.
    pub sent: u64,
    /// From then to the ack.
    pub ack: Latency,
    /// From then until another window had it.
    pub delivery: Latency,
    /// Windows that are connected.
    pub connected: u64,
    /// The server's, where it can be seen.
    #[serde(flatten)]
    pub load: Option<Load>,
}

impl Span {
    fn new(digits: u8) -> anyhow::Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_US, digits);
        Ok(Self { sent: 0, acks: histogram()?, seen: histogram()? })
    }
}

impl From<&Histogram<u64>> for Latency {
    fn from(times: &Histogram<u64>) -> Self {
        let ms = |us: u64| us as f64 / 1_000.0;
        let at = |quantile| ms(times.value_at_quantile(quantile));
        Self {
            count: times.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(times.max()),
        }
    }
}

impl Meter {
    /// Begins to measure now.
    ///
    /// # Errors
    /// Never with these bounds; the library says so by a type.
    pub fn start() -> anyhow::Result<Self> {
        let (total, now) = (Span::new(DIGITS.0)?, Span::new(DIGITS.1)?);
        let inner = Mutex::new(Inner { total, now, seconds: Vec::new() });
        Ok(Self { start: Instant::now(), inner })
    }

    /// How long it has measured.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The beginning of the text of a message that this window means to send at this moment. It counts as sent.
    pub fn stamp(&self, meant: Instant, window: &str) -> String {
        let mut inner = self.inner.lock();
        inner.now.sent += 1;
        inner.total.sent += 1;
        format!("{} {window}", meant.duration_since(self.start).as_micros())
    }

    /// A message with this text was acknowledged.
    pub(crate) fn acked(&self, body: &str) {
        let Some((took_us, _)) = self.age(body) else { return };
        let mut inner = self.inner.lock();
        inner.now.acks.saturating_record(took_us);
        inner.total.acks.saturating_record(took_us);
    }

    /// A window shows a message with this text; the sender's own window is not asked.
    pub(crate) fn seen(&self, body: &str, window: &str) {
        let Some((took_us, sender)) = self.age(body) else { return };
        if sender == window {
            return;
        }
        let mut inner = self.inner.lock();
        inner.now.seen.saturating_record(took_us);
        inner.total.seen.saturating_record(took_us);
    }

    fn age<'a>(&self, body: &'a str) -> Option<(u64, &'a str)> {
        let mut words = body.split(' ');
        let meant_us: u64 = words.next()?.parse().ok()?;
        let now_us = u64::try_from(self.start.elapsed().as_micros()).ok()?;
        Some((now_us.saturating_sub(meant_us), words.next()?))
    }

    /// Ends a second, with what else is known of it.
    pub fn tick(&self, connected: u64, load: Option<Load>) -> Second {
        let at = self.start.elapsed().as_secs_f64();
        let mut inner = self.inner.lock();
        let (ack, delivery) = ((&inner.now.acks).into(), (&inner.now.seen).into());
        let second = Second { at, sent: inner.now.sent, ack, delivery, connected, load };
        inner.now.sent = 0;
        inner.now.acks.reset();
        inner.now.seen.reset();
        if inner.seconds.len() < KEPT {
            inner.seconds.push(second.clone());
        }
        second
    }

    /// All seconds so far.
    pub fn seconds(&self) -> Vec<Second> {
        self.inner.lock().seconds.clone()
    }

    /// Messages meant to be sent, and how long acks and deliveries took, over all.
    pub fn totals(&self) -> (u64, Latency, Latency) {
        let inner = self.inner.lock();
        (inner.total.sent, (&inner.total.acks).into(), (&inner.total.seen).into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop there")]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_message_is_as_old_as_the_moment_at_which_it_was_meant_to_be_sent() {
        let meter = Meter::start().unwrap();
        let meant = Instant::now();
        tokio::time::advance(Duration::from_millis(300)).await;
        let text = format!("{} and more", meter.stamp(meant, "ann"));
        tokio::time::advance(Duration::from_millis(200)).await;
        meter.acked(&text);
        meter.seen(&text, "ann");
        meter.seen(&text, "bob");
        meter.seen("better: 12", "bob");
        let (sent, ack, delivery) = meter.totals();
        assert_eq!((sent, ack.count, delivery.count), (1, 1, 1));
        assert!(
            (ack.p50_ms - 500.0).abs() < 1.0 && (delivery.max_ms - 500.0).abs() < 1.0,
            "{ack:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_holds_what_happened_in_it_and_no_more() {
        let meter = Meter::start().unwrap();
        for (sent, expected) in [(3, 3), (0, 0), (1, 1)] {
            for _ in 0..sent {
                meter.acked(&meter.stamp(Instant::now(), "ann"));
            }
            tokio::time::advance(Duration::from_secs(1)).await;
            let second = meter.tick(2, None);
            assert_eq!((second.sent, second.ack.count), (expected, expected));
        }
        assert_eq!(meter.seconds().len(), 3);
        assert_eq!(meter.totals().0, 4);
    }
}
