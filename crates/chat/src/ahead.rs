//! Events that came before their neighbours. Two nodes that write to one room overtake each other by a moment: what is
//! ahead waits here for what it is ahead of, so that the store need not be read for every such hole. So do heads that a
//! look at the store found: what leads up to them may be under way.
//!
//! The hub holds and takes. Time is an argument.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use moorline_protocol::{Event, RoomId, Seq};

/// Events that may wait, of all rooms.
const MOST: usize = 4096;

/// What waits, room by room.
#[derive(Default)]
pub(crate) struct Ahead {
    rooms: HashMap<RoomId, Waiting>,
    count: usize,
    /// Heads that feeds are to reach by themselves, and since when, the earliest first.
    expected: VecDeque<(Instant, Vec<(RoomId, Seq)>)>,
}

struct Waiting {
    since: Instant,
    events: BTreeMap<u64, Arc<Event>>,
}

impl Ahead {
    /// Lets events of one room wait. `false` when too many do: then the store has to be read now.
    pub(crate) fn hold(&mut self, room: &RoomId, events: &[Arc<Event>], since: Instant) -> bool {
        if self.count + events.len() > MOST {
            return false;
        }
        let new = || Waiting { since, events: BTreeMap::new() };
        let waiting = self.rooms.entry(room.clone()).or_insert_with(new);
        for event in events {
            let replaced = waiting.events.insert(event.seq.0, Arc::clone(event));
            self.count += usize::from(replaced.is_none());
        }
        true
    }

    /// What waits in a room, in the order of its log, and since when; it waits no longer.
    pub(crate) fn take(&mut self, room: &RoomId) -> Option<(Instant, Vec<Arc<Event>>)> {
        let Waiting { since, events } = self.rooms.remove(room)?;
        self.count -= events.len();
        Some((since, events.into_values().collect()))
    }

    /// Feeds are expected to reach these heads by themselves, from now on.
    pub(crate) fn expect(&mut self, heads: Vec<(RoomId, Seq)>, since: Instant) {
        let place = self.expected.partition_point(|(other, _)| *other <= since);
        self.expected.insert(place, (since, heads));
    }

    /// Heads that are expected since then or longer.
    pub(crate) fn take_expected(&mut self, then: Instant) -> Vec<(RoomId, Seq)> {
        let due = self.expected.partition_point(|(since, _)| *since <= then);
        self.expected.drain(..due).flat_map(|(_, heads)| heads).collect()
    }

    /// Since when the first of all waits.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let waiting = self.rooms.values().map(|waiting| waiting.since).min();
        let expected = self.expected.front().map(|(since, _)| *since);
        waiting.into_iter().chain(expected).min()
    }

    /// Rooms in which something waits since then or longer.
    pub(crate) fn overdue(&self, then: Instant) -> Vec<RoomId> {
        let is_overdue = |(_, waiting): &(&RoomId, &Waiting)| waiting.since <= then;
        self.rooms.iter().filter(is_overdue).map(|(room, _)| room.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use moorline_protocol::{Cid, Epoch, EventId, EventKind, UserId};

    use super::*;

    const WAIT: Duration = Duration::from_millis(5);

    fn room(name: &str) -> RoomId {
        RoomId::new(name).unwrap()
    }

    fn event(seq: u64) -> Arc<Event> {
        let body = seq.to_string();
        let deleted = None;
        let kind = EventKind::Message { body, reply_to: None, n: seq, edited: None, deleted };
        Arc::new(Event {
            room: room("r"),
            epoch: Epoch(1),
            seq: Seq(seq),
            kind,
            id: EventId(uuid::Uuid::from_u128(u128::from(seq))),
            from: UserId::new("ann").unwrap(),
            cid: None::<Cid>,
            at: 0,
            people: Vec::new(),
        })
    }

    fn taken(ahead: &mut Ahead) -> Option<Vec<u64>> {
        let (_, events) = ahead.take(&room("r"))?;
        Some(events.iter().map(|event| event.seq.0).collect())
    }

    #[test]
    fn what_waits_is_taken_once_and_in_the_order_of_the_log() {
        let (mut ahead, now) = (Ahead::default(), Instant::now());
        assert!(ahead.hold(&room("r"), &[event(9), event(7)], now));
        assert!(ahead.hold(&room("r"), &[event(7), event(8)], now));
        assert_eq!(taken(&mut ahead), Some(vec![7, 8, 9]));
        assert_eq!(taken(&mut ahead), None);
        assert_eq!((ahead.count, ahead.oldest()), (0, None));
    }

    #[test]
    fn a_room_waits_since_its_first_event_came() {
        let (mut ahead, now) = (Ahead::default(), Instant::now());
        ahead.hold(&room("r"), &[event(7)], now + WAIT);
        ahead.hold(&room("r"), &[event(8)], now + 2 * WAIT);
        ahead.hold(&room("late"), &[event(1)], now + 2 * WAIT);
        assert_eq!(ahead.oldest(), Some(now + WAIT));
        assert!(ahead.overdue(now).is_empty());
        assert_eq!(ahead.overdue(now + WAIT), [room("r")]);
    }

    #[test]
    fn heads_that_are_expected_are_taken_in_the_order_of_their_time_and_once() {
        let (mut ahead, now) = (Ahead::default(), Instant::now());
        ahead.expect(vec![(room("late"), Seq(3))], now + 2 * WAIT);
        ahead.expect(vec![(room("r"), Seq(7)), (room("s"), Seq(1))], now + WAIT);
        assert_eq!(ahead.oldest(), Some(now + WAIT));
        assert_eq!(ahead.take_expected(now), []);
        ahead.hold(&room("r"), &[event(7)], now);
        assert_eq!(ahead.oldest(), Some(now));
        let heads = ahead.take_expected(now + WAIT);
        assert_eq!(heads, [(room("r"), Seq(7)), (room("s"), Seq(1))]);
        assert_eq!(ahead.take_expected(now + 2 * WAIT), [(room("late"), Seq(3))]);
        assert_eq!(ahead.take_expected(now + 2 * WAIT), []);
    }

    #[test]
    fn no_more_than_so_many_wait() {
        let (mut ahead, now) = (Ahead::default(), Instant::now());
        let all: Vec<Arc<Event>> = (0..MOST as u64).map(event).collect();
        assert!(ahead.hold(&room("r"), &all, now));
        assert!(!ahead.hold(&room("other"), &[event(1)], now));
        taken(&mut ahead);
        assert!(ahead.hold(&room("other"), &[event(1)], now));
    }
}
