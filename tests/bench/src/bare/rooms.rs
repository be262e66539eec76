//! The rooms of the bare server: who is in them, the last number given, and the frames of the
//! read that is being handled. Membership is what a connection's hello said.

use std::collections::HashMap;
use std::io::Write;

use crate::{frame, scan};

/// What the product says beside room, number, author and body, in the same number of bytes.
const EPOCH: &[u8] = b"\"epoch\":\"0123456789abcdef\",\"seq\":";
const ID: &[u8] = b"0193a5b1-7c1d-7c3e-8d25-9a0c9c41f07b";
const AT: &[u8] = b"\"at\":1795377137000";

#[derive(Default)]
pub(super) struct Rooms {
    by_name: HashMap<Vec<u8>, usize>,
    rooms: Vec<Room>,
    touched: Vec<usize>,
    text: Vec<u8>,
}

#[derive(Default)]
struct Room {
    members: Vec<usize>,
    seq: u64,
    /// Encoded frames of the read that is being handled.
    batch: Vec<u8>,
}

impl Rooms {
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Joins the rooms that a hello names, with spaces between.
    pub(super) fn join(&mut self, place: usize, hello: &[u8]) -> Vec<usize> {
        let names = scan::text(hello, b"\"rooms\":\"").unwrap_or_default();
        let mut joined = Vec::new();
        for name in names.split(|&byte| byte == b' ').filter(|name| !name.is_empty()) {
            let room = self.find(name).unwrap_or_else(|| self.add(name));
            self.rooms[room].members.push(place);
            joined.push(room);
        }
        joined
    }

    fn add(&mut self, name: &[u8]) -> usize {
        self.rooms.push(Room::default());
        self.by_name.insert(name.to_vec(), self.rooms.len() - 1);
        self.rooms.len() - 1
    }

    pub(super) fn leave(&mut self, place: usize, rooms: &[usize]) {
        for &room in rooms {
            self.rooms[room].members.retain(|&member| member != place);
        }
    }

    /// Takes a `send` without its beginning: encodes the event once, into the room's batch, and
    /// the ack. `"id":…,"room":"…",` and `"cid":"…","body":"…"}` are copied as they are.
    pub(super) fn send(&mut self, user: &[u8], command: &[u8], acks: &mut Vec<u8>) {
        let Some(cid_at) = memchr::memmem::find(command, b"\"cid\":") else { return };
        let Some(room_at) = memchr::memmem::find(&command[..cid_at], b"\"room\":\"") else {
            return;
        };
        let name = scan::text(&command[room_at..], b"\"room\":\"").unwrap_or_default();
        let Some(index) = self.find(name) else { return };
        let room = &mut self.rooms[index];
        room.seq += 1;
        if room.batch.is_empty() {
            self.touched.push(index);
        }

        let text = &mut self.text;
        text.clear();
        text.extend_from_slice(b"{\"type\":\"event\",");
        text.extend_from_slice(&command[room_at..cid_at]);
        text.extend_from_slice(EPOCH);
        let _ = write!(text, "{}", room.seq);
        text.extend_from_slice(b",\"kind\":\"message\",\"id\":\"");
        text.extend_from_slice(ID);
        text.extend_from_slice(b"\",\"from\":\"");
        text.extend_from_slice(user);
        text.extend_from_slice(b"\",");
        text.extend_from_slice(AT);
        text.extend_from_slice(b",\"n\":");
        let _ = write!(text, "{},", room.seq);
        text.extend_from_slice(&command[cid_at..]);
        frame::push_from_server(&mut room.batch, frame::TEXT, text);

        text.clear();
        text.extend_from_slice(b"{\"type\":\"ack\",");
        text.extend_from_slice(&command[..cid_at]);
        text.extend_from_slice(EPOCH);
        let _ = write!(text, "{}", room.seq);
        text.extend_from_slice(b",\"message\":\"");
        text.extend_from_slice(ID);
        text.extend_from_slice(b"\",");
        text.extend_from_slice(AT);
        text.push(b'}');
        frame::push_from_server(acks, frame::TEXT, text);
    }

    /// The rooms that this read wrote to; give them back by `clear`.
    pub(super) fn take_touched(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.touched)
    }

    pub(super) fn batch(&self, room: usize) -> (&[usize], &[u8]) {
        (&self.rooms[room].members, &self.rooms[room].batch)
    }

    pub(super) fn clear(&mut self, touched: &mut Vec<usize>) {
        for room in touched.drain(..) {
            self.rooms[room].batch.clear();
        }
        self.touched = std::mem::take(touched);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_rooms() -> Rooms {
        let mut rooms = Rooms::default();
        rooms.join(0, br#"{"type":"hello","rooms":"r1 r2"}"#);
        rooms.join(1, br#"{"type":"hello","rooms":"r2"}"#);
        rooms
    }

    #[test]
    fn a_send_becomes_one_event_and_one_ack_with_the_next_number() {
        let mut rooms = two_rooms();
        let mut acks = Vec::new();
        for _ in 0..2 {
            rooms.send(b"ann", br#""id":7,"room":"r2","cid":"1-a","body":"hi"}"#, &mut acks);
        }
        let touched = rooms.take_touched();
        assert_eq!(touched, [1]);
        let (members, batch) = rooms.batch(1);
        assert_eq!(members, [0, 1]);
        let mut batch = batch.to_vec();
        let (_, _, second) = frame::next(&mut batch).unwrap();
        let (_, event, rest) = frame::next(second).unwrap();
        let event: serde_json::Value = serde_json::from_slice(event).unwrap();
        assert_eq!((&event["room"], &event["seq"]), (&"r2".into(), &2.into()));
        assert_eq!((&event["from"], &event["body"]), (&"ann".into(), &"hi".into()));
        assert!(rest.is_empty());
        let (_, ack, _) = frame::next(&mut acks).unwrap();
        let ack: serde_json::Value = serde_json::from_slice(ack).unwrap();
        assert_eq!((&ack["id"], &ack["seq"]), (&7.into(), &1.into()));
    }

    #[test]
    fn who_left_is_no_member_and_unknown_rooms_take_nothing() {
        let mut rooms = two_rooms();
        rooms.leave(0, &[0, 1]);
        let mut acks = Vec::new();
        rooms.send(b"ann", br#""room":"r3","cid":"1-a","body":"hi"}"#, &mut acks);
        assert!(acks.is_empty() && rooms.take_touched().is_empty());
        assert_eq!(rooms.batch(1).0, [1]);
    }
}
