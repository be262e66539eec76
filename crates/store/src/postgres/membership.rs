//! Coming and going, on the loaded rows of a batch: each is an event of the room's log, so that everybody agrees after
//! which message somebody was there. Neighbouring joins and leaves of one transaction share one event.

use moorline_protocol::{Change, EventKind, MemberChange, Role, RoomId, RoomKind, UserId};

use super::batch::{Batch, Claim, NewEvent, Stop};
use super::rows::{Membership, Room};
use super::schema::kind;
use crate::store::{MAX_MEMBERS, MAX_ROOMS};
use crate::{Error, Invite, Join, Leave, Remove, Stored};

/// A person whose coming or going is decided: row and id.
type Mover = (i64, UserId);

impl Batch<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Result<Stored, Stop> {
        let user = self.rows.user(&join.user).ok_or(Error::NotFound)?;
        let room = self.rows.room(&join.room).ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("join", &[]);
        let claim = Claim { cid: &join.cid, sender: user, room: room.n, hash };
        if self.rows.member(room.n, user).is_some() {
            return self.already(claim, user);
        }
        self.or_repeat(claim, self.check_join(join, &room, user))?;
        let by = (user, join.user.clone());
        let stored = self.self_change(&join.room, room, claim, &by, join.at_ms, Change::Joined)?;
        self.bring_in(&room, &by, &stored, Role::Member);
        self.count_members(&join.room, 1);
        Ok(stored)
    }

    fn check_join(&self, join: &Join, room: &Room, user: i64) -> Result<(), Error> {
        let is_open = match (room.kind, join.granted_ms) {
            (RoomKind::Public, _) => true,
            (RoomKind::Group, Some(granted_ms)) => {
                let removed = self.rows.removals.get(&(room.n, user));
                removed.is_none_or(|removed_ms| *removed_ms < granted_ms)
            }
            (RoomKind::Group, None) | (RoomKind::Direct, _) => false,
        };
        if !is_open {
            return Err(Error::NotFound);
        }
        check_room_for(room, 1)?;
        self.check_room_count(&join.user)
    }

    pub(super) fn leave(&mut self, leave: &Leave) -> Result<Stored, Stop> {
        let user = self.rows.user(&leave.user).ok_or(Error::NotFound)?;
        let room = self.rows.room(&leave.room).ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("leave", &[]);
        let claim = Claim { cid: &leave.cid, sender: user, room: room.n, hash };
        let checked = match self.rows.member(room.n, user) {
            None => Err(Error::NotFound),
            Some(_) if room.kind == RoomKind::Direct => Err(Error::Forbidden),
            Some(_) => Ok(()),
        };
        self.or_repeat(claim, checked)?;
        let by = (user, leave.user.clone());
        let stored = self.self_change(&leave.room, room, claim, &by, leave.at_ms, Change::Left)?;
        self.take_out(&room, &by);
        self.count_members(&leave.room, -1);
        Ok(stored)
    }

    /// Adds one's own coming or going to the event at the room's end, or begins one.
    fn self_change(
        &mut self,
        id: &RoomId,
        room: Room,
        claim: Claim<'_>,
        by: &Mover,
        at_ms: u64,
        change: Change,
    ) -> Result<Stored, Stop> {
        let role = (change == Change::Joined).then_some(Role::Member);
        let entry = MemberChange { user: by.1.clone(), change, role };
        if let Some(stored) = self.opened(id).map(|open| open.stored.clone()) {
            self.claim(claim, &stored)?;
            if let Some(open) = self.opened(id) {
                open.changes.push(entry);
            }
            return Ok(stored);
        }
        let stored = Self::next(id, &room, at_ms);
        self.claim(claim, &stored)?;
        self.open_membership(room, &stored, by.clone(), claim.cid, vec![entry]);
        Ok(stored)
    }

    pub(super) fn invite(&mut self, invite: &Invite) -> Result<Stored, Stop> {
        let by = self.actor(invite.by.as_ref()).ok_or(Error::NotFound)?;
        let room = self.rows.room(&invite.room).ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("invite", &list(&invite.users));
        let claim = Claim { cid: &invite.cid, sender: by, room: room.n, hash };
        let (users, known) = self.or_repeat(claim, self.check_invite(invite, &room, by))?;
        if users.is_empty() {
            return match known {
                Some(member) => self.already(claim, member),
                None => Err(Error::Invalid("nobody is named").into()),
            };
        }
        let named = Named { id: &invite.room, by: invite.by.as_ref(), at_ms: invite.at_ms };
        let stored = self.change(named, room, claim, &users, Change::Joined)?;
        for user in &users {
            self.bring_in(&room, user, &stored, Role::Member);
        }
        self.count_members(&invite.room, users.len() as i64);
        Ok(stored)
    }

    /// Those who are not in yet, and the first of those who are.
    fn check_invite(
        &self,
        invite: &Invite,
        room: &Room,
        by: i64,
    ) -> Result<(Vec<Mover>, Option<i64>), Error> {
        if invite.by.is_some() {
            self.rows.member(room.n, by).ok_or(Error::NotFound)?;
        }
        if room.kind == RoomKind::Direct {
            return Err(Error::Forbidden);
        }
        let mut users: Vec<Mover> = Vec::new();
        let mut known = None;
        for id in &invite.users {
            let user = self.rows.user(id).ok_or(Error::UnknownUser)?;
            if self.rows.member(room.n, user).is_some() {
                known = known.or(Some(user));
            } else if !users.iter().any(|(one, _)| *one == user) {
                self.check_room_count(id)?;
                users.push((user, id.clone()));
            }
        }
        check_room_for(room, users.len() as u64)?;
        Ok((users, known))
    }

    pub(super) fn remove(&mut self, remove: &Remove) -> Result<Stored, Stop> {
        let by = self.actor(remove.by.as_ref()).ok_or(Error::NotFound)?;
        let room = self.rows.room(&remove.room).ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("remove", &list(&remove.users));
        let claim = Claim { cid: &remove.cid, sender: by, room: room.n, hash };
        let users = self.or_repeat(claim, self.check_remove(remove, &room, by))?;
        let named = Named { id: &remove.room, by: remove.by.as_ref(), at_ms: remove.at_ms };
        let stored = self.change(named, room, claim, &users, Change::Removed)?;
        for user in &users {
            self.take_out(&room, user);
            for removals in [&mut self.rows.removals, &mut self.writes.removals] {
                let at = removals.entry((room.n, user.0)).or_default();
                *at = (*at).max(remove.at_ms);
            }
        }
        self.count_members(&remove.room, -(users.len() as i64));
        Ok(stored)
    }

    /// Those who are in; nobody is a room or person not found.
    fn check_remove(&self, remove: &Remove, room: &Room, by: i64) -> Result<Vec<Mover>, Error> {
        self.check_admin(room, remove.by.as_ref(), by)?;
        let mut users: Vec<Mover> = Vec::new();
        for id in &remove.users {
            let Some(user) = self.rows.user(id) else { continue };
            let Some(member) = self.rows.member(room.n, user) else { continue };
            if member.role == Role::Owner && remove.by.is_some() && user != by {
                return Err(Error::Forbidden);
            }
            if !users.iter().any(|(one, _)| *one == user) {
                users.push((user, id.clone()));
            }
        }
        if users.is_empty() { Err(Error::NotFound) } else { Ok(users) }
    }

    /// One event for what somebody does to others.
    fn change(
        &mut self,
        named: Named<'_>,
        room: Room,
        claim: Claim<'_>,
        users: &[Mover],
        change: Change,
    ) -> Result<Stored, Stop> {
        let stored = Self::next(named.id, &room, named.at_ms);
        let actor = (claim.sender, Self::from(named.by)?);
        self.claim(claim, &stored)?;
        let role = (change == Change::Joined).then_some(Role::Member);
        let entry = |(_, user): &Mover| MemberChange { user: user.clone(), change, role };
        let changes: Vec<MemberChange> = users.iter().map(entry).collect();
        let body = super::events::changes_text(&changes);
        let new = NewEvent { kind: kind::MEMBER, body, refers: None, target: None, messages: 0 };
        self.add(room, &stored, actor, Some(claim.cid), new, |_| EventKind::Member { changes });
        Ok(stored)
    }

    /// Nothing to do: the answer is the event that brought the person in.
    fn already(&mut self, claim: Claim<'_>, user: i64) -> Result<Stored, Stop> {
        let joined = self.rows.joined.get(&(claim.room, user)).cloned();
        let stored = joined.ok_or(Error::NotFound)?;
        self.claim(claim, &stored)?;
        Ok(stored)
    }

    pub(super) fn check_room_count(&self, user: &UserId) -> Result<(), Error> {
        if self.rows.rooms_of(user) >= MAX_ROOMS {
            return Err(Error::TooManyRooms { limit: MAX_ROOMS });
        }
        Ok(())
    }

    /// Makes somebody a member from an event on; `room` is the room before that event.
    pub(super) fn bring_in(&mut self, room: &Room, user: &Mover, stored: &Stored, role: Role) {
        let member = Membership {
            role,
            joined: stored.seq.0,
            read: stored.seq.0,
            read_messages: room.messages,
        };
        self.rows.put_member(room.n, user.0, Some(member));
        self.rows.joined.insert((room.n, user.0), stored.clone());
        self.rows.count_rooms(&user.1, 1);
    }

    fn take_out(&mut self, room: &Room, user: &Mover) {
        self.rows.put_member(room.n, user.0, None);
        self.rows.count_rooms(&user.1, -1);
    }

    pub(super) fn count_members(&mut self, id: &RoomId, by: i64) {
        if let Some(room) = self.rows.room(id) {
            let members = room.members.saturating_add_signed(by);
            self.put_room(id, Room { members, ..room });
        }
    }
}

fn check_room_for(room: &Room, more: u64) -> Result<(), Error> {
    if room.members + more > MAX_MEMBERS {
        return Err(Error::TooManyMembers { limit: MAX_MEMBERS });
    }
    Ok(())
}

/// Where and by whom others are brought in or taken out.
struct Named<'a> {
    id: &'a RoomId,
    by: Option<&'a UserId>,
    at_ms: u64,
}

fn list(users: &[UserId]) -> Vec<&[u8]> {
    users.iter().map(|user| user.as_str().as_bytes()).collect()
}
