//! Reads for upkeep: what is older than it is kept, and what a person left. Each looks through a bounded piece of a
//! table, from where the one before ended, so that no index has to be kept for what is rare.

use moorline_protocol::{Cid, Event, RoomId, Seq, UserId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::sqlite::cache::{get, put};
use crate::sqlite::events::event_at;
use crate::sqlite::schema::{CidKey, Sql};
use crate::upkeep::{CidCursor, CidTraces, Trace, Traces};
use crate::{Erasing, Error, LogCursor, LogPlace, Overdue, Profile, RoomNumber};

/// Rooms, events or cids of one piece: a few milliseconds.
const PIECE: i64 = 2_048;

pub(in crate::sqlite) fn overdue(
    db: &Connection,
    seconds: Option<u64>,
    now_ms: u64,
    after: Option<RoomNumber>,
) -> Result<Overdue, Error> {
    // Without a time for all, only rooms that have one of their own are looked at, through their index.
    let among = if seconds.is_some() { "" } else { "AND retention IS NOT NULL" };
    let mut find = db.prepare_cached(&format!(
        "SELECT r.n, r.id, coalesce(r.retention, ?2), e.at
         FROM (SELECT * FROM rooms WHERE n > ?1 {among} ORDER BY n LIMIT {PIECE}) r
         LEFT JOIN events e ON e.seq >> 4 = r.first >> 4 AND e.room = r.n AND e.seq = r.first AND r.first < r.head
         ORDER BY r.n"
    ))?;
    let mut rows = find.query(params![after.map_or(0, |after| after.0), seconds.map(put)])?;
    let (mut overdue, mut seen, mut last) = (Overdue::default(), 0, 0);
    while let Some(row) = rows.next()? {
        (seen, last) = (seen + 1, row.get(0)?);
        let (kept, oldest) = (get(row, 2)?, row.get::<_, Option<i64>>(3)?);
        let before_ms = now_ms.saturating_sub(kept.saturating_mul(1_000));
        if kept > 0 && oldest.is_some_and(|at| at < put(before_ms)) {
            overdue.rooms.push((row.get::<_, Sql<RoomId>>(1)?.0, before_ms));
        }
    }
    overdue.next = (seen == PIECE).then_some(RoomNumber(last));
    Ok(overdue)
}

pub(in crate::sqlite) fn retention(db: &Connection, room: &RoomId) -> Result<Option<u64>, Error> {
    let mut find = db.prepare_cached("SELECT retention FROM rooms WHERE id = ?1")?;
    let kept = find.query_row([room.as_str()], |row| row.get::<_, Option<i64>>(0)).optional()?;
    Ok(kept.ok_or(Error::NotFound)?.map(|seconds| seconds.max(0).cast_unsigned()))
}

pub(in crate::sqlite) fn erasings(db: &Connection) -> Result<Vec<Erasing>, Error> {
    let find =
        "SELECT u.n, u.id, e.keeps FROM erasures e JOIN users u ON u.n = e.user ORDER BY u.n";
    let mut find = db.prepare_cached(find)?;
    let rows = find.query_map([], |row| {
        let (n, user) = (row.get(0)?, row.get::<_, Sql<UserId>>(1)?.0);
        Ok(Erasing { n, user, keeps_messages: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(in crate::sqlite) fn rooms_of_erased(
    db: &Connection,
    user: i64,
    limit: usize,
) -> Result<Vec<RoomId>, Error> {
    let mut find = db.prepare_cached(
        "SELECT r.id FROM members m JOIN rooms r ON r.n = m.room WHERE m.user = ?1 LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = find.query_map([user, limit], |row| Ok(row.get::<_, Sql<RoomId>>(0)?.0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(in crate::sqlite) fn profile(db: &Connection, user: &UserId) -> Result<Option<Profile>, Error> {
    let mut find = db.prepare_cached(
        "SELECT u.n, u.name, a.login, u.at, u.seen FROM users u LEFT JOIN accounts a ON a.user = u.n
         WHERE u.id = ?1 AND u.removed IS NULL",
    )?;
    let profile = find.query_row([user.as_str()], |row| {
        Ok(Profile {
            n: row.get(0)?,
            id: user.clone(),
            name: row.get(1)?,
            login: row.get(2)?,
            created_ms: get(row, 3)?,
            seen_ms: get(row, 4)?,
        })
    });
    Ok(profile.optional()?)
}

pub(in crate::sqlite) fn traces(
    db: &Connection,
    of: &Trace,
    after: LogCursor,
) -> Result<Traces, Error> {
    let wanted = match of {
        Trace::Messages(_) => "e.sender = ?2 AND e.kind = 1 AND e.deleted IS NULL AND ?3 IS NULL",
        Trace::All(erasing) if erasing.keeps_messages => {
            "(e.sender = ?2 AND e.cid IS NOT NULL) OR (e.kind = 5 AND instr(e.body, ?3) > 0)"
        }
        Trace::All(_) => {
            "(e.sender = ?2 AND (e.cid IS NOT NULL OR (e.kind = 1 AND e.deleted IS NULL)))
             OR (e.kind = 5 AND instr(e.body, ?3) > 0)"
        }
    };
    let mut find = db.prepare_cached(&format!(
        "SELECT e.n, {wanted}, r.id, e.seq, length(CAST(e.body AS BLOB))
         FROM events e CROSS JOIN rooms r ON r.n = e.room WHERE e.n > ?1 ORDER BY e.n LIMIT {PIECE}"
    ))?;
    let mut rows = find.query(params![after.0, of.sender(), of.named()])?;
    let (mut traces, mut seen, mut last) = (Traces::default(), 0, 0);
    while let Some(row) = rows.next()? {
        (seen, last) = (seen + 1, row.get(0)?);
        if row.get(1)? {
            let (room, seq) = (row.get::<_, Sql<RoomId>>(2)?.0, Seq(get(row, 3)?));
            traces.places.push(LogPlace { room, seq, bytes: get(row, 4)? });
        }
    }
    traces.next = (seen == PIECE).then_some(LogCursor(last, 0));
    Ok(traces)
}

pub(in crate::sqlite) fn events_at(
    db: &Connection,
    places: &[LogPlace],
) -> Result<Vec<Event>, Error> {
    let mut events = Vec::with_capacity(places.len());
    for place in places {
        events.extend(event_at(db, &place.room, place.seq)?);
    }
    Ok(events)
}

pub(in crate::sqlite) fn cid_traces(
    db: &Connection,
    user: i64,
    after: Option<&CidCursor>,
) -> Result<CidTraces, Error> {
    let from = if after.is_some() { "WHERE (cid, sender, room) > (?1, ?2, ?3)" } else { "" };
    let mut find = db.prepare_cached(&format!(
        "SELECT cid, sender, room FROM cids {from} ORDER BY cid, sender, room LIMIT {PIECE}"
    ))?;
    let values = after.map(|CidCursor(cid, sender, room)| (CidKey::new(cid), *sender, *room));
    let mut rows = match &values {
        Some((cid, sender, room)) => find.query(params![cid, sender, room])?,
        None => find.query([])?,
    };
    let (mut traces, mut seen, mut last) = (CidTraces::default(), 0, None);
    while let Some(row) = rows.next()? {
        let (cid, sender, room) = (row.get::<_, Sql<Cid>>(0)?.0, row.get(1)?, row.get(2)?);
        if sender == user {
            traces.cids.push((cid.clone(), room));
        }
        (seen, last) = (seen + 1, Some(CidCursor(cid, sender, room)));
    }
    traces.next = last.filter(|_| seen == PIECE);
    Ok(traces)
}
