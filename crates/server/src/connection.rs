//! The handle on one open connection, for its consumer and for whoever the consumer gives a clone to.
//!
//! All of it is cheap and none of it waits: sends go to the outbox, which the connection's driver drains into the
//! socket. The driver is the only one that reads what is asked for here.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use moorline_chat::{Close, Outbox};
use moorline_protocol::admin::cut;
use moorline_protocol::{CloseCode, Frame, UserId};
use parking_lot::Mutex;
use serde::Serialize;

use crate::access::Visit;
use crate::limits::UnauthenticatedSlot;
use crate::scope::Scope;
use crate::transport::Transport;

/// One open connection. Clones are handles on the same one.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

/// A connection's name in logs, in `welcome` and in the operator's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);

/// What an operator wants to know of a connection beside what it does.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) transport: Transport,
    /// Where the client is, as a trusted proxy says or as the socket shows.
    pub(crate) address: Option<IpAddr>,
    pub(crate) path: Box<str>,
    /// How its program calls itself.
    pub(crate) user_agent: Option<Box<str>>,
}

/// Letters of a program's name that are kept.
const USER_AGENT: usize = 160;
/// Letters of a path that are kept.
const PATH: usize = 200;

impl Facts {
    /// Of a connection that no handshake made.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        let transport = Transport::WebSocket;
        Self { transport, address: None, path: "/ws".into(), user_agent: None }
    }

    /// As its handshake says.
    pub(crate) fn of(scope: &Scope, transport: Transport) -> Self {
        Self {
            transport,
            address: scope.client.effective(),
            path: cut(scope.path(), PATH).into(),
            user_agent: scope.header("user-agent").map(|name| cut(name, USER_AGENT).into()),
        }
    }
}

pub(crate) struct Shared {
    id: ConnectionId,
    facts: Facts,
    began: Instant,
    /// When the client last sent a message, in ms since it began, at most 49 days.
    spoke_ms: AtomicU32,
    /// Microseconds of the last round trip, 0 for none yet.
    round_trip_us: AtomicU32,
    outbox: Arc<Outbox>,
    /// The driver's waker, for what does not come through the outbox.
    pub(crate) waker: AtomicWaker,
    /// Whether `rare` holds news for the driver, so that it need not lock to see that there is none.
    has_news: AtomicBool,
    /// What is rarely looked at.
    rare: Mutex<Rare>,
}

#[derive(Default)]
struct Rare {
    user: Option<UserId>,
    application_ping: Option<Frame>,
    unauthenticated: Option<UnauthenticatedSlot>,
    news: News,
    /// For the access log, once the connection has ended.
    visit: Option<Box<Visit>>,
}

/// What was asked of the driver since it last looked.
#[derive(Default, Clone, Copy)]
pub(crate) struct News {
    /// The client wants a ping in each interval.
    pub(crate) is_steady: bool,
    /// The server stops; the client should come back after this time.
    pub(crate) drain: Option<Duration>,
}

impl Connection {
    pub(crate) fn new(
        outbox: Arc<Outbox>,
        user: Option<UserId>,
        unauthenticated: Option<UnauthenticatedSlot>,
        facts: Facts,
    ) -> Self {
        let rare = Mutex::new(Rare { user, unauthenticated, ..Rare::default() });
        let id = ConnectionId(rand::random());
        let (waker, has_news) = (AtomicWaker::new(), AtomicBool::new(false));
        let (spoke_ms, round_trip_us) = (AtomicU32::new(0), AtomicU32::new(0));
        let began = Instant::now();
        let shared =
            Shared { id, facts, began, spoke_ms, round_trip_us, outbox, waker, has_news, rare };
        Self { shared: Arc::new(shared) }
    }

    /// The handle on a connection that somebody else holds too.
    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// This connection's name.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.shared.id
    }

    /// The queue of what goes out, for those who push shared frames into it.
    #[must_use]
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.shared.outbox
    }

    /// Sends a text message; never refused.
    pub fn send_text(&self, text: &str) {
        self.shared.outbox.reply(Frame::text(text));
    }

    /// Sends a binary message; never refused.
    pub fn send_bytes(&self, bytes: &[u8]) {
        self.shared.outbox.reply(Frame::binary(bytes));
    }

    /// Sends a value as JSON in a text message; never refused.
    ///
    /// # Errors
    /// When the value has no JSON form, such as a map whose keys are not text.
    pub fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> serde_json::Result<()> {
        self.send_text(&serde_json::to_string(value)?);
        Ok(())
    }

    /// Closes after what is queued.
    pub fn close(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) {
        self.shared.outbox.close(Close { code, reason: reason.into() });
    }

    /// The person has signed in: the log names them, and the socket no longer counts as unauthenticated.
    pub fn signed_in(&self, user: UserId) {
        let mut rare = self.shared.rare.lock();
        rare.user = Some(user);
        rare.unauthenticated = None;
    }

    /// Who has signed in.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.shared.rare.lock().user.clone()
    }

    /// From now on this frame goes out every `ping_interval`, for clients that cannot see protocol pings.
    pub fn set_application_ping(&self, frame: Frame) {
        self.shared.tell(|rare| {
            rare.application_ping = Some(frame);
            rare.news.is_steady = true;
        });
    }

    pub(crate) fn application_ping(&self) -> Option<Frame> {
        self.shared.rare.lock().application_ping.clone()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    /// Keeps for the end what the access log was told of the beginning.
    pub(crate) fn remember(&self, visit: Box<Visit>) {
        self.rare.lock().visit = Some(visit);
    }

    /// What was kept, once.
    pub(crate) fn take_visit(&self) -> Option<Box<Visit>> {
        self.rare.lock().visit.take()
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// The client has sent a message.
    pub(crate) fn spoke(&self) {
        let ms = u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX);
        self.spoke_ms.store(ms, Ordering::Relaxed);
    }

    /// For how long it has sent none.
    pub(crate) fn idle(&self) -> Duration {
        let spoke = Duration::from_millis(self.spoke_ms.load(Ordering::Relaxed).into());
        self.began.elapsed().saturating_sub(spoke)
    }

    /// A ping was answered after this time.
    pub(crate) fn answered_after(&self, round_trip: Duration) {
        let us = u32::try_from(round_trip.as_micros()).unwrap_or(u32::MAX).max(1);
        self.round_trip_us.store(us, Ordering::Relaxed);
    }

    /// The round trip of the last answered ping.
    pub(crate) fn round_trip_us(&self) -> Option<u32> {
        Some(self.round_trip_us.load(Ordering::Relaxed)).filter(|us| *us > 0)
    }

    /// Asks the driver to tell its consumer that the server stops.
    pub(crate) fn begin_drain(&self, after: Duration) {
        self.tell(|rare| rare.news.drain = Some(after));
    }

    fn tell(&self, change: impl FnOnce(&mut Rare)) {
        change(&mut self.rare.lock());
        self.has_news.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// What was asked for, once.
    pub(crate) fn take_news(&self) -> Option<News> {
        if !self.has_news.load(Ordering::Acquire) {
            return None;
        }
        self.has_news.store(false, Ordering::Release);
        Some(std::mem::take(&mut self.rare.lock().news))
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.shared.id)
    }
}
