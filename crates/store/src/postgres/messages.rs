//! Sending, editing and deleting messages, on the loaded rows of a batch.

use moorline_protocol::{EventId, EventKind, Seq};

use super::batch::{Batch, Claim, NewEvent, Stop};
use super::rows::{Membership, Room, Target};
use super::schema::kind;
use crate::words::entry;
use crate::{Delete, Edit, Error, Send, Stored};

/// Longer texts are refused here whatever the callers allow, as on SQLite.
const MAX_BODY_BYTES: usize = 1 << 18;

impl Batch<'_> {
    pub(super) fn send(&mut self, send: &Send) -> Result<Stored, Stop> {
        let user = self.rows.user(&send.from).ok_or(Error::NotFound)?;
        let room = self.rows.room(&send.room).ok_or(Error::NotFound)?;
        let reply_to = send.reply_to.as_ref().map_or(&[][..], |id| id.0.as_bytes());
        let hash = self.hasher.fingerprint("send", &[send.body.as_bytes(), reply_to]);
        let claim = Claim { cid: &send.cid, sender: user, room: room.n, hash };
        let member = self.or_repeat(claim, self.check_send(send, &room, user))?;
        let stored = Self::next(&send.room, &room, send.at_ms);
        self.claim(claim, &stored)?;
        let new = NewEvent {
            kind: kind::MESSAGE,
            body: send.body.clone(),
            refers: send.reply_to,
            target: None,
            messages: 1,
        };
        let by = (user, send.from.clone());
        let room = self.add(room, &stored, by, Some(&send.cid), new, |n| EventKind::Message {
            body: send.body.clone(),
            reply_to: send.reply_to,
            n,
            edited: None,
            deleted: None,
        });
        // Who answers has read what is there.
        let member = Membership { read: room.head, read_messages: room.messages, ..member };
        self.rows.put_member(room.n, user, Some(member));
        Ok(stored)
    }

    fn check_send(&self, send: &Send, room: &Room, user: i64) -> Result<Membership, Error> {
        let member = self.rows.member(room.n, user).ok_or(Error::NotFound)?;
        if send.body.len() > MAX_BODY_BYTES {
            return Err(Error::Invalid("the message is too long"));
        }
        if let Some(answered) = send.reply_to {
            self.target(room, &member, answered)?;
        }
        Ok(member)
    }

    pub(super) fn edit(&mut self, edit: &Edit) -> Result<Stored, Stop> {
        let user = self.rows.user(&edit.by).ok_or(Error::NotFound)?;
        let room = self.rows.room(&edit.room).ok_or(Error::NotFound)?;
        let message = edit.message.0.as_bytes();
        let hash = self.hasher.fingerprint("edit", &[message, edit.body.as_bytes()]);
        let claim = Claim { cid: &edit.cid, sender: user, room: room.n, hash };
        let target = self.or_repeat(claim, self.check_edit(edit, &room, user))?;
        let stored = Self::next(&edit.room, &room, edit.at_ms);
        self.claim(claim, &stored)?;
        let new = NewEvent {
            kind: kind::EDIT,
            body: edit.body.clone(),
            refers: Some(edit.message),
            target: Some(target.seq),
            messages: 0,
        };
        let by = (user, edit.by.clone());
        self.add(room, &stored, by, Some(&edit.cid), new, |_| EventKind::Edit {
            message: edit.message,
            of: Seq(target.seq),
            body: edit.body.clone(),
        });
        let changed = self.writes.changed.entry((room.n, target.seq)).or_default();
        changed.body.clone_from(&edit.body);
        changed.words = Some(entry(&edit.body, room.n, user));
        changed.edited = Some((stored.seq.0, stored.at_ms));
        Ok(stored)
    }

    fn check_edit(&self, edit: &Edit, room: &Room, user: i64) -> Result<Target, Error> {
        let member = self.rows.member(room.n, user).ok_or(Error::NotFound)?;
        let target = self.target(room, &member, edit.message)?;
        if target.sender != user {
            return Err(Error::Forbidden);
        }
        if target.is_deleted {
            return Err(Error::Deleted);
        }
        if edit.body.len() > MAX_BODY_BYTES {
            return Err(Error::Invalid("the message is too long"));
        }
        Ok(target)
    }

    pub(super) fn delete(&mut self, delete: &Delete) -> Result<Stored, Stop> {
        let user = self.rows.user(&delete.by).ok_or(Error::NotFound)?;
        let room = self.rows.room(&delete.room).ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("delete", &[delete.message.0.as_bytes()]);
        let claim = Claim { cid: &delete.cid, sender: user, room: room.n, hash };
        let target = self.or_repeat(claim, self.check_delete(delete, &room, user))?;
        let stored = Self::next(&delete.room, &room, delete.at_ms);
        self.claim(claim, &stored)?;
        let new = NewEvent {
            kind: kind::DELETE,
            body: String::new(),
            refers: Some(delete.message),
            target: Some(target.seq),
            messages: 0,
        };
        let by = (user, delete.by.clone());
        self.add(room, &stored, by, Some(&delete.cid), new, |_| EventKind::Delete {
            message: delete.message,
            of: Seq(target.seq),
        });
        self.erase_text(room.n, target.seq, delete.message, &stored);
        Ok(stored)
    }

    /// Erases a message's text wherever it stands, by the deletion at this position.
    pub(super) fn erase_text(&mut self, room: i64, of: u64, message: EventId, stored: &Stored) {
        let changed = self.writes.changed.entry((room, of)).or_default();
        changed.body.clear();
        changed.words = None;
        changed.deleted = Some((stored.seq.0, stored.at_ms));
        self.writes.erased.insert((room, of));
        if let Some(target) = self.rows.targets.get_mut(&message) {
            target.is_deleted = true;
        }
    }

    fn check_delete(&self, delete: &Delete, room: &Room, user: i64) -> Result<Target, Error> {
        let member = self.rows.member(room.n, user).ok_or(Error::NotFound)?;
        let target = self.target(room, &member, delete.message)?;
        if target.sender != user && !member.is_admin() {
            return Err(Error::Forbidden);
        }
        if target.is_deleted {
            return Err(Error::Deleted);
        }
        Ok(target)
    }

    /// A message of the room that the member may see.
    fn target(&self, room: &Room, member: &Membership, id: EventId) -> Result<Target, Error> {
        let target = self.rows.targets.get(&id).copied().ok_or(Error::NotFound)?;
        let is_here = target.room == room.n && target.is_message;
        let is_seen = target.seq >= member.sees_from(room);
        if is_here && is_seen { Ok(target) } else { Err(Error::NotFound) }
    }
}
