//! Reads of rooms: a person's list, one room, public rooms, members.

use std::sync::LazyLock;

use moorline_protocol::{
    Limits, Member, Person, Role, RoomHistory, RoomId, RoomInfo, RoomKind, Seq, Totals, UserId,
};
use rusqlite::{Connection, Row, ToSql, params};

use super::log::access;
use super::{Names, user};
use crate::sqlite::cache::{get, put};
use crate::sqlite::events::{COLUMNS, WIDTH, event};
use crate::sqlite::schema::Sql;
use crate::{Error, Members, RoomCursor, Rooms};

/// All that is told of a room `r` to the member `m`, in one statement: its newest message `e` if the member may see it,
/// that message's sender `s`, and the other person `p` of a direct room. `?1` is the person.
fn columns() -> String {
    format!(
        "SELECT {COLUMNS}, s.name, r.id, r.kind, r.name, r.epoch, r.first, r.head, r.messages,
             r.members, r.active, r.history, m.role, m.joined, m.read, max(m.read_messages, r.pruned),
             iif(p.removed IS NULL, p.id, 'deleted'), p.name"
    )
}

const JOINS: &str =
    "LEFT JOIN events e ON m.user IS NOT NULL AND e.seq >> 4 = r.last_message >> 4 AND e.room = r.n
         AND e.seq = r.last_message
         AND (r.history = 1 OR e.seq >= m.joined)
     LEFT JOIN users s ON s.n = e.sender
     LEFT JOIN users p ON p.n = CASE r.pair_low WHEN ?1 THEN r.pair_high ELSE r.pair_low END";

static MINE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH mine AS MATERIALIZED (
             SELECT r.n AS n FROM members m JOIN rooms r ON r.n = m.room
             WHERE m.user = ?1 AND (r.active, r.n) <
                 (?2, coalesce((SELECT n FROM rooms WHERE id = ?3), 9223372036854775807))
             ORDER BY r.active DESC, r.n DESC LIMIT ?4)
         {} FROM mine CROSS JOIN rooms r ON r.n = mine.n
         JOIN members m ON m.user = ?1 AND m.room = r.n
         {JOINS} ORDER BY r.active DESC, r.n DESC",
        columns()
    )
});

/// All rooms of a person who has few: no sorting and no limit, which cost as much as the rooms themselves.
static FEW: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} FROM members m CROSS JOIN rooms r ON r.n = m.room {JOINS} WHERE m.user = ?1",
        columns()
    )
});

static ONE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} FROM rooms r JOIN members m ON m.user = ?1 AND m.room = r.n {JOINS} WHERE r.id = ?2",
        columns()
    )
});

static PUBLIC: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} FROM rooms r LEFT JOIN members m ON m.user = ?1 AND m.room = r.n {JOINS}
         WHERE r.kind = 3 AND (?5 = '' OR instr(r.folded, ?5) > 0) AND (r.active, r.n) <
             (?2, coalesce((SELECT n FROM rooms WHERE id = ?3), 9223372036854775807))
         ORDER BY r.active DESC, r.n DESC LIMIT ?4",
        columns()
    )
});

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![MINE.clone(), FEW.clone(), ONE.clone(), PUBLIC.clone()]
}

fn room_info(row: &Row<'_>, names: &mut Names) -> rusqlite::Result<RoomInfo> {
    const AT: usize = WIDTH + 1;
    let last = match row.get::<_, Option<i64>>(2)? {
        Some(_) => Some(event(row, 0)?),
        None => None,
    };
    if let Some(last) = &last {
        names.add(&last.from, row.get(WIDTH)?);
    }
    let role = row.get::<_, Option<Sql<Role>>>(AT + 10)?.map(|role| role.0);
    let peer = row.get::<_, Option<Sql<UserId>>>(AT + 14)?.map(|peer| peer.0);
    if let Some(peer) = &peer {
        names.add(peer, row.get(AT + 15)?);
    }
    let history = row.get::<_, Sql<RoomHistory>>(AT + 9)?.0;
    let optional = |column: usize| {
        row.get::<_, Option<i64>>(column).map(|number| number.unwrap_or(0).max(0).cast_unsigned())
    };
    let first = match history {
        RoomHistory::All => get(row, AT + 4)?,
        RoomHistory::Joined => get(row, AT + 4)?.max(optional(AT + 11)?),
    };
    let unread = get(row, AT + 6)?.saturating_sub(optional(AT + 13)?);
    Ok(RoomInfo {
        id: row.get::<_, Sql<RoomId>>(AT)?.0,
        kind: row.get::<_, Sql<RoomKind>>(AT + 1)?.0,
        name: row.get(AT + 2)?,
        epoch: row.get::<_, Sql<_>>(AT + 3)?.0,
        first: Seq(first),
        head: Seq(get(row, AT + 5)?),
        read: Seq(optional(AT + 12)?),
        unread: if role.is_some() { unread } else { 0 },
        mentions: 0,
        members: get(row, AT + 7)?,
        role,
        peer,
        last,
        at: get(row, AT + 8)?,
        history,
    })
}

fn collect(
    db: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
    limit: usize,
) -> Result<Rooms, Error> {
    let mut find = db.prepare_cached(sql)?;
    let mut rows = find.query(values)?;
    let mut names = Names::default();
    let mut rooms: Vec<RoomInfo> = Vec::new();
    let mut more = false;
    while let Some(row) = rows.next()? {
        if rooms.len() >= limit {
            more = true;
            break;
        }
        rooms.push(room_info(row, &mut names)?);
    }
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

pub(in crate::sqlite) fn rooms_of(
    db: &Connection,
    id: &UserId,
    after: Option<&RoomCursor>,
    limit: usize,
) -> Result<Rooms, Error> {
    let user = user(db, id)?.ok_or(Error::NotFound)?;
    let (at, room) = bound(after);
    let mut page = collect(db, &MINE, params![user, at, room, one_more(limit)], limit)?;
    page.totals =
        if after.is_none() && !page.more { totals_of(&page.rooms) } else { totals(db, user)? };
    Ok(page)
}

/// The first page, for a person of whom it is known how many rooms they have.
pub(super) fn first_rooms(
    db: &Connection,
    id: &UserId,
    (user, count): (i64, u64),
    limit: usize,
) -> Result<Rooms, Error> {
    if count > limit as u64 {
        return rooms_of(db, id, None, limit);
    }
    let mut page = collect(db, &FEW, params![user], usize::MAX)?;
    page.rooms.sort_unstable_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
    page.totals = totals_of(&page.rooms);
    Ok(page)
}

fn totals_of(all: &[RoomInfo]) -> Totals {
    let unread = all.iter().map(|room| room.unread).sum();
    Totals { rooms: all.len() as u64, unread, mentions: 0 }
}

pub(super) const TOTALS: &str =
    "SELECT count(*), coalesce(sum(max(0, r.messages - max(m.read_messages, r.pruned))), 0)
     FROM members m JOIN rooms r ON r.n = m.room WHERE m.user = ?1";

fn totals(db: &Connection, user: i64) -> Result<Totals, Error> {
    let mut sum = db.prepare_cached(TOTALS)?;
    Ok(sum.query_row([user], |row| {
        Ok(Totals { rooms: get(row, 0)?, unread: get(row, 1)?, mentions: 0 })
    })?)
}

pub(in crate::sqlite) fn room_ids_of(
    db: &Connection,
    id: &UserId,
) -> Result<Vec<(RoomId, Seq)>, Error> {
    let mut find = db.prepare_cached(
        "SELECT r.id, r.head FROM users u JOIN members m ON m.user = u.n JOIN rooms r ON r.n = m.room
         WHERE u.id = ?1 AND u.removed IS NULL",
    )?;
    let rows = find
        .query_map([id.as_str()], |row| Ok((row.get::<_, Sql<RoomId>>(0)?.0, Seq(get(row, 1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(in crate::sqlite) fn room_of(
    db: &Connection,
    id: &UserId,
    room: &RoomId,
) -> Result<(RoomInfo, Vec<Person>), Error> {
    let user = user(db, id)?.ok_or(Error::NotFound)?;
    let mut found = collect(db, &ONE, params![user, room.as_str()], 1)?;
    let room = found.rooms.pop().ok_or(Error::NotFound)?;
    Ok((room, found.people))
}

pub(in crate::sqlite) fn browse(
    db: &Connection,
    id: &UserId,
    query: Option<&str>,
    after: Option<&RoomCursor>,
    limit: usize,
) -> Result<Rooms, Error> {
    let user = user(db, id)?.ok_or(Error::NotFound)?;
    let (at, room) = bound(after);
    let query = query.unwrap_or("").trim().to_lowercase();
    collect(db, &PUBLIC, params![user, at, room, one_more(limit), query], limit)
}

pub(in crate::sqlite) fn members(
    db: &Connection,
    id: &UserId,
    room: &RoomId,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Members, Error> {
    let access = access(db, id, room)?.ok_or(Error::NotFound)?;
    let shows_read = access.members <= u64::from(Limits::DEFAULT.receipt_members);
    let mut find = db.prepare_cached(
        "SELECT u.id, u.name, m.role, m.read, u.seen FROM members m JOIN users u ON u.n = m.user
         WHERE m.room = ?1 AND m.user > coalesce((SELECT n FROM users WHERE id = ?2), 0)
         ORDER BY m.user LIMIT ?3",
    )?;
    let rows =
        find.query_map(params![access.room, after.map(UserId::as_str), one_more(limit)], |row| {
            let seen = get(row, 4)?;
            Ok(Member {
                id: row.get::<_, Sql<UserId>>(0)?.0,
                name: row.get(1)?,
                role: row.get::<_, Sql<Role>>(2)?.0,
                read: shows_read.then_some(Seq(get(row, 3)?)),
                presence: None,
                seen: (seen > 0).then_some(seen),
            })
        })?;
    let mut members = rows.collect::<Result<Vec<_>, _>>()?;
    let more = members.len() > limit;
    members.truncate(limit);
    Ok(Members { members, more, total: access.members })
}

pub(in crate::sqlite) fn member_ids(db: &Connection, room: &RoomId) -> Result<Vec<UserId>, Error> {
    let mut find = db.prepare_cached(
        "SELECT u.id FROM rooms r JOIN members m ON m.room = r.n JOIN users u ON u.n = m.user
         WHERE r.id = ?1",
    )?;
    let rows = find.query_map([room.as_str()], |row| Ok(row.get::<_, Sql<UserId>>(0)?.0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
