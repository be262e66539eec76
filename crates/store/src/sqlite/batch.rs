//! One transaction under way: what every command needs to read, to claim its cid and to add events.
//!
//! Each command decides before it writes, so that a refused one leaves nothing behind and needs no savepoint. Rows of
//! rooms and read markers are written once, at the end.

use std::collections::HashMap;
use std::sync::Arc;

use moorline_protocol::{Cid, Event, EventId, EventKind, RoomId, Seq, UserId};
use rusqlite::{CachedStatement, Connection, params};

use super::cache::{Cache, Membership, Room, put};
use super::comings::OpenMembership;
use super::schema::{CidKey, Sql};
use crate::command::Command;
use crate::commit::{Commit, TouchedRoom, Value};
use crate::fingerprint::Hasher;
use crate::fresh::new_id;
use crate::store::SYSTEM_USER;
use crate::{Error, Head, Stored};

/// The system's row in `users`.
pub(super) const SYSTEM: i64 = 1;

/// Why a command ends early.
pub(super) enum Stop {
    /// Final or retryable, for this command alone.
    Refused(Error),
    /// It was carried out before: the first answer.
    Repeated(Value),
    /// SQLite failed: the whole transaction is void.
    Failed(rusqlite::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

/// The columns of an event that its kind decides.
pub(super) struct NewEvent<'a> {
    pub(super) kind: i64,
    pub(super) body: &'a str,
    pub(super) refers: Option<EventId>,
    pub(super) target: Option<u64>,
    /// How many messages it adds to the room: one or none.
    pub(super) messages: u64,
}

/// The transaction.
pub(super) struct Batch<'a> {
    pub(super) db: &'a Connection,
    pub(super) cache: &'a mut Cache,
    pub(super) hasher: &'a Hasher,
    /// Rows up to this one are in the search index.
    pub(super) indexed: i64,
    /// Whether the transaction before failed, and may have been stored all the same.
    pub(super) is_after_failure: bool,
    pub(super) commit: Commit,
    pub(super) added_rows: u64,
    pub(super) last_row: i64,
    /// Commands that had been carried out before.
    pub(super) repeated: u64,
    dirty_rooms: Vec<RoomId>,
    dirty_members: Vec<(i64, i64)>,
    pub(super) open: HashMap<RoomId, OpenMembership>,
    /// The two statements that every send needs: looking them up a thousand times would be a tenth of a send.
    insert_event: Option<CachedStatement<'a>>,
    pub(super) insert_cid: Option<CachedStatement<'a>>,
}

/// A statement that is kept for the rest of the transaction.
pub(super) fn held<'h, 'a>(
    db: &'a Connection,
    place: &'h mut Option<CachedStatement<'a>>,
    sql: &str,
) -> rusqlite::Result<&'h mut CachedStatement<'a>> {
    match place {
        Some(statement) => Ok(statement),
        None => Ok(place.insert(db.prepare_cached(sql)?)),
    }
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        db: &'a Connection,
        cache: &'a mut Cache,
        hasher: &'a Hasher,
        indexed: i64,
    ) -> Self {
        Self {
            db,
            cache,
            hasher,
            indexed,
            is_after_failure: false,
            commit: Commit::default(),
            added_rows: 0,
            last_row: 0,
            repeated: 0,
            dirty_rooms: Vec::new(),
            dirty_members: Vec::new(),
            open: HashMap::new(),
            insert_event: None,
            insert_cid: None,
        }
    }

    /// Carries out one command. An error voids the transaction; a refusal is an answer.
    pub(super) fn run(&mut self, command: &Command) -> rusqlite::Result<Result<Value, Error>> {
        let done = match command {
            Command::Send(send) => self.send(send).map(Value::Stored),
            Command::Edit(edit) => self.edit(edit).map(Value::Stored),
            Command::Delete(delete) => self.delete(delete).map(Value::Stored),
            Command::Create(create) => self.create(create).map(Value::Created),
            Command::Join(join) => self.join(join).map(Value::Stored),
            Command::Leave(leave) => self.leave(leave).map(Value::Stored),
            Command::Invite(invite) => self.invite(invite).map(Value::Stored),
            Command::Remove(remove) => self.remove(remove).map(Value::Stored),
            Command::Rename(rename) => self.rename(rename).map(Value::Stored),
            Command::PutUser { id, name, at_ms } => {
                self.put_user(id, name, *at_ms).map(Value::Changed)
            }
            Command::CreateAccount { id, account } => {
                self.create_account(id, account).map(Value::User)
            }
            Command::AddSession { id, session } => {
                self.add_session(id, session).map(Value::Session)
            }
            Command::RevokeSession { user, session } => {
                self.revoke_session(user, session).map(Value::Changed)
            }
            Command::RevokeSessions { user, at_ms } => {
                self.revoke_sessions(user, *at_ms).map(Value::Count)
            }
            Command::AddTicket(ticket) => self.add_ticket(ticket).map(|()| Value::Done),
            Command::UseTicket(wanted) => self.use_ticket(wanted).map(Value::Holder),
            Command::DropTickets { at_ms } => self.drop_tickets(*at_ms).map(Value::Count),
            Command::Prune(prune) => self.prune(prune).map(Value::Count),
            Command::SetRetention(set) => self.set_retention(set).map(Value::Changed),
            Command::BeginErasing { user, keeps_messages, at_ms } => {
                self.begin_erasing(user, *keeps_messages, *at_ms).map(Value::Changed)
            }
            Command::EndMembership(end) => self.end_membership(end).map(Value::Changed),
            Command::EraseEvents(erase) => self.erase_events(erase).map(Value::Count),
            Command::EraseCids(erase) => self.erase_cids(erase).map(Value::Count),
            Command::EndErasing(erasing) => self.end_erasing(erasing).map(|()| Value::Done),
            // Nobody else can write here.
            Command::ClaimUpkeep { .. } | Command::RenewLease(_) => Ok(Value::Changed(true)),
            Command::PutPresence(_) => Ok(Value::Done),
            Command::Flush => Ok(Value::Done),
        };
        match done {
            Ok(value) => Ok(Ok(value)),
            Err(Stop::Repeated(value)) => {
                self.repeated += 1;
                Ok(Ok(value))
            }
            Err(Stop::Refused(error)) => Ok(Err(error)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    pub(super) fn user(&mut self, id: &UserId) -> Result<Option<i64>, Stop> {
        Ok(self.cache.user(self.db, id)?)
    }

    /// Who acts: a person who exists, or the system.
    pub(super) fn actor(&mut self, id: Option<&UserId>) -> Result<Option<i64>, Stop> {
        id.map_or(Ok(Some(SYSTEM)), |id| self.user(id))
    }

    pub(super) fn room(&mut self, id: &RoomId) -> Result<Option<Room>, Stop> {
        Ok(self.cache.room(self.db, id)?)
    }

    pub(super) fn member(&mut self, room: i64, user: i64) -> Result<Option<Membership>, Stop> {
        Ok(self.cache.member(self.db, room, user)?)
    }

    /// The position that the next event of a room gets.
    pub(super) fn next(&self, id: &RoomId, room: &Room, at_ms: u64) -> Stored {
        Stored {
            room: id.clone(),
            epoch: room.epoch,
            seq: Seq(room.head + 1),
            id: new_id(at_ms),
            at_ms,
        }
    }

    /// Adds an event at the position from [`Batch::next`] and tells it with the commit.
    pub(super) fn add(
        &mut self,
        room: Room,
        stored: &Stored,
        by: (i64, UserId),
        cid: Option<&Cid>,
        new: &NewEvent<'_>,
        told: impl FnOnce(u64) -> EventKind,
    ) -> Result<Room, Stop> {
        self.close_membership(&stored.room)?;
        let messages = room.messages + new.messages;
        self.insert(room.n, stored, by.0, cid, messages, new)?;
        self.commit.events.push(Arc::new(Event {
            room: stored.room.clone(),
            epoch: stored.epoch,
            seq: stored.seq,
            kind: told(messages),
            id: stored.id,
            from: by.1,
            cid: cid.cloned(),
            at: stored.at_ms,
            people: Vec::new(),
        }));
        let room = Room {
            head: stored.seq.0,
            messages,
            last_message: if new.messages > 0 { stored.seq.0 } else { room.last_message },
            active_ms: room.active_ms.max(stored.at_ms),
            ..room
        };
        self.put_room(&stored.room, room);
        Ok(room)
    }

    pub(super) fn insert(
        &mut self,
        room: i64,
        stored: &Stored,
        sender: i64,
        cid: Option<&Cid>,
        messages: u64,
        new: &NewEvent<'_>,
    ) -> Result<(), Stop> {
        const INSERT: &str = "INSERT INTO events
             (room, seq, kind, id, sender, cid, at, messages, body, refers, target)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let insert = held(self.db, &mut self.insert_event, INSERT)?;
        self.last_row = insert.insert(params![
            room,
            put(stored.seq.0),
            new.kind,
            Sql(stored.id),
            sender,
            cid.map(CidKey::new),
            put(stored.at_ms),
            put(messages),
            new.body,
            new.refers.map(Sql),
            new.target.map(put),
        ])?;
        self.added_rows += 1;
        Ok(())
    }

    pub(super) fn put_room(&mut self, id: &RoomId, room: Room) {
        if !room.is_dirty {
            self.dirty_rooms.push(id.clone());
        }
        self.cache.put_room(id, Room { is_dirty: true, ..room });
    }

    /// After a failure: tells of events that are stored although their commit was reported as failed.
    pub(super) fn tell_above(&mut self, row: i64) -> Result<(), Stop> {
        self.is_after_failure = true;
        for (n, event) in super::events::events_above(self.db, row)? {
            if let Some(room) = self.room(&event.room)? {
                self.put_room(&event.room, room);
            }
            self.last_row = n;
            self.commit.events.push(Arc::new(event));
        }
        Ok(())
    }

    /// Moves a marker; the row is written at the end.
    pub(super) fn put_marker(&mut self, room: i64, user: i64, member: Membership) {
        if !member.is_dirty {
            self.dirty_members.push((room, user));
        }
        self.cache.put_member(room, user, Some(Membership { is_dirty: true, ..member }));
    }

    /// Writes what was kept for the end, and gives what the commit tells.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        let open: Vec<RoomId> = self.open.keys().cloned().collect();
        for id in open {
            self.close_membership(&id)?;
        }
        self.write_rooms()?;
        self.write_markers()
    }

    fn write_rooms(&mut self) -> Result<(), Stop> {
        let mut update = self.db.prepare_cached(
            "UPDATE rooms SET head = ?2, messages = ?3, members = ?4, last_message = ?5, active = ?6
             WHERE n = ?1",
        )?;
        for id in std::mem::take(&mut self.dirty_rooms) {
            let Some(mut room) = self.cache.room(self.db, &id)? else { continue };
            update.execute(params![
                room.n,
                put(room.head),
                put(room.messages),
                put(room.members),
                put(room.last_message),
                put(room.active_ms),
            ])?;
            room.is_dirty = false;
            self.cache.put_room(&id, room);
            let head = Head { epoch: room.epoch, first: Seq(room.first), head: Seq(room.head) };
            self.commit.rooms.push(TouchedRoom { room: id, head, members: room.members });
        }
        Ok(())
    }

    fn write_markers(&mut self) -> Result<(), Stop> {
        let mut update = self.db.prepare_cached(
            "UPDATE members SET read = ?3, read_messages = ?4 WHERE user = ?2 AND room = ?1",
        )?;
        for (room, user) in std::mem::take(&mut self.dirty_members) {
            let Some(mut member) = self.cache.member(self.db, room, user)? else { continue };
            update.execute(params![room, user, put(member.read), put(member.read_messages)])?;
            member.is_dirty = false;
            self.cache.put_member(room, user, Some(member));
        }
        Ok(())
    }

    /// The name under which an actor's events stand.
    pub(super) fn from(by: Option<&UserId>) -> Result<UserId, Stop> {
        by.map_or_else(
            || UserId::new(SYSTEM_USER).map_err(|_| Error::Invalid("the system has no id").into()),
            |id| Ok(id.clone()),
        )
    }
}
