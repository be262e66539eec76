//! Erasing a person, inside the writer's transaction. The row of the person stays, so that their events keep a sender;
//! whoever reads it is told `deleted`.

use moorline_protocol::{Change, EventId, EventKind, MemberChange, RoomId, Seq, UserId};
use rusqlite::{OptionalExtension, params};

use super::batch::{Batch, NewEvent, SYSTEM, Stop};
use super::cache::put;
use super::events::{AT, changes, changes_text};
use super::messages::Target;
use super::schema::{CidKey, Sql, kind};
use crate::commit::Revoked;
use crate::store::{DELETED_NAME, DELETED_USER, SYSTEM_USER};
use crate::upkeep::{EndMembership, EraseCids, EraseEvents};
use crate::{Erasing, Error};

/// An event that may hold something of the person.
struct Held {
    row: i64,
    kind: i64,
    id: EventId,
    sender: i64,
    body: String,
    is_deleted: bool,
}

impl Batch<'_> {
    pub(super) fn begin_erasing(
        &mut self,
        user: &UserId,
        keeps_messages: bool,
        at_ms: u64,
    ) -> Result<bool, Stop> {
        if [SYSTEM_USER, DELETED_USER].contains(&user.as_str()) {
            return Err(Error::UnknownUser.into());
        }
        let mut find = self.db.prepare_cached("SELECT n, removed FROM users WHERE id = ?1")?;
        let found = find.query_row([user.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
        });
        let Some((n, removed)) = found.optional()? else {
            return match self.is_erased(user)? {
                true => Ok(false),
                false => Err(Error::UnknownUser.into()),
            };
        };
        // Said again for one whose erasing has begun: the commit may have been reported as failed.
        self.commit.revoked.push(Revoked { user: user.clone(), session: None });
        if removed.is_some() {
            return Ok(true);
        }
        let mark = "UPDATE users SET removed = ?2, name = ?3, folded = '', seen = 0 WHERE n = ?1";
        self.db.prepare_cached(mark)?.execute(params![n, put(at_ms), DELETED_NAME])?;
        for gone in ["DELETE FROM sessions WHERE user = ?1", "DELETE FROM accounts WHERE user = ?1"]
        {
            self.db.prepare_cached(gone)?.execute([n])?;
        }
        self.end_tickets(n, None)?;
        let begin = "INSERT INTO erasures (user, keeps) VALUES (?1, ?2)";
        self.db.prepare_cached(begin)?.execute(params![n, keeps_messages])?;
        self.cache.forget_user(user);
        Ok(true)
    }

    /// Whether this was the id of somebody who is erased.
    pub(super) fn is_erased(&self, user: &UserId) -> Result<bool, Stop> {
        let mut find = self.db.prepare_cached("SELECT 1 FROM users WHERE id = ?1")?;
        let erased = self.hasher.erased_id(user.as_str());
        Ok(find.query_row([erased], |_| Ok(())).optional()?.is_some())
    }

    pub(super) fn end_membership(&mut self, end: &EndMembership) -> Result<bool, Stop> {
        let Some(room) = self.room(&end.room)? else { return Ok(false) };
        let user = end.erasing.n;
        if self.member(room.n, user)?.is_none() {
            return Ok(false);
        }
        let (id, change) = (end.erasing.user.clone(), Change::Removed);
        let changes = vec![MemberChange { user: id, change, role: None }];
        let body = changes_text(&changes);
        let new =
            NewEvent { kind: kind::MEMBER, body: &body, refers: None, target: None, messages: 0 };
        let stored = self.next(&end.room, &room, end.at_ms);
        let system = (SYSTEM, Self::from(None)?);
        self.add(room, &stored, system, None, &new, |_| EventKind::Member { changes })?;
        self.delete_member(room.n, user)?;
        self.count_members(&end.room, -1)?;
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
        let Some(room) = self.room(id)? else { return Ok(()) };
        let Some(held) = self.held_at(room.n, seq)? else { return Ok(()) };
        if held.kind == kind::MEMBER && held.body.contains(&erasing.named()) {
            let body = unnamed(&held.body, &erasing.user)?;
            let update = "UPDATE events SET body = ?2 WHERE n = ?1";
            self.db.prepare_cached(update)?.execute(params![held.row, body])?;
        }
        if held.sender != erasing.n {
            return Ok(());
        }
        let forget = "UPDATE events SET cid = NULL WHERE n = ?1 AND cid IS NOT NULL";
        self.db.prepare_cached(forget)?.execute([held.row])?;
        if erasing.keeps_messages || held.kind != kind::MESSAGE || held.is_deleted {
            return Ok(());
        }
        let (message, of) = (held.id, seq);
        let stored = self.next(id, &room, at_ms);
        let new = NewEvent {
            kind: kind::DELETE,
            body: "",
            refers: Some(message),
            target: Some(of.0),
            messages: 0,
        };
        let system = (SYSTEM, Self::from(None)?);
        self.add(room, &stored, system, None, &new, |_| EventKind::Delete { message, of })?;
        let Held { row, sender, body, is_deleted, .. } = held;
        let target = Target { row, seq: seq.0, sender, body, is_deleted };
        self.erase_text(room.n, &target, &stored)
    }

    fn held_at(&self, room: i64, seq: Seq) -> Result<Option<Held>, Stop> {
        let find = format!(
            "SELECT n, kind, id, sender, body, deleted IS NOT NULL FROM events e WHERE {AT}"
        );
        let mut find = self.db.prepare_cached(&find)?;
        let held = find.query_row(params![room, put(seq.0)], |row| {
            Ok(Held {
                row: row.get(0)?,
                kind: row.get(1)?,
                id: row.get::<_, Sql<EventId>>(2)?.0,
                sender: row.get(3)?,
                body: row.get(4)?,
                is_deleted: row.get(5)?,
            })
        });
        Ok(held.optional()?)
    }

    pub(super) fn erase_cids(&mut self, erase: &EraseCids) -> Result<u64, Stop> {
        let delete = "DELETE FROM cids WHERE cid = ?1 AND sender = ?2 AND room = ?3";
        let mut delete = self.db.prepare_cached(delete)?;
        let mut erased = 0;
        for (cid, room) in &erase.cids {
            erased += delete.execute(params![CidKey::new(cid), erase.erasing.n, room])? as u64;
        }
        Ok(erased)
    }

    /// What is left of the id is its hash.
    pub(super) fn end_erasing(&mut self, erasing: &Erasing) -> Result<(), Stop> {
        let erased = self.hasher.erased_id(erasing.user.as_str());
        let forget = "UPDATE users SET id = ?2, at = 0 WHERE n = ?1 AND removed IS NOT NULL";
        self.db.prepare_cached(forget)?.execute(params![erasing.n, erased])?;
        self.db.prepare_cached("DELETE FROM erasures WHERE user = ?1")?.execute([erasing.n])?;
        let rooms = "UPDATE users SET rooms = 0 WHERE n = ?1";
        self.db.prepare_cached(rooms)?.execute([erasing.n])?;
        Ok(())
    }

    /// The same, or whether that has begun.
    pub(super) fn is_removed(&self, user: &UserId) -> Result<bool, Stop> {
        let mut find =
            self.db.prepare_cached("SELECT removed IS NOT NULL FROM users WHERE id = ?1")?;
        match find.query_row([user.as_str()], |row| row.get(0)).optional()? {
            Some(is_removed) => Ok(is_removed),
            None => self.is_erased(user),
        }
    }
}

/// A list of changes that names nobody instead of this person.
fn unnamed(body: &str, user: &UserId) -> Result<String, Stop> {
    let deleted = UserId::new(DELETED_USER).map_err(|_| Error::Invalid("nobody has no id"))?;
    let mut changes = changes(body, 0)?;
    for change in changes.iter_mut().filter(|change| change.user == *user) {
        change.user = deleted.clone();
    }
    Ok(changes_text(&changes))
}
