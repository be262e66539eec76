//! Durable commands and their answers: I2 (one outcome for one cid), I10 (order in real time),
//! I13 (no silence), and the acks that the final audit must confirm (I1).

use super::Checker;
use super::connections::{Ask, Pending};
use super::names::{At, Conn, Name, Place, key, keys};
use super::record::Frame;
use super::verdict::{Harm, Promise};

/// The room of commands that have none yet.
pub(super) const NO_ROOM: Name = Name::MAX;

/// One text sent under a cid. Normally there is one.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) hash: u128,
    /// Refused for good.
    pub(super) refused: bool,
}

/// The first ack of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack {
    pub(super) room: Name,
    pub(super) epoch: u128,
    pub(super) seq: u64,
    pub(super) id: u128,
    pub(super) content: usize,
    pub(super) at: At,
}

/// A durable command, however often it was sent.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) what: String,
    pub(super) room: Name,
    pub(super) user: Name,
    pub(super) cid: u128,
    pub(super) contents: Vec<Content>,
    pub(super) first: At,
    pub(super) last: At,
    pub(super) attempts: u32,
    /// The connection of the first attempt.
    pub(super) connection: Conn,
    /// What was acknowledged in the room before the first attempt: (epoch, seq, line).
    pub(super) floor: (u128, u64, u64),
    pub(super) ack: Option<Ack>,
    /// Answered by anything: an ack, a final error, a retryable error.
    pub(super) answered: bool,
    /// Where it stands in the log, if anybody saw it there.
    pub(super) place: Option<Place>,
    /// For `create`: the first members.
    pub(super) members: Vec<Name>,
    /// For `edit` and `delete`: the message.
    pub(super) message: u128,
}

/// A key for what a command asks, in the words that `rooms::content` uses for its event.
fn content(frame: &Frame) -> u128 {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let message = text(&frame.message);
    match frame.what.as_str() {
        "send" => keys(&["message", &text(&frame.body), &text(&frame.reply_to)]),
        "edit" => keys(&["edit", &message, &text(&frame.body)]),
        "delete" => keys(&["delete", &message]),
        "rename" => keys(&["rename", &text(&frame.name)]),
        what => {
            let mut parts = vec![what.to_owned(), text(&frame.kind), text(&frame.name)];
            parts.extend(frame.users.clone().unwrap_or_default());
            parts.extend(frame.member_ids());
            keys(&parts.iter().map(String::as_str).collect::<Vec<_>>())
        }
    }
}

impl Checker {
    /// Takes in an attempt of a durable command.
    pub(super) fn command_sent(&mut self, conn: Conn, user: Name, frame: &Frame, at: At) {
        let Some(cid) = frame.cid.as_deref().map(key) else { return };
        let room = match (frame.what.as_str(), frame.room_id()) {
            ("create", _) => NO_ROOM,
            (_, Some(room)) => self.names.number(room),
            (_, None) => return,
        };
        let index = self.command(conn, user, room, cid, frame, at);
        self.note_names(room, user, frame, at);
        self.note_edit(frame);
        let hash = content(frame);
        let command = &mut self.commands[index];
        command.attempts += 1;
        command.last = at;
        command.answered = command.ack.is_some();
        let number = match command.contents.iter().position(|content| content.hash == hash) {
            Some(number) => number,
            None => {
                command.contents.push(Content { hash, refused: false });
                command.contents.len() - 1
            }
        };
        command.contents[number].refused = false;
        if command.attempts == 2 {
            self.report.counts.repeated += 1;
        }
        self.faults.sent(conn.0, at);
        let ask = Ask::Command { index, content: number };
        self.expect(conn, frame.number(), Pending { ask, at, user });
    }

    fn command(
        &mut self,
        connection: Conn,
        user: Name,
        room: Name,
        cid: u128,
        frame: &Frame,
        at: At,
    ) -> usize {
        if let Some(index) = self.by_cid.get(&(room, user, cid)) {
            return *index;
        }
        let floor = self.rooms.get(&room).map_or((0, 0, 0), |room| {
            let (seq, line) = room.logs.get(&room.epoch).map_or((0, 0), |log| log.acked);
            (room.epoch, seq, line)
        });
        let members = frame.member_ids().iter().map(|id| self.names.number(id)).collect();
        self.commands.push(Command {
            what: frame.what.clone(),
            room,
            user,
            cid,
            contents: Vec::new(),
            first: at,
            last: at,
            attempts: 0,
            connection,
            floor,
            ack: None,
            answered: false,
            place: None,
            members,
            message: key(frame.message.as_deref().unwrap_or("")),
        });
        let index = self.commands.len() - 1;
        self.by_cid.insert((room, user, cid), index);
        self.by_text.insert((room, user, content(frame)));
        self.report.counts.sends += 1;
        index
    }

    /// Remembers whom commands wanted in or out of a room; membership events are checked by it.
    fn note_names(&mut self, room: Name, user: Name, frame: &Frame, at: At) {
        let people: Vec<(Name, bool)> = match frame.what.as_str() {
            "join" => vec![(user, true)],
            "leave" => vec![(user, false)],
            what @ ("invite" | "remove") => {
                let users = frame.users.iter().flatten();
                users.map(|id| (self.names.number(id), what == "invite")).collect()
            }
            _ => return,
        };
        let named = &mut self.rooms.entry(room).or_default().named;
        for person in people {
            named.entry(person).or_insert(at);
        }
    }

    fn note_edit(&mut self, frame: &Frame) {
        let (Some(message), "edit") = (frame.message.as_deref(), frame.what.as_str()) else {
            return;
        };
        let body = key(frame.body.as_deref().unwrap_or(""));
        self.edits.entry(key(message)).or_default().bodies.push(body);
    }

    /// Takes in an ack of the durable command `index`.
    pub(super) fn acked(
        &mut self,
        index: usize,
        content: usize,
        client: Name,
        frame: &Frame,
        at: At,
    ) {
        let room = frame.room_id().map(|room| self.names.number(room));
        let command = &mut self.commands[index];
        command.answered = true;
        self.faults.acked(client, at);
        let room = room.unwrap_or(command.room);
        let (Some(epoch), Some(seq)) = (frame.epoch.as_deref().map(key), frame.seq) else {
            if command.what == "send" {
                let text = "an ack of a message without epoch and seq".to_owned();
                let lines = [command.last.line, at.line];
                self.report.broken(Promise::I1, Harm::Other, text, &lines);
            }
            return self.acked_bare(index, room, content, at);
        };
        let id = frame.message.as_deref().map_or(0, key);
        let ack = Ack { room, epoch, seq, id, content, at };
        self.settle(index, ack);
    }

    /// An ack that names no position, as of `create`.
    fn acked_bare(&mut self, index: usize, room: Name, content: usize, at: At) {
        self.settle(index, Ack { room, epoch: 0, seq: 0, id: 0, content, at });
    }

    fn settle(&mut self, index: usize, ack: Ack) {
        let command = &mut self.commands[index];
        let Some(first) = command.ack else {
            command.ack = Some(ack);
            self.report.counts.acknowledged += 1;
            return self.acked_first(index, ack);
        };
        let lines = [command.first.line, first.at.line, ack.at.line];
        self.report.checked(Promise::I2);
        // A position of an epoch that a restore ended may be told anew under the next one.
        let same_place = first.epoch != ack.epoch || first.seq == ack.seq;
        let text = if first.content != ack.content {
            "the same cid was acknowledged with two bodies"
        } else if first.room != ack.room || !same_place || first.id != ack.id {
            "the same cid was acknowledged at two positions"
        } else {
            return;
        };
        self.report.broken(Promise::I2, Harm::Doubled, text.to_owned(), &lines);
    }

    fn acked_first(&mut self, index: usize, ack: Ack) {
        let command = &self.commands[index];
        let (user, floor, sent) = (command.user, command.floor, command.first.line);
        let is_message = command.what == "send";
        // What is so already, such as an invitation of a member, is acknowledged where it became so.
        let is_new = matches!(command.what.as_str(), "send" | "edit");
        if ack.seq == 0 {
            return;
        }
        let room = self.rooms.entry(ack.room).or_default();
        room.epoch = ack.epoch;
        let log = room.logs.entry(ack.epoch).or_default();
        if ack.seq > log.acked.0 {
            log.acked = (ack.seq, ack.at.line);
        }
        if let (true, Some(fact)) = (is_message, log.facts.get(&ack.seq))
            && fact.id != ack.id
        {
            let text = format!("an ack names position {}, where another event stands", ack.seq);
            let lines = [fact.seen.line, ack.at.line];
            self.report.broken(Promise::I5, Harm::Other, text, &lines);
        }
        if is_new {
            self.ordered(floor, ack.epoch, ack.seq, sent, ack.at.line);
        }
        self.saw(user, ack.room, ack.epoch, ack.seq, ack.at);
        if matches!(self.commands[index].what.as_str(), "edit" | "delete") {
            self.note_rewritten(index, ack);
        }
    }

    /// I10: above all that was acknowledged before it was first sent.
    pub(super) fn ordered(
        &mut self,
        floor: (u128, u64, u64),
        epoch: u128,
        seq: u64,
        sent: u64,
        line: u64,
    ) {
        if floor.0 != epoch || floor.1 == 0 {
            return;
        }
        self.report.checked(Promise::I10);
        if seq <= floor.1 {
            let text = format!("seq {seq} was sent after seq {} was acknowledged", floor.1);
            self.report.broken(Promise::I10, Harm::Disorder, text, &[floor.2, sent, line]);
        }
    }

    /// Takes in an error as the answer to the durable command `index`.
    pub(super) fn refused(&mut self, index: usize, content: usize, frame: &Frame, at: At) {
        let command = &mut self.commands[index];
        command.answered = true;
        let lines = [command.first.line, command.last.line, at.line];
        let code = frame.error_code();
        if frame.retry == Some(true) {
            self.report.counts.put_off += 1;
            if frame.retry_after_ms.is_none() {
                let text = format!("the retryable error {code} does not say when to retry");
                self.report.broken(Promise::I13, Harm::Other, text, &lines);
            }
            return;
        }
        if code == "cid_conflict" && command.contents.len() == 1 {
            let text = "cid_conflict for a cid that was always sent with the same body".to_owned();
            self.report.broken(Promise::I2, Harm::Other, text, &lines);
        }
        if let (Some(ack), true) = (command.ack, code != "cid_conflict") {
            let text = format!("an acknowledged cid was answered with {code} when sent again");
            let lines = [ack.at.line, command.last.line, at.line];
            self.report.broken(Promise::I2, Harm::Other, text, &lines);
        }
        if let Some(content) = command.contents.get_mut(content) {
            content.refused = true;
        }
    }
}
