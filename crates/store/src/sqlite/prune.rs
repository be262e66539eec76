//! Retention, inside the writer's transaction: the oldest events of a room go, with every trace in the search index, and
//! the room's `first` rises.

use rusqlite::{Connection, params};

use super::batch::{Batch, Stop};
use super::cache::{Room, get, put};
use super::events::BLOCK;
use super::messages::Target;
use super::schema::kind;
use crate::{Error, Prune, SetRetention, UPKEEP_STEP};

/// An event that goes.
struct Old {
    event: Target,
    /// Whether search may find it.
    is_text: bool,
    messages: u64,
}

impl Batch<'_> {
    pub(super) fn prune(&mut self, prune: &Prune) -> Result<u64, Stop> {
        let room = self.room(&prune.room)?.ok_or(Error::NotFound)?;
        let old = oldest(self.db, &room, prune.before_ms)?;
        let Some(last) = old.last() else { return Ok(0) };
        let first = last.event.seq + 1;
        for Old { event, is_text, .. } in &old {
            if *is_text {
                self.reindex(room.n, event, None)?;
            }
            self.db.prepare_cached("DELETE FROM events WHERE n = ?1")?.execute([event.row])?;
        }
        let raise = "UPDATE rooms SET first = ?2, pruned = ?3 WHERE n = ?1";
        self.db.prepare_cached(raise)?.execute(params![room.n, put(first), put(last.messages)])?;
        self.put_room(&prune.room, Room { first, ..room });
        Ok(old.len() as u64)
    }

    pub(super) fn set_retention(&mut self, set: &SetRetention) -> Result<bool, Stop> {
        let room = self.room(&set.room)?.ok_or(Error::NotFound)?;
        let update = "UPDATE rooms SET retention = ?2 WHERE n = ?1 AND retention IS NOT ?2";
        let seconds = set.seconds.map(put);
        Ok(self.db.prepare_cached(update)?.execute(params![room.n, seconds])? > 0)
    }
}

/// The events before the first that is young enough; the newest of the room is never among them.
fn oldest(db: &Connection, room: &Room, before_ms: u64) -> rusqlite::Result<Vec<Old>> {
    let mut find = db.prepare_cached(
        "SELECT n, seq, kind, deleted IS NOT NULL, at, messages, body, sender FROM events e
         WHERE e.seq >> 4 = ?4 AND e.room = ?1 AND e.seq BETWEEN ?2 AND ?3 ORDER BY e.seq",
    )?;
    let mut old = Vec::new();
    for block in room.first >> BLOCK..=room.head >> BLOCK {
        let high = room.head.saturating_sub(1);
        let mut rows = find.query(params![room.n, put(room.first), put(high), put(block)])?;
        while let Some(row) = rows.next()? {
            if get(row, 4)? >= before_ms || old.len() >= UPKEEP_STEP {
                return Ok(old);
            }
            let event = Target {
                row: row.get(0)?,
                seq: get(row, 1)?,
                sender: row.get(7)?,
                body: row.get(6)?,
                is_deleted: row.get(3)?,
            };
            let is_text = row.get::<_, i64>(2)? == kind::MESSAGE && !event.is_deleted;
            old.push(Old { event, is_text, messages: get(row, 5)? });
        }
    }
    Ok(old)
}
