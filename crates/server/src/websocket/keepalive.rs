//! When to ping and when a peer counts as dead. Rules only: time is an argument, the driver has the timer.
//!
//! There is no limit on the age of a healthy connection, unless the operator sets one, which `link` keeps.

use std::time::Duration;

use tokio::time::Instant;

/// How often to ping, and how long silence may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// 25 s by default: under the 60 s after which common proxies cut an idle connection, twice over.
    pub interval: Duration,
    /// 60 s by default: two lost pings in a row are survived.
    pub timeout: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval: Duration::from_secs(25), timeout: Duration::from_secs(60) }
    }
}

/// How long an incomplete message may take, however little of it has come.
const MESSAGE_GRACE: Duration = Duration::from_secs(10);
/// After that it must come at this rate, which every network that carries a chat does.
const MESSAGE_BYTES_PER_SECOND: u64 = 1024;

/// Until when more must have come of a message that began then and of which so much is here.
pub(crate) fn message_due(began: Instant, bytes: usize) -> Instant {
    let earned = bytes as u64 * 1000 / MESSAGE_BYTES_PER_SECOND;
    began + MESSAGE_GRACE + Duration::from_millis(earned)
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before this instant.
    Wait(Instant),
    /// A ping with this number.
    Ping(u32),
    /// Nothing was heard for too long.
    Dead,
}

/// One connection's keepalive.
#[derive(Debug)]
pub(crate) struct Keepalive {
    began: Instant,
    last_heard: Instant,
    last_ping: Instant,
    number: u32,
    /// Whether the last ping is unanswered.
    awaits_pong: bool,
    /// The client wants to hear something in each interval, even while it speaks itself.
    is_steady: bool,
    round_trip: Option<Duration>,
}

impl Keepalive {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            last_heard: now,
            last_ping: now,
            number: 0,
            awaits_pong: false,
            is_steady: false,
            round_trip: None,
        }
    }

    /// When the connection was opened.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// Something came from the peer.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// From now on there is a ping in each interval, whatever is heard.
    pub(crate) fn be_steady(&mut self) {
        self.is_steady = true;
    }

    /// A pong came; the round trip if it answers the last ping.
    pub(crate) fn pong(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        if !self.awaits_pong || payload != self.number.to_be_bytes() {
            return None;
        }
        self.awaits_pong = false;
        self.round_trip = Some(now - self.last_ping);
        self.round_trip
    }

    /// What is due; a ping that it asks for counts as sent.
    pub(crate) fn due(&mut self, now: Instant, pace: Pace) -> Due {
        if now >= self.last_heard + pace.timeout {
            return Due::Dead;
        }
        let quiet_since =
            if self.is_steady { self.last_ping } else { self.last_ping.max(self.last_heard) };
        let ping_at = quiet_since + pace.interval;
        if now < ping_at {
            return Due::Wait(ping_at.min(self.last_heard + pace.timeout));
        }
        self.last_ping = now;
        self.number = self.number.wrapping_add(1);
        self.awaits_pong = true;
        Due::Ping(self.number)
    }

    /// The round trip of the last answered ping.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { interval: Duration::from_secs(25), timeout: Duration::from_secs(60) };

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_peer_is_pinged_twice_and_then_dead() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start);
        assert_eq!(keepalive.due(at(start, 24), PACE), Due::Wait(at(start, 25)));
        assert_eq!(keepalive.due(at(start, 25), PACE), Due::Ping(1));
        assert_eq!(keepalive.due(at(start, 25), PACE), Due::Wait(at(start, 50)));
        assert_eq!(keepalive.due(at(start, 50), PACE), Due::Ping(2));
        assert_eq!(keepalive.due(at(start, 50), PACE), Due::Wait(at(start, 60)));
        assert_eq!(keepalive.due(at(start, 60), PACE), Due::Dead);
    }

    #[test]
    fn a_message_that_drips_is_due_and_one_that_flows_is_not() {
        let began = Instant::now();
        assert_eq!(message_due(began, 0), at(began, 10));
        assert_eq!(message_due(began, 10 * 1024), at(began, 20));
    }

    #[test]
    fn whoever_speaks_is_not_pinged() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start);
        keepalive.heard(at(start, 20));
        assert_eq!(keepalive.due(at(start, 25), PACE), Due::Wait(at(start, 45)));
    }

    #[test]
    fn whoever_wants_pings_gets_them_while_speaking() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start);
        keepalive.be_steady();
        keepalive.heard(at(start, 24));
        assert_eq!(keepalive.due(at(start, 25), PACE), Due::Ping(1));
    }

    #[test]
    fn only_the_answer_to_the_last_ping_is_a_round_trip() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start);
        assert_eq!(keepalive.pong(&0_u32.to_be_bytes(), start), None);
        assert_eq!(keepalive.due(at(start, 25), PACE), Due::Ping(1));
        assert_eq!(keepalive.pong(b"else", at(start, 26)), None);
        assert_eq!(keepalive.pong(&1_u32.to_be_bytes(), at(start, 27)), Some(at(start, 2) - start));
        assert_eq!(keepalive.pong(&1_u32.to_be_bytes(), at(start, 28)), None);
        assert_eq!(keepalive.round_trip(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn an_answering_peer_lives_for_ever() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start);
        let mut now = start;
        for _ in 0..10_000 {
            match keepalive.due(now, PACE) {
                Due::Wait(until) => now = until,
                Due::Ping(number) => {
                    now += Duration::from_millis(30);
                    keepalive.heard(now);
                    keepalive.pong(&number.to_be_bytes(), now);
                }
                Due::Dead => panic!("dead at {:?}", now - start),
            }
        }
        assert!(now - start > Duration::from_secs(24 * 3600));
    }
}
