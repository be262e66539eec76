//! What a batch of commands needs to see before it can be decided: gathered from the commands, so that all of it is
//! loaded in one round trip.

use std::collections::{BTreeSet, HashMap, HashSet};

use moorline_protocol::{RoomId, Seq, UserId};
use uuid::Uuid;

use super::schema::{cid_bytes, put};
use crate::command::Command;
use crate::store::SYSTEM_USER;
use crate::{Create, Invite, Remove};

/// Names of rows, by kind of row.
#[derive(Default)]
pub(super) struct Wanted<'w> {
    /// Rooms, whose rows are locked.
    pub(super) rooms: BTreeSet<&'w str>,
    pub(super) users: HashSet<&'w str>,
    /// People who come or go, whose rows are locked since their rooms are counted.
    pub(super) movers: BTreeSet<&'w str>,
    /// Memberships, by room and person.
    pub(super) members: HashSet<(&'w str, &'w str)>,
    /// Cids with sender and room.
    pub(super) cids: Vec<(Vec<u8>, &'w str, &'w str)>,
    /// Cids of rooms that are made, with sender.
    pub(super) makings: Vec<(Vec<u8>, &'w str)>,
    pub(super) targets: HashSet<Uuid>,
    /// Those who may be in already, or may have been removed: room and person.
    pub(super) comings: HashSet<(&'w str, &'w str)>,
    /// Positions of read markers.
    pub(super) positions: Vec<(&'w str, i64)>,
    pub(super) pairs: HashSet<(&'w str, &'w str)>,
    /// Ids that rooms shall have.
    pub(super) made_ids: HashSet<&'w str>,
    /// Rooms that are pruned.
    pub(super) oldest: BTreeSet<&'w str>,
    /// Positions of events that may hold something of an erased person.
    pub(super) held: Vec<(&'w str, i64)>,
    /// How many rooms may be made.
    pub(super) made: i64,
}

impl<'w> Wanted<'w> {
    pub(super) fn of(
        commands: impl Iterator<Item = &'w Command>,
        reads: &'w HashMap<(UserId, RoomId), Seq>,
    ) -> Self {
        let mut wanted = Self::default();
        for command in commands {
            wanted.add(command);
        }
        for ((user, room), seq) in reads {
            wanted.member(room, user.as_str());
            wanted.positions.push((room.as_str(), put(seq.0)));
        }
        wanted
    }

    fn add(&mut self, command: &'w Command) {
        match command {
            Command::Send(send) => {
                self.member(&send.room, send.from.as_str());
                self.cids.push((cid_bytes(&send.cid), send.from.as_str(), send.room.as_str()));
                self.targets.extend(send.reply_to.map(|id| id.0));
            }
            Command::Edit(edit) => {
                self.member(&edit.room, edit.by.as_str());
                self.cids.push((cid_bytes(&edit.cid), edit.by.as_str(), edit.room.as_str()));
                self.targets.insert(edit.message.0);
            }
            Command::Delete(delete) => {
                self.member(&delete.room, delete.by.as_str());
                self.cids.push((cid_bytes(&delete.cid), delete.by.as_str(), delete.room.as_str()));
                self.targets.insert(delete.message.0);
            }
            Command::Join(join) => {
                let user = join.user.as_str();
                self.come_or_go(&join.room, user);
                self.cids.push((cid_bytes(&join.cid), user, join.room.as_str()));
            }
            Command::Leave(leave) => {
                let user = leave.user.as_str();
                self.come_or_go(&leave.room, user);
                self.cids.push((cid_bytes(&leave.cid), user, leave.room.as_str()));
            }
            Command::Invite(Invite { by, room, cid, users, .. })
            | Command::Remove(Remove { by, room, cid, users, .. }) => {
                let by = actor(by.as_ref());
                self.member(room, by);
                self.cids.push((cid_bytes(cid), by, room.as_str()));
                users.iter().for_each(|user| self.come_or_go(room, user.as_str()));
            }
            Command::Rename(rename) => {
                let by = actor(rename.by.as_ref());
                self.member(&rename.room, by);
                self.cids.push((cid_bytes(&rename.cid), by, rename.room.as_str()));
            }
            Command::Create(create) => self.making(create),
            other => self.upkeep(other),
        }
    }

    fn upkeep(&mut self, command: &'w Command) {
        match command {
            Command::Prune(prune) => {
                self.rooms.insert(prune.room.as_str());
                self.oldest.insert(prune.room.as_str());
            }
            Command::EndMembership(end) => self.member(&end.room, end.erasing.user.as_str()),
            Command::EraseEvents(erase) => {
                let room = erase.room.as_str();
                self.rooms.insert(room);
                self.held.extend(erase.seqs.iter().map(|seq| (room, put(seq.0))));
            }
            // Commands of people are not a room lane's.
            _ => {}
        }
    }

    fn making(&mut self, create: &'w Create) {
        let by = actor(create.by.as_ref());
        self.makings.push((cid_bytes(&create.cid), by));
        self.users.insert(by);
        let people: Vec<&str> =
            create.by.iter().chain(&create.members).map(UserId::as_str).collect();
        self.movers.extend(&people);
        if let Some(id) = &create.id {
            self.rooms.insert(id.as_str());
            self.made_ids.insert(id.as_str());
        }
        let mut others = people.iter().filter(|other| **other != people[0]);
        if create.kind == moorline_protocol::RoomKind::Direct
            && let Some(other) = others.next_back()
        {
            self.pairs.insert((people[0], other));
        }
        self.made += 1;
    }

    fn member(&mut self, room: &'w RoomId, user: &'w str) {
        self.rooms.insert(room.as_str());
        self.users.insert(user);
        self.members.insert((room.as_str(), user));
    }

    fn come_or_go(&mut self, room: &'w RoomId, user: &'w str) {
        self.member(room, user);
        self.movers.insert(user);
        self.comings.insert((room.as_str(), user));
    }
}

fn actor(by: Option<&UserId>) -> &str {
    by.map_or(SYSTEM_USER, UserId::as_str)
}
