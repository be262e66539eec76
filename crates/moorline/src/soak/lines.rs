//! The way of a line into the checker: which kind of line, then which kind of frame.

use super::connections::{Ask, Pending};
use super::names::{At, Conn, Name, key};
use super::record::{Edge, Frame, Is, Line, RoomField};
use super::verdict::{Harm, Promise};
use super::{Applied, Checker, Revoked};

/// The version of the format that is understood.
const VERSION: u64 = 1;
/// The commands that change something durable.
const DURABLE: [&str; 9] =
    ["send", "edit", "delete", "create", "join", "leave", "invite", "remove", "rename"];

impl Checker {
    /// Takes in one line.
    pub(super) fn read(&mut self, text: &str) {
        let number = self.last.line + 1;
        self.last.line = number;
        self.report.counts.lines = number;
        if text.trim().is_empty() {
            return;
        }
        let line: Line = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(error) => return self.unfit(&format!("not a line of a history: {error}"), number),
        };
        if line.t < self.last.t {
            self.unfit("the time falls from one line to the next", number);
        }
        let at = At { t: line.t, line: number };
        self.last = at;
        self.dispatch(line, at);
    }

    fn dispatch(&mut self, line: Line, at: At) {
        let client = line.c.as_deref().map(|c| self.names.number(c));
        match (line.is, client) {
            (Is::Run, _) => self.run(&line, at),
            (Is::Open, Some(client)) => self.open(&line, client, at),
            (Is::Sent, Some(client)) => self.sent(&line, client, at),
            (Is::Got, Some(client)) => self.got(&line, client, at),
            (Is::Applied, Some(client)) => self.apply(&line, client, at),
            (Is::Close, Some(client)) => self.close(client, line.n, at),
            (Is::Fault, client) => self.fault(&line, client, at),
            (Is::Hint, _) => self.hint(&line),
            (Is::Server, _) => {
                self.report.counts.starts += u64::from(line.edge == Some(Edge::Start));
            }
            (Is::Given, _) => self.give(&line, at),
            (Is::Audit, _) => match line.page {
                Some(page) => self.audit(page, at),
                None => self.unfit("an audit line without its page", at.line),
            },
            (Is::Revoked, client) => {
                let user = self.names.number(line.user.as_deref().unwrap_or(""));
                self.revoked.push(Revoked { user, client, at });
            }
            (Is::End, _) => self.ended = Some(at),
            (_, None) => self.unfit("a line of a client without its name", at.line),
        }
    }

    fn run(&mut self, line: &Line, at: At) {
        if line.version != Some(VERSION) || at.line != 1 {
            self.unfit("the run line is not of version 1 or not the first", at.line);
        }
        self.claimed = Some(line.faults.clone().unwrap_or_default());
        if let Some(ping) = line.ping_ms {
            self.limits.complete_us = 2 * ping * 1000;
        }
        if let Some(answer) = line.answer_ms {
            self.limits.answer_us = answer * 1000;
        }
    }

    fn sent(&mut self, line: &Line, client: Name, at: At) {
        let conn = (client, line.n);
        let text = line.frame.as_ref().map_or("", |frame| frame.get());
        let Ok(mut frame) = serde_json::from_str::<Frame>(text) else {
            self.report.counts.malformed += 1;
            return;
        };
        let Some(connection) = self.connections.get(&conn) else {
            return self.unfit("a client sent on a connection that is not open", at.line);
        };
        let named = line.user.as_deref().map(|user| self.names.number(user));
        let user = named.unwrap_or(connection.user);
        if DURABLE.contains(&frame.what.as_str()) {
            self.clients.entry(client).or_default().sent = true;
            return self.command_sent(conn, user, &frame, at);
        }
        let ask = match frame.what.as_str() {
            "hello" => return self.hello(conn, &mut frame, at),
            "resume" => return self.resume_sent(conn, &mut frame, at),
            "history" => Ask::History {
                after: frame.after.as_ref().and_then(serde_json::Value::as_u64),
                before: frame.before.as_ref().is_some_and(|before| !before.is_null()),
            },
            "read" | "typing" | "ping" | "pong" => return,
            _ => Ask::Other,
        };
        self.expect(conn, frame.number(), Pending { ask, at, user });
    }

    fn got(&mut self, line: &Line, client: Name, at: At) {
        let conn = (client, line.n);
        let text = line.frame.as_ref().map_or("", |frame| frame.get());
        let mut frame = match serde_json::from_str::<Frame>(text) {
            Ok(frame) => frame,
            Err(error) => return self.unfit(&format!("not a frame of a server: {error}"), at.line),
        };
        if !self.connections.contains_key(&conn) {
            return self.unfit("a client got something on a connection that is not open", at.line);
        }
        let room = frame.room_id().map(str::to_owned).map(|room| self.names.number(&room));
        match (frame.what.as_str(), room) {
            ("event", Some(room)) => {
                self.learn(room, &frame, at, 0);
                self.delivered(conn, room, &frame, at);
            }
            ("welcome", _) => {
                let rooms = frame.room_list();
                self.welcome(conn, &rooms, at);
            }
            ("reset", Some(room)) => self.reset(conn, room, &frame, at),
            ("receipt", Some(room)) => self.receipt(conn, room, &frame, at),
            ("typing", Some(room)) => self.ephemeral(conn, room, at),
            ("room", _) => self.room_changed(conn, &frame, at),
            ("ack" | "error" | "page" | "rooms" | "members", _) => {
                self.answer(conn, room, frame, at);
            }
            _ => {}
        }
    }

    fn answer(&mut self, conn: Conn, room: Option<Name>, mut frame: Frame, at: At) {
        let Some(pending) = self.answered(conn, &frame) else { return };
        match (frame.what.as_str(), &pending.ask, room) {
            ("ack", Ask::Command { index, content }, _) => {
                self.acked(*index, *content, conn.0, &frame, at);
            }
            ("error", Ask::Command { index, content }, _) => {
                self.refused(*index, *content, &frame, at);
            }
            ("page", _, Some(room)) => {
                for event in &frame.events {
                    self.learn(room, event, at, 0);
                    self.paged(conn, room, event, at);
                }
                self.page(room, &pending, &frame, at);
            }
            ("rooms", ..) => {
                for info in frame.room_list() {
                    self.read_info(pending.user, &info, pending.at, at);
                }
            }
            ("members", _, Some(room)) => {
                for (user, read) in frame.member_reads() {
                    let user = self.names.number(&user);
                    self.marker(user, room, read, pending.at, at);
                }
            }
            _ => {}
        }
    }

    fn room_changed(&mut self, conn: Conn, frame: &Frame, at: At) {
        let id = match (&frame.room, frame.event_id()) {
            (Some(RoomField::Info(info)), _) => {
                self.follow(conn, info, at);
                info.id.as_str()
            }
            (Some(RoomField::Id(id)), _) => id,
            (None, Some(id)) => id,
            (None, None) => return,
        };
        let room = self.names.number(id);
        if let Some(applied) = self.applied.get_mut(&(conn.0, room)) {
            applied.anywhere = true;
        }
        if frame.change.as_deref() == Some("gone")
            && let Some(connection) = self.connections.get_mut(&conn)
        {
            connection.seen.remove(&room);
        }
    }

    /// I6: what the SDK gives to its application is next, next, next.
    fn apply(&mut self, line: &Line, client: Name, at: At) {
        let (Some(room), Some(epoch), Some(seq)) = (&line.room, &line.epoch, line.seq) else {
            return self.unfit("an applied line without room, epoch or seq", at.line);
        };
        let (place, epoch) = (self.names.number(room), key(epoch));
        self.report.counts.applied += 1;
        self.report.checked(Promise::I6);
        let fact = self.rooms.get(&place).and_then(|room| room.fact(epoch, seq));
        let other =
            fact.is_some_and(|fact| line.id.as_deref().is_some_and(|id| key(id) != fact.id));
        let now = Applied { epoch, seq, line: at.line, anywhere: false };
        let Some(before) = self.applied.insert((client, place), now) else { return };
        let (text, harm) = if other {
            (format!("seq {seq} of room {room} was applied as another event"), Harm::Other)
        } else if before.anywhere || (before.epoch == epoch && seq == before.seq + 1) {
            return;
        } else if before.epoch == epoch && seq == before.seq {
            (format!("seq {seq} of room {room} was applied twice"), Harm::Doubled)
        } else {
            (format!("seq {seq} of room {room} was applied after {}", before.seq), Harm::Disorder)
        };
        self.report.broken(Promise::I6, harm, text, &[before.line, at.line]);
    }

    fn fault(&mut self, line: &Line, client: Option<Name>, at: At) {
        let name = line.name.as_deref().unwrap_or("");
        let known = match line.edge {
            Some(Edge::Begin) => {
                self.faults.begin(name, client, at);
                true
            }
            Some(Edge::End) => self.faults.end(name, client, at),
            _ => false,
        };
        if !known {
            self.unfit("a fault line that neither begins a fault nor ends one that began", at.line);
        }
    }

    fn hint(&mut self, line: &Line) {
        let count = line.count.unwrap_or(1);
        match line.what.as_deref() {
            Some("lost") => self.report.counts.lost_hints += count,
            Some("hole") => self.report.counts.holes += count,
            _ => {}
        }
    }

    fn give(&mut self, line: &Line, at: At) {
        let (Some(room), Some(epoch)) = (&line.room, &line.epoch) else {
            return self.unfit("a given line without room and epoch", at.line);
        };
        let members = line.members.iter().flatten().map(|user| self.names.number(user));
        let members: Vec<Name> = members.collect();
        let room = self.names.number(room);
        let room = self.rooms.entry(room).or_default();
        room.given = Some((key(epoch), line.head.unwrap_or(0)));
        room.given_members.extend(members);
    }
}
