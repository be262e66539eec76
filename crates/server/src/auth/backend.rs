//! The backend that knows who somebody is: `--auth-url`. It is shown the cookie and the chosen headers of a request and
//! says whose they are, for how long, and with which rooms.
//!
//! `Authenticator` asks here. Whatever the backend does, a question costs bounded time and memory, and only a clear yes
//! is a yes. What is shown to it is never logged.

mod answer;
mod cache;
mod forwarded;
mod request;

use std::time::Duration;

use http::{HeaderName, Uri};
use moorline_chat::now_ms;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::authenticator::Signed;
use crate::metrics::Metrics;
use cache::Cache;
pub use forwarded::Forwarded;
use request::Asker;

/// For one question with all its waiting; half of what a handshake may take.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// How much of it a question may wait for others.
const WAIT: Duration = Duration::from_secs(2);
/// Questions at once. A backend of a few workers is busy with fewer.
const AT_ONCE: usize = 32;
/// How long a yes serves further connections and requests of the same person.
const KEEP_YES: Duration = Duration::from_secs(10);
/// How long a no does: short, since somebody may be signing in.
const KEEP_NO: Duration = Duration::from_secs(2);

/// Why the backend's word is not known. Never a reason to let somebody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// All places were taken for the whole time.
    #[error("too many questions wait for it already")]
    Busy,
    /// Nothing, or not all, within the time limit.
    #[error("it did not answer within {} seconds", TIME_LIMIT.as_secs())]
    TimedOut,
    /// No connection, or one that broke.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// A certificate that no authority known here has signed, or for another name, or of another time.
    #[error(
        "its certificate is not trusted: {0} (it must be for the host in the URL, and its authority among the system's \
         or in the file that SSL_CERT_FILE names)"
    )]
    Untrusted(String),
    /// Another address instead of an answer.
    #[error(
        "it answered with a redirect, which is not followed; answer 401 for nobody (no login_required), and 200 on \
         exactly this address, scheme and slash included"
    )]
    Redirect,
    /// A status that says nothing about the person.
    #[error("it answered with status {0} (200 with JSON is a person; 401, 403 or 204 is nobody)")]
    Status(u16),
    /// More than is read.
    #[error("its answer is longer than {} KiB", request::MAX_BYTES / 1_024)]
    TooLong,
    /// Not the JSON that it should be.
    #[error("its answer cannot be used: {0}")]
    Invalid(String),
}

impl Unanswered {
    /// The word of the metric.
    fn label(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::TimedOut => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::Untrusted(_) => "untrusted",
            Self::Redirect => "redirect",
            Self::Status(_) => "status",
            Self::TooLong => "too_long",
            Self::Invalid(_) => "invalid",
        }
    }

    /// Whether it answered, but nothing that helps: a mistake there, which waiting does not mend.
    #[must_use]
    pub fn is_mistaken(&self) -> bool {
        matches!(self, Self::Redirect | Self::TooLong | Self::Invalid(_))
    }

    /// What the person is told; the log says more.
    #[must_use]
    pub fn text(&self) -> &'static str {
        match self {
            Self::Busy => "Too many people sign in at this moment. Try again in a moment.",
            _ if self.is_mistaken() => {
                "The application that says who you are gave no usable answer; its operator finds why in the log."
            }
            _ => {
                "The application that says who you are does not answer now. Try again in a moment."
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AskedLabels {
    result: &'static str,
}

/// Asks the backend.
pub struct Backend {
    headers: Vec<HeaderName>,
    asker: Asker,
    places: Semaphore,
    cache: Mutex<Cache>,
    asked: Family<AskedLabels, Counter>,
    remembered: Counter,
    /// What is wrong with it, as was logged last.
    trouble: Mutex<Option<&'static str>>,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("headers", &self.headers).finish_non_exhaustive()
    }
}

impl Backend {
    /// Asks at `url`, which is http or https, and shows these headers.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new(url: Uri, headers: Vec<HeaderName>) -> Result<Self, String> {
        Ok(Self {
            headers,
            asker: Asker::new(url)?,
            places: Semaphore::new(AT_ONCE),
            cache: Mutex::default(),
            asked: Family::default(),
            remembered: Counter::default(),
            trouble: Mutex::default(),
        })
    }

    /// Puts its counters among the server's.
    pub fn register(&self, metrics: &Metrics) {
        metrics.register(|to| {
            let help = "Questions to the auth URL by result";
            to.register("auth_requests", help, self.asked.clone());
            let help = "People known from an answer of the last seconds";
            to.register("auth_remembered", help, self.remembered.clone());
        });
    }

    /// The headers that it is shown.
    #[must_use]
    pub fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    /// Who it says that sent this; nobody where it says so. An answer of the last seconds serves as well if it is
    /// younger than `after_ms`.
    ///
    /// # Errors
    /// Where it gives no usable answer in time.
    pub(super) async fn ask(
        &self,
        forwarded: &Forwarded,
        after_ms: u64,
    ) -> Result<Option<Signed>, Unanswered> {
        if let Some(known) = self.known(forwarded, after_ms) {
            return Ok(known);
        }
        let began = Instant::now();
        let result = self.ask_in_turn(forwarded, after_ms, began).await;
        self.note(&result);
        result
    }

    fn known(&self, forwarded: &Forwarded, after_ms: u64) -> Option<Option<Signed>> {
        let known = self.cache.lock().get(forwarded.key(), after_ms, Instant::now())?;
        self.remembered.inc();
        Some(known)
    }

    async fn ask_in_turn(
        &self,
        forwarded: &Forwarded,
        after_ms: u64,
        began: Instant,
    ) -> Result<Option<Signed>, Unanswered> {
        let Ok(Ok(_place)) = timeout(WAIT, self.places.acquire()).await else {
            return Err(Unanswered::Busy);
        };
        // Another tab of the same person may have been told while this one waited.
        if let Some(known) = self.known(forwarded, after_ms) {
            return Ok(known);
        }
        let asked_ms = now_ms();
        let left = TIME_LIMIT.saturating_sub(began.elapsed());
        let body = match timeout(left, self.asker.ask(forwarded)).await {
            Ok(answered) => answered?,
            Err(_) => return Err(Unanswered::TimedOut),
        };
        let signed = match &body {
            Some(body) => answer::read(body, asked_ms).map_err(Unanswered::Invalid)?,
            None => None,
        };
        self.remember(forwarded, signed.as_ref(), body.map_or(0, |body| body.len()));
        Ok(signed)
    }

    fn remember(&self, forwarded: &Forwarded, signed: Option<&Signed>, bytes: usize) {
        let keep = match signed {
            Some(signed) => {
                KEEP_YES.min(Duration::from_millis(signed.expires_ms.saturating_sub(now_ms())))
            }
            None => KEEP_NO,
        };
        let now = Instant::now();
        self.cache.lock().put(*forwarded.key(), signed.cloned(), bytes, now, now + keep);
    }

    /// Counts it, and logs where the backend begins or ceases to be of use.
    fn note(&self, result: &Result<Option<Signed>, Unanswered>) {
        let label = match result {
            Ok(Some(_)) => "person",
            Ok(None) => "nobody",
            Err(why) => why.label(),
        };
        self.asked.get_or_create(&AskedLabels { result: label }).inc();
        let trouble = result.as_ref().err().map(Unanswered::label);
        let before = std::mem::replace(&mut *self.trouble.lock(), trouble);
        match result {
            Err(why) if before != trouble => {
                warn!(
                    reason = label,
                    "the auth URL is of no use, nobody is signed in by it: {why}"
                );
            }
            Ok(_) if before.is_some() => info!("the auth URL answers again"),
            _ => {}
        }
    }
}
