//! What this node has shown of the database, room by room, so that it notices when a server that takes the place of the
//! one before has lost some of it (invariant I14).
//!
//! Lanes and reads note the newest event of each room that left the store; `generation.rs` compares it with a server that
//! it meets for the first time. Nothing here is kept over a restart: what a node showed before it started is older than
//! the generation that it raised then.

use std::collections::HashMap;
use std::sync::Arc;

use moorline_protocol::{Epoch, Event, EventId, RoomId, Seq};
use parking_lot::Mutex;
use tokio_postgres::Client;
use uuid::Uuid;

use super::events::room_id;
use super::failure::Failure;
use super::schema::put;

/// Rooms remembered, about 100 bytes each. Beyond it the generation is raised, which stands for all that was before.
const MOST: usize = 100_000;

/// The newest event of a room that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Newest {
    epoch: Epoch,
    seq: Seq,
    /// Absent where only the number was read.
    id: Option<EventId>,
}

impl Newest {
    /// Another life of the log replaces what is known of the one before.
    fn is_beyond(&self, other: &Self) -> bool {
        let is_longer = self.seq > other.seq || (self.seq == other.seq && self.id.is_some());
        self.epoch != other.epoch || is_longer
    }
}

/// The memory, shared by all of a node's connections.
#[derive(Clone, Default)]
pub(super) struct Seen {
    rooms: Arc<Mutex<HashMap<RoomId, Newest>>>,
    /// Rooms whose making was lost, until somebody is told.
    lost: Arc<Mutex<Vec<RoomId>>>,
}

/// The remembered rooms of which the server does not have what was shown: the row, and nothing where the room is missing.
const DIVERGED: &str = "SELECT k.room, r.n
     FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::uuid[]) k(room, epoch, seq, id)
     LEFT JOIN rooms r ON r.id = k.room
     WHERE r.n IS NULL OR (r.epoch = k.epoch AND (r.head < k.seq
         OR (k.id IS NOT NULL AND k.seq >= r.first AND NOT EXISTS (
             SELECT 1 FROM events e WHERE e.room = r.n AND e.seq = k.seq AND e.id = k.id))))
     ORDER BY k.room";

impl Seen {
    /// Events that were read or committed, each room's in the order of its log.
    pub(super) fn events<'e>(&self, events: impl IntoIterator<Item = &'e Event>) {
        let mut rooms = self.rooms.lock();
        for event in events {
            let newest = Newest { epoch: event.epoch, seq: event.seq, id: Some(event.id) };
            note(&mut rooms, &event.room, newest);
        }
    }

    /// A room's head that was read, and the id of its event if that was read as well.
    pub(super) fn head(&self, room: &RoomId, epoch: Epoch, seq: Seq, id: Option<EventId>) {
        if seq > Seq(0) {
            note(&mut self.rooms.lock(), room, Newest { epoch, seq, id });
        }
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.rooms.lock().len() > MOST
    }

    /// Takes what is remembered out, to be forgotten or to be given back.
    pub(super) fn take(&self) -> Taken {
        Taken(std::mem::take(&mut self.rooms.lock()))
    }

    pub(super) fn give_back(&self, taken: Taken) {
        let mut rooms = self.rooms.lock();
        let since = std::mem::replace(&mut *rooms, taken.0);
        for (room, newest) in since {
            note(&mut rooms, &room, newest);
        }
    }

    /// The rooms that were lost since the last call.
    pub(super) fn take_lost(&self) -> Vec<RoomId> {
        std::mem::take(&mut self.lost.lock())
    }

    /// The rows of those remembered rooms whose logs have lost or changed something that was shown.
    pub(super) async fn diverged(&self, client: &Client) -> Result<Vec<i64>, Failure> {
        let known: Vec<(RoomId, Newest)> =
            self.rooms.lock().iter().map(|(room, newest)| (room.clone(), *newest)).collect();
        let rooms: Vec<&str> = known.iter().map(|(room, _)| room.as_str()).collect();
        let epochs: Vec<i64> = known.iter().map(|(_, at)| at.epoch.0.cast_signed()).collect();
        let seqs: Vec<i64> = known.iter().map(|(_, at)| put(at.seq.0)).collect();
        let ids: Vec<Option<Uuid>> = known.iter().map(|(_, at)| at.id.map(|id| id.0)).collect();
        let mut found = Vec::new();
        for row in client.query(DIVERGED, &[&rooms, &epochs, &seqs, &ids]).await? {
            match row.try_get::<_, Option<i64>>(1)? {
                Some(n) => found.push(n),
                None => self.lose(room_id(&row, 0)?),
            }
        }
        Ok(found)
    }

    fn lose(&self, room: RoomId) {
        self.rooms.lock().remove(&room);
        self.lost.lock().push(room);
    }
}

/// What was taken out.
pub(super) struct Taken(HashMap<RoomId, Newest>);

fn note(rooms: &mut HashMap<RoomId, Newest>, room: &RoomId, newest: Newest) {
    match rooms.get_mut(room) {
        Some(known) if newest.is_beyond(known) => *known = newest,
        Some(_) => {}
        None => {
            rooms.insert(room.clone(), newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(id: &str) -> RoomId {
        RoomId::new(id).unwrap()
    }

    fn id(number: u128) -> Option<EventId> {
        Some(EventId(Uuid::from_u128(number)))
    }

    fn known(seen: &Seen) -> (u64, Option<EventId>) {
        let newest = seen.rooms.lock()[&room("r")];
        (newest.seq.0, newest.id)
    }

    #[test]
    fn the_newest_is_kept_and_a_number_alone_does_not_hide_an_id() {
        let seen = Seen::default();
        for (seq, id, then) in [
            (5, None, (5, None)),
            (5, id(1), (5, id(1))),
            (5, None, (5, id(1))),
            (4, id(2), (5, id(1))),
            (6, None, (6, None)),
        ] {
            seen.head(&room("r"), Epoch(1), Seq(seq), id);
            assert_eq!(known(&seen), then);
        }
    }

    #[test]
    fn another_life_of_a_log_replaces_the_one_before_and_an_empty_log_is_nothing_to_lose() {
        let seen = Seen::default();
        seen.head(&room("r"), Epoch(1), Seq(9), id(1));
        seen.head(&room("r"), Epoch(2), Seq(3), None);
        seen.head(&room("q"), Epoch(2), Seq(0), None);
        assert_eq!(known(&seen), (3, None));
        assert_eq!(seen.rooms.lock().len(), 1);
    }

    #[test]
    fn what_is_given_back_joins_what_came_meanwhile() {
        let seen = Seen::default();
        for number in 0..=MOST {
            seen.head(&room(&format!("r{number}")), Epoch(1), Seq(1), None);
        }
        assert!(seen.is_crowded());
        seen.head(&room("r"), Epoch(1), Seq(7), None);
        let taken = seen.take();
        assert!(!seen.is_crowded());
        seen.head(&room("r"), Epoch(1), Seq(8), None);
        seen.give_back(taken);
        assert_eq!((known(&seen), seen.rooms.lock().len()), ((8, None), MOST + 2));
    }
}
