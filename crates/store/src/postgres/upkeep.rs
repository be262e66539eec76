//! Pruning rooms and erasing people from them, on the loaded rows of a batch; and the handle's reads for upkeep.

use moorline_protocol::{Change, EventId, EventKind, MemberChange, RoomId, Seq, UserId};

use super::batch::{Batch, NewEvent, Stop};
use super::events::{changes, changes_text};
use super::rows::{Held, Room, SYSTEM};
use super::schema::kind;
use super::writes::Pruned;
use crate::store::DELETED_USER;
use crate::upkeep::{EndMembership, EraseEvents};
use crate::{Erasing, Error, Prune};

impl Batch<'_> {
    pub(super) fn prune(&mut self, prune: &Prune) -> Result<u64, Stop> {
        let room = self.rows.room(&prune.room).ok_or(Error::NotFound)?;
        let mut old = self.rows.oldest.remove(&room.n).unwrap_or_default();
        let count = old.iter().take_while(|event| event.at_ms < prune.before_ms).count();
        old.truncate(count);
        let Some(last) = old.last() else { return Ok(0) };
        let first = last.seq + 1;
        let pruned = Pruned { room: room.n, low: room.first, first, messages: last.messages };
        self.writes.pruned.push(pruned);
        self.put_room(&prune.room, Room { first, ..room });
        Ok(count as u64)
    }

    pub(super) fn end_membership(&mut self, end: &EndMembership) -> Result<bool, Stop> {
        let Some(room) = self.rows.room(&end.room) else { return Ok(false) };
        let user = end.erasing.n;
        if self.rows.member(room.n, user).is_none() {
            return Ok(false);
        }
        let (id, change) = (end.erasing.user.clone(), Change::Removed);
        let changes = vec![MemberChange { user: id, change, role: None }];
        let body = changes_text(&changes);
        let new = NewEvent { kind: kind::MEMBER, body, refers: None, target: None, messages: 0 };
        let stored = Self::next(&end.room, &room, end.at_ms);
        let system = (SYSTEM, Self::from(None)?);
        self.add(room, &stored, system, None, new, |_| EventKind::Member { changes });
        self.rows.put_member(room.n, user, None);
        self.count_members(&end.room, -1);
        Ok(true)
    }

    pub(super) fn erase_events(&mut self, erase: &EraseEvents) -> Result<u64, Stop> {
        for seq in &erase.seqs {
            self.erase_event(&erase.erasing, &erase.room, *seq, erase.at_ms)?;
        }
        Ok(erase.seqs.len() as u64)
    }

    fn erase_event(
        &mut self,
        erasing: &Erasing,
        id: &RoomId,
        seq: Seq,
        at_ms: u64,
    ) -> Result<(), Stop> {
        let Some(room) = self.rows.room(id) else { return Ok(()) };
        let Some(held) = self.rows.held.get(&(room.n, seq.0)).cloned() else { return Ok(()) };
        let body = match &held.changes {
            Some(body) if body.contains(&erasing.named()) => Some(unnamed(body, &erasing.user)?),
            _ => None,
        };
        let is_own = held.sender == erasing.n;
        if is_own || body.is_some() {
            let row = self.writes.unnamed.entry((room.n, seq.0)).or_default();
            row.forgets_cid |= is_own;
            row.body = body.or(row.body.take());
        }
        if is_own && held.is_message && !held.is_deleted && !erasing.keeps_messages {
            self.bury(id, room, seq, held.id, at_ms)?;
        }
        Ok(())
    }

    /// Makes a message a tombstone.
    fn bury(
        &mut self,
        id: &RoomId,
        room: Room,
        of: Seq,
        message: EventId,
        at_ms: u64,
    ) -> Result<(), Stop> {
        let is_deleted = |changed: &super::writes::Changed| changed.deleted.is_some();
        if self.writes.changed.get(&(room.n, of.0)).is_some_and(is_deleted) {
            return Ok(());
        }
        let stored = Self::next(id, &room, at_ms);
        let new = NewEvent {
            kind: kind::DELETE,
            body: String::new(),
            refers: Some(message),
            target: Some(of.0),
            messages: 0,
        };
        let system = (SYSTEM, Self::from(None)?);
        self.add(room, &stored, system, None, new, |_| EventKind::Delete { message, of });
        self.erase_text(room.n, of.0, message, &stored);
        if let Some(held) = self.rows.held.get_mut(&(room.n, of.0)) {
            held.is_deleted = true;
        }
        Ok(())
    }
}

/// A list of changes that names nobody instead of this person.
fn unnamed(body: &str, user: &UserId) -> Result<String, Stop> {
    let odd = Error::Invalid("a change of members cannot be read");
    let deleted = UserId::new(DELETED_USER).map_err(|_| Error::Invalid("nobody has no id"))?;
    let mut changes = changes(body).map_err(|_| odd)?;
    for change in changes.iter_mut().filter(|change| change.user == *user) {
        change.user = deleted.clone();
    }
    Ok(changes_text(&changes))
}

impl Held {
    /// From the columns id, sender, kind, deleted, text of changes.
    pub(super) fn new(
        id: EventId,
        sender: i64,
        kind: i64,
        is_deleted: bool,
        changes: Option<String>,
    ) -> Self {
        Self { id, sender, is_message: kind == self::kind::MESSAGE, is_deleted, changes }
    }
}
