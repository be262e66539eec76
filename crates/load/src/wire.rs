//! The ways in which a client is connected, behind one face: a WebSocket, an event stream, or polls, the last two with
//! commands by requests of their own. What stands above it cannot tell them apart.

mod requests;

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use self::requests::Requests;
use crate::target::{Duplex, PATIENCE, Target};

/// A way to be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Both ways over one socket.
    WebSocket,
    /// `POST /api/v1/stream`, and commands beside it.
    Stream,
    /// `POST /api/v1/poll`, and commands beside it.
    Poll,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::WebSocket, Self::Stream, Self::Poll];
}

/// What came.
#[derive(Debug)]
pub enum Heard {
    /// A frame.
    Frame(String),
    /// A sign of life without a frame.
    Beat,
    /// The end, with the code that the server gave, or 1006.
    Closed(u16),
}

/// One connection.
#[derive(Debug)]
pub(crate) enum Wire {
    Socket(Box<WebSocketStream<Box<dyn Duplex>>>),
    Requests(Box<Requests>),
}

impl Wire {
    /// Reaches the server; nothing is said yet.
    pub(crate) async fn connect(transport: Transport, to: &Target, token: &str) -> Result<Self> {
        if transport != Transport::WebSocket {
            return Ok(Self::Requests(Box::new(Requests::connect(transport, to, token).await?)));
        }
        let builder = ClientBuilder::new().uri(&to.socket_url())?;
        let stream = to.reach().await?;
        let upgraded = timeout(PATIENCE, builder.connect_on(stream)).await;
        let (socket, _) = upgraded.context("no handshake")?.context("no WebSocket")?;
        Ok(Self::Socket(Box::new(socket)))
    }

    /// Says hello, with the positions that the client has.
    pub(crate) async fn hello(&mut self, resume: &Value, token: &str) -> Result<()> {
        match self {
            Self::Socket(_) => {
                let hello = json!({"type": "hello", "resume": resume, "token": token});
                self.send(hello.to_string()).await
            }
            Self::Requests(requests) => requests.begin(resume).await,
        }
    }

    /// Sends a command.
    pub(crate) async fn send(&mut self, text: String) -> Result<()> {
        match self {
            Self::Socket(socket) => {
                let sent = timeout(PATIENCE, socket.send(Message::text(text))).await;
                Ok(sent.context("the server takes nothing")??)
            }
            Self::Requests(requests) => requests.say(text),
        }
    }

    /// What comes next. Nothing is lost where the wait is given up.
    pub(crate) async fn next(&mut self) -> Heard {
        match self {
            Self::Requests(requests) => requests.next().await,
            Self::Socket(socket) => match socket.next().await {
                Some(Ok(message)) => match (message.as_close(), message.as_text()) {
                    (Some((code, _)), _) => Heard::Closed(code.into()),
                    (None, Some(text)) => Heard::Frame(text.to_owned()),
                    (None, None) => Heard::Beat,
                },
                Some(Err(_)) | None => Heard::Closed(1006),
            },
        }
    }

    /// Whether it is one socket, on which the server pings.
    pub(crate) fn is_socket(&self) -> bool {
        matches!(self, Self::Socket(_))
    }

    /// Ends it in the ordinary way.
    pub(crate) async fn close(self) {
        if let Self::Socket(mut socket) = self {
            // Whether the server still listens makes no difference.
            let _ = timeout(PATIENCE, socket.close()).await;
        }
    }
}
