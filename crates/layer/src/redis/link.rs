//! The connection to one host for commands, which many tasks share: kept open, and opened again without end.
//!
//! Both Redis layers send their commands through it; blocking reads and subscriptions have connections of their own. It is
//! the place where a change of state is logged, in one line, and where a lost connection is told from a refused login.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, RedisError, Value};
use tokio::sync::{Notify, watch};

use crate::error::Error;
use crate::gaps::Reporter;
use crate::host::Host;
use crate::redis::connect::{Failure, connect};
use crate::redis::line::{Ended, Line, RESPONSE_TIMEOUT};
use crate::redis::own::OwnConnection;
use crate::trouble::Trouble;

/// How often a command is sent if its connection is lost.
const ATTEMPTS: usize = 2;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The shared connection to one host.
#[derive(Debug)]
pub(crate) struct Link {
    /// As the next connection dials it; its login may be replaced.
    host: Mutex<Host>,
    name: String,
    state: watch::Sender<State>,
    /// Told when a reply shows that this connection is of no use any more.
    broken: Notify,
    patience: Duration,
    reporter: Reporter,
}

#[derive(Clone)]
enum State {
    Connecting,
    Down(Failure),
    Up { line: Arc<Line>, epoch: u64 },
    Closed,
}

impl Link {
    pub(crate) fn new(host: Host, patience: Duration, reporter: Reporter) -> Self {
        let (name, state) = (host.to_string(), watch::Sender::new(State::Connecting));
        Self { host: Mutex::new(host), name, state, broken: Notify::new(), patience, reporter }
    }

    fn host(&self) -> Host {
        self.host.lock().clone()
    }

    /// From the next connection on, uses this host's login; the open one stays.
    pub(crate) fn renew(&self, host: &Host) {
        *self.host.lock() = host.clone();
    }

    /// The URL, its password masked.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Why there is no connection, once an attempt has failed.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        match &*self.state.borrow() {
            State::Down(Failure { why, cause }) => {
                Some(Trouble { host: self.name.clone(), cause: *cause, why: why.clone() })
            }
            State::Connecting | State::Up { .. } | State::Closed => None,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(&*self.state.borrow(), State::Up { .. })
    }

    /// Sends one command. It is sent once more if the connection turns out to be lost: what it does twice is the same as
    /// once, except that a message that was read in between may come again.
    pub(crate) async fn command(&self, command: &Cmd) -> Result<Value, Error> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let (line, epoch) = self.line().await?;
            match self.judge(line.command(command).await, epoch) {
                Ok(reply) => return Ok(reply),
                Err(Verdict::Refused(why)) => return Err(self.down(&why)),
                Err(Verdict::Lost(why)) => last = Some(why),
            }
        }
        Err(self.down(&last.unwrap_or_default()))
    }

    /// Sends several commands at once and returns their replies; the first that is an error is the answer.
    pub(crate) async fn commands(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Error> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let (line, epoch) = self.line().await?;
            match self.judge(line.commands(pipeline).await, epoch) {
                Ok(replies) => return Ok(replies),
                Err(Verdict::Refused(why)) => return Err(self.down(&why)),
                Err(Verdict::Lost(why)) => last = Some(why),
            }
        }
        Err(self.down(&last.unwrap_or_default()))
    }

    /// The same, but sent once: where the connection is lost meanwhile, whether they were carried out is not known.
    pub(crate) async fn commands_once(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Error> {
        let (line, epoch) = self.line().await?;
        self.judge(line.commands(pipeline).await, epoch).map_err(|verdict| match verdict {
            Verdict::Refused(why) | Verdict::Lost(why) => self.down(&why),
        })
    }

    /// Returns once commands can be sent, under the same conditions as [`command`](Self::command).
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        self.line().await.map(|_| ())
    }

    /// The connection, as soon as there is one, and its number. A refused login is answered at once, a lost connection
    /// after the layer's patience.
    async fn line(&self) -> Result<(Arc<Line>, u64), Error> {
        if let State::Up { line, epoch } = &*self.state.borrow() {
            return Ok((Arc::clone(line), *epoch));
        }
        let mut state = self.state.subscribe();
        let ready = state.wait_for(|state| match state {
            State::Connecting => false,
            State::Down(failure) => failure.is_refusal(),
            State::Up { .. } | State::Closed => true,
        });
        let state = match tokio::time::timeout(self.patience, ready).await {
            Ok(Ok(state)) => state.clone(),
            _ => self.state.borrow().clone(),
        };
        match state {
            State::Up { line, epoch } => Ok((line, epoch)),
            State::Down(failure) => Err(self.down(&failure.why)),
            State::Connecting => Err(self.down("it does not answer yet")),
            State::Closed => Err(Error::Closed),
        }
    }

    fn down(&self, why: &str) -> Error {
        Error::Unavailable { host: self.name.clone(), why: why.to_owned() }
    }

    /// A command within a reply may be refused as well, so the replies are looked at.
    fn judge<T: FirstError>(&self, result: Result<T, Ended>, epoch: u64) -> Result<T, Verdict> {
        let verdict = match result {
            Ok(replies) => match replies.first_error() {
                None => return Ok(replies),
                // A master that was made a replica, or a user whose login was withdrawn: another connection may do.
                Some(error) if matches!(error.code(), Some("READONLY" | "NOAUTH")) => {
                    Verdict::Lost(explain(&error))
                }
                Some(error) => return Err(Verdict::Refused(explain(&error))),
            },
            Err(Ended::Lost(why)) => Verdict::Lost(why),
            Err(Ended::Silent) => {
                let seconds = RESPONSE_TIMEOUT.as_secs();
                Verdict::Refused(format!("it did not answer within {seconds} s"))
            }
        };
        self.give_up(epoch);
        Err(verdict)
    }

    /// Nobody gets this connection any more; the next one is opened at once.
    fn give_up(&self, of: u64) {
        let is_current = self.state.send_if_modified(|state| {
            let is_current = matches!(state, State::Up { epoch, .. } if *epoch == of);
            if is_current {
                *state = State::Connecting;
            }
            is_current
        });
        if is_current {
            self.broken.notify_one();
        }
    }

    /// Returns once the link is up, with the number of its connection: 1 is the first, more are reconnections.
    pub(crate) async fn up(&self, after: u64) -> u64 {
        let mut state = self.state.subscribe();
        let up = state.wait_for(|state| matches!(state, State::Up { epoch, .. } if *epoch > after));
        if let Ok(state) = up.await
            && let State::Up { epoch, .. } = &*state
        {
            return *epoch;
        }
        std::future::pending().await
    }

    /// A connection of its own, for reads that block and for subscriptions. Nothing is logged here, since the shared one goes the same way.
    pub(crate) async fn open_own(&self) -> Result<OwnConnection, Failure> {
        Ok(OwnConnection::new(connect(&self.host()).await?))
    }

    /// Keeps the connection open until the task is aborted.
    pub(crate) async fn keep(self: Arc<Self>) {
        let (mut attempt, mut epoch) = (0, 0);
        let mut told: Option<String> = None;
        loop {
            match connect(&self.host()).await {
                Ok(stream) => {
                    let line = Arc::new(Line::new(stream));
                    (attempt, told) = (0, None);
                    epoch += 1;
                    tracing::info!(host = self.name, "connected to Redis");
                    if epoch > 1 {
                        self.reporter.tally().reconnected();
                    }
                    // What was said of the connection before this one.
                    let _ = self.broken.notified().now_or_never();
                    self.enter(State::Up { line: Arc::clone(&line), epoch });
                    tokio::select! {
                        () = line.drive() => {}
                        () = self.broken.notified() => {}
                    }
                    tracing::warn!(host = self.name, "lost Redis, connecting again");
                    self.enter(State::Connecting);
                }
                Err(failure) => {
                    if told.as_ref() != Some(&failure.why) {
                        tracing::warn!(
                            host = self.name,
                            reason = failure.why,
                            "cannot connect to Redis, trying on"
                        );
                        told = Some(failure.why.clone());
                    }
                    self.enter(State::Down(failure));
                    tokio::time::sleep(backoff(attempt, rand::random())).await;
                    attempt += 1;
                }
            }
        }
    }

    fn enter(&self, next: State) {
        self.state.send_modify(|state| {
            if !matches!(state, State::Closed) {
                *state = next;
            }
        });
    }

    /// Every command, now and later, is answered with [`Error::Closed`].
    pub(crate) fn close(&self) {
        self.state.send_replace(State::Closed);
    }
}

/// What the end of a command means.
enum Verdict {
    /// The connection is lost or of no use; on another one it may succeed.
    Lost(String),
    Refused(String),
}

/// Where replies hold errors of single commands.
trait FirstError {
    fn first_error(&self) -> Option<RedisError>;
}

impl FirstError for Value {
    fn first_error(&self) -> Option<RedisError> {
        if let Self::ServerError(error) = self { Some(error.clone().into()) } else { None }
    }
}

impl FirstError for Vec<Value> {
    fn first_error(&self) -> Option<RedisError> {
        self.iter().find_map(FirstError::first_error)
    }
}

/// What Redis says, with what to do where that is not plain.
pub(super) fn explain(error: &RedisError) -> String {
    let why = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    match error.code() {
        Some("OOM") => format!("{why} (raise its `maxmemory`, or find out who fills it)"),
        Some("NOPERM") => format!("{why} (give the user these commands and keys in the ACL)"),
        Some("WRONGTYPE") => format!("{why} (another program uses the same prefix)"),
        _ => why,
    }
}

/// The pause before the next attempt: anything up to a bound that doubles, so that many clients do not come back at once.
pub(crate) fn backoff(attempt: u32, random: f64) -> Duration {
    let bound =
        FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempt.min(16))).min(LONGEST_PAUSE);
    bound.mul_f64(random.clamp(0.0, 1.0))
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connecting => f.write_str("Connecting"),
            Self::Down(failure) => write!(f, "Down({})", failure.why),
            Self::Up { epoch, .. } => write!(f, "Up({epoch})"),
            Self::Closed => f.write_str("Closed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_two_seconds_and_are_random_below_that() {
        let bounds: Vec<u128> = (0..8).map(|attempt| backoff(attempt, 1.0).as_millis()).collect();
        assert_eq!(bounds, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(backoff(u32::MAX, 0.5), Duration::from_secs(1));
        assert_eq!(backoff(3, 0.0), Duration::ZERO);
    }
}
