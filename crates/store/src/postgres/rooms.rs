//! Making and naming rooms, on the loaded rows of a batch.

use moorline_protocol::{
    Change, Epoch, EventKind, MemberChange, Role, RoomHistory, RoomId, RoomKind, Seq, UserId,
};

use super::batch::{Batch, Claim, NewEvent, Stop};
use super::rows::{Answer, First, Known, Room, Rows};
use super::schema::kind;
use super::writes::{CidRow, RoomRow};
use crate::commit::{MadeRoom, Value};
use crate::fingerprint::Fingerprint;
use crate::fresh::new_epoch;
use crate::{Create, Created, Error, Rename, Stored};

/// Who will be in a new room, and which pair it is for.
struct Plan {
    people: Vec<(i64, UserId, Role)>,
    pair: Option<(i64, i64)>,
}

impl Batch<'_> {
    pub(super) fn create(&mut self, create: &Create) -> Result<Created, Stop> {
        let by = self.actor(create.by.as_ref()).ok_or(Error::UnknownUser)?;
        let hash = self.fingerprint_of(create);
        let claim = Claim { cid: &create.cid, sender: by, room: 0, hash };
        if let Some(first) = self.made_before(claim)? {
            return Err(Stop::Repeated(Value::Created(first)));
        }
        let plan = self.plan(create, by)?;
        if let Some(known) = self.same_room(create, hash, &plan)? {
            self.claim_making(claim, &known)?;
            return Ok(known);
        }
        for (_, user, _) in &plan.people {
            self.check_room_count(user)?;
        }
        let id = match &create.id {
            Some(id) => id.clone(),
            None => RoomId::new(format!("r_{:024x}", rand::random::<u128>() >> 32))
                .map_err(|_| Error::Invalid("no id could be made"))?,
        };
        let room = self.make(create, &id, hash, &plan)?;
        let made = self.make_first(create, &id, room, by, &plan)?;
        self.claim_making(claim, &made)?;
        self.commit.made.push(MadeRoom::by(create, &id));
        Ok(made)
    }

    fn fingerprint_of(&self, create: &Create) -> Fingerprint {
        let mut members: Vec<&[u8]> =
            create.members.iter().map(|user| user.as_str().as_bytes()).collect();
        members.sort_unstable();
        members.dedup();
        let mut parts: Vec<&[u8]> = vec![
            create.by.as_ref().map_or("", UserId::as_str).as_bytes(),
            create.id.as_ref().map_or("", RoomId::as_str).as_bytes(),
            match create.kind {
                RoomKind::Direct => b"direct",
                RoomKind::Group => b"group",
                RoomKind::Public => b"public",
            },
            create.name.as_deref().unwrap_or("").as_bytes(),
        ];
        parts.extend(members);
        self.hasher.fingerprint("create", &parts)
    }

    /// The room that this cid made.
    fn made_before(&self, claim: Claim<'_>) -> Result<Option<Created>, Error> {
        match self.rows.cids.get(&claim.key()) {
            None => Ok(None),
            Some(First { hash, answer: Answer::Created(made) }) if *hash == claim.hash => {
                Ok(Some(Created { existing: true, ..made.clone() }))
            }
            Some(_) => Err(Error::CidConflict),
        }
    }

    fn claim_making(&mut self, claim: Claim<'_>, made: &Created) -> Result<(), Error> {
        let room = self.rows.room(&made.room).map(|room| room.n);
        let room = room.or_else(|| self.rows.row_of_pair(&made.room)).ok_or(Error::NotFound)?;
        let (cid, sender, _) = claim.key();
        self.writes.cids.push(CidRow {
            cid,
            sender,
            room: 0,
            hash: claim.hash,
            epoch: made.epoch.0,
            seq: made.seq.0,
            id: made.id,
            at_ms: made.at_ms,
            made: Some(room),
        });
        let answer = Answer::Created(made.clone());
        self.rows.cids.insert(claim.key(), First { hash: claim.hash, answer });
        Ok(())
    }

    fn plan(&self, create: &Create, by: i64) -> Result<Plan, Error> {
        let is_direct = create.kind == RoomKind::Direct;
        let mut people: Vec<(i64, UserId, Role)> = Vec::new();
        if let Some(id) = &create.by {
            let role = if is_direct { Role::Member } else { Role::Owner };
            people.push((by, id.clone(), role));
        }
        for id in &create.members {
            let user = self.rows.user(id).ok_or(Error::UnknownUser)?;
            if !people.iter().any(|(known, ..)| *known == user) {
                people.push((user, id.clone(), Role::Member));
            }
        }
        let pair = match (is_direct, people.as_slice()) {
            (false, _) => None,
            (true, [(one, ..), (other, ..)]) => Some((*one.min(other), *one.max(other))),
            (true, _) => return Err(Error::Invalid("a direct room is for two people")),
        };
        if create.kind == RoomKind::Public && create.name.is_none() {
            return Err(Error::Invalid("a public room needs a name"));
        }
        Ok(Plan { people, pair })
    }

    /// The room that this would be again: of the same pair, or made in the same way under the same id.
    fn same_room(
        &self,
        create: &Create,
        hash: Fingerprint,
        plan: &Plan,
    ) -> Result<Option<Created>, Error> {
        let by_id = create.id.as_ref().and_then(|id| self.known(id));
        if by_id.as_ref().is_some_and(|known| known.made_as != hash) {
            return Err(Error::Conflict);
        }
        let by_pair = plan.pair.and_then(|pair| self.rows.pairs.get(&pair).cloned());
        let Some(known) = by_id.or(by_pair) else { return Ok(None) };
        if create.id.as_ref().is_some_and(|id| *id != known.room) {
            return Err(Error::Conflict);
        }
        Ok(Some(Rows::created(&known)))
    }

    fn known(&self, id: &RoomId) -> Option<Known> {
        let room = self.rows.room(id)?;
        Some(Known {
            n: room.n,
            room: id.clone(),
            epoch: room.epoch,
            at_ms: room.at_ms,
            made_as: room.made_as,
            first: self.rows.firsts.get(&room.n).copied(),
        })
    }

    fn make(
        &mut self,
        create: &Create,
        id: &RoomId,
        hash: Fingerprint,
        plan: &Plan,
    ) -> Result<Room, Error> {
        let history = match create.kind {
            RoomKind::Public => RoomHistory::All,
            RoomKind::Direct | RoomKind::Group => RoomHistory::Joined,
        };
        let n = self.rows.fresh_rooms.pop_front().ok_or(Error::Invalid("no number is left"))?;
        let room = Room {
            n,
            kind: create.kind,
            history,
            epoch: Epoch(new_epoch()),
            first: 1,
            head: 0,
            messages: 0,
            members: plan.people.len() as u64,
            last_message: 0,
            active_ms: create.at_ms,
            at_ms: create.at_ms,
            made_as: hash,
            head_before: 0,
            is_new: true,
            is_dirty: false,
        };
        let (name, pair) = (create.name.clone(), plan.pair);
        self.writes.new_rooms.push(RoomRow { id: id.clone(), name, pair });
        self.put_room(id, room);
        Ok(Room { is_dirty: true, ..room })
    }

    /// The first event of a room: who is in it.
    fn make_first(
        &mut self,
        create: &Create,
        id: &RoomId,
        room: Room,
        by: i64,
        plan: &Plan,
    ) -> Result<Created, Error> {
        let (epoch, at_ms) = (room.epoch, create.at_ms);
        if plan.people.is_empty() {
            let seq = Seq(0);
            return Ok(Created { room: id.clone(), epoch, seq, id: None, at_ms, existing: false });
        }
        let joined = |(_, user, role): &(i64, UserId, Role)| MemberChange {
            user: user.clone(),
            change: Change::Joined,
            role: Some(*role),
        };
        let changes: Vec<MemberChange> = plan.people.iter().map(joined).collect();
        let body = super::events::changes_text(&changes);
        let stored = Self::next(id, &room, at_ms);
        let new = NewEvent { kind: kind::MEMBER, body, refers: None, target: None, messages: 0 };
        let actor = (by, Self::from(create.by.as_ref())?);
        self.add(room, &stored, actor, Some(&create.cid), new, |_| EventKind::Member { changes });
        for (user, name, role) in &plan.people {
            self.bring_in(&room, &(*user, name.clone()), &stored, *role);
        }
        self.remember(id, &room, &stored, plan);
        let seq = stored.seq;
        Ok(Created { room: id.clone(), epoch, seq, id: Some(stored.id), at_ms, existing: false })
    }

    /// Further commands of the batch may want the same room.
    fn remember(&mut self, id: &RoomId, room: &Room, stored: &Stored, plan: &Plan) {
        self.rows.firsts.insert(room.n, stored.id);
        if let (Some(pair), Some(known)) = (plan.pair, self.known(id)) {
            self.rows.pairs.insert(pair, known);
        }
    }

    pub(super) fn rename(&mut self, rename: &Rename) -> Result<Stored, Stop> {
        let by = self.actor(rename.by.as_ref()).ok_or(Error::NotFound)?;
        let room = self.rows.room(&rename.room).ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("rename", &[rename.name.as_bytes()]);
        let claim = Claim { cid: &rename.cid, sender: by, room: room.n, hash };
        self.or_repeat(claim, self.check_admin(&room, rename.by.as_ref(), by))?;
        let stored = Self::next(&rename.room, &room, rename.at_ms);
        let actor = (by, Self::from(rename.by.as_ref())?);
        self.claim(claim, &stored)?;
        let new = NewEvent {
            kind: kind::RENAME,
            body: rename.name.clone(),
            refers: None,
            target: None,
            messages: 0,
        };
        self.add(room, &stored, actor, Some(&rename.cid), new, |_| EventKind::Rename {
            name: rename.name.clone(),
        });
        self.writes.names.insert(room.n, rename.name.clone());
        Ok(stored)
    }

    /// May this actor change the room itself? Nobody may change a direct one.
    pub(super) fn check_admin(
        &self,
        room: &Room,
        id: Option<&UserId>,
        by: i64,
    ) -> Result<(), Error> {
        if id.is_some() {
            let member = self.rows.member(room.n, by).ok_or(Error::NotFound)?;
            if !member.is_admin() {
                return Err(Error::Forbidden);
            }
        }
        if room.kind == RoomKind::Direct {
            return Err(Error::Forbidden);
        }
        Ok(())
    }
}
