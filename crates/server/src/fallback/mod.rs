//! The chat where there is no WebSocket: streams, polls and commands over HTTP. `docs/transports.md` describes them.
//!
//! Streams and polls are sessions like any other, opened by what a request says; `door` reads that. Commands need no
//! session: each request shows who asks, and any node carries it out. No rule of the chat is here.

mod asker;
mod commands;
mod door;
mod query;
mod rates;
mod tickets;

use std::sync::Arc;

use axum::Router;
use moorline_protocol::api::Operation;

use crate::admission::OriginCheck;
use crate::api::failure::no_such_method;
use crate::api::mount::Mount as _;
use crate::route::Route;
use crate::session::{ChatConsumer, SessionSettings};
use crate::transport::Transport;
pub(crate) use door::{Door, Opening};
pub(crate) use rates::PollPlace;
use rates::Rates;

/// The ways beside the WebSocket, over one chat.
#[derive(Clone)]
pub struct Fallbacks(Arc<Shared>);

/// What all their requests share.
pub(crate) struct Shared {
    settings: Arc<SessionSettings>,
    origins: OriginCheck,
    rates: Rates,
}

impl Fallbacks {
    /// For the same chat and people as the sessions on WebSockets, and for pages of the same origins.
    #[must_use]
    pub fn new(settings: Arc<SessionSettings>, origins: OriginCheck) -> Self {
        Self(Arc::new(Shared { settings, origins, rates: Rates::default() }))
    }

    /// The routes of streams and polls.
    #[must_use]
    pub fn routes(&self) -> [Route; 2] {
        let route = |transport, operation: Operation| {
            let shared = Arc::clone(&self.0);
            Route::over(transport, operation.path(), move |_| {
                let door = Door::new(Arc::clone(&shared), transport);
                ChatConsumer::opened_by(Arc::clone(&shared.settings), door)
            })
        };
        [route(Transport::Stream, Operation::OpenStream), route(Transport::Poll, Operation::Poll)]
    }

    /// What is answered at once: commands and tickets.
    pub fn router(&self) -> Router {
        Router::new()
            .at(Operation::CarryOut, commands::carry_out)
            .at(Operation::MakeTicket, tickets::make)
            .method_not_allowed_fallback(no_such_method)
            .with_state(Arc::clone(&self.0))
    }
}
