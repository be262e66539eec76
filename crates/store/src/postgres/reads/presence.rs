//! Who is on which node, as the nodes wrote it: what changed since a look before, found as `changes.rs` finds rooms.

use deadpool_postgres::GenericClient;
use moorline_protocol::{RoomId, UserId};
use tokio_postgres::Row;

use super::{Stop, query};
use crate::postgres::events::{number, room_id, user_id};
use crate::presence::{NodeId, Place, PresenceLook, PresenceSince};

/// Places that one look tells at most; the next one goes on where it ended.
const MOST: i64 = 10_000;
/// Rooms of one person that are looked at.
const ROOMS: i64 = 1_000;

/// The moment of this look comes in every row, also where nothing has changed. `$1` to `$3` are the last place told.
const PLACES: &str =
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, u.id, p.node, p.connections, p.away,
         p.version, p.changed::text::bigint, p.usr
     FROM (SELECT 1) one LEFT JOIN LATERAL (
         SELECT * FROM presence WHERE changed >= $1::bigint::text::xid8
             AND (changed, usr, node) > ($1::bigint::text::xid8, $2::bigint, $3::bigint)
         ORDER BY changed, usr, node LIMIT $4) p ON true
     LEFT JOIN users u ON u.n = p.usr ORDER BY p.changed, p.usr, p.node";

const NODES: &str = "SELECT node, until > clock_timestamp() FROM nodes";

/// `$2` is how many members a room may have.
const SMALL_ROOMS: &str = "SELECT u.id, r.id FROM unnest($1::text[]) k(id) JOIN users u ON u.id = k.id AND u.removed IS NULL
     JOIN LATERAL (SELECT r.id FROM members m JOIN rooms r ON r.n = m.room
         WHERE m.usr = u.n AND r.members <= $2 LIMIT $3) r ON true";

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![PLACES.to_owned(), SMALL_ROOMS.to_owned()]
}

pub(in crate::postgres) async fn presence(
    db: &impl GenericClient,
    since: PresenceSince,
) -> Result<PresenceLook, Stop> {
    let rows = query(db, PLACES, &[&since.xid, &since.row.0, &since.row.1, &MOST]).await?;
    let since = next(&since, &rows)?;
    let mut places = Vec::with_capacity(rows.len());
    for row in &rows {
        places.extend(place(row)?);
    }
    if since.has_rest() {
        return Ok(PresenceLook { since, places, nodes: Vec::new() });
    }
    let nodes = query(db, NODES, &[]).await?;
    let node = |row: &Row| Ok((node_id(row, 0)?, row.try_get(1)?));
    let nodes = nodes.iter().map(node).collect::<Result<_, tokio_postgres::Error>>()?;
    Ok(PresenceLook { since, places, nodes })
}

fn node_id(row: &Row, at: usize) -> Result<NodeId, tokio_postgres::Error> {
    Ok(NodeId(row.try_get::<_, i64>(at)?.cast_unsigned()))
}

/// None where there is no change, or where of the person nothing but a hash is left.
fn place(row: &Row) -> Result<Option<(NodeId, Place)>, Stop> {
    let Some(id) = row.try_get::<_, Option<&str>>(1)? else { return Ok(None) };
    let Ok(user) = UserId::new(id) else { return Ok(None) };
    let place = Place {
        user,
        connections: u32::try_from(number(row, 3)?).unwrap_or(u32::MAX),
        is_away: row.try_get(4)?,
        version: number(row, 5)?,
    };
    Ok(Some((node_id(row, 2)?, place)))
}

/// Where the next look begins: at this one's moment, or behind the last place told if there are more.
fn next(from: &PresenceSince, rows: &[Row]) -> Result<PresenceSince, Stop> {
    let Some(last) = rows.last() else { return Ok(*from) };
    let then = match from.then {
        Some(then) => then,
        None => last.try_get(0)?,
    };
    if i64::try_from(rows.len()).unwrap_or(i64::MAX) < MOST {
        return Ok(PresenceSince { xid: then, row: (0, i64::MIN), then: None });
    }
    let row = (last.try_get(7)?, last.try_get(2)?);
    Ok(PresenceSince { xid: last.try_get(6)?, row, then: Some(then) })
}

pub(in crate::postgres) async fn small_rooms_of(
    db: &impl GenericClient,
    users: &[UserId],
    members: u32,
) -> Result<Vec<(UserId, RoomId)>, Stop> {
    let ids: Vec<&str> = users.iter().map(UserId::as_str).collect();
    let rows = query(db, SMALL_ROOMS, &[&ids, &i64::from(members), &ROOMS]).await?;
    let pair = |row: &Row| Ok((user_id(row, 0)?, room_id(row, 1)?));
    rows.iter().map(pair).collect()
}
