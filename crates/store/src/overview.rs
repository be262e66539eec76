//! Rooms and people as an operator lists them: all of them, in the order of their ids, a page at a time.
//!
//! The admin interface asks; no person does, so nothing here checks who may see what. Texts of messages are not in it.

use moorline_protocol::{Epoch, RoomId, RoomKind, Seq};

/// A room, without what was said in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomOverview {
    /// Its id.
    pub id: RoomId,
    /// Its kind.
    pub kind: RoomKind,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The life of its log.
    pub epoch: Epoch,
    /// The first event that is kept.
    pub first: Seq,
    /// The newest event.
    pub head: Seq,
    /// How many messages were ever sent.
    pub messages: u64,
    /// How many members it has.
    pub members: u64,
    /// When something last happened in it, ms since 1970.
    pub active_ms: u64,
    /// When it was made, ms since 1970.
    pub created_ms: u64,
    /// Seconds that its events are kept, 0 for ever; absent: as long as the server says.
    pub retention: Option<u64>,
}
