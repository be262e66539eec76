//! Silence on wish: a client that looks for what ends silent connections on the way asks the server not to ping it for a while.
//!
//! `moorline doctor --idle` asks in its handshake; pages cannot, since browsers add no headers there. The wish only makes the
//! pace of one connection slower, for ten minutes at most, so a peer that vanishes meanwhile is noticed that much later.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::HeaderMap;

use crate::websocket::{Pace, Settings};

/// The header of the handshake, and of its answer: seconds.
const HEADER: &str = "moorline-silence";
/// Longer than the longest usual idle limit, five minutes, with room.
const MOST_SECONDS: u16 = 600;

/// How long a connection is not to be pinged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence(u16);

impl Silence {
    /// What a handshake wishes, no longer than it may be.
    pub(super) fn wanted(headers: &HeaderMap) -> Option<Self> {
        let seconds: u16 = headers.get(HEADER)?.to_str().ok()?.parse().ok()?;
        (seconds > 0).then_some(Self(seconds.min(MOST_SECONDS)))
    }

    /// The settings of such a connection.
    pub(super) fn settings(self, of_all: &Settings) -> Arc<Settings> {
        let silent = Duration::from_secs(self.0.into());
        let Pace { interval, timeout } = of_all.pace;
        let pace = Pace { interval: interval + silent, timeout: timeout + silent };
        Arc::new(Settings { pace, ..of_all.clone() })
    }

    /// Says in the answer for how long it will be.
    pub(super) fn tell(self, response: &mut Response) {
        response.headers_mut().insert(HEADER, self.0.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn wanted(value: &'static str) -> Option<Silence> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, http::HeaderValue::from_static(value));
        Silence::wanted(&headers)
    }

    #[test]
    fn a_wish_is_a_number_of_seconds_and_bounded() {
        assert_eq!(wanted("360"), Some(Silence(360)));
        assert_eq!(wanted("9999"), Some(Silence(MOST_SECONDS)));
        for value in ["0", "-1", "x", "", "99999999"] {
            assert_eq!(wanted(value), None, "{value}");
        }
        assert_eq!(Silence::wanted(&HeaderMap::new()), None);
    }

    #[test]
    fn only_the_pace_of_that_connection_is_slower() {
        let metrics = Arc::new(Metrics::new());
        let of_all = Settings::usual(metrics);
        let pace = Silence(100).settings(&of_all).pace;
        assert_eq!((pace.interval.as_secs(), pace.timeout.as_secs()), (125, 160));
        assert_eq!(of_all.pace, Pace::default());
    }
}
