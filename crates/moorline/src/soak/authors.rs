//! I4, no phantom: each event in a log was asked for by the person it names, with that text.

use super::Checker;
use super::commands::NO_ROOM;
use super::names::{At, Name, key};
use super::record::Frame;
use super::rooms::{Change, Fact, Room};
use super::verdict::{Harm, Promise};

/// Membership while a log is walked: who is in.
type Members = std::collections::HashSet<Name>;

impl Checker {
    /// Finds the command behind a new event of a log. Membership events wait for the end, since
    /// one of them may carry the changes of several commands.
    pub(super) fn check_author(
        &mut self,
        room: Name,
        epoch: u128,
        seq: u64,
        event: &Frame,
        fact: &Fact,
    ) {
        let given = self.rooms.entry(room).or_default().is_given(epoch, seq);
        let kind = event.kind.as_deref().unwrap_or("");
        if given || kind == "member" {
            return;
        }
        self.report.checked(Promise::I4);
        let Some(cid) = fact.cid else {
            let known =
                fact.content.is_none_or(|text| self.by_text.contains(&(room, fact.from, text)));
            if !known {
                self.phantom(room, seq, "nobody sent it", &[fact.seen.line]);
            }
            return;
        };
        let Some(index) = self.by_cid.get(&(room, fact.from, cid)).copied() else {
            return self.phantom(room, seq, "nobody sent it", &[fact.seen.line]);
        };
        let command = &mut self.commands[index];
        command.place = Some((epoch, seq));
        let (floor, sent) = (command.floor, command.first.line);
        let wanted = match command.what.as_str() {
            "send" => "message",
            what => what,
        };
        let as_sent =
            fact.content.is_none_or(|text| command.contents.iter().any(|c| c.hash == text));
        if wanted != kind || !as_sent {
            self.phantom(
                room,
                seq,
                "it is not what was sent under its cid",
                &[sent, fact.seen.line],
            );
        }
        self.ordered(floor, epoch, seq, sent, fact.seen.line);
    }

    /// A message shown as edited has a body that somebody sent as an edit; a deleted one has none.
    pub(super) fn check_present_body(&mut self, room: Name, event: &Frame, at: At) {
        let (Some(id), Some("message")) = (event.event_id(), event.kind.as_deref()) else { return };
        let body = event.body.as_deref().unwrap_or("");
        let epoch = key(event.epoch.as_deref().unwrap_or(""));
        let seq = event.seq.unwrap_or(0);
        if event.deleted.is_some() {
            if !body.is_empty() {
                self.phantom(room, seq, "it is deleted and still has its text", &[at.line]);
            }
            return;
        }
        let given = self.rooms.entry(room).or_default().is_given(epoch, seq);
        let known = |edits: &super::Edits| edits.bodies.contains(&key(body));
        if event.edited.is_some() && !given && !self.edits.get(&key(id)).is_some_and(known) {
            self.phantom(room, seq, "nobody edited it to this text", &[at.line]);
        }
    }

    fn phantom(&mut self, room: Name, seq: u64, why: &str, lines: &[u64]) {
        let name = self.names.text(room);
        let text = format!("position {seq} of room {name} is a phantom: {why}");
        self.report.broken(Promise::I4, Harm::Other, text, lines);
    }

    /// At the end: nothing that was finally refused is in a log.
    pub(super) fn check_refused(&mut self) {
        for command in &self.commands {
            let Some((epoch, seq)) = command.place else { continue };
            let fact = self.rooms.get(&command.room).and_then(|room| room.fact(epoch, seq));
            let Some(stored) = fact.and_then(|fact| fact.content) else { continue };
            let refused = command.contents.iter().any(|c| c.hash == stored && c.refused);
            if refused {
                let text = format!("position {seq} holds a command that was finally refused");
                let lines = [command.first.line, fact.map_or(0, |fact| fact.seen.line)];
                self.report.broken(Promise::I4, Harm::Other, text, &lines);
            }
        }
    }

    /// At the end: each membership change was asked for, and only members wrote.
    pub(super) fn check_members_wrote(&mut self) {
        let rooms = std::mem::take(&mut self.rooms);
        for (name, room) in &rooms {
            for change in &room.changes {
                self.check_change(*name, room, change);
            }
            if room.audit.complete {
                self.walk(*name, room);
            }
        }
        self.rooms = rooms;
    }

    fn check_change(&mut self, name: Name, room: &Room, change: &Change) {
        if room.is_given(change.epoch, change.seq) {
            return;
        }
        self.report.checked(Promise::I4);
        let asked = room.named.contains_key(&(change.user, change.joins));
        let created = change.joins && self.was_created_with(change);
        if !asked && !created {
            self.phantom(name, change.seq, "nobody asked for this membership", &[change.seen.line]);
        }
    }

    /// Whether the change comes from the `create` of its room. A room that was made outside of
    /// the record is taken with the members that its first event names.
    fn was_created_with(&self, change: &Change) -> bool {
        let created = change.cid.and_then(|cid| self.by_cid.get(&(NO_ROOM, change.from, cid)));
        let Some(index) = created else { return change.seq == 1 };
        change.user == change.from || self.commands[*index].members.contains(&change.user)
    }

    fn walk(&mut self, name: Name, room: &Room) {
        let epoch = room.audit.epoch;
        let Some(log) = room.logs.get(&epoch) else { return };
        let mut changes: Vec<&Change> = room.changes.iter().filter(|c| c.epoch == epoch).collect();
        changes.sort_by_key(|change| change.seq);
        let mut changes = changes.into_iter().peekable();
        let mut members: Members = room.given_members.clone();
        let mut seqs: Vec<u64> = log.facts.keys().copied().collect();
        seqs.sort_unstable();
        let membership = key("member");
        for seq in seqs {
            let Some(fact) = log.facts.get(&seq) else { continue };
            while let Some(change) = changes.next_if(|change| change.seq <= seq) {
                match change.joins {
                    true => members.insert(change.user),
                    false => members.remove(&change.user),
                };
            }
            let may = members.contains(&fact.from) || room.is_given(epoch, seq);
            if fact.kind != membership && !may {
                self.phantom(name, seq, "its sender was no member then", &[fact.seen.line]);
            }
        }
    }
}
