//! Connections and HTTP of Moorline: accept loop, WebSocket, consumers, health, metrics.
//!
//! A `Server` takes bound listeners, an axum router for HTTP and routes of consumers for WebSockets. What a consumer
//! does with its connection is its own affair; the rules of chat live in `moorline-chat`, behind the chat consumer.

mod accept;
mod access;
mod admin;
mod admission;
mod answer;
pub mod api;
pub mod auth;
mod body;
mod channel;
mod connection;
mod consumer;
mod cors;
mod delivered;
pub mod fallback;
mod health;
mod http_io;
mod info;
mod limits;
mod live;
mod metrics;
mod poll;
mod proxy;
mod registry;
pub mod relay;
mod route;
mod scope;
mod search;
mod seen;
mod server;
mod service;
pub mod session;
mod site_name;
mod stream;
mod transport;
mod websocket;

pub use accept::Listener;
pub use access::{AccessLog, Outcome, Visit};
pub use admin::Admin;
pub use admission::{Admission, OriginCheck, Origins};
pub use answer::PAGE_CSP;
pub use channel::Channel;
pub use connection::{Connection, ConnectionId};
pub use consumer::{Accept, Closed, Consumer, Dispatched, Incoming, Refusal, Side};
pub use health::{Degraded, DegradedCheck, ReadyCheck};
pub use live::Live;
pub use metrics::{Metrics, encode_times};
pub use moorline_chat::{Close, Outbox};
pub use moorline_layer::{ChannelLayer, Message};
pub use proxy::{InvalidNetwork, Network};
pub use route::{DEFAULT_MESSAGE_BYTES, Route};
pub use scope::{ClientAddress, Scope};
pub use server::{Server, ServerConfig};
pub use websocket::{Pace, Violation};
