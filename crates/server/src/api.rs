//! The server API: what a backend may do over HTTP with the API key. `auth` has the sign-in of the page.
//! Handlers check and translate; the chat and the store decide. Events that they cause reach live sockets.

pub(crate) mod body;
pub(crate) mod failure;
mod key;
mod notices;
mod rooms;
mod search;
pub(crate) mod upkeep;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, delete, get, post, put};
use http::HeaderMap;
use moorline_chat::Chat;
use moorline_protocol::{Cid, ErrorCode};

use crate::auth::Authenticator;
use failure::Failure;
pub use key::ApiKey;

/// What the handlers need.
#[derive(Clone)]
pub struct Api {
    chat: Arc<Chat>,
    key: Option<ApiKey>,
    keeps_messages: bool,
    sessions: Arc<Authenticator>,
}

impl Api {
    /// The API over a chat; without a key every call is refused, but for what signed-in people may ask as well.
    #[must_use]
    pub fn new(chat: Arc<Chat>, key: Option<&str>, sessions: Arc<Authenticator>) -> Self {
        Self { chat, key: key.map(ApiKey::new), sessions, keeps_messages: false }
    }

    /// Whether the messages of an erased person stay, under the name of nobody, unless a request says otherwise; else
    /// they become tombstones.
    #[must_use]
    pub fn keeping_messages(self, keeps_messages: bool) -> Self {
        Self { keeps_messages, ..self }
    }

    /// Its routes, and the answer to every other path under `/api`.
    pub fn router(self) -> Router {
        let guard = from_fn_with_state(self.clone(), key::require);
        let guarded = Router::new()
            .route("/api/v1/users/{id}", put(users::put).delete(upkeep::erase))
            .route("/api/v1/users/{id}/export", get(upkeep::export))
            .route("/api/v1/users/{id}/sessions", delete(users::revoke_sessions))
            .route("/api/v1/rooms", post(rooms::create))
            .route("/api/v1/rooms/{id}/members/{user}", put(rooms::add).delete(rooms::remove))
            .route("/api/v1/rooms/{id}/messages", post(rooms::post))
            .route("/api/v1/rooms/{id}/events", get(rooms::events))
            .route("/api/v1/notices", post(notices::post))
            .route(
                "/api/v1/rooms/{id}/retention",
                get(upkeep::retention).put(upkeep::set_retention),
            )
            .method_not_allowed_fallback(failure::no_such_method)
            .route_layer(guard);
        guarded
            .route("/api/v1/search", get(search::search))
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
fn id<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::of(ErrorCode::NotFound))
}
