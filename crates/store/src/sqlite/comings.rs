//! Comings and goings of one transaction: those that follow each other in a room are one event with a list, which stays
//! open until something else follows. A part of `batch`; whether somebody may come or go is `membership`'s to say.

use std::sync::Arc;

use moorline_protocol::{Cid, Event, EventKind, MemberChange, RoomId, UserId};

use super::batch::{Batch, NewEvent, Stop};
use super::cache::Room;
use super::schema::kind;
use crate::Stored;

/// A membership event that further joins and leaves of this transaction may still enter.
pub(super) struct OpenMembership {
    pub(super) stored: Stored,
    from: UserId,
    sender: i64,
    cid: Cid,
    messages: u64,
    pub(super) changes: Vec<MemberChange>,
}

impl Batch<'_> {
    /// Begins a membership event at the room's end; it is written when something else follows, or at the end.
    pub(super) fn open_membership(
        &mut self,
        room: Room,
        stored: &Stored,
        by: (i64, UserId),
        cid: &Cid,
        changes: Vec<MemberChange>,
    ) -> Result<Room, Stop> {
        self.close_membership(&stored.room)?;
        let (sender, from) = by;
        let open = OpenMembership {
            stored: stored.clone(),
            from,
            sender,
            cid: cid.clone(),
            messages: room.messages,
            changes,
        };
        self.open.insert(stored.room.clone(), open);
        let active_ms = room.active_ms.max(stored.at_ms);
        let room = Room { head: stored.seq.0, active_ms, ..room };
        self.put_room(&stored.room, room);
        Ok(room)
    }

    /// The membership event at the room's end that is still open, if any.
    pub(super) fn opened(&mut self, room: &RoomId) -> Option<&mut OpenMembership> {
        /// What one frame can carry without holding up the others.
        const MOST: usize = 500;
        self.open.get_mut(room).filter(|open| open.changes.len() < MOST)
    }

    /// Writes the open membership event of a room.
    pub(super) fn close_membership(&mut self, id: &RoomId) -> Result<(), Stop> {
        if self.open.is_empty() {
            return Ok(());
        }
        let Some(open) = self.open.remove(id) else { return Ok(()) };
        let Some(room) = self.room(id)? else { return Ok(()) };
        let body = super::events::changes_text(&open.changes);
        let new =
            NewEvent { kind: kind::MEMBER, body: &body, refers: None, target: None, messages: 0 };
        self.insert(room.n, &open.stored, open.sender, Some(&open.cid), open.messages, &new)?;
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
        Ok(())
    }
}
