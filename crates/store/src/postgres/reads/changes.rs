//! What other nodes changed: rooms whose last change no earlier look can have seen.
//!
//! Each room's row carries the transaction of its last change. A look takes the rows of that transaction or a later one
//! than the oldest that was still open at the look before, so that one which commits late is never passed over.

use deadpool_postgres::GenericClient;
use moorline_protocol::Seq;

use super::{Stop, query};
use crate::postgres::events::{epoch, number, room_id, user_id};
use crate::{ChangedRooms, Head, Joined, Since, TouchedRoom};

/// Rows of each kind that one look tells at most; who is told more than it can hold asks the store for what it follows.
const MOST: i64 = 10_000;

/// The moment of this look comes in every row, also where nothing has changed.
const ROOMS: &str =
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, r.id, r.epoch, r.first, r.head,
         r.members
     FROM (SELECT 1) one LEFT JOIN rooms r ON r.changed >= $1::bigint::text::xid8 LIMIT $2";

const JOINED: &str = "SELECT r.id, u.id, m.joined FROM members m JOIN rooms r ON r.n = m.room JOIN users u ON u.n = m.usr
     WHERE m.changed >= $1::bigint::text::xid8 LIMIT $2";

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![ROOMS.to_owned(), JOINED.to_owned()]
}

pub(in crate::postgres) async fn changed_rooms(
    db: &impl GenericClient,
    since: Option<Since>,
) -> Result<ChangedRooms, Stop> {
    // Without an earlier look there is nothing to compare with: only the moment is wanted.
    let bound = since.map_or(i64::MAX, |since| since.0);
    let rows = query(db, ROOMS, &[&bound, &MOST]).await?;
    let mut changed =
        ChangedRooms { since: since.unwrap_or(Since(0)), rooms: vec![], joined: vec![] };
    for row in &rows {
        changed.since = Since(row.try_get(0)?);
        if row.try_get::<_, Option<&str>>(1)?.is_none() {
            continue;
        }
        let (first, head) = (Seq(number(row, 3)?), Seq(number(row, 4)?));
        let head = Head { epoch: epoch(row, 2)?, first, head };
        changed.rooms.push(TouchedRoom { room: room_id(row, 1)?, head, members: number(row, 5)? });
    }
    // Read behind the first statement's moment: what falls between is told again by the next look.
    for row in query(db, JOINED, &[&bound, &MOST]).await? {
        let (room, user) = (room_id(&row, 0)?, user_id(&row, 1)?);
        changed.joined.push(Joined { room, user, seq: Seq(number(&row, 2)?) });
    }
    Ok(changed)
}
