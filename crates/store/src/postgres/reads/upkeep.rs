//! Reads for upkeep: what is older than it is kept, and what a person left. Each looks through a bounded piece of a
//! table, from where the one before ended, so that no index has to be kept for what is rare.

use deadpool_postgres::GenericClient;
use moorline_protocol::{Event, RoomId, Seq, UserId};
use tokio_postgres::types::ToSql;

use super::{Stop, query, query_opt};
use crate::postgres::events::{COLUMNS, event, number, room_id, user_id};
use crate::postgres::failure::Failure;
use crate::postgres::schema::{cid_bytes, cid_from, get, put};
use crate::upkeep::{CidCursor, CidTraces, Trace, Traces};
use crate::{Erasing, Error, LogCursor, LogPlace, Overdue, Profile, RoomNumber};

/// Rooms, events or cids of one piece: a few milliseconds.
const PIECE: i64 = 2_048;

pub(in crate::postgres) async fn overdue(
    db: &impl GenericClient,
    seconds: Option<u64>,
    now_ms: u64,
    after: Option<RoomNumber>,
) -> Result<Overdue, Stop> {
    // Without a time for all, only rooms that have one of their own are looked at, through their index.
    let among = if seconds.is_some() { "" } else { "AND retention IS NOT NULL" };
    let find = format!(
        "SELECT r.n, r.id, coalesce(r.retention, $2::bigint), e.at
         FROM (SELECT * FROM rooms WHERE n > $1 {among} ORDER BY n LIMIT {PIECE}) r
         LEFT JOIN events e ON e.room = r.n AND e.seq = r.first AND r.first < r.head ORDER BY r.n"
    );
    let after = after.map_or(0, |after| after.0);
    let rows = query(db, &find, &[&after, &seconds.map(put)]).await?;
    let mut overdue = Overdue::default();
    for row in &rows {
        let (kept, oldest) = (number(row, 2)?, row.try_get::<_, Option<i64>>(3)?);
        let before_ms = now_ms.saturating_sub(kept.saturating_mul(1_000));
        if kept > 0 && oldest.is_some_and(|at| at < put(before_ms)) {
            overdue.rooms.push((room_id(row, 1)?, before_ms));
        }
    }
    if is_full(rows.len())
        && let Some(last) = rows.last()
    {
        overdue.next = Some(RoomNumber(last.try_get(0)?));
    }
    Ok(overdue)
}

fn is_full(rows: usize) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows >= PIECE)
}

pub(in crate::postgres) async fn retention(
    db: &impl GenericClient,
    room: &RoomId,
) -> Result<Option<u64>, Stop> {
    let find = "SELECT retention FROM rooms WHERE id = $1";
    let row = query_opt(db, find, &[&room.as_str()]).await?.ok_or(Error::NotFound)?;
    Ok(row.try_get::<_, Option<i64>>(0)?.map(get))
}

pub(in crate::postgres) async fn erasings(db: &impl GenericClient) -> Result<Vec<Erasing>, Stop> {
    let find = "SELECT u.n, u.id, e.keeps FROM erasures e JOIN users u ON u.n = e.usr ORDER BY u.n";
    let mut erasings = Vec::new();
    for row in query(db, find, &[]).await? {
        let (n, user) = (row.try_get(0)?, user_id(&row, 1)?);
        let keeps_messages = row.try_get::<_, i64>(2)? != 0;
        erasings.push(Erasing { n, user, keeps_messages });
    }
    Ok(erasings)
}

pub(in crate::postgres) async fn rooms_of_erased(
    db: &impl GenericClient,
    user: i64,
    limit: usize,
) -> Result<Vec<RoomId>, Stop> {
    let find = "SELECT r.id FROM members m JOIN rooms r ON r.n = m.room WHERE m.usr = $1 LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query(db, find, &[&user, &limit]).await?;
    Ok(rows.iter().map(|row| room_id(row, 0)).collect::<Result<_, _>>()?)
}

pub(in crate::postgres) async fn profile(
    db: &impl GenericClient,
    user: &UserId,
) -> Result<Option<Profile>, Stop> {
    let find = "SELECT u.n, u.name, a.login, u.at, u.seen FROM users u
         LEFT JOIN accounts a ON a.usr = u.n WHERE u.id = $1 AND u.removed IS NULL";
    let Some(row) = query_opt(db, find, &[&user.as_str()]).await? else { return Ok(None) };
    Ok(Some(Profile {
        n: row.try_get(0)?,
        id: user.clone(),
        name: row.try_get(1)?,
        login: row.try_get(2)?,
        created_ms: number(&row, 3)?,
        seen_ms: number(&row, 4)?,
    }))
}

pub(in crate::postgres) async fn traces_of(
    db: &impl GenericClient,
    of: &Trace,
    after: LogCursor,
) -> Result<Traces, Stop> {
    let wanted = match of {
        Trace::Messages(_) => {
            "e.sender = $3 AND e.kind = 1 AND e.deleted IS NULL AND $4::bytea IS NULL"
        }
        Trace::All(erasing) if erasing.keeps_messages => {
            "e.sender = $3 AND e.cid IS NOT NULL OR e.kind = 5 AND position($4::bytea IN e.body) > 0"
        }
        Trace::All(_) => {
            "e.sender = $3 AND (e.cid IS NOT NULL OR e.kind = 1 AND e.deleted IS NULL)
             OR e.kind = 5 AND position($4::bytea IN e.body) > 0"
        }
    };
    // Room by room, by the log's own key. The last one of a full piece comes in any case: from there the next goes on.
    let find = format!(
        "SELECT e.room, {wanted}, r.id, e.seq, octet_length(e.body)::bigint, e.i = {PIECE}
         FROM (SELECT *, row_number() OVER (ORDER BY room, seq) AS i
               FROM (SELECT * FROM events WHERE (room, seq) > ($1, $2) ORDER BY room, seq LIMIT {PIECE}) p) e
         JOIN rooms r ON r.n = e.room WHERE {wanted} OR e.i = {PIECE} ORDER BY e.i"
    );
    let named = of.named().map(String::into_bytes);
    let values: [&(dyn ToSql + Sync); 4] = [&after.0, &after.1, &of.sender(), &named];
    let mut traces = Traces::default();
    for row in query(db, &find, &values).await? {
        if row.try_get::<_, Option<bool>>(1)? == Some(true) {
            let (room, seq) = (room_id(&row, 2)?, Seq(number(&row, 3)?));
            traces.places.push(LogPlace { room, seq, bytes: number(&row, 4)? });
        }
        if row.try_get(5)? {
            traces.next = Some(LogCursor(row.try_get(0)?, row.try_get(3)?));
        }
    }
    Ok(traces)
}

pub(in crate::postgres) async fn events_at(
    db: &impl GenericClient,
    places: &[LogPlace],
) -> Result<Vec<Event>, Stop> {
    let find = format!(
        "SELECT {COLUMNS} FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY k(room, seq, i)
         JOIN rooms r ON r.id = k.room JOIN events e ON e.room = r.n AND e.seq = k.seq
         JOIN users s ON s.n = e.sender ORDER BY k.i"
    );
    let rooms: Vec<&str> = places.iter().map(|place| place.room.as_str()).collect();
    let seqs: Vec<i64> = places.iter().map(|place| put(place.seq.0)).collect();
    let rows = query(db, &find, &[&rooms, &seqs]).await?;
    Ok(rows.iter().map(|row| event(row, 0)).collect::<Result<_, Failure>>()?)
}

pub(in crate::postgres) async fn cids_of(
    db: &impl GenericClient,
    user: i64,
    after: Option<&CidCursor>,
) -> Result<CidTraces, Stop> {
    let find = format!(
        "SELECT cid, sender, room, i = {PIECE} FROM (
             SELECT *, row_number() OVER (ORDER BY cid, sender, room) AS i FROM (
                 SELECT cid, sender, room FROM cids WHERE (cid, sender, room) > ($1::bytea, $2, $3)
                 ORDER BY cid, sender, room LIMIT {PIECE}) p) c
         WHERE sender = $4 OR i = {PIECE} ORDER BY i"
    );
    let (cid, sender, room) = match after {
        Some(CidCursor(cid, sender, room)) => (cid_bytes(cid), *sender, *room),
        None => (Vec::new(), 0, 0),
    };
    let mut traces = CidTraces::default();
    for row in query(db, &find, &[&cid, &sender, &room, &user]).await? {
        let (cid, sender, room) = (cid_from(row.try_get(0)?)?, row.try_get(1)?, row.try_get(2)?);
        if sender == user {
            traces.cids.push((cid.clone(), room));
        }
        if row.try_get(3)? {
            traces.next = Some(CidCursor(cid, sender, room));
        }
    }
    Ok(traces)
}
