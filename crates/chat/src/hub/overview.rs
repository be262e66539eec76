//! The hub as an operator sees it: how many connections follow a room, and how many a person has here.

use moorline_protocol::{RoomId, UserId};

use super::Hub;

impl Hub {
    /// Connections of this node that follow a room live.
    #[must_use]
    pub fn listening(&self, room: &RoomId) -> usize {
        let feed = self.feeds.lock().get(room).cloned();
        feed.map_or(0, |feed| feed.listeners().len())
    }

    /// Connections of a person on this node.
    #[must_use]
    pub fn connections_here(&self, user: &UserId) -> usize {
        self.people.lock().listeners(user).len()
    }
}
