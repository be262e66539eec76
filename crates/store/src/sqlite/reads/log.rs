//! Reads of a room's log: pages of history, what follows a position, and what the node's own feed misses.

use std::sync::LazyLock;

use moorline_protocol::{Epoch, Event, EventKind, Position, ResetReason, RoomId, Seq, UserId};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::Names;
use crate::sqlite::cache::{get, put};
use crate::sqlite::events::{BLOCK, COLUMNS, WIDTH, event, id_at};
use crate::sqlite::schema::Sql;
use crate::{Error, Head, Page, Range, Resumed, ResumedRoom, ResumedSome};

/// A page ends after so many bytes of text, whatever its limit.
const PAGE_BYTES: usize = 1 << 20;
/// A resume of more text than this is too far, as one of too many events is.
const RESUME_BYTES: usize = 4 << 20;
/// Events of all rooms that are resumed together: a transaction stays short, and the answer small.
const TOGETHER: u64 = 200;

/// A room as one person may read it.
pub(in crate::sqlite) struct Access {
    pub(in crate::sqlite) room: i64,
    pub(in crate::sqlite) epoch: Epoch,
    pub(in crate::sqlite) first: u64,
    pub(in crate::sqlite) head: u64,
    pub(in crate::sqlite) members: u64,
    /// Whether `first` is where it is because what was before is pruned.
    is_pruned: bool,
}

fn access_row(row: &Row<'_>) -> rusqlite::Result<Access> {
    Ok(Access {
        room: row.get(0)?,
        epoch: row.get::<_, Sql<Epoch>>(1)?.0,
        first: get(row, 2)?,
        head: get(row, 3)?,
        members: get(row, 4)?,
        is_pruned: row.get(5)?,
    })
}

pub(super) const ACCESS: &str =
    "SELECT r.n, r.epoch, CASE r.history WHEN 1 THEN r.first ELSE max(r.first, m.joined) END,
         r.head, r.members, r.first > 1 AND (r.history = 1 OR r.first >= m.joined)
     FROM users u JOIN rooms r ON r.id = ?2 JOIN members m ON m.user = u.n AND m.room = r.n
     WHERE u.id = ?1 AND u.removed IS NULL";

/// What a member may read; `None` for a stranger and for no such room alike.
pub(in crate::sqlite) fn access(
    db: &Connection,
    user: &UserId,
    room: &RoomId,
) -> Result<Option<Access>, Error> {
    let mut find = db.prepare_cached(ACCESS)?;
    Ok(find.query_row([user.as_str(), room.as_str()], access_row).optional()?)
}

/// What the node itself may read.
fn whole(db: &Connection, room: &RoomId) -> Result<Option<Access>, Error> {
    let find = "SELECT n, epoch, first, head, members, first > 1 FROM rooms WHERE id = ?1";
    let mut find = db.prepare_cached(find)?;
    Ok(find.query_row([room.as_str()], access_row).optional()?)
}

pub(in crate::sqlite) fn head(db: &Connection, room: &RoomId) -> Result<Head, Error> {
    let whole = whole(db, room)?.ok_or(Error::NotFound)?;
    Ok(Head { epoch: whole.epoch, first: Seq(whole.first), head: Seq(whole.head) })
}

pub(in crate::sqlite) fn events(
    db: &Connection,
    user: &UserId,
    room: &RoomId,
    range: Range,
    limit: usize,
) -> Result<Page, Error> {
    let access = access(db, user, room)?.ok_or(Error::NotFound)?;
    page(db, &access, range, limit, PAGE_BYTES)
}

pub(in crate::sqlite) fn log(
    db: &Connection,
    room: &RoomId,
    after: Seq,
    limit: usize,
) -> Result<Page, Error> {
    let whole = whole(db, room)?.ok_or(Error::NotFound)?;
    page(db, &whole, Range::After(after), limit, PAGE_BYTES)
}

/// The statements of a page's blocks, upwards and downwards.
static UPWARDS: LazyLock<String> = LazyLock::new(|| page_sql("ASC"));
static DOWNWARDS: LazyLock<String> = LazyLock::new(|| page_sql("DESC"));

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![UPWARDS.clone(), DOWNWARDS.clone()]
}

fn page_sql(direction: &str) -> String {
    format!(
        "SELECT {COLUMNS}, s.name FROM events e CROSS JOIN rooms r ON r.n = e.room
         JOIN users s ON s.n = e.sender
         WHERE e.seq >> 4 = ?4 AND e.room = ?1 AND e.seq BETWEEN ?2 AND ?3 ORDER BY e.seq {direction}"
    )
}

fn page(
    db: &Connection,
    access: &Access,
    range: Range,
    limit: usize,
    bytes: usize,
) -> Result<Page, Error> {
    let (low, high, is_upward) = match range {
        Range::After(seq) => (access.first.max(seq.0.saturating_add(1)), access.head, true),
        Range::Before(seq) => (access.first, access.head.min(seq.0.saturating_sub(1)), false),
        Range::Newest => (access.first, access.head, false),
    };
    if low > high {
        return Ok(whole_page(access, Vec::new(), false, Names::default()));
    }
    let mut gathered = Gathered { limit, bytes, ..Gathered::default() };
    // Logs have no holes, so every block but the last gives all its events.
    let (lowest, highest) = (low >> BLOCK, high >> BLOCK);
    for step in 0..=highest - lowest {
        let block = if is_upward { lowest + step } else { highest - step };
        if !gathered.read(db, is_upward, params![access.room, put(low), put(high), put(block)])? {
            break;
        }
    }
    let Gathered { mut events, mut names, more, .. } = gathered;
    for event in &events {
        names.complete(db, event)?;
    }
    if !is_upward {
        events.reverse();
    }
    Ok(whole_page(access, events, more, names))
}

/// A page under way.
#[derive(Default)]
struct Gathered {
    limit: usize,
    bytes: usize,
    events: Vec<Event>,
    names: Names,
    size: usize,
    more: bool,
}

impl Gathered {
    /// Adds the events of one block. False once the page is full.
    fn read(
        &mut self,
        db: &Connection,
        is_upward: bool,
        values: &[&dyn ToSql],
    ) -> Result<bool, Error> {
        let mut find = db.prepare_cached(if is_upward { &UPWARDS } else { &DOWNWARDS })?;
        let mut rows = find.query(values)?;
        while let Some(row) = rows.next()? {
            if self.events.len() >= self.limit || self.size >= self.bytes {
                self.more = true;
                return Ok(false);
            }
            let event = event(row, 0)?;
            self.names.add(&event.from, row.get(WIDTH)?);
            self.size += weight(&event);
            self.events.push(event);
        }
        Ok(true)
    }
}

fn whole_page(access: &Access, events: Vec<Event>, more: bool, names: Names) -> Page {
    Page {
        epoch: access.epoch,
        first: Seq(access.first),
        head: Seq(access.head),
        events,
        more,
        pruned: access.is_pruned,
        people: names.into_people(),
    }
}

fn weight(event: &Event) -> usize {
    match &event.kind {
        EventKind::Message { body, .. } | EventKind::Edit { body, .. } => body.len(),
        EventKind::Member { changes } => changes.len() * 64,
        EventKind::Delete { .. } | EventKind::Rename { .. } => 0,
    }
}

pub(in crate::sqlite) fn resume(
    db: &Connection,
    user: &UserId,
    room: &RoomId,
    from: &Position,
    limit: usize,
) -> Result<Resumed, Error> {
    match access(db, user, room)? {
        Some(access) => resume_within(db, &access, from, limit),
        None => Ok(Resumed::Gone),
    }
}

fn resume_within(
    db: &Connection,
    access: &Access,
    from: &Position,
    limit: usize,
) -> Result<Resumed, Error> {
    let reset = |reason| Resumed::Reset {
        reason,
        epoch: access.epoch,
        first: Seq(access.first),
        head: Seq(access.head),
    };
    if let Some(reason) = reason_to_reset(db, access, from, limit)? {
        return Ok(reset(reason));
    }
    let page = page(db, access, Range::After(from.seq), limit, RESUME_BYTES)?;
    if page.more {
        return Ok(reset(ResetReason::TooFar));
    }
    Ok(Resumed::Events { events: page.events, head: page.head, people: page.people })
}

fn reason_to_reset(
    db: &Connection,
    access: &Access,
    from: &Position,
    limit: usize,
) -> Result<Option<ResetReason>, Error> {
    if from.epoch != access.epoch {
        return Ok(Some(ResetReason::Epoch));
    }
    if from.seq.0 > access.head {
        return Ok(Some(ResetReason::Future));
    }
    if from.seq.0 > 0
        && let Some(check) = &from.check
    {
        match id_at(db, access.room, from.seq)? {
            Some(id) if id.check() == *check => {}
            Some(_) => return Ok(Some(ResetReason::Epoch)),
            None => return Ok(Some(ResetReason::Pruned)),
        }
    }
    // Who has nothing yet goes on from the first that they may see; who has something must get what follows it.
    if from.seq.0 > 0 && from.seq.0 + 1 < access.first {
        return Ok(Some(ResetReason::Pruned));
    }
    let known = from.seq.0.max(access.first.saturating_sub(1));
    let is_too_far = access.head.saturating_sub(known) > limit as u64;
    Ok(is_too_far.then_some(ResetReason::TooFar))
}

/// Resumes several rooms at once, as far as that stays small: what follows up to [`TOGETHER`] events in all.
/// Positions behind which more waits are handed back, to be resumed one by one.
pub(super) fn resume_some(
    db: &Connection,
    user: &UserId,
    positions: Vec<(RoomId, Position)>,
) -> Result<ResumedSome, Error> {
    let mut some = ResumedSome::default();
    let mut budget = TOGETHER;
    for (room, from) in positions {
        let Some(access) = access(db, user, &room)? else {
            some.resumed.push(ResumedRoom { room, from, resumed: Resumed::Gone });
            continue;
        };
        let missed = access.head.saturating_sub(from.seq.0);
        if missed > budget {
            some.left.push((room, from));
            continue;
        }
        budget -= missed;
        let resumed = resume_within(db, &access, &from, TOGETHER as usize)?;
        some.resumed.push(ResumedRoom { room, from, resumed });
    }
    Ok(some)
}
