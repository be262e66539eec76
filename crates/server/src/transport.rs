//! The ways in which a client is connected, as logs and metrics name them.

use std::fmt;

/// How what the server sends reaches a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    /// A WebSocket, both ways.
    WebSocket,
    /// An event stream over HTTP.
    Stream,
    /// A request that waits.
    Poll,
}

impl Transport {
    /// Every one.
    pub(crate) const ALL: [Self; 3] = [Self::WebSocket, Self::Stream, Self::Poll];

    /// The word in metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Stream => "stream",
            Self::Poll => "poll",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WebSocket => "WebSocket",
            Self::Stream => "event stream",
            Self::Poll => "poll",
        })
    }
}
