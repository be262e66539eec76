//! Who is typing in a room: at most one frame a second, names for three, a number for the rest. Time is an argument.

use std::time::{Duration, Instant};

use moorline_protocol::{Frame, Reply, RoomId, TypingNow, UserId};

/// Nobody needs to see it more often.
const EVERY: Duration = Duration::from_secs(1);
/// One who has not typed for so long has stopped; clients repeat every three seconds.
const LASTS: Duration = Duration::from_secs(6);
/// Names in a frame.
const NAMED: usize = 3;
/// People remembered; further ones are not even counted.
const REMEMBERED: usize = 100;

/// The typing people of one room.
#[derive(Default)]
pub(crate) struct Typing {
    people: Vec<(UserId, Instant)>,
    told: Option<Instant>,
    is_due: bool,
}

impl Typing {
    /// Somebody types. Answers the frame if one may go out now; else it is due at a later [`Typing::tick`].
    pub(crate) fn typed(&mut self, room: &RoomId, user: &UserId, now: Instant) -> Option<Frame> {
        if let Some((_, at)) = self.people.iter_mut().find(|(known, _)| known == user) {
            *at = now;
        } else if self.people.len() < REMEMBERED {
            self.people.push((user.clone(), now));
        }
        self.is_due = true;
        self.tick(room, now)
    }

    /// Somebody sent what they typed, or went.
    pub(crate) fn stopped(&mut self, user: &UserId) {
        let before = self.people.len();
        self.people.retain(|(known, _)| known != user);
        self.is_due |= self.people.len() != before;
    }

    /// The frame that is due, if one may go out now.
    pub(crate) fn tick(&mut self, room: &RoomId, now: Instant) -> Option<Frame> {
        if !self.is_due || self.told.is_some_and(|told| now.duration_since(told) < EVERY) {
            return None;
        }
        self.people.retain(|(_, at)| now.duration_since(*at) < LASTS);
        self.is_due = false;
        self.told = Some(now);
        let users: Vec<UserId> =
            self.people.iter().rev().take(NAMED).map(|(user, _)| user.clone()).collect();
        let more = self.people.len().saturating_sub(NAMED) as u64;
        Some(Reply::from(TypingNow { room: room.clone(), users, more }).frame())
    }

    pub(crate) fn is_due(&self) -> bool {
        self.is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: Option<Frame>) -> Option<String> {
        frame.map(|frame| String::from_utf8_lossy(frame.payload()).into_owned())
    }

    #[test]
    fn a_room_gets_one_typing_frame_a_second_with_three_names() {
        let (room, start) = (RoomId::new("r").unwrap(), Instant::now());
        let user = |name: &str| UserId::new(name).unwrap();
        let mut typing = Typing::default();
        assert_eq!(
            text(typing.typed(&room, &user("a"), start)).as_deref(),
            Some(r#"{"type":"typing","room":"r","users":["a"],"more":0}"#)
        );
        for name in ["b", "c", "d"] {
            assert_eq!(text(typing.typed(&room, &user(name), start)), None);
        }
        assert_eq!(
            text(typing.tick(&room, start + EVERY)).as_deref(),
            Some(r#"{"type":"typing","room":"r","users":["d","c","b"],"more":1}"#)
        );
        assert_eq!(text(typing.tick(&room, start + 2 * EVERY)), None);
    }

    #[test]
    fn one_who_sent_or_fell_silent_types_no_more() {
        let (room, start) = (RoomId::new("r").unwrap(), Instant::now());
        let (ann, bob) = (UserId::new("ann").unwrap(), UserId::new("bob").unwrap());
        let mut typing = Typing::default();
        typing.typed(&room, &ann, start);
        typing.stopped(&ann);
        let later = start + LASTS;
        assert_eq!(
            text(typing.tick(&room, later)).as_deref(),
            Some(r#"{"type":"typing","room":"r","users":[],"more":0}"#)
        );
        typing.typed(&room, &bob, later);
        assert!(!text(typing.typed(&room, &ann, later + LASTS)).unwrap().contains("bob"));
    }
}
