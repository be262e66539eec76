//! The store's own word at the end: each room's log, read page by page, held against everything
//! that was acknowledged (I1), shown (I5) and promised of its shape (I3).

use super::Checker;
use super::names::{At, Name, Place, key};
use super::record::Frame;
use super::rooms::Room;
use super::verdict::{Harm, Promise};

impl Checker {
    /// Takes in one page of a room's log, in order; the last one has no `more`.
    pub(super) fn audit(&mut self, mut page: Frame, at: At) {
        let Some(id) = page.room_id().map(str::to_owned) else {
            return self.unfit("an audit page without a room", at.line);
        };
        let name = self.names.number(&id);
        let (epoch, first) = (page.epoch.clone().unwrap_or_default(), page.first.unwrap_or(1));
        let audit = &mut self.rooms.entry(name).or_default().audit;
        let begins = page.events.first().is_none_or(|event| event.seq == Some(first));
        if audit.number == 0 || audit.complete || begins {
            audit.number += 1;
            audit.began = at;
            audit.epoch = key(&epoch);
            audit.first = first;
            audit.last = first.saturating_sub(1);
        }
        audit.head = page.head.unwrap_or(0);
        audit.complete = false;
        let (number, mut last) = (audit.number, audit.last);
        for event in &mut page.events {
            event.epoch.get_or_insert_with(|| epoch.clone());
            let seq = event.seq.unwrap_or(0);
            self.report.checked(Promise::I3);
            if seq != last + 1 {
                let text = format!("the log of room {id} goes from seq {last} to {seq}");
                self.report.broken(Promise::I3, Harm::Lost, text, &[at.line]);
            }
            last = seq;
            self.learn(name, event, at, number);
        }
        let audit = &mut self.rooms.entry(name).or_default().audit;
        audit.last = last;
        audit.complete = !page.has_more();
        if audit.complete && last != audit.head {
            let text = format!("the log of room {id} ends at {last}, its head says {}", audit.head);
            self.report.broken(Promise::I3, Harm::Lost, text, &[at.line]);
        }
    }

    /// At the end: what was acknowledged or shown is in the store.
    pub(super) fn check_durable(&mut self) {
        let rooms = std::mem::take(&mut self.rooms);
        let unread = rooms.iter().filter(|(_, room)| !room.audit.complete && !room.logs.is_empty());
        for (name, _) in unread {
            let why = format!("the log of room {} was not read to its end", self.names.text(*name));
            for promise in [Promise::I1, Promise::I2, Promise::I3, Promise::I5, Promise::I7] {
                self.report.not_decided(promise, &why);
            }
        }
        for index in 0..self.commands.len() {
            self.check_acked(index, &rooms);
        }
        for (name, room) in rooms.iter().filter(|(_, room)| room.audit.complete) {
            self.report.counts.rooms += 1;
            self.check_seen_is_stored(*name, room);
        }
        self.rooms = rooms;
    }

    fn check_acked(&mut self, index: usize, rooms: &std::collections::HashMap<Name, Room>) {
        let command = &self.commands[index];
        let Some(ack) = command.ack else { return };
        let Some(room) = rooms.get(&ack.room) else {
            let why = "a room with acknowledged commands was not read from the store";
            return self.report.not_decided(Promise::I1, why);
        };
        let audit = &room.audit;
        if !audit.complete {
            return;
        }
        self.report.checked(Promise::I1);
        let by_cid = |epoch| {
            room.logs.get(&epoch).and_then(|log| log.seq_of(command.user, command.cid, ack.id))
        };
        let later = ack.at.line > audit.began.line;
        let pruned = ack.epoch == audit.epoch && ack.seq < audit.first;
        let seq = if ack.epoch == audit.epoch { Some(ack.seq) } else { by_cid(audit.epoch) };
        let fact = seq.and_then(|seq| room.fact(audit.epoch, seq));
        let same = |id| command.what != "send" || ack.id == id;
        let stored = fact.is_some_and(|fact| fact.audit == audit.number && same(fact.id));
        let named = ack.seq > 0; // The ack of a create may name the room only.
        let excused = self.faults.restored_between(ack.at.t, audit.began.t);
        if stored || later || pruned || excused || !named {
            return;
        }
        let text = format!(
            "the {} acknowledged at seq {} of room {} is not in the store",
            command.what,
            ack.seq,
            self.names.text(ack.room)
        );
        let lines = [command.first.line, ack.at.line, audit.began.line];
        self.report.broken(Promise::I1, Harm::Lost, text, &lines);
    }

    fn check_seen_is_stored(&mut self, name: Name, room: &Room) {
        let audit = &room.audit;
        let Some(log) = room.logs.get(&audit.epoch) else { return };
        for (seq, fact) in &log.facts {
            if fact.audit == audit.number {
                self.report.counts.stored += 1;
                continue;
            }
            let excused = self.faults.restored_between(fact.seen.t, audit.began.t);
            if *seq < audit.first || fact.seen.line > audit.began.line || excused {
                continue;
            }
            let text = format!(
                "seq {seq} of room {} was shown and is not in the store",
                self.names.text(name)
            );
            self.report.broken(Promise::I5, Harm::Other, text, &[fact.seen.line, audit.began.line]);
        }
    }

    /// The rooms in which a person is a member at the end, with (epoch, head) of the store.
    pub(super) fn audited_heads(&self, user: Name) -> Vec<(Name, Place)> {
        self.memberships.get(&user).cloned().unwrap_or_default()
    }

    /// At the end: who is a member of what.
    pub(super) fn note_memberships(&mut self) {
        for (name, room) in self.rooms.iter().filter(|(_, room)| room.audit.complete) {
            let mut people: Vec<Name> = room.changes.iter().map(|change| change.user).collect();
            people.extend(&room.given_members);
            people.sort_unstable();
            people.dedup();
            for user in people.into_iter().filter(|user| room.has_member(*user, room.audit.epoch)) {
                let head = (room.audit.epoch, room.audit.head);
                self.memberships.entry(user).or_default().push((*name, head));
            }
        }
    }
}
