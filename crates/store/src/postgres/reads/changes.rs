//! What other nodes changed: rooms, and people's sessions, whose last change no earlier look can have seen.
//!
//! Each such row carries the transaction of its last change. A look takes the rows of that transaction or a later one
//! than the oldest that was still open at the look before, so that one which commits late is never passed over.

use deadpool_postgres::GenericClient;
use moorline_protocol::{EventId, Seq, UserId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Stop, query};
use crate::postgres::events::{epoch, number, room_id, user_id};
use crate::postgres::seen::Seen;
use crate::{ChangedRooms, Head, Joined, Since, TouchedRoom};

/// Rooms that one look tells at most; the next one goes on where it ended. Of the rest there is no more than was done in
/// the time between two looks.
const MOST: i64 = 10_000;

/// The moment of this look comes in every row, also where nothing has changed. `$1` and `$2` are the last room told.
const ROOMS: &str =
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, r.id, r.epoch, r.first, r.head,
         r.members, e.id, r.changed::text::bigint, r.n
     FROM (SELECT 1) one LEFT JOIN LATERAL (
         SELECT * FROM rooms WHERE changed >= $1::bigint::text::xid8
             AND (changed, n) > ($1::bigint::text::xid8, $2::bigint)
         ORDER BY changed, n LIMIT $3) r ON true
     LEFT JOIN events e ON e.room = r.n AND e.seq = r.head ORDER BY r.changed, r.n";

const JOINED: &str = "SELECT r.id, u.id, m.joined FROM members m JOIN rooms r ON r.n = m.room JOIN users u ON u.n = m.usr
     WHERE m.changed >= $1::bigint::text::xid8";

const REVOKED: &str = "SELECT id FROM users WHERE revoked >= $1::bigint::text::xid8";

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![ROOMS.to_owned(), JOINED.to_owned(), REVOKED.to_owned()]
}

pub(in crate::postgres) async fn changed_rooms(
    db: &impl GenericClient,
    from: Since,
    seen: &Seen,
) -> Result<ChangedRooms, Stop> {
    let rows = query(db, ROOMS, &[&from.xid, &from.row, &MOST]).await?;
    let mut changed = ChangedRooms {
        since: next(&from, &rows)?,
        rooms: vec![],
        joined: vec![],
        revoked: vec![],
        erased: vec![],
        lost: vec![],
    };
    for row in &rows {
        if row.try_get::<_, Option<&str>>(1)?.is_none() {
            continue;
        }
        let (room, epoch) = (room_id(row, 1)?, epoch(row, 2)?);
        let (first, head) = (Seq(number(row, 3)?), Seq(number(row, 4)?));
        seen.head(&room, epoch, head, row.try_get::<_, Option<Uuid>>(6)?.map(EventId));
        let head = Head { epoch, first, head };
        changed.rooms.push(TouchedRoom { room, head, members: number(row, 5)? });
    }
    if from.has_rest() {
        return Ok(changed);
    }
    // Read behind the first statement's moment: what falls between is told again by the next look.
    for row in query(db, JOINED, &[&from.xid]).await? {
        let (room, user) = (room_id(&row, 0)?, user_id(&row, 1)?);
        changed.joined.push(Joined { room, user, seq: Seq(number(&row, 2)?) });
    }
    for row in query(db, REVOKED, &[&from.xid]).await? {
        let id: &str = row.try_get(0)?;
        // The hash of an erased id is no id.
        match UserId::new(id) {
            Ok(user) => changed.revoked.push(user),
            Err(_) => changed.erased.push(id.to_owned()),
        }
    }
    changed.lost = seen.take_lost();
    Ok(changed)
}

/// Where the next look begins: at this one's moment, or behind the last room told if there are more.
fn next(from: &Since, rows: &[Row]) -> Result<Since, Stop> {
    let Some(last) = rows.last() else { return Ok(*from) };
    let then = from.then.unwrap_or(last.try_get(0)?);
    if i64::try_from(rows.len()).unwrap_or(i64::MAX) < MOST {
        return Ok(Since { xid: then, row: 0, then: None });
    }
    Ok(Since { xid: last.try_get(7)?, row: last.try_get(8)?, then: Some(then) })
}
