//! The server API: what a backend may do over HTTP with the API key. `auth` has the sign-in of the page.
//! Handlers check and translate; the chat and the store decide. Events that they cause reach live sockets.

pub(crate) mod body;
mod docs;
pub(crate) mod failure;
pub(crate) mod key;
pub(crate) mod mount;
mod notices;
pub(crate) mod path;
mod retention;
mod rooms;
mod search;
pub(crate) mod upkeep;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use http::HeaderMap;
use moorline_chat::Chat;
use moorline_protocol::api::Operation;
use moorline_protocol::{Cid, ErrorCode};

use crate::admission::Origins;
use crate::auth::Authenticator;
use crate::live::Live;
use failure::Failure;
pub use key::ApiKey;
use mount::Mount;

/// What the handlers need.
#[derive(Clone)]
pub struct Api {
    chat: Arc<Chat>,
    key: Live<Option<ApiKey>>,
    keeps_messages: bool,
    sessions: Arc<Authenticator>,
    origins: Origins,
}

impl Api {
    /// The API over a chat; without a key every call is refused, but for what signed-in people may ask as well.
    #[must_use]
    pub fn new(chat: Arc<Chat>, key: Option<&str>, sessions: Arc<Authenticator>) -> Self {
        let key = Live::new(key.map(ApiKey::new));
        Self { chat, key, sessions, keeps_messages: false, origins: Origins::Listed(Vec::new()) }
    }

    /// The key, to be replaced while the server runs.
    #[must_use]
    pub fn key(&self) -> Live<Option<ApiKey>> {
        self.key.clone()
    }

    /// Whether the messages of an erased person stay, under the name of nobody, unless a request says otherwise; else
    /// they become tombstones.
    #[must_use]
    pub fn keeping_messages(self, keeps_messages: bool) -> Self {
        Self { keeps_messages, ..self }
    }

    /// The pages whose people may change something by their session; none unless this is said.
    #[must_use]
    pub fn with_origins(self, origins: Origins) -> Self {
        Self { origins, ..self }
    }

    /// Its routes, and the answer to every other path under `/api`.
    pub fn router(self) -> Router {
        let guard = from_fn_with_state(self.clone(), key::require);
        let guarded = Router::new()
            .at(Operation::PutUser, users::put)
            .at(Operation::EraseUser, upkeep::erase)
            .at(Operation::ExportUser, upkeep::export)
            .at(Operation::RevokeSessions, users::revoke_sessions)
            .at(Operation::CreateRoom, rooms::create)
            .at(Operation::AddMember, rooms::add)
            .at(Operation::RemoveMember, rooms::remove)
            .at(Operation::PostMessage, rooms::post)
            .at(Operation::ListEvents, rooms::events)
            .at(Operation::PostNotice, notices::post)
            .method_not_allowed_fallback(failure::no_such_method)
            .route_layer(guard);
        guarded
            .at(Operation::GetRetention, retention::get)
            .at(Operation::PutRetention, retention::put)
            .at(Operation::Search, search::search)
            .at(Operation::Docs, docs::page)
            .at(Operation::DocsStyle, docs::style)
            .at(Operation::OpenApi, docs::openapi)
            .at(Operation::AsyncApi, docs::asyncapi)
            .method_not_allowed_fallback(failure::no_such_method)
            .with_state(self)
            .route("/api", any(failure::no_such_path))
            .route("/api/{*rest}", any(failure::no_such_path))
    }
}

/// The header that makes a repeated request harmless; it becomes the cid.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<Cid>, Failure> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let text = key.to_str().unwrap_or_default();
    Cid::new(text).map(Some).map_err(|error| {
        Failure::new(ErrorCode::Invalid, format!("The header Idempotency-Key is no cid: {error}."))
    })
}

/// A cid of its own, for a request whose repetition changes nothing anyway.
fn new_cid() -> Result<Cid, Failure> {
    let random = format!("api-{:032x}", rand::random::<u128>());
    Cid::new(random).map_err(|_| Failure::of(ErrorCode::Internal))
}

/// A part of the path as an id; what is no id is as unknown as an id that nobody has.
pub(crate) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::of(ErrorCode::NotFound))
}
