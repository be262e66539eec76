//! What answers to reading must show: one's own writes and never less than before (I9), and read
//! markers that only grow (I15).

use std::collections::VecDeque;

use serde_json::Value;

use super::Checker;
use super::commands::Ack;
use super::connections::{Ask, Pending};
use super::names::{At, Conn, Name, key};
use super::record::{Frame, RoomInfo};
use super::rooms::Room;
use super::verdict::{Harm, Promise};

/// How many steps of a growing number are remembered: enough for what is asked at one time.
const STEPS: usize = 64;

/// A number that a reader has seen grow, with the moments.
#[derive(Debug, Default)]
pub(super) struct Floor {
    steps: VecDeque<(At, u128, u64)>,
}

impl Floor {
    /// Notes that `value` was seen (under an epoch, where there is one).
    pub(super) fn rise(&mut self, at: At, epoch: u128, value: u64) {
        if self.steps.back().is_some_and(|(_, e, known)| *e == epoch && *known >= value) {
            return;
        }
        if self.steps.len() == STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back((at, epoch, value));
    }

    /// What was seen before `t`: the line, the epoch and the number.
    fn before(&self, t: u64) -> Option<(u64, u128, u64)> {
        let (at, epoch, value) = self.steps.iter().rev().find(|(at, ..)| at.t < t)?;
        Some((at.line, *epoch, *value))
    }
}

impl Room {
    /// The highest seq that anybody had seen at `t`.
    pub(super) fn head_at(&self, epoch: u128, t: u64) -> u64 {
        let Some(log) = self.logs.get(&epoch) else { return 0 };
        let seen = log.facts.iter().filter(|(_, fact)| fact.seen.t <= t);
        seen.map(|(seq, _)| *seq).max().unwrap_or(0)
    }
}

impl Checker {
    /// A person saw a seq of a room, as an event or in the ack of an own command.
    pub(super) fn saw(&mut self, user: Name, room: Name, epoch: u128, seq: u64, at: At) {
        self.heads.entry((user, room)).or_default().rise(at, epoch, seq);
    }

    /// An edit or a deletion was acknowledged: who asks from now on sees it.
    pub(super) fn note_rewritten(&mut self, index: usize, ack: Ack) {
        let message = self.commands[index].message;
        self.edits.entry(message).or_default().floor.rise(ack.at, ack.epoch, ack.seq);
    }

    /// A room list says a head and the reader's own marker.
    pub(super) fn read_info(&mut self, user: Name, info: &RoomInfo, asked: At, at: At) {
        let room = self.names.number(&info.id);
        if info.role.is_none() && info.read.is_none() {
            return; // A public room that is only found.
        }
        if let (Some(epoch), Some(head)) = (info.epoch.as_deref().map(key), info.head) {
            self.read_head(user, room, (epoch, head), asked, at);
        }
        if let Some(read) = info.read {
            self.marker(user, room, read, asked, at);
        }
    }

    fn read_head(&mut self, user: Name, room: Name, told: (u128, u64), asked: At, at: At) {
        let floor = self.heads.entry((user, room)).or_default();
        let known = floor.before(asked.t);
        floor.rise(at, told.0, told.1);
        let Some((line, epoch, seq)) = known else { return };
        if epoch != told.0 {
            return;
        }
        self.report.checked(Promise::I9);
        if told.1 < seq {
            let (who, name) = (self.names.text(user), self.names.text(room));
            let text = format!(
                "{who} had seen seq {seq} of room {name} and was then shown only {}",
                told.1
            );
            let restored = self.faults.restored_between(0, at.t);
            let promise = if restored { Promise::I14 } else { Promise::I9 };
            self.report.broken(promise, Harm::Other, text, &[line, asked.line, at.line]);
        }
    }

    /// A marker was told in answer to something asked at `asked`.
    pub(super) fn marker(&mut self, user: Name, room: Name, read: u64, asked: At, at: At) {
        let floor = self.markers.entry((user, room)).or_default();
        let known = floor.before(asked.t);
        floor.rise(at, 0, read);
        let Some((line, _, seq)) = known else { return };
        self.report.checked(Promise::I15);
        if read < seq {
            let text =
                format!("the read marker of {} fell from {seq} to {read}", self.names.text(user));
            self.report.broken(Promise::I15, Harm::Other, text, &[line, asked.line, at.line]);
        }
    }

    /// A receipt came by itself: on one connection it only grows.
    pub(super) fn receipt(&mut self, conn: Conn, room: Name, frame: &Frame, at: At) {
        let (Some(user), Some(seq)) = (frame.user.as_ref().and_then(Value::as_str), frame.seq)
        else {
            return;
        };
        let user = self.names.number(user);
        self.ephemeral(conn, room, at);
        self.markers.entry((user, room)).or_default().rise(at, 0, seq);
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let known = connection.receipts.insert((room, user), (seq, at.line));
        let Some((before, line)) = known else { return };
        self.report.checked(Promise::I15);
        if seq < before {
            let text =
                format!("the read marker of {} fell from {before} to {seq}", self.names.text(user));
            self.report.broken(Promise::I15, Harm::Other, text, &[line, at.line]);
        }
    }

    /// A page arrived: without holes, and up to date with what its reader had seen.
    pub(super) fn page(&mut self, room: Name, pending: &Pending, page: &Frame, at: At) {
        let Ask::History { after, before } = pending.ask else { return };
        let seqs: Vec<u64> = page.events.iter().filter_map(|event| event.seq).collect();
        if let Some(hole) = seqs.windows(2).find(|pair| pair[1] != pair[0] + 1) {
            let text = format!("a page goes from seq {} to {}", hole[0], hole[1]);
            self.report.broken(Promise::I3, Harm::Lost, text, &[pending.at.line, at.line]);
        }
        for event in &page.events {
            self.check_rewritten(event, pending.at, at);
        }
        let (Some(epoch), Some(head)) = (page.epoch.as_deref().map(key), page.head) else { return };
        self.read_head(pending.user, room, (epoch, head), pending.at, at);
        let newest = after.is_none() && !before;
        let last = seqs.last().copied().or(after).unwrap_or(0);
        if (newest || (after.is_some() && !page.has_more())) && last < head {
            let text = format!("a page that should reach the head {head} ends at {last}");
            self.report.broken(Promise::I9, Harm::Lost, text, &[pending.at.line, at.line]);
        }
        if let (Some(after), Some(first)) = (after, seqs.first())
            && *first > (after + 1).max(page.first.unwrap_or(1))
        {
            let text = format!("a page after {after} begins at {first}");
            self.report.broken(Promise::I3, Harm::Lost, text, &[pending.at.line, at.line]);
        }
    }

    /// A message shown after its edit was acknowledged shows that edit or a later one.
    fn check_rewritten(&mut self, event: &Frame, asked: At, at: At) {
        let Some(id) = event.event_id().map(key) else { return };
        let Some(edits) = self.edits.get(&id) else { return };
        let Some((line, epoch, seq)) = edits.floor.before(asked.t) else { return };
        if event.epoch.as_deref().map(key) != Some(epoch) {
            return;
        }
        let shown =
            event.edited.iter().chain(&event.deleted).map(|mark| mark.seq).max().unwrap_or(0);
        self.report.checked(Promise::I9);
        if shown < seq {
            let text = format!("a message is shown without its acknowledged change at seq {seq}");
            self.report.broken(Promise::I9, Harm::Other, text, &[line, asked.line, at.line]);
        }
    }
}
