//! Making and naming rooms, inside the writer's transaction.

use moorline_protocol::{
    Change, Epoch, EventKind, MemberChange, Role, RoomHistory, RoomId, RoomKind, Seq, UserId,
};
use rusqlite::{OptionalExtension, params};

use super::batch::{Batch, NewEvent, Stop};
use super::cache::{Membership, Room, get, put};
use super::cids::Claim;
use super::schema::{CidKey, Sql, kind};
use crate::commit::{MadeRoom, Value};
use crate::fingerprint::Fingerprint;
use crate::fresh::{new_epoch, new_id};
use crate::{Create, Created, Error, Rename, Stored};

/// Who will be in a new room, and which pair it is for.
struct Plan {
    people: Vec<(i64, UserId, Role)>,
    pair: Option<(i64, i64)>,
}

impl Batch<'_> {
    pub(super) fn create(&mut self, create: &Create) -> Result<Created, Stop> {
        let by = self.actor(create.by.as_ref())?.ok_or(Error::UnknownUser)?;
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
        for (user, ..) in &plan.people {
            self.check_room_count(*user)?;
        }
        let id = match &create.id {
            Some(id) => id.clone(),
            None => RoomId::new(format!("r_{:024x}", rand::random::<u128>() >> 32))
                .map_err(|_| Error::Invalid("no id could be made"))?,
        };
        let room = self.insert_room(create, &id, hash, &plan)?;
        let made = self.insert_first(create, &id, room, by, &plan)?;
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
    fn made_before(&mut self, claim: Claim<'_>) -> Result<Option<Created>, Stop> {
        let mut statement = self.db.prepare_cached(
            "SELECT c.hash, c.epoch, c.seq, c.id, c.at, r.id FROM cids c JOIN rooms r ON r.n = c.made
             WHERE c.cid = ?1 AND c.sender = ?2 AND c.room = 0",
        )?;
        let found = statement
            .query_row(params![CidKey::new(claim.cid), claim.sender], |row| {
                let made = Created {
                    room: row.get::<_, Sql<RoomId>>(5)?.0,
                    epoch: row.get::<_, Sql<Epoch>>(1)?.0,
                    seq: Seq(get(row, 2)?),
                    id: row.get::<_, Option<Sql<_>>>(3)?.map(|id| id.0),
                    at_ms: get(row, 4)?,
                    existing: true,
                };
                Ok((row.get::<_, Fingerprint>(0)?, made))
            })
            .optional()?;
        drop(statement);
        let Some((hash, made)) = found else { return Ok(None) };
        if hash != claim.hash {
            return Err(Error::CidConflict.into());
        }
        Ok(Some(made))
    }

    fn claim_making(&mut self, claim: Claim<'_>, made: &Created) -> Result<(), Stop> {
        let room = self.room(&made.room)?.ok_or(Error::NotFound)?;
        let insert = "INSERT INTO cids (cid, sender, room, hash, epoch, seq, id, at, made)
             VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8)";
        self.db.prepare_cached(insert)?.execute(params![
            CidKey::new(claim.cid),
            claim.sender,
            claim.hash,
            Sql(made.epoch),
            put(made.seq.0),
            made.id.map(Sql),
            put(made.at_ms),
            room.n,
        ])?;
        Ok(())
    }

    fn plan(&mut self, create: &Create, by: i64) -> Result<Plan, Stop> {
        let is_direct = create.kind == RoomKind::Direct;
        let mut people: Vec<(i64, UserId, Role)> = Vec::new();
        if let Some(id) = &create.by {
            let role = if is_direct { Role::Member } else { Role::Owner };
            people.push((by, id.clone(), role));
        }
        for id in &create.members {
            let user = self.user(id)?.ok_or(Error::UnknownUser)?;
            if !people.iter().any(|(known, ..)| *known == user) {
                people.push((user, id.clone(), Role::Member));
            }
        }
        let pair = match (is_direct, people.as_slice()) {
            (false, _) => None,
            (true, [(one, ..), (other, ..)]) => Some((*one.min(other), *one.max(other))),
            (true, _) => return Err(Error::Invalid("a direct room is for two people").into()),
        };
        if create.kind == RoomKind::Public && create.name.is_none() {
            return Err(Error::Invalid("a public room needs a name").into());
        }
        Ok(Plan { people, pair })
    }

    /// The room that this would be again: of the same pair, or made in the same way under the same id.
    fn same_room(
        &mut self,
        create: &Create,
        hash: Fingerprint,
        plan: &Plan,
    ) -> Result<Option<Created>, Stop> {
        const COLUMNS: &str = "SELECT id, epoch, at, made_as FROM rooms";
        let of_row = |row: &rusqlite::Row<'_>| {
            let id = row.get::<_, Sql<RoomId>>(0)?.0;
            let made_as = row.get::<_, Fingerprint>(3)?;
            Ok((id, row.get::<_, Sql<Epoch>>(1)?.0, get(row, 2)?, made_as))
        };
        let by_id = match &create.id {
            Some(id) => self
                .db
                .prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?
                .query_row([id.as_str()], of_row)
                .optional()?,
            None => None,
        };
        let by_pair = match plan.pair {
            Some((low, high)) => self
                .db
                .prepare_cached(&format!("{COLUMNS} WHERE pair_low = ?1 AND pair_high = ?2"))?
                .query_row([low, high], of_row)
                .optional()?,
            None => None,
        };
        if by_id.as_ref().is_some_and(|(.., made_as)| *made_as != hash) {
            return Err(Error::Conflict.into());
        }
        let Some((room, epoch, at_ms, _)) = by_id.or(by_pair) else { return Ok(None) };
        if create.id.as_ref().is_some_and(|id| *id != room) {
            return Err(Error::Conflict.into());
        }
        let first = super::events::event_at(self.db, &room, Seq(1))?;
        let id = first.as_ref().map(|event| event.id);
        let seq = Seq(u64::from(id.is_some()));
        Ok(Some(Created { room, epoch, seq, id, at_ms, existing: true }))
    }

    fn insert_room(
        &mut self,
        create: &Create,
        id: &RoomId,
        hash: Fingerprint,
        plan: &Plan,
    ) -> Result<Room, Stop> {
        let history = match create.kind {
            RoomKind::Public => RoomHistory::All,
            RoomKind::Direct | RoomKind::Group => RoomHistory::Joined,
        };
        let epoch = Epoch(new_epoch());
        let mut insert = self.db.prepare_cached(
            "INSERT INTO rooms (id, kind, history, name, epoch, first, head, messages, members,
                 last_message, active, at, pair_low, pair_high, made_as, folded)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, 0, 0, ?6, 0, ?7, ?7, ?8, ?9, ?10, ?11)",
        )?;
        let n = insert.insert(params![
            id.as_str(),
            Sql(create.kind),
            Sql(history),
            create.name,
            Sql(epoch),
            plan.people.len() as i64,
            put(create.at_ms),
            plan.pair.map(|pair| pair.0),
            plan.pair.map(|pair| pair.1),
            hash,
            folded(create.name.as_deref()),
        ])?;
        let room = Room {
            n,
            kind: create.kind,
            history,
            epoch,
            first: 1,
            head: 0,
            messages: 0,
            members: plan.people.len() as u64,
            last_message: 0,
            active_ms: create.at_ms,
            is_dirty: false,
        };
        drop(insert);
        self.put_room(id, room);
        Ok(Room { is_dirty: true, ..room })
    }

    /// The first event of a room: who is in it.
    fn insert_first(
        &mut self,
        create: &Create,
        id: &RoomId,
        room: Room,
        by: i64,
        plan: &Plan,
    ) -> Result<Created, Stop> {
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
        let stored = Stored { id: new_id(at_ms), ..self.next(id, &room, at_ms) };
        let new =
            NewEvent { kind: kind::MEMBER, body: &body, refers: None, target: None, messages: 0 };
        let actor = (by, Self::from(create.by.as_ref())?);
        self.add(room, &stored, actor, Some(&create.cid), &new, |_| EventKind::Member { changes })?;
        for (user, _, role) in &plan.people {
            let member = Membership {
                role: *role,
                joined: stored.seq.0,
                read: stored.seq.0,
                read_messages: 0,
                is_dirty: false,
            };
            self.insert_member(room.n, *user, member)?;
        }
        let seq = stored.seq;
        Ok(Created { room: id.clone(), epoch, seq, id: Some(stored.id), at_ms, existing: false })
    }

    pub(super) fn rename(&mut self, rename: &Rename) -> Result<Stored, Stop> {
        let by = self.actor(rename.by.as_ref())?.ok_or(Error::NotFound)?;
        let room = self.room(&rename.room)?.ok_or(Error::NotFound)?;
        let hash = self.hasher.fingerprint("rename", &[rename.name.as_bytes()]);
        let claim = Claim { cid: &rename.cid, sender: by, room: room.n, hash };
        let checked = self.check_admin(&room, rename.by.as_ref(), by);
        self.or_repeat(&rename.room, claim, checked)?;
        let stored = self.next(&rename.room, &room, rename.at_ms);
        self.claim(claim, &stored)?;
        let new = NewEvent {
            kind: kind::RENAME,
            body: &rename.name,
            refers: None,
            target: None,
            messages: 0,
        };
        let actor = (by, Self::from(rename.by.as_ref())?);
        self.add(room, &stored, actor, Some(&rename.cid), &new, |_| EventKind::Rename {
            name: rename.name.clone(),
        })?;
        let change = "UPDATE rooms SET name = ?2, folded = ?3 WHERE n = ?1";
        let folded = folded(Some(&rename.name));
        self.db.prepare_cached(change)?.execute(params![room.n, rename.name, folded])?;
        Ok(stored)
    }

    /// May this actor change the room itself? Nobody may change a direct one.
    pub(super) fn check_admin(
        &mut self,
        room: &Room,
        id: Option<&UserId>,
        by: i64,
    ) -> Result<(), Stop> {
        if id.is_some() {
            let member = self.member(room.n, by)?.ok_or(Error::NotFound)?;
            if !member.is_admin() {
                return Err(Error::Forbidden.into());
            }
        }
        if room.kind == RoomKind::Direct {
            return Err(Error::Forbidden.into());
        }
        Ok(())
    }
}

/// How a room's name is compared when somebody looks for a part of it.
fn folded(name: Option<&str>) -> String {
    name.unwrap_or("").to_lowercase()
}
