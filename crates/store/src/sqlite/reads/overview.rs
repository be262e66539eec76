//! All rooms and all people, in the order of their ids, for the admin interface.

use moorline_protocol::{Epoch, RoomId, RoomKind, Seq, UserId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::sqlite::cache::get;
use crate::sqlite::schema::Sql;
use crate::{Error, Profile, RoomOverview};

const ROOM: &str = "SELECT id, kind, name, epoch, first, head, messages, members, active, at, retention FROM rooms";

fn room(row: &Row<'_>) -> rusqlite::Result<RoomOverview> {
    let retention = row.get::<_, Option<i64>>(10)?;
    Ok(RoomOverview {
        id: row.get::<_, Sql<RoomId>>(0)?.0,
        kind: row.get::<_, Sql<RoomKind>>(1)?.0,
        name: row.get(2)?,
        epoch: row.get::<_, Sql<Epoch>>(3)?.0,
        first: Seq(get(row, 4)?),
        head: Seq(get(row, 5)?),
        messages: get(row, 6)?,
        members: get(row, 7)?,
        active_ms: get(row, 8)?,
        created_ms: get(row, 9)?,
        retention: retention.map(|seconds| seconds.max(0).cast_unsigned()),
    })
}

pub(in crate::sqlite) fn room_overview(
    db: &Connection,
    id: &RoomId,
) -> Result<Option<RoomOverview>, Error> {
    let mut find = db.prepare_cached(&format!("{ROOM} WHERE id = ?1"))?;
    Ok(find.query_row([id.as_str()], room).optional()?)
}

pub(in crate::sqlite) fn all_rooms(
    db: &Connection,
    after: Option<&RoomId>,
    limit: usize,
) -> Result<Vec<RoomOverview>, Error> {
    let mut find = db.prepare_cached(&format!("{ROOM} WHERE id > ?1 ORDER BY id LIMIT ?2"))?;
    let after = after.map_or("", RoomId::as_str);
    let rows = find.query_map(params![after, limit_of(limit)], room)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(in crate::sqlite) fn all_people(
    db: &Connection,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<Profile>, Error> {
    let mut find = db.prepare_cached(
        "SELECT u.n, u.id, u.name, a.login, u.at, u.seen FROM users u LEFT JOIN accounts a ON a.user = u.n
         WHERE u.id > ?1 AND u.n > 1 AND u.removed IS NULL ORDER BY u.id LIMIT ?2",
    )?;
    let after = after.map_or("", UserId::as_str);
    let rows = find.query_map(params![after, limit_of(limit)], |row| {
        Ok(Profile {
            n: row.get(0)?,
            id: row.get::<_, Sql<UserId>>(1)?.0,
            name: row.get(2)?,
            login: row.get(3)?,
            created_ms: get(row, 4)?,
            seen_ms: get(row, 5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
