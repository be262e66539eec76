//! A batch of a room lane, decided in memory while its rows are locked: the same rules as SQLite's, one command after the
//! other, each seeing what those before it did. A refused command leaves nothing behind.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use moorline_protocol::{Cid, Event, EventId, EventKind, MemberChange, RoomId, Seq, UserId};

use super::rows::{Answer, CidKey, First, Membership, Room, Rows, SYSTEM};
use super::schema::{cid_bytes, kind};
use super::writes::{CidRow, EventRow, Writes};
use crate::command::Command;
use crate::commit::{Commit, Receipt, TouchedRoom, Value};
use crate::fingerprint::{Fingerprint, Hasher};
use crate::fresh::new_id;
use crate::store::SYSTEM_USER;
use crate::{Error, Head, Stored};

/// Why a command ends early.
pub(super) enum Stop {
    /// Final or retryable, for this command alone.
    Refused(Error),
    /// It was carried out before: the first answer.
    Repeated(Value),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Who does what under which cid, and what exactly.
#[derive(Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) cid: &'a Cid,
    pub(super) sender: i64,
    /// 0 for the making of a room.
    pub(super) room: i64,
    pub(super) hash: Fingerprint,
}

impl Claim<'_> {
    pub(super) fn key(&self) -> CidKey {
        (cid_bytes(self.cid), self.sender, self.room)
    }
}

/// A membership event that further joins and leaves of this transaction may still enter.
pub(super) struct OpenMembership {
    pub(super) stored: Stored,
    from: UserId,
    sender: i64,
    cid: Cid,
    messages: u64,
    pub(super) changes: Vec<MemberChange>,
}

/// The columns of an event that its kind decides.
pub(super) struct NewEvent {
    pub(super) kind: i64,
    pub(super) body: String,
    pub(super) refers: Option<EventId>,
    pub(super) target: Option<u64>,
    /// How many messages it adds to the room: one or none.
    pub(super) messages: u64,
}

/// The batch.
pub(super) struct Batch<'a> {
    pub(super) rows: Rows,
    pub(super) hasher: &'a Hasher,
    pub(super) writes: Writes,
    pub(super) commit: Commit,
    /// Commands that had been carried out before.
    pub(super) repeated: u64,
    touched: Vec<RoomId>,
    open: HashMap<RoomId, OpenMembership>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(rows: Rows, hasher: &'a Hasher) -> Self {
        Self {
            rows,
            hasher,
            writes: Writes::default(),
            commit: Commit::default(),
            repeated: 0,
            touched: Vec::new(),
            open: HashMap::new(),
        }
    }

    /// Carries out one command.
    pub(super) fn run(&mut self, command: &Command) -> Result<Value, Error> {
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
            Command::Prune(prune) => self.prune(prune).map(Value::Count),
            Command::EndMembership(end) => self.end_membership(end).map(Value::Changed),
            Command::EraseEvents(erase) => self.erase_events(erase).map(Value::Count),
            // Those of people are another lane's; to a room lane they mean nothing.
            _ => Ok(Value::Done),
        };
        match done {
            Ok(value) => Ok(value),
            Err(Stop::Repeated(value)) => {
                self.repeated += 1;
                Ok(value)
            }
            Err(Stop::Refused(error)) => Err(error),
        }
    }

    /// Who acts: a person who exists, or the system.
    pub(super) fn actor(&self, id: Option<&UserId>) -> Option<i64> {
        id.map_or(Some(SYSTEM), |id| self.rows.user(id))
    }

    /// Sees to the repeat before the refusal: what was carried out once is answered so for ever, whatever changed since.
    pub(super) fn or_repeat<T>(
        &self,
        claim: Claim<'_>,
        checked: Result<T, Error>,
    ) -> Result<T, Stop> {
        match checked {
            Ok(checked) => Ok(checked),
            Err(refusal) => match self.first_answer(claim)? {
                Some(first) => Err(Stop::Repeated(Value::Stored(first))),
                None => Err(refusal.into()),
            },
        }
    }

    /// The answer that this cid got, if any; another command under the same cid is a conflict.
    fn first_answer(&self, claim: Claim<'_>) -> Result<Option<Stored>, Stop> {
        match self.rows.cids.get(&claim.key()) {
            None => Ok(None),
            Some(first) if first.hash != claim.hash => Err(Error::CidConflict.into()),
            Some(First { answer: Answer::Stored(stored), .. }) => Ok(Some(stored.clone())),
            Some(_) => Err(Error::CidConflict.into()),
        }
    }

    /// Writes down the answer of a new cid; a known one ends the command with its first answer.
    pub(super) fn claim(&mut self, claim: Claim<'_>, stored: &Stored) -> Result<(), Stop> {
        if let Some(first) = self.first_answer(claim)? {
            return Err(Stop::Repeated(Value::Stored(first)));
        }
        let (cid, sender, room) = claim.key();
        self.writes.cids.push(CidRow {
            cid,
            sender,
            room,
            hash: claim.hash,
            epoch: stored.epoch.0,
            seq: stored.seq.0,
            id: Some(stored.id),
            at_ms: stored.at_ms,
            made: None,
        });
        let answer = Answer::Stored(stored.clone());
        self.rows.cids.insert(claim.key(), First { hash: claim.hash, answer });
        Ok(())
    }

    /// The position that the next event of a room gets.
    pub(super) fn next(id: &RoomId, room: &Room, at_ms: u64) -> Stored {
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
        new: NewEvent,
        told: impl FnOnce(u64) -> EventKind,
    ) -> Room {
        self.close_membership(&stored.room);
        let (messages, is_message) = (room.messages + new.messages, new.messages > 0);
        self.insert(room.n, stored, by.0, cid, messages, new);
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
            last_message: if is_message { stored.seq.0 } else { room.last_message },
            active_ms: room.active_ms.max(stored.at_ms),
            ..room
        };
        self.put_room(&stored.room, room);
        room
    }

    fn insert(
        &mut self,
        room: i64,
        stored: &Stored,
        sender: i64,
        cid: Option<&Cid>,
        messages: u64,
        new: NewEvent,
    ) {
        self.rows.messages_at.insert((room, stored.seq.0), messages);
        self.writes.events.push(EventRow {
            room,
            seq: stored.seq.0,
            kind: new.kind,
            id: stored.id,
            sender,
            cid: cid.map(cid_bytes),
            at_ms: stored.at_ms,
            messages,
            body: new.body,
            refers: new.refers,
            target: new.target,
        });
    }

    /// Begins a membership event at the room's end; it is written when something else follows, or at the end.
    pub(super) fn open_membership(
        &mut self,
        room: Room,
        stored: &Stored,
        by: (i64, UserId),
        cid: &Cid,
        changes: Vec<MemberChange>,
    ) {
        self.close_membership(&stored.room);
        let (sender, from) = by;
        let open = OpenMembership {
            stored: stored.clone(),
            from,
            sender,
            cid: cid.clone(),
            messages: room.messages,
            changes,
        };
        self.rows.messages_at.insert((room.n, stored.seq.0), room.messages);
        self.open.insert(stored.room.clone(), open);
        let active_ms = room.active_ms.max(stored.at_ms);
        self.put_room(&stored.room, Room { head: stored.seq.0, active_ms, ..room });
    }

    /// The membership event at the room's end that is still open, if any.
    pub(super) fn opened(&mut self, room: &RoomId) -> Option<&mut OpenMembership> {
        /// What one frame can carry without holding up the others.
        const MOST: usize = 500;
        self.open.get_mut(room).filter(|open| open.changes.len() < MOST)
    }

    /// Writes the open membership event of a room.
    pub(super) fn close_membership(&mut self, id: &RoomId) {
        let Some(open) = self.open.remove(id) else { return };
        let Some(room) = self.rows.room(id) else { return };
        let body = super::events::changes_text(&open.changes);
        let new = NewEvent { kind: kind::MEMBER, body, refers: None, target: None, messages: 0 };
        self.insert(room.n, &open.stored, open.sender, Some(&open.cid), open.messages, new);
        self.commit.events.push(Arc::new(Event {
            room: open.stored.room.clone(),
            epoch: open.stored.epoch,
            seq: open.stored.seq,
            kind: EventKind::Member { changes: open.changes },
            id: open.stored.id,
            from: open.from,
            cid: Some(open.cid),
            at: open.stored.at_ms,
            people: Vec::new(),
        }));
    }

    pub(super) fn put_room(&mut self, id: &RoomId, room: Room) {
        if !self.rows.room(id).is_some_and(|room| room.is_dirty) {
            self.touched.push(id.clone());
        }
        self.rows.put_room(id, room);
    }

    /// After a failure: tells of events that are stored although their commit was reported as failed.
    pub(super) fn tell(&mut self, above: Vec<Event>) {
        let mut rooms: HashSet<RoomId> = HashSet::new();
        for event in above {
            rooms.insert(event.room.clone());
            self.commit.events.push(Arc::new(event));
        }
        for id in rooms {
            if let Some(room) = self.rows.room(&id)
                && !room.is_dirty
            {
                self.commit.rooms.push(touched(id, &room));
            }
        }
    }

    /// Moves the markers that grow; others are ignored, as are rooms and people that are none.
    pub(super) fn read_markers(&mut self, reads: &HashMap<(UserId, RoomId), Seq>) {
        for ((user, id), seq) in reads {
            let Some(n) = self.rows.user(user) else { continue };
            let Some(room) = self.rows.room(id) else { continue };
            let Some(member) = self.rows.member(room.n, n) else { continue };
            let read = seq.0.min(room.head);
            if read <= member.read {
                continue;
            }
            let read_messages = if read == room.head {
                Some(room.messages)
            } else {
                self.rows.messages_at.get(&(room.n, read)).copied()
            };
            let Some(read_messages) = read_messages else { continue };
            self.rows.put_member(room.n, n, Some(Membership { read, read_messages, ..member }));
            let receipt = Receipt { room: id.clone(), user: user.clone(), seq: Seq(read) };
            self.commit.receipts.push(receipt);
        }
    }

    /// Closes what is open, and gives the rooms as they are at the end.
    pub(super) fn finish(&mut self) {
        let open: Vec<RoomId> = self.open.keys().cloned().collect();
        for id in open {
            self.close_membership(&id);
        }
        for id in std::mem::take(&mut self.touched) {
            let Some(room) = self.rows.room(&id) else { continue };
            self.commit.rooms.push(touched(id.clone(), &room));
            self.writes.rooms.push((id, room));
        }
    }

    /// The name under which an actor's events stand.
    pub(super) fn from(by: Option<&UserId>) -> Result<UserId, Error> {
        by.map_or_else(
            || UserId::new(SYSTEM_USER).map_err(|_| Error::Invalid("the system has no id")),
            |id| Ok(id.clone()),
        )
    }
}

fn touched(room: RoomId, row: &Room) -> TouchedRoom {
    let head = Head { epoch: row.epoch, first: Seq(row.first), head: Seq(row.head) };
    TouchedRoom { room, head, members: row.members }
}
