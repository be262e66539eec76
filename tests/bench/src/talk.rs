//! What the rows have in common in which people talk: signing in, sending with a number, hearing
//! events and acks, and the ledger of who got what. Each connection has one room.

use std::time::Instant;

use serde_json::Value;

use crate::ledger::Ledger;
use crate::messages::{self, Messages};
use crate::plan::Plan;
use crate::scan;

/// What a frame was.
pub(crate) enum Heard {
    /// The event of a send, with that send's number.
    Event {
        /// The send.
        send: u64,
        /// Its place in the room.
        seq: u64,
    },
    /// The ack of a send.
    Ack {
        /// The send.
        send: u64,
    },
    /// Anything that needs no answer.
    Other,
}

/// The state of a talk.
pub(crate) struct Talk {
    hellos: Vec<Vec<u8>>,
    rooms: Vec<String>,
    messages: Messages,
    sends: Vec<Sent>,
    /// Who got what.
    pub(crate) ledger: Ledger,
    /// Connections that are signed in.
    pub(crate) ready: usize,
    /// Acks so far, each for another send.
    pub(crate) acked: u64,
    /// Bytes of events so far.
    pub(crate) event_bytes: u64,
    /// A search has found something.
    pub(crate) found: bool,
}

#[derive(Clone, Copy)]
struct Sent {
    by: u32,
    acked: bool,
    at: Instant,
}

impl Talk {
    /// A talk of the plan's people, in their first room each.
    pub(crate) fn new(plan: &Plan, hellos: Vec<Vec<u8>>, body_bytes: usize) -> Talk {
        let room_of: Vec<usize> = plan.people.iter().map(|person| person.rooms[0]).collect();
        Talk {
            hellos,
            rooms: room_of.iter().map(|&room| plan.rooms[room].id.clone()).collect(),
            messages: Messages::new(body_bytes),
            sends: Vec::new(),
            ledger: Ledger::new(room_of),
            ready: 0,
            acked: 0,
            event_bytes: 0,
            found: false,
        }
    }

    /// Says hello on a connection.
    pub(crate) fn opened(&self, conn: usize, out: &mut Vec<u8>) {
        crate::swarm::say(out, &self.hellos[conn]);
    }

    /// Takes a frame.
    pub(crate) fn hear(&mut self, conn: usize, frame: &[u8]) -> Heard {
        match scan::kind(frame) {
            b"event" => self.event(conn, frame),
            b"ack" => self.ack(frame),
            b"welcome" => self.welcome(conn, frame),
            b"error" => self.fail(&format!("refused: {}", String::from_utf8_lossy(frame))),
            b"hits" => {
                self.found |= memchr::memmem::find(frame, b"\"hits\":[]").is_none();
                Heard::Other
            }
            _ => Heard::Other,
        }
    }

    fn event(&mut self, conn: usize, frame: &[u8]) -> Heard {
        let seq = scan::number(frame, b"\"seq\":");
        let send = scan::text(frame, b"\"cid\":\"").map(scan::leading_number);
        let (Some(seq), Some(send)) = (seq, send) else {
            return self.fail(&format!("an event without seq or cid on connection {conn}"));
        };
        self.ledger.take(conn, seq, send);
        self.event_bytes += frame.len() as u64;
        if send as usize >= self.sends.len() {
            return self.fail(&format!("an event of a send that never was: {send}"));
        }
        Heard::Event { send, seq }
    }

    fn ack(&mut self, frame: &[u8]) -> Heard {
        let send = scan::number(frame, b"\"id\":").unwrap_or(u64::MAX);
        match self.sends.get_mut(send as usize) {
            Some(sent) if !sent.acked => sent.acked = true,
            _ => return self.fail(&format!("ack {send} came twice or for nothing")),
        }
        self.acked += 1;
        Heard::Ack { send }
    }

    fn welcome(&mut self, conn: usize, frame: &[u8]) -> Heard {
        let welcome: Value = serde_json::from_slice(frame).unwrap_or_default();
        // The bare server names no rooms: its logs are empty.
        if let Some(room) = welcome["rooms"].get(0) {
            let (Some(id), Some(head)) = (room["id"].as_str(), room["head"].as_u64()) else {
                return self.fail("a welcome whose room has no id or no head");
            };
            self.rooms[conn] = id.to_owned();
            self.ledger.start(conn, head);
        }
        self.ready += 1;
        Heard::Other
    }

    /// Notes what voids the row.
    pub(crate) fn fail(&mut self, why: &str) -> Heard {
        self.ledger.fail(why.to_owned());
        Heard::Other
    }

    /// The text of the next send of a connection.
    pub(crate) fn next_send(&mut self, conn: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(512);
        self.messages.push(&mut text, &self.rooms[conn], self.sent());
        self.note_send(conn);
        text
    }

    /// The same with a text of the caller's.
    pub(crate) fn send_of(&mut self, conn: usize, body: &str) -> Vec<u8> {
        let mut text = Vec::new();
        messages::push_send(&mut text, &self.rooms[conn], self.sent(), body);
        self.note_send(conn);
        text
    }

    fn note_send(&mut self, conn: usize) {
        self.sends.push(Sent { by: conn as u32, acked: false, at: Instant::now() });
    }

    /// All sends so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sends.len() as u64
    }

    /// Whose send that was.
    pub(crate) fn sender(&self, send: u64) -> usize {
        self.sends[send as usize].by as usize
    }

    /// Microseconds since that send.
    pub(crate) fn age_us(&self, send: u64) -> u32 {
        self.sends[send as usize].at.elapsed().as_micros() as u32
    }

    /// The room that a connection talks in.
    pub(crate) fn room(&self, conn: usize) -> &str {
        &self.rooms[conn]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk() -> Talk {
        Talk::new(&Plan::pairs(2), vec![Vec::new(); 2], 20)
    }

    #[test]
    fn sends_events_and_acks_are_told_apart_and_counted() {
        let mut talk = talk();
        let welcome = br#"{"type":"welcome","rooms":[{"id":"x","head":4}]}"#;
        for conn in 0..2 {
            talk.hear(conn, welcome);
        }
        let send = talk.next_send(1);
        assert_eq!(scan::text(&send, b"\"room\":\""), Some(&b"x"[..]));
        let event = br#"{"type":"event","room":"x","seq":5,"cid":"00000000-7c1d"}"#;
        assert!(matches!(talk.hear(0, event), Heard::Event { send: 0, seq: 5 }));
        assert!(talk.ledger.verdict(1).is_err());
        talk.hear(1, event);
        let ack = br#"{"type":"ack","id":0,"room":"x","seq":5}"#;
        assert!(matches!(talk.hear(1, ack), Heard::Ack { send: 0 }));
        assert_eq!((talk.acked, talk.ledger.verdict(1)), (1, Ok(())));
        talk.hear(1, ack);
        assert!(talk.ledger.fault().is_some());
    }

    #[test]
    fn a_refusal_voids_the_row() {
        let mut talk = talk();
        talk.hear(0, br#"{"type":"error","code":"internal"}"#);
        assert!(talk.ledger.fault().is_some());
    }
}
