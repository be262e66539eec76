//! Which consumer serves which path, and what stands before it.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::admission::Admission;
use crate::consumer::{Accept, Consumer, Refusal};
use crate::poll::{self, PollOpening};
use crate::scope::Scope;
use crate::transport::Transport;
use crate::websocket::{Opening, drive};

/// The longest message of a route unless it says otherwise: a chat message is 64 KiB, and JSON may make up to six
/// bytes of one; what is above it is refused while it arrives.
pub const DEFAULT_MESSAGE_BYTES: usize = 256 * 1024;

/// A path with its consumer.
pub struct Route {
    segments: Vec<Segment>,
    admissions: Vec<Box<dyn Admission>>,
    connect: Box<dyn Connects>,
    pub(crate) transport: Transport,
    pub(crate) message_bytes: usize,
    pub(crate) is_compressed: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Exact(String),
    Parameter(String),
}

/// Starts the driver. One boxed call a connection; what follows knows the consumer's type.
pub(crate) type Start = Box<dyn FnOnce(Begin) + Send>;

/// Where a consumer begins.
pub(crate) enum Begin {
    /// On a socket of its own.
    Socket(Opening),
    /// In a request that waits.
    Poll(PollOpening),
}

/// A consumer that accepted, not yet on its socket.
pub(crate) struct Accepted {
    pub(crate) accept: Accept,
    pub(crate) start: Start,
}

/// Makes a consumer and asks it; hides the consumer's type from the table of routes.
trait Connects: Send + Sync {
    fn connect<'a>(&'a self, scope: &'a Scope) -> BoxFuture<'a, Result<Accepted, Refusal>>;
}

struct Factory<F>(F);

impl<C: Consumer, F: Fn(&Scope) -> C + Send + Sync> Connects for Factory<F> {
    fn connect<'a>(&'a self, scope: &'a Scope) -> BoxFuture<'a, Result<Accepted, Refusal>> {
        Box::pin(async move {
            let mut consumer = (self.0)(scope);
            let accept = consumer.connect(scope).await?;
            let start: Start = Box::new(move |begin| {
                match begin {
                    Begin::Socket(opening) => tokio::spawn(drive(consumer, opening)),
                    Begin::Poll(opening) => tokio::spawn(poll::drive(consumer, opening)),
                };
            });
            Ok(Accepted { accept, start })
        })
    }
}

impl Route {
    /// A consumer for each handshake on this path. `{name}` in the path stands for one segment, which the scope has
    /// as a parameter; a slash at the end belongs to the path.
    #[must_use]
    pub fn new<C, F>(path: &str, factory: F) -> Self
    where
        C: Consumer,
        F: Fn(&Scope) -> C + Send + Sync + 'static,
    {
        Self::over(Transport::WebSocket, path, factory)
    }

    /// The same over another transport.
    pub(crate) fn over<C, F>(transport: Transport, path: &str, factory: F) -> Self
    where
        C: Consumer,
        F: Fn(&Scope) -> C + Send + Sync + 'static,
    {
        Self {
            segments: path.trim_start_matches('/').split('/').map(Segment::parse).collect(),
            admissions: Vec::new(),
            connect: Box::new(Factory(factory)),
            transport,
            message_bytes: DEFAULT_MESSAGE_BYTES,
            is_compressed: false,
        }
    }

    /// Puts a layer before the consumer, behind those that are there already.
    #[must_use]
    pub fn admission(mut self, admission: impl Admission) -> Self {
        self.admissions.push(Box::new(admission));
        self
    }

    /// Refuses messages longer than this, fragments joined, with close 1009.
    #[must_use]
    pub fn message_bytes(mut self, limit: usize) -> Self {
        self.message_bytes = limit;
        self
    }

    /// Takes offers of compression (permessage-deflate, RFC 7692). Of what goes out, frames are deflated that say so
    /// themselves ([`Frame::deflatable`](moorline_protocol::Frame::deflatable)) and no others.
    #[must_use]
    pub fn compressed(mut self, is_compressed: bool) -> Self {
        self.is_compressed = is_compressed;
        self
    }

    /// The parameters, if the path is this route's.
    pub(crate) fn parameters(&self, path: &str) -> Option<Vec<(String, String)>> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        if parts.len() != self.segments.len() {
            return None;
        }
        let mut parameters = Vec::new();
        for (segment, part) in self.segments.iter().zip(parts) {
            match segment {
                Segment::Exact(exact) if exact == part => {}
                Segment::Parameter(name) if !part.is_empty() => {
                    let value = percent_decode_str(part).decode_utf8().ok()?;
                    parameters.push((name.clone(), value.into_owned()));
                }
                _ => return None,
            }
        }
        Some(parameters)
    }

    /// Passes the admissions and asks the consumer. A panic in there refuses this handshake only.
    pub(crate) async fn connect(&self, scope: &mut Scope) -> Result<Accepted, Refusal> {
        let asked = AssertUnwindSafe(async {
            for admission in &self.admissions {
                admission.admit(scope).await?;
            }
            self.connect.connect(scope).await
        });
        asked.catch_unwind().await.unwrap_or_else(|_| {
            let text = "The server failed at this request.";
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text))
        })
    }
}

impl Segment {
    fn parse(segment: &str) -> Self {
        match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Self::Parameter(name.to_owned()),
            None => Self::Exact(segment.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;
    use crate::consumer::Incoming;
    use moorline_chat::Close;

    struct Nothing;

    impl Consumer for Nothing {
        async fn receive(&mut self, _: Incoming, _: &Connection) -> Result<(), Close> {
            Ok(())
        }
    }

    #[test]
    fn a_path_gives_its_parameters_or_belongs_elsewhere() {
        let route = Route::new("/ws/chat/{room}/", |_| Nothing);
        let room = |path| route.parameters(path).map(|found| found[0].1.clone());
        assert_eq!(room("/ws/chat/lobby/").as_deref(), Some("lobby"));
        assert_eq!(room("/ws/chat/a%20b/").as_deref(), Some("a b"));
        for other in ["/ws/chat/lobby", "/ws/chat//", "/ws/chat/a/b/", "/", "", "/ws/chat/%ff/"] {
            assert_eq!(room(other), None, "{other}");
        }
    }
}
