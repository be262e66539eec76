//! The live connections of this node: all of them, or one with its rooms.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use moorline_chat::Listener;
use moorline_protocol::admin::{Client, ClientDetail, Clients};
use moorline_protocol::{ErrorCode, RoomId, UserId};

use super::Node;
use super::query::{Pairs, check, limit, parsed};
use crate::api::failure::{Failure, json};
use crate::api::path::Path;
use crate::connection::{Connection, ConnectionId};

/// `GET clients?user=&room=&limit=`: the oldest first.
pub(super) async fn list(
    State(node): State<Node>,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Failure> {
    check(&pairs, &["user", "room", "limit"])?;
    let (user, room) = (parsed::<UserId>(&pairs, "user")?, parsed::<RoomId>(&pairs, "room")?);
    let limit = limit(&pairs)?;
    let listeners = node.listeners();
    let mut clients = Clients { clients: Vec::new(), total: 0 };
    for connection in node.registry.all() {
        let listener = listeners.get(&connection.id().0);
        let is_theirs = user.is_none() || connection.user() == user;
        let is_there = room
            .as_ref()
            .is_none_or(|room| listener.is_some_and(|listener| listener.rooms().contains(room)));
        if is_theirs && is_there {
            clients.total += 1;
            if clients.clients.len() < limit {
                clients.clients.push(client(&connection, listener.map(|one| one.rooms().len())));
            }
        }
    }
    Ok(json(StatusCode::OK, &clients))
}

/// `GET clients/{id}`.
pub(super) async fn show(
    State(node): State<Node>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let connection = node.connection(&id)?;
    let live = node.listeners().get(&connection.id().0).map(|one| one.rooms()).unwrap_or_default();
    let member_of = match connection.user() {
        Some(user) => node.chat.store().room_ids_of(&user).await?,
        None => Vec::new(),
    };
    let mut not_live: Vec<RoomId> =
        member_of.into_iter().map(|(room, _)| room).filter(|room| !live.contains(room)).collect();
    not_live.sort_unstable();
    let client = client(&connection, Some(live.len()));
    Ok(json(StatusCode::OK, &ClientDetail { client, live: sorted(live), not_live }))
}

impl Node {
    /// The listeners of this node, by the numbers of their connections.
    pub(super) fn listeners(&self) -> HashMap<u64, Arc<Listener>> {
        let all = self.chat.hub().listeners().into_iter();
        all.map(|listener| (listener.connection(), listener)).collect()
    }

    /// A connection by its name.
    pub(super) fn connection(&self, id: &str) -> Result<Connection, Failure> {
        let number = u64::from_str_radix(id, 16).ok().filter(|_| id.len() == 16);
        let number = number.ok_or_else(|| {
            super::query::invalid(
                "A connection's name is 16 hexadecimal digits, as `clients` shows.",
            )
        })?;
        self.registry.get(ConnectionId(number)).ok_or_else(|| {
            let text = "This node has no such connection; it may have ended, or be another node's.";
            Failure::new(ErrorCode::NotFound, text)
        })
    }
}

fn sorted(rooms: HashSet<RoomId>) -> Vec<RoomId> {
    let mut rooms: Vec<RoomId> = rooms.into_iter().collect();
    rooms.sort_unstable();
    rooms
}

fn client(connection: &Connection, rooms: Option<usize>) -> Client {
    let (shared, outbox) = (connection.shared(), connection.outbox());
    let (facts, (frames, bytes)) = (shared.facts(), outbox.waiting());
    Client {
        id: connection.id().to_string(),
        transport: facts.transport.word().to_owned(),
        user: connection.user(),
        address: facts.address.map(|address| address.to_string()),
        path: facts.path.to_string(),
        user_agent: facts.user_agent.as_deref().map(str::to_owned),
        age_ms: ms(shared.age()),
        idle_ms: ms(shared.idle()),
        round_trip_us: shared.round_trip_us().map(u64::from),
        rooms: rooms.unwrap_or_default() as u64,
        queued_frames: frames as u64,
        queued_bytes: bytes as u64,
        lagging: outbox.is_over_mark(),
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
