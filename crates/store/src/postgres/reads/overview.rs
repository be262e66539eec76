//! All rooms and all people, in the order of their ids, for the admin interface.

use deadpool_postgres::GenericClient;
use moorline_protocol::{RoomId, RoomKind, Seq, UserId};
use tokio_postgres::Row;

use super::{Stop, query, query_opt};
use crate::postgres::events::{epoch, number, room_id, user_id};
use crate::postgres::failure::Failure;
use crate::postgres::schema::{Numbered as _, get};
use crate::{Profile, RoomOverview};

const ROOM: &str = "SELECT id, kind, name, epoch, first, head, messages, members, active, at, retention FROM rooms";

fn room(row: &Row) -> Result<RoomOverview, Failure> {
    Ok(RoomOverview {
        id: room_id(row, 0)?,
        kind: RoomKind::from_number(row.try_get(1)?)?,
        name: row.try_get(2)?,
        epoch: epoch(row, 3)?,
        first: Seq(number(row, 4)?),
        head: Seq(number(row, 5)?),
        messages: number(row, 6)?,
        members: number(row, 7)?,
        active_ms: number(row, 8)?,
        created_ms: number(row, 9)?,
        retention: row.try_get::<_, Option<i64>>(10)?.map(get),
    })
}

pub(in crate::postgres) async fn room_overview(
    db: &impl GenericClient,
    id: &RoomId,
) -> Result<Option<RoomOverview>, Stop> {
    let row = query_opt(db, &format!("{ROOM} WHERE id = $1"), &[&id.as_str()]).await?;
    Ok(row.as_ref().map(room).transpose()?)
}

pub(in crate::postgres) async fn all_rooms(
    db: &impl GenericClient,
    after: Option<&RoomId>,
    limit: usize,
) -> Result<Vec<RoomOverview>, Stop> {
    let find = format!("{ROOM} WHERE id > $1 ORDER BY id LIMIT $2");
    let after = after.map_or("", RoomId::as_str);
    let rows = query(db, &find, &[&after, &limit_of(limit)]).await?;
    Ok(rows.iter().map(room).collect::<Result<_, _>>()?)
}

pub(in crate::postgres) async fn all_people(
    db: &impl GenericClient,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<Profile>, Stop> {
    let find = "SELECT u.n, u.id, u.name, a.login, u.at, u.seen FROM users u
         LEFT JOIN accounts a ON a.usr = u.n
         WHERE u.id > $1 AND u.n > 1 AND u.removed IS NULL ORDER BY u.id LIMIT $2";
    let after = after.map_or("", UserId::as_str);
    let rows = query(db, find, &[&after, &limit_of(limit)]).await?;
    let profile = |row: &Row| {
        Ok(Profile {
            n: row.try_get(0)?,
            id: user_id(row, 1)?,
            name: row.try_get(2)?,
            login: row.try_get(3)?,
            created_ms: number(row, 4)?,
            seen_ms: number(row, 5)?,
        })
    };
    Ok(rows.iter().map(profile).collect::<Result<_, Failure>>()?)
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
