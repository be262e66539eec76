//! A WebSocket that comes in as somebody: `hello`, and what the server says to it.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use super::dial::{Failure, PATIENCE, upgraded};
use super::upgrade::{is_upgrade, shake};
use crate::subject::Target;

/// A connection on which `hello` was answered.
pub(crate) struct Session {
    pub(crate) socket: WebSocketStream<TokioIo<Upgraded>>,
    /// The answer: `welcome`.
    pub(crate) welcome: Value,
    /// For how many seconds the server will be silent, if it was asked to and does.
    pub(crate) silent_for: Option<u64>,
}

/// Why there is none.
pub(crate) enum NoSession {
    /// The server is not there.
    Unreached(#[expect(dead_code, reason = "told by the check that looks at it")] Failure),
    /// The handshake does not pass.
    NoUpgrade,
    /// The server refuses, by its own word.
    Refused(String),
    /// It ended without a word.
    Ended,
}

/// Opens a WebSocket, with these headers in its handshake, and says hello with the token.
pub(crate) async fn open(
    target: &Target,
    token: &str,
    headers: &[(&str, &str)],
) -> Result<Session, NoSession> {
    let answer = shake(target, headers).await.map_err(NoSession::Unreached)?;
    if !is_upgrade(&answer) {
        return Err(NoSession::NoUpgrade);
    }
    let silence = answer.headers().get(SILENCE).and_then(|value| value.to_str().ok());
    let silent_for = silence.and_then(|text| text.parse().ok());
    let stream = upgraded(answer).await.map_err(NoSession::Unreached)?;
    let mut socket = ClientBuilder::new().take_over(stream);
    let hello = json!({"type": "hello", "token": token, "device": "moorline doctor"}).to_string();
    socket.send(Message::text(hello)).await.map_err(|_| NoSession::Ended)?;
    match tokio::time::timeout(PATIENCE, first(&mut socket)).await {
        Ok(Some(frame)) if frame["type"] == "welcome" => {
            Ok(Session { socket, welcome: frame, silent_for })
        }
        Ok(Some(frame)) => {
            let code = frame["code"].as_str().unwrap_or("unknown");
            Err(NoSession::Refused(code.to_owned()))
        }
        Ok(None) | Err(_) => Err(NoSession::Ended),
    }
}

/// The header with which a client asks for silence, in seconds.
pub(crate) const SILENCE: &str = "moorline-silence";

/// The first frame with a word for us; a close code counts as one.
async fn first(socket: &mut WebSocketStream<TokioIo<Upgraded>>) -> Option<Value> {
    while let Some(Ok(message)) = socket.next().await {
        if let Some(text) = message.as_text() {
            let frame: Value = serde_json::from_str(text).ok()?;
            if frame["type"] == "welcome" || frame["type"] == "error" {
                return Some(frame);
            }
        }
        if let Some((code, _)) = message.as_close() {
            let code = u16::from(code);
            let word = if code == 4401 { "token_refused".to_owned() } else { code.to_string() };
            return Some(json!({"type": "close", "code": word}));
        }
    }
    None
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// With a close frame of this code.
    Closed(u16),
    /// The other side ended it without a word (FIN).
    Finished,
    /// It was reset (RST), or broke otherwise.
    Broken(String),
}

/// Waits until the connection ends; nothing if it lives for so long. Pings are answered, as by every client.
pub(crate) async fn until_end(
    socket: &mut WebSocketStream<TokioIo<Upgraded>>,
    within: Duration,
    mut heard: impl FnMut(&Message),
) -> Option<End> {
    let ending = async {
        loop {
            match socket.next().await {
                None => return End::Finished,
                Some(Err(error)) => return broken(&error),
                Some(Ok(message)) => match message.as_close() {
                    Some((code, _)) => return End::Closed(code.into()),
                    None => heard(&message),
                },
            }
        }
    };
    tokio::time::timeout(within, ending).await.ok()
}

fn broken(error: &tokio_websockets::Error) -> End {
    use std::io::ErrorKind::UnexpectedEof;
    match error {
        tokio_websockets::Error::Io(error) if error.kind() == UnexpectedEof => End::Finished,
        other => End::Broken(other.to_string()),
    }
}
