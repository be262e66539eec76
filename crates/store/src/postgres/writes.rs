//! What a decided batch writes, as plain rows; `write.rs` sends them.

use std::collections::{HashMap, HashSet};

use moorline_protocol::{EventId, RoomId};

use super::rows::Room;
use crate::fingerprint::Fingerprint;

/// A new event.
pub(super) struct EventRow {
    pub(super) room: i64,
    pub(super) seq: u64,
    pub(super) kind: i64,
    pub(super) id: EventId,
    pub(super) sender: i64,
    pub(super) cid: Option<Vec<u8>>,
    pub(super) at_ms: u64,
    pub(super) messages: u64,
    pub(super) body: String,
    pub(super) refers: Option<EventId>,
    pub(super) target: Option<u64>,
}

/// The first answer of a cid.
pub(super) struct CidRow {
    pub(super) cid: Vec<u8>,
    pub(super) sender: i64,
    pub(super) room: i64,
    pub(super) hash: Fingerprint,
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) id: Option<EventId>,
    pub(super) at_ms: u64,
    pub(super) made: Option<i64>,
}

/// A room that is made. Its numbers are those that the room has at the end.
pub(super) struct RoomRow {
    pub(super) id: RoomId,
    pub(super) name: Option<String>,
    pub(super) pair: Option<(i64, i64)>,
}

/// What becomes of a message: its text, and the positions of the edit and the deletion that made it so.
#[derive(Default)]
pub(super) struct Changed {
    pub(super) body: String,
    /// What search finds it by from now on; none for a deleted one.
    pub(super) words: Option<String>,
    pub(super) edited: Option<(u64, u64)>,
    pub(super) deleted: Option<(u64, u64)>,
}

/// Events of a room that go, from `low` to below `first`.
pub(super) struct Pruned {
    pub(super) room: i64,
    pub(super) low: u64,
    pub(super) first: u64,
    /// Running number of messages at the last of them.
    pub(super) messages: u64,
}

/// What an event loses with a person.
#[derive(Default)]
pub(super) struct Unnamed {
    pub(super) forgets_cid: bool,
    /// Another text, without the id.
    pub(super) body: Option<String>,
}

/// All of it, beside the rows that were changed in place.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) events: Vec<EventRow>,
    pub(super) cids: Vec<CidRow>,
    pub(super) new_rooms: Vec<RoomRow>,
    /// Rooms that were touched, in the order of their first touch.
    pub(super) rooms: Vec<(RoomId, Room)>,
    /// New names, by room.
    pub(super) names: HashMap<i64, String>,
    /// By room and seq.
    pub(super) changed: HashMap<(i64, u64), Changed>,
    /// Messages whose edits lose their texts, by room and seq.
    pub(super) erased: HashSet<(i64, u64)>,
    pub(super) pruned: Vec<Pruned>,
    /// By room and seq.
    pub(super) unnamed: HashMap<(i64, u64), Unnamed>,
    /// Who was removed from which room, and when.
    pub(super) removals: HashMap<(i64, i64), u64>,
}
