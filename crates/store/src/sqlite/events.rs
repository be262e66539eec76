//! Events out of their rows: the one place that knows how an event is kept.

use std::sync::LazyLock;

use moorline_protocol::{Event, EventId, EventKind, Mark, MemberChange, RoomId, Seq};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::cache::{get, put};
use super::schema::{Sql, kind};

/// The columns that [`event`] reads, in its order; `e` is the event, `s` its sender, `r` its room.
pub(super) const COLUMNS: &str = "r.id, r.epoch, e.seq, e.kind, e.id, iif(s.removed IS NULL, s.id, 'deleted'), e.cid, e.at, e.messages, e.body, \
     e.refers, e.target, e.edited, e.edited_at, e.deleted, e.deleted_at";
/// The condition that finds `e` at a position through the index, whose first part is a block of 16 seqs. With a plain
/// `e.seq = ?2` SQLite would put `?2` for `e.seq` everywhere and no longer see the index.
pub(super) const AT: &str = "e.seq >> 4 = ?2 >> 4 AND e.room = ?1 AND e.seq BETWEEN ?2 AND ?2";
/// Seqs of a block, as a power of two.
pub(super) const BLOCK: u32 = 4;
/// How many they are.
pub(super) const WIDTH: usize = 16;

/// An event from a row whose columns from `at` on are [`COLUMNS`].
pub(super) fn event(row: &Row<'_>, at: usize) -> rusqlite::Result<Event> {
    Ok(Event {
        room: row.get::<_, Sql<RoomId>>(at)?.0,
        epoch: row.get::<_, Sql<_>>(at + 1)?.0,
        seq: Seq(get(row, at + 2)?),
        kind: event_kind(row, at)?,
        id: row.get::<_, Sql<EventId>>(at + 4)?.0,
        from: row.get::<_, Sql<_>>(at + 5)?.0,
        cid: row.get::<_, Option<Sql<_>>>(at + 6)?.map(|cid| cid.0),
        at: get(row, at + 7)?,
        people: Vec::new(),
    })
}

fn event_kind(row: &Row<'_>, at: usize) -> rusqlite::Result<EventKind> {
    let refers = || row.get::<_, Option<Sql<EventId>>>(at + 10).map(|id| id.map(|id| id.0));
    let message = || refers().map(|id| id.unwrap_or(EventId(uuid::Uuid::nil())));
    let of = || row.get::<_, Option<i64>>(at + 11).map(|seq| Seq(number(seq)));
    let body = || row.get::<_, String>(at + 9);
    Ok(match row.get::<_, i64>(at + 3)? {
        kind::MESSAGE => EventKind::Message {
            body: body()?,
            reply_to: refers()?,
            n: get(row, at + 8)?,
            edited: mark(row, at + 12)?,
            deleted: mark(row, at + 14)?,
        },
        kind::EDIT => EventKind::Edit { message: message()?, of: of()?, body: body()? },
        kind::DELETE => EventKind::Delete { message: message()?, of: of()? },
        kind::RENAME => EventKind::Rename { name: body()? },
        kind::MEMBER => EventKind::Member { changes: changes(&body()?, at + 9)? },
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(at + 3, other)),
    })
}

fn mark(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Mark>> {
    let Some(seq) = row.get::<_, Option<i64>>(at)? else { return Ok(None) };
    Ok(Some(Mark { seq: Seq(number(Some(seq))), at: get(row, at + 1)? }))
}

fn number(column: Option<i64>) -> u64 {
    column.unwrap_or(0).max(0).cast_unsigned()
}

/// Changes of members as their row holds them.
pub(super) fn changes_text(changes: &[MemberChange]) -> String {
    // Ids and words always serialise; an empty list would only hide a name, never a position.
    serde_json::to_string(changes).unwrap_or_else(|_| "[]".to_owned())
}

pub(super) fn changes(text: &str, column: usize) -> rusqlite::Result<Vec<MemberChange>> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

pub(super) static FIND_ID: LazyLock<String> =
    LazyLock::new(|| format!("SELECT e.id FROM events e WHERE {AT}"));

pub(super) static FIND: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS} FROM rooms r CROSS JOIN events e ON e.seq >> 4 = ?2 >> 4 AND e.room = r.n
             AND e.seq BETWEEN ?2 AND ?2
         JOIN users s ON s.n = e.sender WHERE r.id = ?1"
    )
});

/// The id of the event at one position.
pub(super) fn id_at(db: &Connection, room: i64, seq: Seq) -> rusqlite::Result<Option<EventId>> {
    let mut find = db.prepare_cached(&FIND_ID)?;
    let id = find.query_row(params![room, put(seq.0)], |row| row.get::<_, Sql<EventId>>(0));
    Ok(id.optional()?.map(|id| id.0))
}

/// Events in rows above this one, in the order of commits.
pub(super) fn events_above(db: &Connection, row: i64) -> rusqlite::Result<Vec<(i64, Event)>> {
    let mut find = db.prepare(&format!(
        "SELECT {COLUMNS}, e.n FROM events e CROSS JOIN rooms r ON r.n = e.room
         JOIN users s ON s.n = e.sender WHERE e.n > ?1 ORDER BY e.n"
    ))?;
    let rows = find.query_map([row], |row| Ok((row.get(WIDTH)?, event(row, 0)?)))?;
    rows.collect()
}

/// The event at one position.
pub(super) fn event_at(
    db: &Connection,
    room: &RoomId,
    seq: Seq,
) -> rusqlite::Result<Option<Event>> {
    let mut statement = db.prepare_cached(&FIND)?;
    statement.query_row(params![room.as_str(), put(seq.0)], |row| event(row, 0)).optional()
}
