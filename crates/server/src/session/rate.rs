//! How many commands a connection may send: a token bucket, with time as an argument.

use tokio::time::Instant;

use moorline_protocol::Limits;

/// Refusals in a row after which a client is not asked to slow down any more, but closed.
const PATIENCE: u32 = 1_000;

/// The allowance of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// Commands that may come now; refilled with time.
    tokens: f32,
    refilled: Instant,
    refused: u32,
}

/// What becomes of the next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is carried out.
    Pass,
    /// It is refused; the next one passes after so many ms.
    Wait(u64),
    /// The client does not listen.
    Close,
}

impl Allowance {
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        Self { tokens: limits.burst as f32, refilled: now, refused: 0 }
    }

    /// Whether it is as good as one that nobody has used.
    pub(crate) fn is_whole(&self, limits: &Limits, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.refilled).as_secs_f32();
        self.tokens + since * limits.commands_per_second as f32 >= limits.burst as f32
    }

    pub(crate) fn take(&mut self, limits: &Limits, now: Instant) -> Verdict {
        let rate = limits.commands_per_second as f32;
        let since = now.saturating_duration_since(self.refilled).as_secs_f32();
        self.tokens = (self.tokens + since * rate).min(limits.burst as f32);
        self.refilled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            self.refused = 0;
            return Verdict::Pass;
        }
        self.refused += 1;
        if self.refused > PATIENCE {
            return Verdict::Close;
        }
        Verdict::Wait(((1.0 - self.tokens) / rate * 1_000.0).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (limits, start) = (Limits::DEFAULT, Instant::now());
        let mut allowance = Allowance::new(&limits, start);
        let passed = |allowance: &mut Allowance, now| {
            (0..1_000).filter(|_| allowance.take(&limits, now) == Verdict::Pass).count()
        };
        assert_eq!(passed(&mut allowance, start), 200);
        assert_eq!(passed(&mut allowance, start + Duration::from_secs(1)), 50);
        assert_eq!(allowance.take(&limits, start + Duration::from_secs(1)), Verdict::Wait(20));
    }

    #[test]
    fn one_who_never_slows_down_is_closed() {
        let (limits, start) = (Limits::DEFAULT, Instant::now());
        let mut allowance = Allowance::new(&limits, start);
        let verdicts: Vec<_> = (0..2_000).map(|_| allowance.take(&limits, start)).collect();
        assert_eq!(verdicts[1_199], Verdict::Wait(20));
        assert_eq!(verdicts[1_200], Verdict::Close);
    }
}
