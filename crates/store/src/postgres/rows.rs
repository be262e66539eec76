//! The rows that one transaction of a lane works on: loaded under the rooms' locks, changed in memory as its commands
//! are decided one after the other, and written at its end. Nothing is kept between transactions, since other nodes write too.

use std::collections::{HashMap, VecDeque};

use moorline_protocol::{Epoch, EventId, Role, RoomHistory, RoomId, RoomKind, Seq, UserId};

use crate::fingerprint::Fingerprint;
use crate::{Created, Stored};

/// The system's row in `users`.
pub(super) const SYSTEM: i64 = 1;

/// A person's row.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    pub(super) n: i64,
    /// How many rooms they are in; true only of those whose row is locked.
    pub(super) rooms: u64,
    /// What this transaction adds to that.
    pub(super) added: i64,
}

/// A room's row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) n: i64,
    pub(super) kind: RoomKind,
    pub(super) history: RoomHistory,
    pub(super) epoch: Epoch,
    pub(super) first: u64,
    pub(super) head: u64,
    pub(super) messages: u64,
    pub(super) members: u64,
    pub(super) last_message: u64,
    pub(super) active_ms: u64,
    pub(super) at_ms: u64,
    pub(super) made_as: Fingerprint,
    /// Where its log ended when it was loaded.
    pub(super) head_before: u64,
    pub(super) is_new: bool,
    pub(super) is_dirty: bool,
}

/// A membership's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) role: Role,
    pub(super) joined: u64,
    pub(super) read: u64,
    pub(super) read_messages: u64,
}

impl Membership {
    /// The first event that the member may see.
    pub(super) fn sees_from(&self, room: &Room) -> u64 {
        match room.history {
            RoomHistory::All => room.first,
            RoomHistory::Joined => room.first.max(self.joined),
        }
    }

    pub(super) fn is_admin(&self) -> bool {
        matches!(self.role, Role::Owner | Role::Admin)
    }
}

/// A membership as it was loaded and as it is now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Member {
    pub(super) before: Option<Membership>,
    pub(super) now: Option<Membership>,
}

/// A message that is to be changed or answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) room: i64,
    pub(super) seq: u64,
    pub(super) sender: i64,
    pub(super) is_message: bool,
    pub(super) is_deleted: bool,
}

/// An event that may be pruned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Old {
    pub(super) seq: u64,
    pub(super) at_ms: u64,
    pub(super) messages: u64,
}

/// An event that may hold something of a person who is erased.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: EventId,
    pub(super) sender: i64,
    pub(super) is_message: bool,
    pub(super) is_deleted: bool,
    /// Who came and went, as it is kept; only where it is that.
    pub(super) changes: Option<String>,
}

/// The first answer of a cid.
#[derive(Debug, Clone)]
pub(super) struct First {
    pub(super) hash: Fingerprint,
    pub(super) answer: Answer,
}

/// What it answered.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Stored(Stored),
    Created(Created),
}

/// Which cid: its bytes, the sender's row, the room's row or 0 for the making of a room.
pub(super) type CidKey = (Vec<u8>, i64, i64);

/// A room found by its pair or its id, as it was made.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) n: i64,
    pub(super) room: RoomId,
    pub(super) epoch: Epoch,
    pub(super) at_ms: u64,
    pub(super) made_as: Fingerprint,
    /// Its first event, where there is one.
    pub(super) first: Option<EventId>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) users: HashMap<UserId, User>,
    pub(super) rooms: HashMap<RoomId, Room>,
    /// By the rows of room and person.
    pub(super) members: HashMap<(i64, i64), Member>,
    pub(super) cids: HashMap<CidKey, First>,
    pub(super) targets: HashMap<EventId, Target>,
    pub(super) removals: HashMap<(i64, i64), u64>,
    /// The events that brought members in.
    pub(super) joined: HashMap<(i64, i64), Stored>,
    /// Running numbers of messages at positions: for read markers.
    pub(super) messages_at: HashMap<(i64, u64), u64>,
    pub(super) pairs: HashMap<(i64, i64), Known>,
    /// First events of rooms that somebody wants to make under an id that is taken.
    pub(super) firsts: HashMap<i64, EventId>,
    /// The oldest events of rooms that are pruned, without the newest.
    pub(super) oldest: HashMap<i64, Vec<Old>>,
    /// By room and seq.
    pub(super) held: HashMap<(i64, u64), Held>,
    /// Row numbers for rooms that are made.
    pub(super) fresh_rooms: VecDeque<i64>,
}

impl Rows {
    pub(super) fn user(&self, id: &UserId) -> Option<i64> {
        self.users.get(id).map(|user| user.n)
    }

    pub(super) fn room(&self, id: &RoomId) -> Option<Room> {
        self.rooms.get(id).copied()
    }

    pub(super) fn member(&self, room: i64, user: i64) -> Option<Membership> {
        self.members.get(&(room, user)).and_then(|member| member.now)
    }

    pub(super) fn put_member(&mut self, room: i64, user: i64, now: Option<Membership>) {
        self.members.entry((room, user)).or_default().now = now;
    }

    pub(super) fn put_room(&mut self, id: &RoomId, room: Room) {
        self.rooms.insert(id.clone(), Room { is_dirty: true, ..room });
    }

    /// Counts rooms of a person.
    pub(super) fn count_rooms(&mut self, id: &UserId, by: i64) {
        if let Some(user) = self.users.get_mut(id) {
            user.added += by;
        }
    }

    /// How many rooms a person is in by now.
    pub(super) fn rooms_of(&self, id: &UserId) -> u64 {
        self.users.get(id).map_or(0, |user| user.rooms.saturating_add_signed(user.added))
    }

    /// The row of a room that was found by its pair, not by its id.
    pub(super) fn row_of_pair(&self, room: &RoomId) -> Option<i64> {
        self.pairs.values().find(|known| known.room == *room).map(|known| known.n)
    }

    /// A room's first event, as a command that finds the room again answers.
    pub(super) fn created(known: &Known) -> Created {
        Created {
            room: known.room.clone(),
            epoch: known.epoch,
            seq: Seq(u64::from(known.first.is_some())),
            id: known.first,
            at_ms: known.at_ms,
            existing: true,
        }
    }
}
