//! The admin interface: what an operator of this node may see and do, over the node's own Unix socket, or over the
//! internal address with the admin token. `moorline clients`, `tail`, `rooms`, `users`, `send` and `token inspect` ask it.
//!
//! It checks and translates; the chat, the store and the registry decide. It is on no address of clients, and what it
//! tells holds no token, and the text of a message only for who asked for texts.

mod clients;
mod kick;
mod people;
mod query;
mod rooms;
mod tail;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, get, post};
use moorline_chat::{Chat, Tap};
use moorline_protocol::admin::PATH;

use crate::api::ApiKey;
use crate::api::failure::{no_such_method, no_such_path};
use crate::api::key;
use crate::auth::Authenticator;
use crate::live::Live;
use crate::registry::Registry;

/// The interface over a chat, before the server knows its connections.
pub struct Admin {
    chat: Arc<Chat>,
    auth: Arc<Authenticator>,
    token: Option<Live<ApiKey>>,
}

/// What the handlers need.
#[derive(Clone)]
struct Node {
    chat: Arc<Chat>,
    auth: Arc<Authenticator>,
    registry: Arc<Registry>,
    /// Of who comes over a network; none where they come over the node's own socket.
    token: Option<Live<ApiKey>>,
}

impl Admin {
    /// Over a chat and those who sign in to it; without a token there is nothing of it on the internal address.
    #[must_use]
    pub fn new(chat: Arc<Chat>, auth: Arc<Authenticator>, token: Option<Live<ApiKey>>) -> Self {
        Self { chat, auth, token }
    }

    /// Where what happens is told.
    pub(crate) fn tap(&self) -> &Arc<Tap> {
        self.chat.hub().tap()
    }

    /// For the node's own socket, which only its owner can open.
    pub(crate) fn local(&self, registry: &Arc<Registry>) -> Router {
        self.node(registry, None).router()
    }

    /// For the internal address, guarded by the token; nothing without one.
    pub(crate) fn guarded(&self, registry: &Arc<Registry>) -> Router {
        match &self.token {
            Some(token) => self.node(registry, Some(token.clone())).router(),
            None => Router::new(),
        }
    }

    fn node(&self, registry: &Arc<Registry>, token: Option<Live<ApiKey>>) -> Node {
        let (chat, auth) = (Arc::clone(&self.chat), Arc::clone(&self.auth));
        Node { chat, auth, registry: Arc::clone(registry), token }
    }
}

impl Node {
    fn router(self) -> Router {
        let guard = from_fn_with_state(self.clone(), require);
        let routes = Router::new()
            .route("/clients", get(clients::list))
            .route("/clients/{id}", get(clients::show))
            .route("/kick", post(kick::kick))
            .route("/tail", get(tail::tail))
            .route("/rooms", get(rooms::list))
            .route("/rooms/{id}", get(rooms::show))
            .route("/rooms/{id}/messages", post(rooms::say))
            .route("/users", get(people::list))
            .route("/users/{id}", get(people::show))
            .route("/token", post(token::inspect))
            .method_not_allowed_fallback(no_such_method)
            .with_state(self);
        Router::new()
            .nest(PATH, routes)
            .route("/admin", any(no_such_path))
            .route("/admin/{*rest}", any(no_such_path))
            .layer(guard)
    }
}

/// Lets a request pass that carries the token, where there is one.
async fn require(State(node): State<Node>, request: Request, next: Next) -> Response {
    let Some(token) = &node.token else { return next.run(request).await };
    match key::shown(request.headers()) {
        Some(shown) if token.get().is(shown) => next.run(request).await,
        Some(_) => key::refused("This is not the admin token."),
        None => key::refused("Send the admin token as `Authorization: Bearer TOKEN`."),
    }
}
