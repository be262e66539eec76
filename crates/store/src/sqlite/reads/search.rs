//! Search: what the index names, joined to the messages as they are now, of rooms that the asker is in, as far back as
//! each room shows them.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use moorline_protocol::{RoomId, Seq, UserId};
use rusqlite::{Connection, OptionalExtension, Rows, Statement, params};

use super::{people, user};
use crate::search::{CANDIDATES, Picker, Place, Query, SCOPE_ROOMS, SENDERS, is_meant};
use crate::sqlite::cache::{get, put};
use crate::sqlite::events::{COLUMNS, WIDTH, event};
use crate::sqlite::index::HOUR_MS;
use crate::words::{room_term, sender_term};
use crate::{Error, Hits, Search};

/// Long messages must not hold a reader: after this, the page ends and says that there may be more.
const TIME: Duration = Duration::from_millis(100);
/// Candidates between two looks at the clock.
const LOOK_AT_CLOCK: usize = 32;
/// Rows that the index has not reached and that are looked at, to say which rooms they are of.
const UNREACHED: i64 = 10_000;
/// Rooms that are told to be behind.
const UPTO_ROOMS: i64 = 100;

/// Every candidate comes, the newest first; `m` is there only where the person `?4` may see the message.
fn sql(candidates: &str) -> String {
    format!(
        "SELECT {COLUMNS}, s.name, e.n, m.user IS NOT NULL, e.room, e.sender
         FROM {candidates} CROSS JOIN rooms r ON r.n = e.room
         LEFT JOIN members m ON m.user = ?4 AND m.room = e.room AND e.kind = 1 AND e.deleted IS NULL
             AND e.seq >= r.first AND (r.history = 1 OR e.seq >= m.joined) AND e.at >= ?5 AND e.at < ?6
         LEFT JOIN users s ON m.user IS NOT NULL AND s.n = e.sender"
    )
}

/// What the index names for `?1`, in rows from `?3` to below `?2`.
static NAMED: LazyLock<String> = LazyLock::new(|| {
    let named = sql("search CROSS JOIN events e ON e.n = search.rowid");
    format!(
        "{named} WHERE search MATCH ?1 AND search.rowid < ?2 AND search.rowid >= ?3 ORDER BY search.rowid DESC"
    )
});
/// The newest rows themselves.
static NEWEST: LazyLock<String> = LazyLock::new(|| {
    let newest = sql("events e");
    format!(
        "{newest} WHERE ?1 IS NULL AND e.n < ?2 AND e.n >= ?3 ORDER BY e.n DESC LIMIT {CANDIDATES}"
    )
});
const INDEXED: &str = "SELECT indexed, (SELECT max(n) FROM events) FROM state";
const BEHIND: &str = "SELECT r.id, waiting.room, min(waiting.seq) - 1
     FROM (SELECT room, seq FROM events WHERE n > ?1 ORDER BY n LIMIT ?3) waiting
     CROSS JOIN members m ON m.user = ?2 AND m.room = waiting.room CROSS JOIN rooms r ON r.n = waiting.room
     GROUP BY waiting.room ORDER BY waiting.room LIMIT ?4";
const OLDER_THAN: &str = "SELECT max(last) + 1 FROM hours WHERE hour <= ?1";
const YOUNGER_THAN: &str = "SELECT min(first) FROM hours WHERE hour >= ?1";
const OWN: &str = "SELECT room FROM members WHERE user = ?1 LIMIT ?2";
const OWN_NAMED: &str =
    "SELECT r.n, r.id, r.name FROM members m CROSS JOIN rooms r ON r.n = m.room WHERE m.user = ?1";
const OWN_BY_ID: &str =
    "SELECT r.n FROM rooms r CROSS JOIN members m ON m.user = ?1 AND m.room = r.n WHERE r.id = ?2";
const PERSON: &str = "SELECT n FROM users WHERE id = ?1";

#[cfg(test)]
pub(in crate::sqlite) fn statements() -> Vec<String> {
    [&NAMED, &NEWEST, INDEXED, BEHIND, OWN, OWN_NAMED, OWN_BY_ID, PERSON].map(str::to_owned).into()
}

/// Where to look and for whose messages: row numbers.
struct Scope {
    user: i64,
    /// These rooms only; none: all of the person's.
    rooms: Option<Vec<i64>>,
    /// These authors only; none: whoever.
    senders: Option<Vec<i64>>,
    /// Rows from here …
    from: i64,
    /// … to below here.
    below: i64,
    at_ms: std::ops::Range<i64>,
}

pub(in crate::sqlite) fn search(
    db: &Connection,
    id: &UserId,
    asked: &Search,
    lag_ms: u64,
) -> Result<Hits, Error> {
    let query = Query::parse(&asked.query)?;
    let Some(user) = user(db, id)?.filter(|_| !query.is_empty()) else {
        return Ok(Hits::default());
    };
    let (indexed, newest): (i64, Option<i64>) =
        db.prepare_cached(INDEXED)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut picker = Picker::new(&query, asked);
    let below = put(picker.below().1).min(indexed + 1);
    let scope = scope(db, (id, user), &query, asked.room.as_ref(), below)?;
    if !scope.finds_nothing() {
        look(db, &query, &scope, &mut picker)?;
    }
    let mut hits = picker.into_hits();
    if newest.is_some_and(|newest| newest > indexed) {
        hits.behind_ms = lag_ms.max(1);
        let mut behind = db.prepare_cached(BEHIND)?;
        let mut rows = behind.query(params![indexed, user, UNREACHED, UPTO_ROOMS])?;
        while let Some(row) = rows.next()? {
            let room = row.get(1)?;
            if scope.rooms.as_ref().is_none_or(|rooms| rooms.contains(&room)) {
                let id: String = row.get(0)?;
                hits.upto.extend(RoomId::new(id).ok().zip(get(row, 2).ok().map(Seq)));
            }
        }
    }
    Ok(hits)
}

fn scope(
    db: &Connection,
    (id, user): (&UserId, i64),
    query: &Query,
    room: Option<&RoomId>,
    below: i64,
) -> Result<Scope, Error> {
    let hour = |ms: u64| put(ms) / HOUR_MS;
    let bound = |sql: &str, ms: u64| -> rusqlite::Result<Option<i64>> {
        db.prepare_cached(sql)?.query_row([hour(ms)], |row| row.get(0))
    };
    // Hours without an event leave nothing on that side.
    let below = match query.before_ms {
        Some(ms) => bound(OLDER_THAN, ms)?.unwrap_or(0).min(below),
        None => below,
    };
    let from = match query.after_ms {
        Some(ms) => bound(YOUNGER_THAN, ms)?.unwrap_or(i64::MAX),
        None => 0,
    };
    let at_ms = query.after_ms.map_or(0, put)..query.before_ms.map_or(i64::MAX, put);
    let rooms = rooms(db, user, &query.rooms, room)?;
    let senders =
        if query.from.is_empty() { None } else { Some(senders(db, (id, user), &query.from)?) };
    Ok(Scope { user, rooms, senders, from, below, at_ms })
}

/// The rooms that are meant, of those that the person is in.
fn rooms(
    db: &Connection,
    user: i64,
    meant: &[String],
    one: Option<&RoomId>,
) -> Result<Option<Vec<i64>>, Error> {
    let one = match one {
        Some(id) => {
            let mut find = db.prepare_cached(OWN_BY_ID)?;
            Some(find.query_row(params![user, id.as_str()], |row| row.get(0)).optional()?)
        }
        None => None,
    };
    let mut found: Vec<i64> = match (&one, meant) {
        (Some(one), []) => return Ok(Some(one.iter().copied().collect())),
        (None, []) => {
            let mut own = db.prepare_cached(OWN)?;
            let rows = own.query_map([user, put(SCOPE_ROOMS as u64 + 1)], |row| row.get(0))?;
            let own: Vec<i64> = rows.collect::<Result<_, _>>()?;
            return Ok((own.len() <= SCOPE_ROOMS).then_some(own));
        }
        _ => Vec::new(),
    };
    let mut own = db.prepare_cached(OWN_NAMED)?;
    let mut rows = own.query([user])?;
    while let Some(row) = rows.next()? {
        let (n, id): (i64, String) = (row.get(0)?, row.get(1)?);
        let name: Option<String> = row.get(2)?;
        let is_meant = |typed: &String| {
            *typed == id || name.as_deref().is_some_and(|name| is_meant(name, typed))
        };
        if found.len() < SCOPE_ROOMS
            && meant.iter().any(is_meant)
            && one.is_none_or(|one| one == Some(n))
        {
            found.push(n);
        }
    }
    Ok(Some(found))
}

/// The people who are meant: oneself, whoever has this id, and whose names begin so of those one shares a room with.
fn senders(
    db: &Connection,
    (id, user): (&UserId, i64),
    meant: &[String],
) -> Result<Vec<i64>, Error> {
    let mut found = Vec::new();
    let mut add = |n: i64| {
        if !found.contains(&n) {
            found.push(n);
        }
    };
    let mut find = db.prepare_cached(PERSON)?;
    for typed in meant {
        if typed.eq_ignore_ascii_case("me") {
            add(user);
            continue;
        }
        if let Some(n) = find.query_row([typed], |row| row.get(0)).optional()? {
            add(n);
        }
        for person in people::people_by_name(db, typed, Some(id), SENDERS)? {
            add(find.query_row([person.id.as_str()], |row| row.get(0))?);
        }
    }
    Ok(found)
}

impl Scope {
    fn finds_nothing(&self) -> bool {
        let is_none = |list: &Option<Vec<i64>>| list.as_ref().is_some_and(Vec::is_empty);
        is_none(&self.rooms) || is_none(&self.senders) || self.from >= self.below
    }

    /// What is asked, in the index's language.
    fn expression(&self, query: &Query) -> String {
        let any = |terms: Vec<String>| format!("({})", terms.join(" OR "));
        let mut all: Vec<String> = query
            .terms()
            .iter()
            .map(|term| format!("\"{}\"{}", term.text, if term.is_prefix { "*" } else { "" }))
            .collect();
        let quoted = |term: String| format!("\"{term}\"");
        if let Some(rooms) = &self.rooms {
            all.push(any(rooms.iter().map(|n| quoted(room_term(*n))).collect()));
        }
        if let Some(senders) = &self.senders {
            all.push(any(senders.iter().map(|n| quoted(sender_term(*n))).collect()));
        }
        all.join(" AND ")
    }

    fn rows<'s>(
        &self,
        statement: &'s mut Statement<'_>,
        expression: Option<&str>,
        below: i64,
    ) -> rusqlite::Result<Rows<'s>> {
        let Self { user, from, at_ms, .. } = self;
        statement.query(params![expression, below, from, user, at_ms.start, at_ms.end])
    }

    fn has(&self, room: i64, sender: i64) -> bool {
        let has = |list: &Option<Vec<i64>>, n| list.as_ref().is_none_or(|list| list.contains(&n));
        has(&self.rooms, room) && has(&self.senders, sender)
    }
}

/// Looks through the newest rows, where the index would have to gather all beginnings of a word first, and then asks
/// the index.
fn look(
    db: &Connection,
    query: &Query,
    scope: &Scope,
    picker: &mut Picker<'_>,
) -> Result<(), Error> {
    let started = Instant::now();
    let mut below = scope.below;
    if query.has_prefix() {
        let mut newest = db.prepare_cached(&NEWEST)?;
        let mut rows = scope.rows(&mut newest, None, below)?;
        while let Some(row) = rows.next()? {
            let n: i64 = row.get(WIDTH + 1)?;
            if offer(row, n, scope, picker)? {
                picker.looked_at(Place(0, n.cast_unsigned()));
            }
            below = n;
            if picker.is_done() {
                return Ok(());
            }
        }
    }
    let mut named = db.prepare_cached(&NAMED)?;
    let mut rows = scope.rows(&mut named, Some(&scope.expression(query)), below)?;
    let mut looked_at: usize = 0;
    while let Some(row) = rows.next()? {
        let n: i64 = row.get(WIDTH + 1)?;
        picker.looked_at(Place(0, n.cast_unsigned()));
        offer(row, n, scope, picker)?;
        looked_at += 1;
        if looked_at.is_multiple_of(LOOK_AT_CLOCK) && started.elapsed() >= TIME {
            picker.cut();
        }
        if picker.is_done() {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether the message is a hit.
fn offer(
    row: &rusqlite::Row<'_>,
    n: i64,
    scope: &Scope,
    picker: &mut Picker<'_>,
) -> rusqlite::Result<bool> {
    let is_seen: bool = row.get(WIDTH + 2)?;
    if !is_seen || !scope.has(row.get(WIDTH + 3)?, row.get(WIDTH + 4)?) {
        return Ok(false);
    }
    let name: String = row.get(WIDTH)?;
    Ok(picker.offer(Place(0, n.cast_unsigned()), event(row, 0)?, || name))
}
