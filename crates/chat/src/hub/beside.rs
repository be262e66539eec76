//! What people say beside their connections: in requests of their own, which may come to any node.

use std::sync::Arc;
use std::time::Instant;

use moorline_protocol::{RoomId, UserId};

use super::Hub;
use crate::listener::Listener;

impl Hub {
    /// The person left a connection to itself, or came back to it. Passed over where another node has it.
    pub fn set_away_at(&self, user: &UserId, connection: u64, on: bool, at_ms: u64) {
        let own: Vec<Arc<Listener>> = self.people.lock().listeners(user).to_vec();
        if let Some(listener) = own.iter().find(|one| one.connection() == connection) {
            self.set_away(listener, on, at_ms);
        }
    }

    /// The person types in a room that they are in, as the caller knows.
    pub fn typed_beside(&self, user: &UserId, room: &RoomId, now: Instant) {
        let feed = self.feeds.lock().get(room).cloned();
        if let Some(feed) = feed.filter(|feed| feed.typed(user, now)) {
            self.typing.lock().push(feed);
        }
        if let Some(nodes) = &self.nodes {
            nodes.tell_typing(room, user);
        }
    }
}
