//! What the access log hears: each request with its answer, and each connection that stays open once more at its end.
//! Where and how it is written is the caller's affair. It holds neither headers nor queries, where tokens may stand.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use tokio::time::Instant;

use crate::consumer::Closed;
use crate::scope::ClientAddress;
use crate::transport::Transport;

/// Takes the lines. Is called by the tasks that serve, so it must not wait.
pub trait AccessLog: fmt::Debug + Send + Sync + 'static {
    /// One line.
    fn write(&self, visit: &Visit, outcome: &Outcome<'_>);
}

/// Who asked for what.
pub struct Visit {
    /// The client, as trusted proxies say; none on a Unix socket without a proxy that says so.
    pub client: Option<IpAddr>,
    /// The method.
    pub method: Method,
    /// The path; `?***` stands for a query.
    pub target: String,
    began: Instant,
    log: Arc<dyn AccessLog>,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// The request was answered; 101 and a stream's 200 begin a connection.
    Answered {
        /// The HTTP status.
        status: u16,
        /// From the request's head to the answer's head.
        took: Duration,
    },
    /// The connection that it began has ended.
    Closed {
        /// `websocket` or `stream`.
        transport: &'static str,
        /// Code, side and reason.
        closed: &'a Closed,
        /// How long it was open.
        age: Duration,
    },
}

impl Visit {
    pub(crate) fn of<B>(
        request: &Request<B>,
        client: &ClientAddress,
        log: &Arc<dyn AccessLog>,
    ) -> Self {
        let query = if request.uri().query().is_some() { "?***" } else { "" };
        Self {
            client: client.effective(),
            method: request.method().clone(),
            target: format!("{}{query}", request.uri().path()),
            began: Instant::now(),
            log: Arc::clone(log),
        }
    }

    pub(crate) fn answered(&self, status: u16) {
        self.log.write(self, &Outcome::Answered { status, took: self.began.elapsed() });
    }

    pub(crate) fn closed(&self, transport: Transport, closed: &Closed, age: Duration) {
        let transport = transport.word();
        self.log.write(self, &Outcome::Closed { transport, closed, age });
    }
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Visit({} {})", self.method, self.target)
    }
}
