//! Sending, editing and deleting messages, inside the writer's transaction.

use moorline_protocol::{EventId, EventKind, Seq};
use rusqlite::{OptionalExtension, params};

use super::batch::{Batch, NewEvent, Stop};
use super::cache::{Membership, Room, get, put};
use super::cids::Claim;
use super::index;
use super::schema::{Sql, kind};
use crate::words::entry;
use crate::{Delete, Edit, Error, Send, Stored};

/// Longer texts are refused here whatever the callers allow; one page of the index could not hold them in time.
const MAX_BODY_BYTES: usize = 1 << 18;

/// A message that is to be changed.
pub(super) struct Target {
    pub(super) row: i64,
    pub(super) seq: u64,
    pub(super) sender: i64,
    pub(super) body: String,
    pub(super) is_deleted: bool,
}

impl Batch<'_> {
    pub(super) fn send(&mut self, send: &Send) -> Result<Stored, Stop> {
        let user = self.user(&send.from)?.ok_or(Error::NotFound)?;
        let room = self.room(&send.room)?.ok_or(Error::NotFound)?;
        let reply_to = send.reply_to.as_ref().map_or(&[][..], |id| id.0.as_bytes());
        let hash = self.hasher.fingerprint("send", &[send.body.as_bytes(), reply_to]);
        let claim = Claim { cid: &send.cid, sender: user, room: room.n, hash };
        let checked = self.check_send(send, &room, user);
        let member = self.or_repeat(&send.room, claim, checked)?;
        let stored = self.next(&send.room, &room, send.at_ms);
        self.claim(claim, &stored)?;
        let new = NewEvent {
            kind: kind::MESSAGE,
            body: &send.body,
            refers: send.reply_to,
            target: None,
            messages: 1,
        };
        let by = (user, send.from.clone());
        let room = self.add(room, &stored, by, Some(&send.cid), &new, |n| EventKind::Message {
            body: send.body.clone(),
            reply_to: send.reply_to,
            n,
            edited: None,
            deleted: None,
        })?;
        // Who answers has read what is there.
        let member = Membership { read: room.head, read_messages: room.messages, ..member };
        self.put_marker(room.n, user, member);
        Ok(stored)
    }

    fn check_send(&mut self, send: &Send, room: &Room, user: i64) -> Result<Membership, Stop> {
        let member = self.member(room.n, user)?.ok_or(Error::NotFound)?;
        if send.body.len() > MAX_BODY_BYTES {
            return Err(Error::Invalid("the message is too long").into());
        }
        if let Some(answered) = send.reply_to {
            self.target(room, &member, answered)?;
        }
        Ok(member)
    }

    pub(super) fn edit(&mut self, edit: &Edit) -> Result<Stored, Stop> {
        let user = self.user(&edit.by)?.ok_or(Error::NotFound)?;
        let room = self.room(&edit.room)?.ok_or(Error::NotFound)?;
        let message = edit.message.0.as_bytes();
        let hash = self.hasher.fingerprint("edit", &[message, edit.body.as_bytes()]);
        let claim = Claim { cid: &edit.cid, sender: user, room: room.n, hash };
        let checked = self.check_edit(edit, &room, user);
        let target = self.or_repeat(&edit.room, claim, checked)?;
        let stored = self.next(&edit.room, &room, edit.at_ms);
        self.claim(claim, &stored)?;
        let new = NewEvent {
            kind: kind::EDIT,
            body: &edit.body,
            refers: Some(edit.message),
            target: Some(target.seq),
            messages: 0,
        };
        let by = (user, edit.by.clone());
        self.add(room, &stored, by, Some(&edit.cid), &new, |_| EventKind::Edit {
            message: edit.message,
            of: Seq(target.seq),
            body: edit.body.clone(),
        })?;
        let change = "UPDATE events SET body = ?2, edited = ?3, edited_at = ?4 WHERE n = ?1";
        self.db.prepare_cached(change)?.execute(params![
            target.row,
            edit.body,
            put(stored.seq.0),
            put(stored.at_ms)
        ])?;
        self.reindex(room.n, &target, Some(&edit.body))?;
        Ok(stored)
    }

    fn check_edit(&mut self, edit: &Edit, room: &Room, user: i64) -> Result<Target, Stop> {
        let member = self.member(room.n, user)?.ok_or(Error::NotFound)?;
        let target = self.target(room, &member, edit.message)?;
        if target.sender != user {
            return Err(Error::Forbidden.into());
        }
        if target.is_deleted {
            return Err(Error::Deleted.into());
        }
        if edit.body.len() > MAX_BODY_BYTES {
            return Err(Error::Invalid("the message is too long").into());
        }
        Ok(target)
    }

    pub(super) fn delete(&mut self, delete: &Delete) -> Result<Stored, Stop> {
        let user = self.user(&delete.by)?.ok_or(Error::NotFound)?;
        let room = self.room(&delete.room)?.ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("delete", &[delete.message.0.as_bytes()]);
        let claim = Claim { cid: &delete.cid, sender: user, room: room.n, hash };
        let checked = self.check_delete(delete, &room, user);
        let target = self.or_repeat(&delete.room, claim, checked)?;
        let stored = self.next(&delete.room, &room, delete.at_ms);
        self.claim(claim, &stored)?;
        let new = NewEvent {
            kind: kind::DELETE,
            body: "",
            refers: Some(delete.message),
            target: Some(target.seq),
            messages: 0,
        };
        let by = (user, delete.by.clone());
        self.add(room, &stored, by, Some(&delete.cid), &new, |_| EventKind::Delete {
            message: delete.message,
            of: Seq(target.seq),
        })?;
        self.erase_text(room.n, &target, &stored)?;
        Ok(stored)
    }

    /// Erases a message's text wherever it stands, by the deletion at this position.
    pub(super) fn erase_text(
        &mut self,
        room: i64,
        target: &Target,
        stored: &Stored,
    ) -> Result<(), Stop> {
        let erase = "UPDATE events SET body = '', deleted = ?2, deleted_at = ?3 WHERE n = ?1";
        self.db.prepare_cached(erase)?.execute(params![
            target.row,
            put(stored.seq.0),
            put(stored.at_ms)
        ])?;
        let erase_edits =
            "UPDATE events SET body = '' WHERE room = ?1 AND target = ?2 AND kind = 2";
        self.db.prepare_cached(erase_edits)?.execute(params![room, put(target.seq)])?;
        self.reindex(room, target, None)
    }

    fn check_delete(&mut self, delete: &Delete, room: &Room, user: i64) -> Result<Target, Stop> {
        let member = self.member(room.n, user)?.ok_or(Error::NotFound)?;
        let target = self.target(room, &member, delete.message)?;
        if target.sender != user && !member.is_admin() {
            return Err(Error::Forbidden.into());
        }
        if target.is_deleted {
            return Err(Error::Deleted.into());
        }
        Ok(target)
    }

    /// A message of the room that the member may see.
    fn target(&self, room: &Room, member: &Membership, id: EventId) -> Result<Target, Stop> {
        let mut statement = self.db.prepare_cached(
            "SELECT n, room, seq, kind, sender, body, deleted IS NOT NULL FROM events WHERE id = ?1",
        )?;
        let found = statement
            .query_row([Sql(id)], |row| {
                let is_here =
                    row.get::<_, i64>(1)? == room.n && row.get::<_, i64>(3)? == kind::MESSAGE;
                let target = Target {
                    row: row.get(0)?,
                    seq: get(row, 2)?,
                    sender: row.get(4)?,
                    body: row.get(5)?,
                    is_deleted: row.get(6)?,
                };
                Ok((is_here && target.seq >= member.sees_from(room)).then_some(target))
            })
            .optional()?
            .flatten();
        Ok(found.ok_or(Error::NotFound)?)
    }

    /// Takes the old words out of the search index and puts the new ones in. Rows that the index has not reached yet
    /// are left to it.
    pub(super) fn reindex(
        &mut self,
        room: i64,
        target: &Target,
        body: Option<&str>,
    ) -> Result<(), Stop> {
        if target.row > self.indexed {
            return Ok(());
        }
        index::remove(self.db, target.row, &entry(&target.body, room, target.sender))?;
        if let Some(body) = body {
            index::insert(self.db, target.row, &entry(body, room, target.sender))?;
        }
        Ok(())
    }
}
