//! The consumer pattern: what Channels calls an `AsyncWebsocketConsumer`, as a trait.
//!
//! One value of a `Consumer` belongs to one connection and is called by that connection's driver only, one call at a
//! time, so it needs no lock. The driver keeps writing, pinging and noticing a dead peer while `receive` is pending.

use std::borrow::Cow;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use moorline_chat::Close;
use moorline_layer::Message;
use moorline_protocol::{CloseCode, Positions};
use tokio::time::Instant;

use crate::channel::Channel;
use crate::connection::Connection;
use crate::scope::Scope;

/// The code behind one WebSocket.
pub trait Consumer: Sized + Send + 'static {
    /// Decides before the handshake is answered: accept, with a subprotocol or without, or refuse with an HTTP status.
    fn connect(&mut self, _scope: &Scope) -> impl Future<Output = Result<Accept, Refusal>> + Send {
        async { Ok(Accept::new()) }
    }

    /// Is called once the socket is open, before anything is read from it.
    ///
    /// # Errors
    /// Ends the connection with that close.
    fn connected(&mut self, _connection: &Connection) -> Result<(), Close> {
        Ok(())
    }

    /// Takes one message. Nothing more is taken until it is done; what may take long and must not hold up the next
    /// message is begun here and finished in `poll_progress`.
    fn receive(
        &mut self,
        incoming: Incoming,
        connection: &Connection,
    ) -> impl Future<Output = Result<(), Close>> + Send;

    /// The channel whose messages come to `dispatch`, for a consumer that opened one; asked in each round.
    fn channel(&mut self) -> Option<&mut Channel> {
        None
    }

    /// Takes one message from the channel layer; its `type` says which, as in Channels it names the handler. A type that
    /// is none of this consumer's is answered `Unknown`: it is counted and otherwise passed over.
    ///
    /// Is called like `receive`, one call at a time, in turn with it. While the client reads so slowly that its outbox is
    /// over the mark, messages wait in the layer, which drops the oldest beyond its capacity and expiry.
    fn dispatch(
        &mut self,
        _message: Message,
        _connection: &Connection,
    ) -> impl Future<Output = Result<Dispatched, Close>> + Send {
        async { Ok(Dispatched::Unknown) }
    }

    /// Goes on with work that `receive` began: answers in order, catching up. Is polled in each round in which
    /// `receive` is not pending; it must leave the waker with all it waits for. `Ready(Ok(()))` asks for another round.
    fn poll_progress(
        &mut self,
        _cx: &mut Context<'_>,
        _connection: &Connection,
    ) -> Poll<Result<(), Close>> {
        Poll::Pending
    }

    /// Whether the next message may be read; asked in each round. While it is false the socket fills up (back-pressure).
    fn wants_input(&self) -> bool {
        true
    }

    /// Whether all that can be said now has been said: a request that waits is answered then, if anything was.
    fn is_settled(&self) -> bool {
        true
    }

    /// Whether there is more that the next poll will bring at once.
    fn has_more(&self) -> bool {
        false
    }

    /// When `on_deadline` is to be called next; asked after each call into the consumer.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Is called at or after `next_deadline`: a sign-in that never came, a token that expires.
    ///
    /// # Errors
    /// Ends the connection with that close.
    fn on_deadline(&mut self, _now: Instant, _connection: &Connection) -> Result<(), Close> {
        Ok(())
    }

    /// The server stops: says goodbye. The client should come back after `after`, which is spread over the clients.
    fn drain(&mut self, _after: Duration, connection: &Connection) {
        connection.close(CloseCode::RESTART, "the server restarts");
    }

    /// Is called once at the end, whoever ended it; not for a connection that `connect` refused. The channel, if there is
    /// one, leaves its groups after it.
    fn disconnect(&mut self, _closed: &Closed) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// One message from the client, whole and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A binary message.
    Bytes(Vec<u8>),
}

/// What became of a message from the channel layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispatched {
    /// It was this consumer's.
    Handled,
    /// This consumer knows no such type.
    Unknown,
}

/// A consumer's yes to a handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accept {
    /// The subprotocol to speak, one of those that the client offered.
    pub subprotocol: Option<String>,
    /// Whether the socket counts against the limit of unauthenticated ones until `Connection::signed_in` is called.
    pub awaits_sign_in: bool,
    /// What the client's positions are, if the transport is to tell them.
    pub(crate) positions: Option<Positions>,
    /// Whether a poll's answer has all of them in one text too.
    pub(crate) tells_id: bool,
    /// A cookie that a stream's answer sets.
    pub(crate) set_cookie: Option<HeaderValue>,
    /// How long a poll waits for something.
    pub(crate) wait: Duration,
}

impl Accept {
    /// Accepts without a subprotocol and without a sign-in to come.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Speaks this subprotocol if the client offers it.
    #[must_use]
    pub fn subprotocol(mut self, wanted: &str, scope: &Scope) -> Self {
        self.subprotocol = scope.subprotocols.iter().find(|offered| *offered == wanted).cloned();
        self
    }

    /// The person signs in by the first message.
    #[must_use]
    pub fn awaiting_sign_in(mut self) -> Self {
        self.awaits_sign_in = true;
        self
    }
}

/// A no to a handshake, answered by HTTP before the upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word from the protocol's list of errors.
    pub code: &'static str,
    /// One sentence for the person who reads it.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with its status, code and sentence.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, text: text.into() }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The close code; 1005 if the client sent none, 1006 if the socket ended without a close.
    pub code: CloseCode,
    /// Who began it.
    pub side: Side,
    /// The reason that was sent or seen.
    pub reason: Cow<'static, str>,
}

/// Who began a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client closed, or its socket ended.
    Client,
    /// The server closed.
    Server,
}

impl Side {
    /// The word in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}
