//! Asking the backend again about somebody it has vouched for, before its word ends: so a logout there ends the
//! connection here, and who stays signed in is not cut off.
//!
//! The session polls it. A backend that does not answer is asked again until the word ends; then the connection does.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use moorline_chat::{Close, Listener};
use moorline_protocol::CloseCode;
use tokio::time::Instant;

use super::pending::Job;
use crate::auth::{Authenticator, Forwarded, Identity, Refused};

/// The longest wait before a backend that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(5);

/// The backend's word for one connection.
pub(crate) struct Renewal {
    auth: Arc<Authenticator>,
    forwarded: Arc<Forwarded>,
    issued_ms: u64,
    /// When the word ends.
    until: Instant,
    /// When it is asked next.
    next: Instant,
    asking: Option<Job<Result<Option<Identity>, Refused>>>,
}

impl Renewal {
    /// Of a word that was given at `issued_ms` and ends at `until`.
    pub(crate) fn new(
        auth: Arc<Authenticator>,
        forwarded: Arc<Forwarded>,
        issued_ms: u64,
        until: Instant,
    ) -> Self {
        let next = early(Instant::now(), until);
        Self { auth, forwarded, issued_ms, until, next, asking: None }
    }

    /// When something is to be done.
    pub(crate) fn deadline(&self) -> Instant {
        if self.asking.is_some() { self.until } else { self.next.min(self.until) }
    }

    /// Begins to ask.
    ///
    /// # Errors
    /// Where the word has ended.
    pub(crate) fn on_deadline(&mut self, now: Instant, listener: &Listener) -> Result<(), Close> {
        if now >= self.until {
            let reason = "who is signed in cannot be asked";
            return Err(Close::new(CloseCode::OVERLOADED, reason));
        }
        if self.asking.is_none() && now >= self.next {
            let (auth, forwarded) = (self.auth.clone(), self.forwarded.clone());
            let (user, issued_ms) = (listener.user().clone(), self.issued_ms);
            self.asking =
                Some(Box::pin(async move { auth.ask_again(&forwarded, &user, issued_ms).await }));
        }
        Ok(())
    }

    /// Goes on with asking; ready with what is known now.
    ///
    /// # Errors
    /// Where nobody is signed in any more.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Identity, Close>> {
        let Some(asking) = &mut self.asking else { return Poll::Pending };
        let Poll::Ready(answered) = asking.as_mut().poll(cx) else { return Poll::Pending };
        self.asking = None;
        let now = Instant::now();
        match answered {
            Ok(Some(identity)) => {
                self.issued_ms = identity.grants.issued_ms;
                self.until = identity.expires_ms.map_or(self.until, super::expiry);
                self.next = early(now, self.until);
                Poll::Ready(Ok(identity))
            }
            Ok(None) => {
                let reason = Cow::Borrowed("signed out");
                Poll::Ready(Err(Close { code: CloseCode::SIGNED_OUT, reason }))
            }
            Err(_) => {
                let left = self.until.saturating_duration_since(now);
                self.next = now + (left / 8).clamp(Duration::from_millis(100), AGAIN);
                Poll::Pending
            }
        }
    }
}

/// Somewhere in the third quarter of the time that is left: early enough for further attempts, and spread, so that many
/// who came together do not ask together.
fn early(now: Instant, until: Instant) -> Instant {
    let left = until.saturating_duration_since(now);
    now + left.mul_f64(rand::random_range(0.5..0.75))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_in_the_third_quarter_and_not_by_all_at_once() {
        let now = Instant::now();
        let until = now + Duration::from_secs(100);
        let waits: Vec<f64> = (0..64).map(|_| (early(now, until) - now).as_secs_f64()).collect();
        assert!(waits.iter().all(|wait| (50.0..=75.0).contains(wait)), "{waits:?}");
        assert!(waits.iter().any(|wait| (wait - waits[0]).abs() > 1.0), "{waits:?}");
        assert_eq!(early(until, now), until, "a word that is over is asked about at once");
    }
}
