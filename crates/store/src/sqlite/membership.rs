//! Coming and going, inside the writer's transaction: each is an event of the room's log, so that everybody agrees
//! after which message somebody was there. Neighbouring joins and leaves of one transaction share one event.

use moorline_protocol::{Change, EventKind, MemberChange, Role, RoomId, RoomKind, UserId};
use rusqlite::{OptionalExtension, params};

use super::batch::{Batch, NewEvent, Stop};
use super::cache::{Membership, Room, get, put};
use super::cids::Claim;
use super::schema::{Sql, kind};
use crate::store::{MAX_MEMBERS, MAX_ROOMS};
use crate::{Error, Invite, Join, Leave, Remove, Stored};

impl Batch<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Result<Stored, Stop> {
        let user = self.user(&join.user)?.ok_or(Error::NotFound)?;
        let room = self.room(&join.room)?.ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("join", &[]);
        let claim = Claim { cid: &join.cid, sender: user, room: room.n, hash };
        if let Some(member) = self.member(room.n, user)? {
            return self.already(&join.room, claim, &member);
        }
        let checked = self.check_join(join, &room, user);
        self.or_repeat(&join.room, claim, checked)?;
        let by = (user, &join.user);
        let stored = self.self_change(&join.room, room, claim, by, join.at_ms, Change::Joined)?;
        let member = Membership {
            role: Role::Member,
            joined: stored.seq.0,
            read: stored.seq.0,
            read_messages: room.messages,
            is_dirty: false,
        };
        self.insert_member(room.n, user, member)?;
        self.count_members(&join.room, 1)?;
        Ok(stored)
    }

    fn check_join(&mut self, join: &Join, room: &Room, user: i64) -> Result<(), Stop> {
        let is_open = match (room.kind, join.granted_ms) {
            (RoomKind::Public, _) => true,
            (RoomKind::Group, Some(granted_ms)) => {
                self.removed_at(room.n, user)?.is_none_or(|removed_ms| removed_ms < granted_ms)
            }
            (RoomKind::Group, None) | (RoomKind::Direct, _) => false,
        };
        if !is_open {
            return Err(Error::NotFound.into());
        }
        self.check_room_for(room, 1)?;
        self.check_room_count(user)
    }

    pub(super) fn leave(&mut self, leave: &Leave) -> Result<Stored, Stop> {
        let user = self.user(&leave.user)?.ok_or(Error::NotFound)?;
        let room = self.room(&leave.room)?.ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("leave", &[]);
        let claim = Claim { cid: &leave.cid, sender: user, room: room.n, hash };
        let checked = match self.member(room.n, user)? {
            None => Err(Error::NotFound.into()),
            Some(_) if room.kind == RoomKind::Direct => Err(Error::Forbidden.into()),
            Some(_) => Ok(()),
        };
        self.or_repeat(&leave.room, claim, checked)?;
        let by = (user, &leave.user);
        let stored = self.self_change(&leave.room, room, claim, by, leave.at_ms, Change::Left)?;
        self.delete_member(room.n, user)?;
        self.count_members(&leave.room, -1)?;
        Ok(stored)
    }

    /// Adds one's own coming or going to the event at the room's end, or begins one.
    fn self_change(
        &mut self,
        id: &RoomId,
        room: Room,
        claim: Claim<'_>,
        (user, name): (i64, &UserId),
        at_ms: u64,
        change: Change,
    ) -> Result<Stored, Stop> {
        let role = (change == Change::Joined).then_some(Role::Member);
        let entry = MemberChange { user: name.clone(), change, role };
        if let Some(stored) = self.opened(id).map(|open| open.stored.clone()) {
            self.claim(claim, &stored)?;
            if let Some(open) = self.opened(id) {
                open.changes.push(entry);
            }
            return Ok(stored);
        }
        let stored = self.next(id, &room, at_ms);
        self.claim(claim, &stored)?;
        let by = (user, name.clone());
        self.open_membership(room, &stored, by, claim.cid, vec![entry])?;
        Ok(stored)
    }

    pub(super) fn invite(&mut self, invite: &Invite) -> Result<Stored, Stop> {
        let by = self.actor(invite.by.as_ref())?.ok_or(Error::NotFound)?;
        let room = self.room(&invite.room)?.ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("invite", &list(&invite.users));
        let claim = Claim { cid: &invite.cid, sender: by, room: room.n, hash };
        let checked = self.check_invite(invite, &room, by);
        let (users, known) = self.or_repeat(&invite.room, claim, checked)?;
        if users.is_empty() {
            return match known {
                Some(member) => self.already(&invite.room, claim, &member),
                None => Err(Error::Invalid("nobody is named").into()),
            };
        }
        let named = Named { id: &invite.room, by: invite.by.as_ref(), at_ms: invite.at_ms };
        let stored = self.change(named, room, claim, &users, Change::Joined)?;
        for (user, _) in &users {
            let member = Membership {
                role: Role::Member,
                joined: stored.seq.0,
                read: stored.seq.0,
                read_messages: room.messages,
                is_dirty: false,
            };
            self.insert_member(room.n, *user, member)?;
        }
        self.count_members(&invite.room, users.len() as i64)?;
        Ok(stored)
    }

    /// Those who are not in yet, and the first of those who are.
    fn check_invite(&mut self, invite: &Invite, room: &Room, by: i64) -> Result<Invited, Stop> {
        if invite.by.is_some() {
            self.member(room.n, by)?.ok_or(Error::NotFound)?;
        }
        if room.kind == RoomKind::Direct {
            return Err(Error::Forbidden.into());
        }
        let mut users: Vec<(i64, UserId)> = Vec::new();
        let mut known = None;
        for id in &invite.users {
            let user = self.user(id)?.ok_or(Error::UnknownUser)?;
            match self.member(room.n, user)? {
                Some(member) => known = known.or(Some(member)),
                None if users.iter().any(|(one, _)| *one == user) => {}
                None => {
                    self.check_room_count(user)?;
                    users.push((user, id.clone()));
                }
            }
        }
        self.check_room_for(room, users.len() as u64)?;
        Ok((users, known))
    }

    pub(super) fn remove(&mut self, remove: &Remove) -> Result<Stored, Stop> {
        let by = self.actor(remove.by.as_ref())?.ok_or(Error::NotFound)?;
        let room = self.room(&remove.room)?.ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("remove", &list(&remove.users));
        let claim = Claim { cid: &remove.cid, sender: by, room: room.n, hash };
        let checked = self.check_remove(remove, &room, by);
        let users = self.or_repeat(&remove.room, claim, checked)?;
        let named = Named { id: &remove.room, by: remove.by.as_ref(), at_ms: remove.at_ms };
        let stored = self.change(named, room, claim, &users, Change::Removed)?;
        for (user, _) in &users {
            self.delete_member(room.n, *user)?;
            let note = "INSERT INTO removals (room, user, at) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET at = max(at, excluded.at)";
            self.db.prepare_cached(note)?.execute(params![room.n, user, put(remove.at_ms)])?;
        }
        self.count_members(&remove.room, -(users.len() as i64))?;
        Ok(stored)
    }

    /// Those who are in; nobody is a room or person not found.
    fn check_remove(
        &mut self,
        remove: &Remove,
        room: &Room,
        by: i64,
    ) -> Result<Vec<(i64, UserId)>, Stop> {
        self.check_admin(room, remove.by.as_ref(), by)?;
        let mut users: Vec<(i64, UserId)> = Vec::new();
        for id in &remove.users {
            let Some(user) = self.user(id)? else { continue };
            let Some(member) = self.member(room.n, user)? else { continue };
            if member.role == Role::Owner && remove.by.is_some() && user != by {
                return Err(Error::Forbidden.into());
            }
            if !users.iter().any(|(one, _)| *one == user) {
                users.push((user, id.clone()));
            }
        }
        if users.is_empty() {
            return Err(Error::NotFound.into());
        }
        Ok(users)
    }

    /// One event for what somebody does to others.
    fn change(
        &mut self,
        named: Named<'_>,
        room: Room,
        claim: Claim<'_>,
        users: &[(i64, UserId)],
        change: Change,
    ) -> Result<Stored, Stop> {
        let stored = self.next(named.id, &room, named.at_ms);
        self.claim(claim, &stored)?;
        let role = (change == Change::Joined).then_some(Role::Member);
        let entry = |(_, user): &(i64, UserId)| MemberChange { user: user.clone(), change, role };
        let changes: Vec<MemberChange> = users.iter().map(entry).collect();
        let body = super::events::changes_text(&changes);
        let new =
            NewEvent { kind: kind::MEMBER, body: &body, refers: None, target: None, messages: 0 };
        let actor = (claim.sender, Self::from(named.by)?);
        self.add(room, &stored, actor, Some(claim.cid), &new, |_| EventKind::Member { changes })?;
        Ok(stored)
    }

    /// Nothing to do: the answer is the event that brought the person in.
    fn already(
        &mut self,
        id: &RoomId,
        claim: Claim<'_>,
        member: &Membership,
    ) -> Result<Stored, Stop> {
        self.close_membership(id)?;
        // Where that is pruned, the oldest that is left: the person was in then, too.
        let first = self.room(id)?.map_or(0, |room| room.first);
        let seq = moorline_protocol::Seq(member.joined.max(first));
        let event = super::events::event_at(self.db, id, seq)?.ok_or(Error::NotFound)?;
        let (epoch, seq, at_ms) = (event.epoch, event.seq, event.at);
        let stored = Stored { room: id.clone(), epoch, seq, id: event.id, at_ms };
        self.claim(claim, &stored)?;
        Ok(stored)
    }

    pub(super) fn check_room_count(&mut self, user: i64) -> Result<(), Stop> {
        let mut statement = self.db.prepare_cached("SELECT rooms FROM users WHERE n = ?1")?;
        let rooms = statement.query_row([user], |row| get(row, 0))?;
        if rooms >= MAX_ROOMS {
            return Err(Error::TooManyRooms { limit: MAX_ROOMS }.into());
        }
        Ok(())
    }

    fn check_room_for(&self, room: &Room, more: u64) -> Result<(), Stop> {
        if room.members + more > MAX_MEMBERS {
            return Err(Error::TooManyMembers { limit: MAX_MEMBERS }.into());
        }
        Ok(())
    }

    pub(super) fn insert_member(
        &mut self,
        room: i64,
        user: i64,
        member: Membership,
    ) -> Result<(), Stop> {
        let insert = "INSERT INTO members (user, room, role, joined, read, read_messages)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.db.prepare_cached(insert)?.execute(params![
            user,
            room,
            Sql(member.role),
            put(member.joined),
            put(member.read),
            put(member.read_messages),
        ])?;
        let count = "UPDATE users SET rooms = rooms + 1 WHERE n = ?1";
        self.db.prepare_cached(count)?.execute([user])?;
        self.cache.put_member(room, user, Some(member));
        Ok(())
    }

    pub(super) fn delete_member(&mut self, room: i64, user: i64) -> Result<(), Stop> {
        let delete = "DELETE FROM members WHERE user = ?1 AND room = ?2";
        self.db.prepare_cached(delete)?.execute(params![user, room])?;
        let count = "UPDATE users SET rooms = rooms - 1 WHERE n = ?1";
        self.db.prepare_cached(count)?.execute([user])?;
        self.cache.put_member(room, user, None);
        Ok(())
    }

    pub(super) fn count_members(&mut self, id: &RoomId, by: i64) -> Result<(), Stop> {
        if let Some(room) = self.room(id)? {
            let members = room.members.saturating_add_signed(by);
            self.put_room(id, Room { members, ..room });
        }
        Ok(())
    }

    fn removed_at(&self, room: i64, user: i64) -> Result<Option<u64>, Stop> {
        let find = "SELECT at FROM removals WHERE room = ?1 AND user = ?2";
        let mut statement = self.db.prepare_cached(find)?;
        Ok(statement.query_row([room, user], |row| get(row, 0)).optional()?)
    }
}

/// Those to bring in, and the first of those who are in already.
type Invited = (Vec<(i64, UserId)>, Option<Membership>);

/// Where and by whom others are brought in or taken out.
struct Named<'a> {
    id: &'a RoomId,
    by: Option<&'a UserId>,
    at_ms: u64,
}

fn list(users: &[UserId]) -> Vec<&[u8]> {
    users.iter().map(|user| user.as_str().as_bytes()).collect()
}
