//! Events out of their rows: the one place that knows how an event is kept.

use moorline_protocol::{
    Epoch, Event, EventId, EventKind, Mark, MemberChange, RoomId, Seq, UserId,
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::failure::Failure;
use super::schema::{cid_from, get, kind};

/// The columns that [`event`] reads, in its order; `e` is the event, `s` its sender, `r` its room.
pub(super) const COLUMNS: &str = "r.id, r.epoch, e.seq, e.kind, e.id, CASE WHEN s.removed IS NULL THEN s.id ELSE 'deleted' END AS sender_id, e.cid, e.at, e.messages, e.body, \
     e.refers, e.target, e.edited, e.edited_at, e.deleted, e.deleted_at";
/// How many they are.
pub(super) const WIDTH: usize = 16;

/// An event from a row whose columns from `at` on are [`COLUMNS`].
pub(super) fn event(row: &Row, at: usize) -> Result<Event, Failure> {
    let cid: Option<&[u8]> = row.try_get(at + 6)?;
    Ok(Event {
        room: room_id(row, at)?,
        epoch: epoch(row, at + 1)?,
        seq: Seq(number(row, at + 2)?),
        kind: event_kind(row, at)?,
        id: EventId(row.try_get::<_, Uuid>(at + 4)?),
        from: user_id(row, at + 5)?,
        cid: cid.map(cid_from).transpose()?,
        at: number(row, at + 7)?,
        people: Vec::new(),
    })
}

fn event_kind(row: &Row, at: usize) -> Result<EventKind, Failure> {
    let refers = row.try_get::<_, Option<Uuid>>(at + 10)?.map(EventId);
    let message = refers.unwrap_or(EventId(Uuid::nil()));
    let of = Seq(row.try_get::<_, Option<i64>>(at + 11)?.map_or(0, get));
    let body = || text(row, at + 9);
    Ok(match row.try_get::<_, i64>(at + 3)? {
        kind::MESSAGE => EventKind::Message {
            body: body()?,
            reply_to: refers,
            n: number(row, at + 8)?,
            edited: mark(row, at + 12)?,
            deleted: mark(row, at + 14)?,
        },
        kind::EDIT => EventKind::Edit { message, of, body: body()? },
        kind::DELETE => EventKind::Delete { message, of },
        kind::RENAME => EventKind::Rename { name: body()? },
        kind::MEMBER => EventKind::Member { changes: changes(&body()?)? },
        _ => return Err(Failure::Odd("kind of event")),
    })
}

fn mark(row: &Row, at: usize) -> Result<Option<Mark>, Failure> {
    let Some(seq) = row.try_get::<_, Option<i64>>(at)? else { return Ok(None) };
    let at = row.try_get::<_, Option<i64>>(at + 1)?.map_or(0, get);
    Ok(Some(Mark { seq: Seq(get(seq)), at }))
}

/// A number that is never negative.
pub(super) fn number(row: &Row, at: usize) -> Result<u64, Failure> {
    Ok(get(row.try_get(at)?))
}

pub(super) fn epoch(row: &Row, at: usize) -> Result<Epoch, Failure> {
    Ok(Epoch(row.try_get::<_, i64>(at)?.cast_unsigned()))
}

pub(super) fn room_id(row: &Row, at: usize) -> Result<RoomId, Failure> {
    RoomId::new(row.try_get::<_, &str>(at)?).map_err(|_| Failure::Odd("id of a room"))
}

pub(super) fn user_id(row: &Row, at: usize) -> Result<UserId, Failure> {
    UserId::new(row.try_get::<_, &str>(at)?).map_err(|_| Failure::Odd("id of a person"))
}

fn text(row: &Row, at: usize) -> Result<String, Failure> {
    let bytes: &[u8] = row.try_get(at)?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Failure::Odd("text"))
}

/// Changes of members as their row holds them.
pub(super) fn changes_text(changes: &[MemberChange]) -> String {
    // Ids and words always serialise; an empty list would only hide a name, never a position.
    serde_json::to_string(changes).unwrap_or_else(|_| "[]".to_owned())
}

pub(super) fn changes(text: &str) -> Result<Vec<MemberChange>, Failure> {
    serde_json::from_str(text).map_err(|_| Failure::Odd("change of members"))
}
