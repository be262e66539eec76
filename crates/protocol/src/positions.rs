//! All positions of a client at once, for those who cannot keep them by themselves: an `EventSource` that sends back
//! nothing but the last `id:`, a script that polls.
//!
//! They follow the frames that go out, and are written as `room:epoch:seq:check`, joined by commas.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ids::MAX_INTEGER;
use crate::{Epoch, Position, RoomId, Seq};

/// Where a client stands in each of its rooms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    at: BTreeMap<RoomId, Position>,
    /// Whether rooms that are not among them are none of the client's.
    is_closed: bool,
}

/// What a frame told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Of no position.
    Nothing,
    /// Of a room in which the client stands somewhere else now; nowhere where it is in the room no more.
    Moved(RoomId),
    /// Of all rooms that a welcome names.
    Many(Vec<RoomId>),
    /// Of a room that the client did not ask for.
    Elsewhere,
}

/// A text that is no list of positions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no position: one is room:epoch:seq or room:epoch:seq:check")]
pub struct NoPosition(String);

/// What of a frame decides.
#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    /// An id in most frames, all of a room in `room` `added`.
    #[serde(borrow)]
    room: Option<&'a RawValue>,
    epoch: Option<Epoch>,
    seq: Option<Seq>,
    head: Option<Seq>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    rooms: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Room {
    id: RoomId,
    epoch: Epoch,
    head: Seq,
}

impl Positions {
    /// These, and frames of other rooms are none of the client's.
    #[must_use]
    pub fn only(at: BTreeMap<RoomId, Position>) -> Self {
        Self { at, is_closed: true }
    }

    /// These, and of whatever rooms come.
    #[must_use]
    pub fn open(at: BTreeMap<RoomId, Position>) -> Self {
        Self { at, is_closed: false }
    }

    /// Reads what `Display` writes, as a closed list.
    ///
    /// # Errors
    /// Names the part that is no position.
    pub fn parse(text: &str) -> Result<Self, NoPosition> {
        let mut at = BTreeMap::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (room, position) = one(part).ok_or_else(|| NoPosition(part.to_owned()))?;
            at.insert(room, position);
        }
        Ok(Self::only(at))
    }

    /// How many rooms they are of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether they are of none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// The positions themselves.
    #[must_use]
    pub fn into_map(self) -> BTreeMap<RoomId, Position> {
        self.at
    }

    /// Where the client stands in a room.
    #[must_use]
    pub fn get(&self, room: &RoomId) -> Option<&Position> {
        self.at.get(room)
    }

    /// Follows a frame that goes out.
    pub fn apply(&mut self, payload: &[u8]) -> Told {
        let Ok(told) = serde_json::from_slice::<Seen<'_>>(payload) else { return Told::Nothing };
        match told.kind {
            "welcome" => self.welcome(told.rooms),
            "room" => self.room(&told),
            "event" | "reset" => self.moved(&told),
            _ => match told.room.and_then(read::<RoomId>) {
                Some(room) if self.is_elsewhere(&room) => Told::Elsewhere,
                _ => Told::Nothing,
            },
        }
    }

    fn is_elsewhere(&self, room: &RoomId) -> bool {
        self.is_closed && !self.at.contains_key(room)
    }

    /// A welcome tells heads of rooms for which the client has no position.
    fn welcome(&mut self, rooms: Option<&RawValue>) -> Told {
        if self.is_closed {
            return Told::Nothing;
        }
        let named = rooms.and_then(read::<Vec<Room>>).unwrap_or_default();
        let mut moved = Vec::new();
        for room in named {
            if !self.at.contains_key(&room.id) {
                moved.push(room.id.clone());
                self.put(room.id, room.epoch, room.head, None);
            }
        }
        Told::Many(moved)
    }

    fn room(&mut self, told: &Seen<'_>) -> Told {
        if let Some(Room { id, epoch, head }) = told.room.and_then(read) {
            if self.is_elsewhere(&id) {
                return Told::Elsewhere;
            }
            // A node that is behind may tell of a room that the client has; what it lacks of it still comes.
            let is_known = |at: &Position| at.epoch == epoch && at.seq <= head;
            if !self.at.get(&id).is_some_and(is_known) {
                self.put(id.clone(), epoch, head, None);
            }
            return Told::Moved(id);
        }
        let Some(id) = told.id.and_then(read::<RoomId>) else { return Told::Nothing };
        if self.is_elsewhere(&id) {
            return Told::Elsewhere;
        }
        // A closed list keeps it: what follows, should the person come back, is still theirs.
        if !self.is_closed {
            self.at.remove(&id);
        }
        Told::Moved(id)
    }

    fn moved(&mut self, told: &Seen<'_>) -> Told {
        let Some(room) = told.room.and_then(read::<RoomId>) else { return Told::Nothing };
        if self.is_elsewhere(&room) {
            return Told::Elsewhere;
        }
        let at = if told.kind == "event" { told.seq } else { told.head };
        if let (Some(epoch), Some(seq)) = (told.epoch, at) {
            let is_old = self.at.get(&room).is_some_and(|at| at.epoch == epoch && at.seq > seq);
            if !is_old || told.kind == "reset" {
                let check = told.id.and_then(read::<String>).and_then(|id| last_of(&id));
                self.put(room.clone(), epoch, seq, check);
            }
        } else if !self.is_closed {
            self.at.remove(&room);
        }
        Told::Moved(room)
    }

    fn put(&mut self, room: RoomId, epoch: Epoch, seq: Seq, check: Option<String>) {
        self.at.insert(room, Position { epoch, seq, check });
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (room, Position { epoch, seq, check })) in self.at.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{room}:{epoch}:{}", seq.0)?;
            if let Some(check) = check {
                write!(f, ":{check}")?;
            }
        }
        Ok(())
    }
}

fn one(part: &str) -> Option<(RoomId, Position)> {
    let mut parts = part.split(':');
    let (room, epoch) = (parts.next()?.parse().ok()?, epoch(parts.next()?)?);
    let seq = Seq(parts.next()?.parse().ok().filter(|seq| *seq <= MAX_INTEGER)?);
    let check = parts.next().map(str::to_owned);
    let is_check =
        |check: &String| check.len() == 8 && check.bytes().all(|b| b.is_ascii_hexdigit());
    if parts.next().is_some() || check.as_ref().is_some_and(|check| !is_check(check)) {
        return None;
    }
    Some((room, Position { epoch, seq, check }))
}

fn epoch(text: &str) -> Option<Epoch> {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u64::from_str_radix(text, 16).map(Epoch).ok())?
}

fn last_of(id: &str) -> Option<String> {
    id.get(id.len().checked_sub(8)?..).map(str::to_owned)
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: &str = "6f1c0a2b9d3e4f50";

    fn at(text: &str) -> Positions {
        Positions::open(Positions::parse(text).unwrap().at)
    }

    fn applied(positions: &mut Positions, frame: &str) -> (Told, String) {
        let told = positions.apply(frame.as_bytes());
        (told, positions.to_string())
    }

    fn room(id: &str) -> Told {
        Told::Moved(id.parse().unwrap())
    }

    #[test]
    fn positions_are_read_as_they_are_written() {
        for text in
            ["", &format!("r1:{EPOCH}:41:9c41f07b,r2:{EPOCH}:0"), &format!("a.b-C_1:{EPOCH}:9")]
        {
            assert_eq!(Positions::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_position_is_refused_and_named() {
        for bad in [
            "r1",
            "r1:x:1",
            "r1:6f1c0a2b9d3e4f50",
            "r1:6f1c0a2b9d3e4f50:-1",
            "r 1:6f1c0a2b9d3e4f50:1",
            "r1:6f1c0a2b9d3e4f50:1:short",
            "r1:6f1c0a2b9d3e4f50:1:9c41f07b:more",
            "r1:6f1c0a2b9d3e4f50:9007199254740992",
        ] {
            assert_eq!(Positions::parse(bad), Err(NoPosition(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn each_frame_moves_what_it_tells_of() {
        let mut positions = at(&format!("r1:{EPOCH}:4,r2:{EPOCH}:7"));
        let event = format!(
            r#"{{"type":"event","room":"r1","epoch":"{EPOCH}","seq":5,"kind":"message","id":"0193aaaa12345678"}}"#
        );
        assert_eq!(
            applied(&mut positions, &event),
            (room("r1"), format!("r1:{EPOCH}:5:12345678,r2:{EPOCH}:7"))
        );
        let reset = r#"{"type":"reset","room":"r2","reason":"epoch","epoch":"0000000000000001","first":1,"head":3}"#;
        assert_eq!(
            applied(&mut positions, reset).1,
            format!("r1:{EPOCH}:5:12345678,r2:0000000000000001:3")
        );
        let gone = r#"{"type":"reset","room":"r2","reason":"gone"}"#;
        assert_eq!(applied(&mut positions, gone), (room("r2"), format!("r1:{EPOCH}:5:12345678")));
        let added = format!(
            r#"{{"type":"room","change":"added","room":{{"id":"r3","kind":"group","epoch":"{EPOCH}","first":1,"head":9}}}}"#
        );
        assert_eq!(applied(&mut positions, &added).0, room("r3"));
        let left = r#"{"type":"room","change":"gone","id":"r1"}"#;
        assert_eq!(applied(&mut positions, left), (room("r1"), format!("r3:{EPOCH}:9")));
        let typing = r#"{"type":"typing","room":"r9","users":[],"more":0}"#;
        assert_eq!(applied(&mut positions, typing).0, Told::Nothing);
    }

    #[test]
    fn a_room_that_is_told_of_once_more_passes_over_nothing() {
        let mut positions = at(&format!("r1:{EPOCH}:4:aaaaaaaa"));
        let added = |epoch: &str, head: u64| {
            format!(
                r#"{{"type":"room","change":"added","room":{{"id":"r1","kind":"group","epoch":"{epoch}","first":1,"head":{head}}}}}"#
            )
        };
        assert_eq!(applied(&mut positions, &added(EPOCH, 9)).1, format!("r1:{EPOCH}:4:aaaaaaaa"));
        assert_eq!(applied(&mut positions, &added(EPOCH, 3)).1, format!("r1:{EPOCH}:3"));
        let other = "0000000000000001";
        assert_eq!(applied(&mut positions, &added(other, 7)).1, format!("r1:{other}:7"));
    }

    #[test]
    fn an_event_that_comes_again_moves_nothing_back() {
        let mut positions = at(&format!("r1:{EPOCH}:9:aaaaaaaa"));
        let again = format!(
            r#"{{"type":"event","room":"r1","epoch":"{EPOCH}","seq":5,"id":"0193aaaa12345678"}}"#
        );
        assert_eq!(applied(&mut positions, &again).1, format!("r1:{EPOCH}:9:aaaaaaaa"));
    }

    #[test]
    fn a_welcome_tells_the_heads_of_rooms_without_a_position() {
        let mut positions = at(&format!("r1:{EPOCH}:4"));
        let welcome = format!(
            r#"{{"type":"welcome","connection":"c","rooms":[{{"id":"r1","epoch":"{EPOCH}","head":9}},{{"id":"r2","epoch":"{EPOCH}","head":2}}]}}"#
        );
        let told = Told::Many(vec!["r2".parse().unwrap()]);
        assert_eq!(applied(&mut positions, &welcome), (told, format!("r1:{EPOCH}:4,r2:{EPOCH}:2")));
    }

    #[test]
    fn of_a_closed_list_other_rooms_are_elsewhere_and_none_is_lost() {
        let mut positions = Positions::parse(&format!("r1:{EPOCH}:4")).unwrap();
        for other in [
            format!(
                r#"{{"type":"event","room":"r2","epoch":"{EPOCH}","seq":5,"id":"0193aaaa12345678"}}"#
            ),
            r#"{"type":"typing","room":"r2","users":[],"more":0}"#.to_owned(),
            r#"{"type":"room","change":"gone","id":"r2"}"#.to_owned(),
        ] {
            assert_eq!(positions.apply(other.as_bytes()), Told::Elsewhere, "{other}");
        }
        let left = r#"{"type":"room","change":"gone","id":"r1"}"#;
        assert_eq!(applied(&mut positions, left).1, format!("r1:{EPOCH}:4"));
    }
}
