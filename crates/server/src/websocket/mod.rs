//! The WebSocket transport: a server-role frame loop of our own (RFC 6455).
//!
//! `extension` negotiates compression and `deflate` does it, message by message (RFC 7692). `header`, `utf8` and `decoder`
//! read frames without a socket, `writer` writes them in a `batch`, `keepalive` has the rules of time,
//! `link` joins these to one socket, `driver` runs a consumer on a link, and `farewell` ends it. Event streams go over the
//! same link, driver and writer: `stream` has what they frame otherwise.

mod batch;
mod decoder;
#[cfg(test)]
mod decoder_tests;
mod deflate;
#[cfg(test)]
mod deflating_tests;
mod driver;
#[cfg(test)]
mod driver_tests;
mod extension;
mod farewell;
mod handshake;
mod header;
mod keepalive;
mod link;
mod socket;
#[cfg(test)]
mod time_tests;
mod utf8;
mod writer;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use moorline_chat::{Close, Tap};
use moorline_protocol::CloseCode;

pub use header::Violation;
pub use keepalive::Pace;
pub(crate) use socket::Socket;

pub(crate) use driver::{Opening, drive};
pub(crate) use extension::negotiate;
pub(crate) use handshake::{accept_key, is_upgrade, subprotocols, switching};

use crate::metrics::Metrics;
use crate::stream::Events;

/// How a connection frames what it carries.
pub(crate) enum Wire {
    /// Frames of RFC 6455, in both directions.
    WebSocket { message_limit: usize, deflates: bool },
    /// Events of an HTTP answer whose head is still to be written.
    Stream { events: Box<Events>, head: Vec<u8> },
}

/// What all connections of a server share.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) pace: Pace,
    /// How long a WebSocket may be open.
    pub(crate) max_age: Option<Duration>,
    /// How long a consumer's `disconnect` may take.
    pub(crate) close_timeout: Duration,
    pub(crate) metrics: Arc<Metrics>,
    /// Operators who watch.
    pub(crate) tap: Arc<Tap>,
}

#[cfg(test)]
impl Settings {
    /// As they are with nothing said.
    pub(crate) fn usual(metrics: Arc<Metrics>) -> Self {
        let close_timeout = Duration::from_secs(10);
        Self { pace: Pace::default(), max_age: None, close_timeout, metrics, tap: Arc::default() }
    }
}

/// Why the frame loop of a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The peer sent a close frame.
    Peer { code: Option<CloseCode>, reason: Cow<'static, str> },
    /// The socket ended without one.
    Gone(&'static str),
    /// The server closes, with the whole handshake.
    Server(Close),
    /// The server closes a peer that does not read or answer, so it waits for nothing.
    Abrupt(Close),
    /// The peer broke the protocol.
    Violation(Violation),
}

impl Ending {
    fn abrupt(code: CloseCode, reason: &'static str) -> Self {
        Self::Abrupt(Close { code, reason: reason.into() })
    }
}
