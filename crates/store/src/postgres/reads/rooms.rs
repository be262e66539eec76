//! Reads of rooms: a person's list, one room, public rooms, members.

use std::sync::LazyLock;

use deadpool_postgres::GenericClient;
use moorline_protocol::{
    Limits, Member, Person, Role, RoomHistory, RoomId, RoomInfo, RoomKind, Seq, Totals, UserId,
};
use tokio_postgres::Row;

use super::log::MEMBER;
use super::{Names, Stop, query, query_opt, user, without_nul};
use crate::postgres::events::{COLUMNS, WIDTH, epoch, event, number, room_id, user_id};
use crate::postgres::failure::Failure;
use crate::postgres::schema::{Numbered, get, put};
use crate::{Error, Members, RoomCursor, Rooms};

/// All that is told of a room `r` to the member `m`, in one statement: its newest message `e` if the member may see it,
/// that message's sender `s`, and the other person `p` of a direct room. `$1` is the person's row.
fn columns() -> String {
    format!(
        "SELECT {COLUMNS}, s.name, r.id, r.kind, r.name, r.epoch, r.first, r.head, r.messages,
             r.members, r.active, r.history, m.role, m.joined, m.read, greatest(m.read_messages, r.pruned),
             CASE WHEN p.removed IS NULL THEN p.id ELSE 'deleted' END, p.name"
    )
}

const JOINS: &str =
    "LEFT JOIN events e ON m.usr IS NOT NULL AND e.room = r.n AND e.seq = r.last_message
         AND (r.history = 1 OR e.seq >= m.joined)
     LEFT JOIN users s ON s.n = e.sender
     LEFT JOIN users p ON p.n = CASE WHEN r.pair_low = $1 THEN r.pair_high ELSE r.pair_low END";

/// Below the cursor (`$2`, `$3`) in the order of activity.
const BELOW: &str = "(r.active, r.n) < ($2::bigint, coalesce((SELECT n FROM rooms WHERE id = $3::text), 9223372036854775807))";

static MINE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH mine AS MATERIALIZED (
             SELECT r.n AS n FROM members m JOIN rooms r ON r.n = m.room
             WHERE m.usr = $1::bigint AND {BELOW} ORDER BY r.active DESC, r.n DESC LIMIT $4)
         {} FROM mine JOIN rooms r ON r.n = mine.n JOIN members m ON m.usr = $1 AND m.room = r.n
         {JOINS} ORDER BY r.active DESC, r.n DESC",
        columns()
    )
});

static ONE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} FROM rooms r JOIN members m ON m.usr = $1::bigint AND m.room = r.n {JOINS} WHERE r.id = $2",
        columns()
    )
});

static PUBLIC: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} FROM rooms r LEFT JOIN members m ON m.usr = $1::bigint AND m.room = r.n {JOINS}
         WHERE r.kind = 3 AND ($5::text = '' OR strpos(r.folded, $5) > 0) AND {BELOW}
         ORDER BY r.active DESC, r.n DESC LIMIT $4",
        columns()
    )
});

const TOTALS: &str =
    "SELECT count(*), coalesce(sum(greatest(0, r.messages - greatest(m.read_messages, r.pruned))), 0)::bigint
     FROM members m JOIN rooms r ON r.n = m.room WHERE m.usr = $1";

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![MINE.clone(), ONE.clone(), TOTALS.to_owned()]
}

fn room_info(row: &Row, names: &mut Names) -> Result<RoomInfo, Failure> {
    const AT: usize = WIDTH + 1;
    let last = match row.try_get::<_, Option<i64>>(2)? {
        Some(_) => Some(event(row, 0)?),
        None => None,
    };
    if let Some(last) = &last {
        names.add(&last.from, row.try_get(WIDTH)?);
    }
    let role = row.try_get::<_, Option<i64>>(AT + 10)?.map(Role::from_number).transpose()?;
    let peer = match row.try_get::<_, Option<&str>>(AT + 14)? {
        Some(_) => Some(user_id(row, AT + 14)?),
        None => None,
    };
    if let Some(peer) = &peer {
        names.add(peer, row.try_get(AT + 15)?);
    }
    let history = RoomHistory::from_number(row.try_get(AT + 9)?)?;
    let optional = |column: usize| -> Result<u64, Failure> {
        Ok(row.try_get::<_, Option<i64>>(column)?.map_or(0, get))
    };
    let first = match history {
        RoomHistory::All => number(row, AT + 4)?,
        RoomHistory::Joined => number(row, AT + 4)?.max(optional(AT + 11)?),
    };
    let unread = number(row, AT + 6)?.saturating_sub(optional(AT + 13)?);
    Ok(RoomInfo {
        id: room_id(row, AT)?,
        kind: RoomKind::from_number(row.try_get(AT + 1)?)?,
        name: row.try_get(AT + 2)?,
        epoch: epoch(row, AT + 3)?,
        first: Seq(first),
        head: Seq(number(row, AT + 5)?),
        read: Seq(optional(AT + 12)?),
        unread: if role.is_some() { unread } else { 0 },
        mentions: 0,
        members: number(row, AT + 7)?,
        role,
        peer,
        last,
        at: number(row, AT + 8)?,
        history,
    })
}

fn collect(rows: &[Row], limit: usize) -> Result<Rooms, Failure> {
    let mut names = Names::default();
    let mut rooms: Vec<RoomInfo> = Vec::with_capacity(rows.len().min(limit));
    for row in rows.iter().take(limit) {
        rooms.push(room_info(row, &mut names)?);
    }
    let more = rows.len() > limit;
    let cursor = |room: &RoomInfo| RoomCursor { at: room.at, room: room.id.clone() };
    let after = rooms.last().filter(|_| more).map(cursor);
    Ok(Rooms { rooms, more, after, totals: Totals::default(), people: names.into_people() })
}

fn one_more(limit: usize) -> i64 {
    i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX)
}

/// The values of a cursor: what no room is above, where there is none.
fn bound(after: Option<&RoomCursor>) -> (i64, Option<&str>) {
    after.map_or((i64::MAX, None), |cursor| (put(cursor.at), Some(cursor.room.as_str())))
}

pub(in crate::postgres) async fn rooms_below(
    db: &impl GenericClient,
    id: &UserId,
    after: Option<&RoomCursor>,
    limit: usize,
) -> Result<Rooms, Stop> {
    let user = user(db, id).await?.ok_or(Error::NotFound)?;
    let (at, room) = bound(after);
    let rows = query(db, &MINE, &[&user, &at, &room, &one_more(limit)]).await?;
    let mut page = collect(&rows, limit)?;
    page.totals = if after.is_none() && !page.more {
        let unread = page.rooms.iter().map(|room| room.unread).sum();
        Totals { rooms: page.rooms.len() as u64, unread, mentions: 0 }
    } else {
        let row = query_opt(db, TOTALS, &[&user]).await?.ok_or(Error::NotFound)?;
        Totals { rooms: number(&row, 0)?, unread: number(&row, 1)?, mentions: 0 }
    };
    Ok(page)
}

pub(in crate::postgres) async fn room_ids_of(
    db: &impl GenericClient,
    id: &UserId,
) -> Result<Vec<(RoomId, Seq)>, Stop> {
    let find = "SELECT r.id, r.head FROM users u JOIN members m ON m.usr = u.n JOIN rooms r ON r.n = m.room
         WHERE u.id = $1 AND u.removed IS NULL";
    let rows = query(db, find, &[&id.as_str()]).await?;
    let room = |row: &Row| Ok::<_, Failure>((room_id(row, 0)?, Seq(number(row, 1)?)));
    Ok(rows.iter().map(room).collect::<Result<_, _>>()?)
}

pub(in crate::postgres) async fn room_of(
    db: &impl GenericClient,
    id: &UserId,
    room: &RoomId,
) -> Result<(RoomInfo, Vec<Person>), Stop> {
    let user = user(db, id).await?.ok_or(Error::NotFound)?;
    let rows = query(db, &ONE, &[&user, &room.as_str()]).await?;
    let mut found = collect(&rows, 1)?;
    let room = found.rooms.pop().ok_or(Error::NotFound)?;
    Ok((room, found.people))
}

pub(in crate::postgres) async fn public_below(
    db: &impl GenericClient,
    id: &UserId,
    asked: Option<&str>,
    after: Option<&RoomCursor>,
    limit: usize,
) -> Result<Rooms, Stop> {
    let user = user(db, id).await?.ok_or(Error::NotFound)?;
    let (at, room) = bound(after);
    let asked = without_nul(asked.unwrap_or("").trim()).to_lowercase();
    let rows = query(db, &PUBLIC, &[&user, &at, &room, &one_more(limit), &asked]).await?;
    Ok(collect(&rows, limit)?)
}

pub(in crate::postgres) async fn members(
    db: &impl GenericClient,
    id: &UserId,
    room: &RoomId,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Members, Stop> {
    let find = format!(
        "WITH r AS ({MEMBER}) SELECT r.members, u.id, u.name, m.role, m.read, u.seen
         FROM r LEFT JOIN LATERAL (
             SELECT * FROM members WHERE room = r.n
                 AND usr > coalesce((SELECT n FROM users WHERE id = $3::text), 0)
             ORDER BY usr LIMIT $4) m ON true
         LEFT JOIN users u ON u.n = m.usr ORDER BY m.usr"
    );
    let after = after.map(UserId::as_str);
    let rows = query(db, &find, &[&id.as_str(), &room.as_str(), &after, &one_more(limit)]).await?;
    let total = number(rows.first().ok_or(Error::NotFound)?, 0)?;
    let shows_read = total <= u64::from(Limits::DEFAULT.receipt_members);
    let mut members = Vec::with_capacity(rows.len().min(limit));
    for row in rows.iter().take(limit) {
        if row.try_get::<_, Option<&str>>(1)?.is_none() {
            continue;
        }
        let seen = number(row, 5)?;
        members.push(Member {
            id: user_id(row, 1)?,
            name: row.try_get(2)?,
            role: Role::from_number(row.try_get(3)?)?,
            read: shows_read.then_some(Seq(number(row, 4)?)),
            presence: None,
            seen: (seen > 0).then_some(seen),
        });
    }
    Ok(Members { members, more: rows.len() > limit, total })
}

pub(in crate::postgres) async fn member_ids(
    db: &impl GenericClient,
    room: &RoomId,
) -> Result<Vec<UserId>, Stop> {
    let find = "SELECT u.id FROM rooms r JOIN members m ON m.room = r.n JOIN users u ON u.n = m.usr
         WHERE r.id = $1";
    let rows = query(db, find, &[&room.as_str()]).await?;
    Ok(rows.iter().map(|row| user_id(row, 0)).collect::<Result<_, _>>()?)
}

pub(in crate::postgres) async fn is_member(
    db: &impl GenericClient,
    user: &UserId,
    room: &RoomId,
) -> Result<bool, Stop> {
    Ok(query_opt(db, MEMBER, &[&user.as_str(), &room.as_str()]).await?.is_some())
}
