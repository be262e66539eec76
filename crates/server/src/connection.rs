//! The handle on one open connection, for its consumer and for whoever the consumer gives a clone to.
//!
//! All of it is cheap and none of it waits: sends go to the outbox, which the connection's driver drains into the
//! socket. The driver is the only one that reads what is asked for here.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use moorline_chat::{Close, Outbox};
use moorline_protocol::{CloseCode, Frame, UserId};
use parking_lot::Mutex;
use serde::Serialize;

use crate::limits::UnauthenticatedSlot;

/// One open connection. Clones are handles on the same one.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

/// A connection's name in logs, in `welcome` and in the operator's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);

pub(crate) struct Shared {
    id: ConnectionId,
    outbox: Arc<Outbox>,
    /// The driver's waker, for what does not come through the outbox.
    pub(crate) waker: AtomicWaker,
    /// Milliseconds after which the client should come back, plus one; 0 while no drain has begun.
    drain: AtomicU64,
    /// What is rarely looked at.
    rare: Mutex<Rare>,
}

#[derive(Default)]
struct Rare {
    user: Option<UserId>,
    application_ping: Option<Frame>,
    unauthenticated: Option<UnauthenticatedSlot>,
}

impl Connection {
    pub(crate) fn new(
        outbox: Arc<Outbox>,
        user: Option<UserId>,
        unauthenticated: Option<UnauthenticatedSlot>,
    ) -> Self {
        let rare = Mutex::new(Rare { user, application_ping: None, unauthenticated });
        let id = ConnectionId(rand::random());
        let waker = AtomicWaker::new();
        Self { shared: Arc::new(Shared { id, outbox, waker, drain: AtomicU64::new(0), rare }) }
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
        self.shared.rare.lock().application_ping = Some(frame);
        self.shared.waker.wake();
    }

    pub(crate) fn application_ping(&self) -> Option<Frame> {
        self.shared.rare.lock().application_ping.clone()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    /// Asks the driver to tell its consumer that the server stops.
    pub(crate) fn begin_drain(&self, after: Duration) {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX - 1);
        self.drain.store(after_ms + 1, Ordering::Release);
        self.waker.wake();
    }

    /// The drain that was asked for, once.
    pub(crate) fn take_drain(&self) -> Option<Duration> {
        if self.drain.load(Ordering::Acquire) == 0 {
            return None;
        }
        let asked = self.drain.swap(0, Ordering::AcqRel);
        asked.checked_sub(1).map(Duration::from_millis)
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
