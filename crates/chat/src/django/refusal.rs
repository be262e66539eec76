//! Why a message of Django is not done, as a word for programs and a sentence for people.

use moorline_protocol::ErrorCode;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

use crate::Error;

macro_rules! reasons {
    ($($name:ident $word:literal $meaning:literal;)+) => {
        /// The closed list of reasons.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word that metrics and answers have.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

reasons! {
    UnknownType "unknown_type" "It is neither a notice nor a post.";
    Invalid "invalid" "A field is missing or not allowed.";
    TooLarge "too_large" "It is longer than the limit.";
    TooDeep "too_deep" "Its data is nested deeper than 16 levels.";
    Forbidden "forbidden" "Posts are not accepted, or not from this person.";
    NotFound "not_found" "There is no such room, person or membership.";
    Repeated "repeated" "A notice with this id came before.";
    Stale "stale" "Its time is too far from now.";
    CidConflict "cid_conflict" "Its cid was used for another message.";
    Unavailable "unavailable" "The store cannot say now.";
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub reason: Reason,
    /// For people.
    pub text: String,
    /// When to try again, ms, where that makes sense.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into(), retry_after_ms: None }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let reason = match error.code() {
            ErrorCode::TooLarge => Reason::TooLarge,
            ErrorCode::NotFound | ErrorCode::Erased => Reason::NotFound,
            ErrorCode::Forbidden => Reason::Forbidden,
            ErrorCode::CidConflict => Reason::CidConflict,
            code if code.is_retryable() => Reason::Unavailable,
            _ => Reason::Invalid,
        };
        Self { reason, text: error.text(), retry_after_ms: error.retry_after_ms() }
    }
}

/// Says something at most once a minute, with how often it was not said.
#[derive(Debug, Default)]
pub(super) struct Rarely(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    unsaid: u64,
}

impl Rarely {
    const EVERY: Duration = Duration::from_secs(60);

    /// Whether to say it now, and how many were not said since the last time.
    pub(super) fn now(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock();
        if said.last.is_some_and(|last| now.duration_since(last) < Self::EVERY) {
            said.unsaid += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_minute_that_says_how_many_there_were() {
        let (rarely, start) = (Rarely::default(), Instant::now());
        assert_eq!(rarely.now(start), Some(0));
        (0..500).for_each(|_| assert_eq!(rarely.now(start + Rarely::EVERY / 2), None));
        assert_eq!(rarely.now(start + Rarely::EVERY), Some(500));
        assert_eq!(rarely.now(start + 2 * Rarely::EVERY), Some(0));
    }

    #[test]
    fn what_the_store_answers_is_told_by_its_cause() {
        let of = |error: moorline_store::Error| Refusal::from(Error::from(error));
        assert_eq!(of(moorline_store::Error::NotFound).reason, Reason::NotFound);
        let away = of(moorline_store::Error::StorageFull { retry_after: Duration::from_secs(2) });
        assert_eq!((away.reason, away.retry_after_ms), (Reason::Unavailable, Some(2_000)));
        let long = Refusal::from(Error::TooLarge { bytes: 7, limit: 5 });
        assert_eq!((long.reason, long.retry_after_ms), (Reason::TooLarge, None));
    }
}
