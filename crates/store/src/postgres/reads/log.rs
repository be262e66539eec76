//! Reads of a room's log: pages of history, and what the node's own feed misses. A page and the check of who may see it
//! are one statement.

use std::sync::LazyLock;

use deadpool_postgres::GenericClient;
use moorline_protocol::{Epoch, Event, EventId, RoomId, Seq, UserId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{Names, Stop, query, query_opt};
use crate::postgres::events::{COLUMNS, WIDTH, epoch, event, number};
use crate::postgres::failure::Failure;
use crate::postgres::schema::put;
use crate::{Error, Head, Page, Range};

/// A page ends after so many bytes of text, whatever its limit.
pub(super) const PAGE_BYTES: i64 = 1 << 20;

/// A room `$2` as the person `$1` may read it.
pub(super) const MEMBER: &str = "SELECT r.n, r.id, r.epoch,
         CASE r.history WHEN 1 THEN r.first ELSE greatest(r.first, m.joined) END AS first, r.head, r.members,
         r.first > 1 AND (r.history = 1 OR r.first >= m.joined) AS is_pruned
     FROM users u JOIN rooms r ON r.id = $2 JOIN members m ON m.usr = u.n AND m.room = r.n
     WHERE u.id = $1 AND u.removed IS NULL";
/// A room `$2` as the node itself may read it.
const NODE: &str = "SELECT n, id, epoch, first, head, members, first > 1 AS is_pruned FROM rooms WHERE id = $2 AND $1::text IS NULL";

static UPWARDS: LazyLock<String> = LazyLock::new(|| page_sql(MEMBER, "ASC"));
static DOWNWARDS: LazyLock<String> = LazyLock::new(|| page_sql(MEMBER, "DESC"));
static FOLLOWING: LazyLock<String> = LazyLock::new(|| page_sql(NODE, "ASC"));

/// The room, one row for each event from `$3` to `$4`, or one without an event; at most `$5` events and about `$6` bytes
/// of text. `$7` is a position whose event's id is told; behind it, where it is in the log at all, more than `$5` events
/// are none.
fn page_sql(access: &str, direction: &str) -> String {
    format!(
        "WITH r AS ({access})
         SELECT r.epoch, r.first, r.head, at.id, r.is_pruned, x.* FROM r
         LEFT JOIN events at ON at.room = r.n AND at.seq = $7
         LEFT JOIN LATERAL (
             SELECT {COLUMNS}, s.name,
                 sum(octet_length(e.body)) OVER (ORDER BY e.seq {direction}) - octet_length(e.body) AS before
             FROM (SELECT * FROM events WHERE room = r.n AND seq >= greatest(r.first, $3) AND seq <= least(r.head, $4)
                   AND ($7 IS NULL OR r.head - greatest($7, r.first - 1) <= $5)
                   ORDER BY seq {direction} LIMIT $5) e
             JOIN users s ON s.n = e.sender) x ON x.before < $6
         ORDER BY x.seq {direction}"
    )
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![UPWARDS.clone(), DOWNWARDS.clone(), FOLLOWING.clone()]
}

/// A piece of a log, and the room as the asker may read it.
pub(super) struct Piece {
    pub(super) epoch: Epoch,
    pub(super) first: u64,
    pub(super) head: u64,
    /// Whether `first` is where it is because what was before is pruned.
    is_pruned: bool,
    /// The id at the position that was asked for, if there is one.
    pub(super) id_at: Option<EventId>,
    pub(super) events: Vec<Event>,
    pub(super) names: Names,
}

impl Piece {
    /// `None` where the room is not the asker's to read.
    pub(super) fn from_rows(rows: &[Row]) -> Result<Option<Self>, Failure> {
        let Some(row) = rows.first() else { return Ok(None) };
        let mut piece = Self {
            epoch: epoch(row, 0)?,
            first: number(row, 1)?,
            head: number(row, 2)?,
            is_pruned: row.try_get(4)?,
            id_at: row.try_get::<_, Option<Uuid>>(3)?.map(EventId),
            events: Vec::with_capacity(rows.len()),
            names: Names::default(),
        };
        for row in rows {
            if row.try_get::<_, Option<&str>>(5)?.is_some() {
                let event = event(row, 5)?;
                piece.names.add(&event.from, row.try_get(5 + WIDTH)?);
                piece.events.push(event);
            }
        }
        Ok(Some(piece))
    }
}

/// What is asked of a log.
pub(super) struct Ask<'a> {
    pub(super) user: Option<&'a UserId>,
    pub(super) room: &'a RoomId,
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) is_upward: bool,
    pub(super) limit: usize,
    pub(super) bytes: i64,
    pub(super) position: Option<i64>,
}

pub(super) async fn piece(
    db: &impl GenericClient,
    ask: &Ask<'_>,
) -> Result<Option<Piece>, Failure> {
    let sql = match (ask.user, ask.is_upward) {
        (None, _) => &FOLLOWING,
        (Some(_), true) => &UPWARDS,
        (Some(_), false) => &DOWNWARDS,
    };
    let (user, room) = (ask.user.map(UserId::as_str), ask.room.as_str());
    let limit = i64::try_from(ask.limit).unwrap_or(i64::MAX);
    let values: [&(dyn ToSql + Sync); 7] =
        [&user, &room, &ask.low, &ask.high, &limit, &ask.bytes, &ask.position];
    Piece::from_rows(&query(db, sql, &values).await?)
}

pub(in crate::postgres) async fn head_of(
    db: &impl GenericClient,
    room: &RoomId,
) -> Result<Head, Stop> {
    let find = "SELECT epoch, first, head FROM rooms WHERE id = $1";
    let row = query_opt(db, find, &[&room.as_str()]).await?.ok_or(Error::NotFound)?;
    Ok(Head { epoch: epoch(&row, 0)?, first: Seq(number(&row, 1)?), head: Seq(number(&row, 2)?) })
}

pub(in crate::postgres) async fn events_of(
    db: &impl GenericClient,
    user: &UserId,
    room: &RoomId,
    range: Range,
    limit: usize,
) -> Result<Page, Stop> {
    page(db, Some(user), room, range, limit).await
}

pub(in crate::postgres) async fn log_of(
    db: &impl GenericClient,
    room: &RoomId,
    after: Seq,
    limit: usize,
) -> Result<Page, Stop> {
    page(db, None, room, Range::After(after), limit).await
}

async fn page(
    db: &impl GenericClient,
    user: Option<&UserId>,
    room: &RoomId,
    range: Range,
    limit: usize,
) -> Result<Page, Stop> {
    let (low, high, is_upward) = match range {
        Range::After(seq) => (put(seq.0.saturating_add(1)), i64::MAX, true),
        Range::Before(seq) => (0, put(seq.0.saturating_sub(1)), false),
        Range::Newest => (0, i64::MAX, false),
    };
    let ask = Ask { user, room, low, high, is_upward, limit, bytes: PAGE_BYTES, position: None };
    let mut piece = piece(db, &ask).await?.ok_or(Error::NotFound)?;
    piece.names.complete(db, piece.events.iter()).await?;
    // Logs have no holes: there is more where the last event that was read is not the last that was asked for.
    let more = piece.events.last().is_some_and(|last| {
        if is_upward {
            last.seq.0 < piece.head.min(high.max(0).cast_unsigned())
        } else {
            last.seq.0 > piece.first.max(low.max(0).cast_unsigned())
        }
    });
    if !is_upward {
        piece.events.reverse();
    }
    Ok(Page {
        epoch: piece.epoch,
        first: Seq(piece.first),
        head: Seq(piece.head),
        events: piece.events,
        more,
        pruned: piece.is_pruned,
        people: piece.names.into_people(),
    })
}
