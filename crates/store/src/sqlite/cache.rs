//! What the writer remembers of rooms, memberships and people between transactions. As it is the only writer, what it
//! wrote is what is there; after any rollback everything here is forgotten.

use std::collections::HashMap;

use moorline_protocol::{Epoch, Role, RoomHistory, RoomId, RoomKind, UserId};
use rusqlite::{Connection, OptionalExtension, params};

use super::schema::Sql;

/// More than these are forgotten all at once: a few MiB, refilled by single lookups.
const MAX_ROWS: usize = 16_384;

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
    /// Changed in this transaction, not yet written.
    pub(super) is_dirty: bool,
}

/// A membership's row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    pub(super) role: Role,
    pub(super) joined: u64,
    pub(super) read: u64,
    pub(super) read_messages: u64,
    /// Its marker changed in this transaction and is not yet written.
    pub(super) is_dirty: bool,
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

/// The rows.
#[derive(Default)]
pub(super) struct Cache {
    users: HashMap<UserId, i64>,
    rooms: HashMap<RoomId, Room>,
    members: HashMap<(i64, i64), Option<Membership>>,
}

impl Cache {
    /// Forgets everything: after a rollback.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Between transactions: keeps the memory bounded.
    pub(super) fn trim(&mut self) {
        if self.users.len() > MAX_ROWS {
            self.users = HashMap::new();
        }
        if self.rooms.len() > MAX_ROWS {
            self.rooms = HashMap::new();
        }
        if self.members.len() > MAX_ROWS {
            self.members = HashMap::new();
        }
    }

    pub(super) fn user(&mut self, db: &Connection, id: &UserId) -> rusqlite::Result<Option<i64>> {
        if let Some(n) = self.users.get(id) {
            return Ok(Some(*n));
        }
        let mut statement =
            db.prepare_cached("SELECT n FROM users WHERE id = ?1 AND removed IS NULL")?;
        let n = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
        if let Some(n) = n {
            self.users.insert(id.clone(), n);
        }
        Ok(n)
    }

    /// A person who is erased is not known any more.
    pub(super) fn forget_user(&mut self, id: &UserId) {
        self.users.remove(id);
    }

    pub(super) fn room(&mut self, db: &Connection, id: &RoomId) -> rusqlite::Result<Option<Room>> {
        if let Some(room) = self.rooms.get(id) {
            return Ok(Some(*room));
        }
        let mut statement = db.prepare_cached(
            "SELECT n, kind, history, epoch, first, head, messages, members, last_message, active
             FROM rooms WHERE id = ?1",
        )?;
        let room = statement
            .query_row([id.as_str()], |row| {
                Ok(Room {
                    n: row.get(0)?,
                    kind: row.get::<_, Sql<RoomKind>>(1)?.0,
                    history: row.get::<_, Sql<RoomHistory>>(2)?.0,
                    epoch: row.get::<_, Sql<Epoch>>(3)?.0,
                    first: get(row, 4)?,
                    head: get(row, 5)?,
                    messages: get(row, 6)?,
                    members: get(row, 7)?,
                    last_message: get(row, 8)?,
                    active_ms: get(row, 9)?,
                    is_dirty: false,
                })
            })
            .optional()?;
        if let Some(room) = room {
            self.rooms.insert(id.clone(), room);
        }
        Ok(room)
    }

    pub(super) fn put_room(&mut self, id: &RoomId, room: Room) {
        if let Some(known) = self.rooms.get_mut(id) {
            *known = room;
        } else {
            self.rooms.insert(id.clone(), room);
        }
    }

    pub(super) fn member(
        &mut self,
        db: &Connection,
        room: i64,
        user: i64,
    ) -> rusqlite::Result<Option<Membership>> {
        if let Some(member) = self.members.get(&(room, user)) {
            return Ok(*member);
        }
        let mut statement = db.prepare_cached(
            "SELECT role, joined, read, read_messages FROM members WHERE user = ?1 AND room = ?2",
        )?;
        let member = statement
            .query_row(params![user, room], |row| {
                Ok(Membership {
                    role: row.get::<_, Sql<Role>>(0)?.0,
                    joined: get(row, 1)?,
                    read: get(row, 2)?,
                    read_messages: get(row, 3)?,
                    is_dirty: false,
                })
            })
            .optional()?;
        self.members.insert((room, user), member);
        Ok(member)
    }

    pub(super) fn put_member(&mut self, room: i64, user: i64, member: Option<Membership>) {
        self.members.insert((room, user), member);
    }
}

/// A number that is never negative.
pub(super) fn get(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| number.max(0).cast_unsigned())
}

/// A number for a column.
pub(super) fn put(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
