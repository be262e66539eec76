//! How far two clocks are apart. Rules only; the checks of the database, of Redis and of the web bring the other clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// This machine's clock around a question to another one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around {
    before: f64,
    after: f64,
}

/// Seconds since 1970.
pub(crate) fn unix(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Around {
    pub(crate) fn new(before: SystemTime, after: SystemTime) -> Self {
        Self { before: unix(before), after: unix(after) }
    }

    /// Seconds by which the other clock is ahead for certain, whenever in between it was read; negative if it is behind.
    pub(crate) fn ahead(self, other: f64) -> f64 {
        if other > self.after {
            other - self.after
        } else if other < self.before {
            other - self.before
        } else {
            0.0
        }
    }
}

/// In words: which clock is how far ahead.
pub(crate) fn told(ahead: f64, whose: &str) -> String {
    let seconds = ahead.abs();
    let time = if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        super::token::span(seconds.round() as u64)
    };
    let way = if ahead > 0.0 { "ahead of" } else { "behind" };
    format!("The clock of {whose} is {time} {way} this machine's.")
}

/// What mends it.
pub(crate) const FIX: &str = "Let both machines follow a time server: timedatectl set-ntp true; then compare: timedatectl; \
                              chronyc tracking.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_waiting_does_not_explain_counts() {
        let around = Around { before: 100.0, after: 103.0 };
        assert_eq!(around.ahead(101.0), 0.0);
        assert_eq!(around.ahead(3_703.0), 3_600.0);
        assert_eq!(around.ahead(90.0), -10.0);
        assert_eq!(told(3_600.0, "Redis"), "The clock of Redis is 60 min ahead of this machine's.");
        assert_eq!(told(-2.25, "Redis"), "The clock of Redis is 2.2 s behind this machine's.");
    }
}
