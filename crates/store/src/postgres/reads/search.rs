//! Search: what the index names, joined to the messages as they are now, of rooms that the asker is in, as far back as
//! each room shows them. A message's words are written with it, so the index is never behind.
//!
//! The index (GIN) knows no order: it names all messages that fit before the newest are known. So the newest rows are
//! looked through first; a word that stands in many messages stands there often enough.

use std::collections::HashMap;
use std::sync::LazyLock;

use deadpool_postgres::GenericClient;
use moorline_protocol::{RoomId, UserId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{Stop, people, query, query_opt, user, without_nul};
use crate::postgres::events::{COLUMNS, WIDTH, event, number};
use crate::postgres::failure::Failure;
use crate::postgres::schema::put;
use crate::search::{CANDIDATES, Picker, Place, Query, SCOPE_ROOMS, SENDERS, is_meant};
use crate::words::{room_term, sender_term};
use crate::{Hits, Search};

/// Messages read at once, at most.
const TOGETHER: usize = 256;

/// In which order candidates come, and in which part of the log: all rooms by time, or one room by its own numbers.
struct Order {
    /// A message's place in the order.
    place: &'static str,
    /// What is older than the place `$2`, `$3`, and in the room `$7` where it is one.
    older: &'static str,
    newest_first: &'static str,
}

const BY_TIME: Order = Order {
    place: "at, n",
    older: "(at, n) < ($2, $3) AND $7::bigint IS NULL",
    newest_first: "at DESC, n DESC",
};
const IN_ROOM: Order =
    Order { place: "$2::bigint, seq", older: "seq < $3 AND room = $7", newest_first: "seq DESC" };

impl Order {
    /// Those of the newest rows that the index would name.
    fn newest_sql(&self) -> String {
        let Self { place, older, newest_first } = self;
        format!(
            "SELECT {place}, room, seq FROM (
                 SELECT n, at, room, seq, words FROM events WHERE {older} AND at >= $4 AND at < $5
                 ORDER BY {newest_first} LIMIT {CANDIDATES}) e
             WHERE words @@ $1::text::tsquery ORDER BY {newest_first} LIMIT $6"
        )
    }

    /// The newest of all that the index names.
    fn named_sql(&self) -> String {
        let Self { place, older, newest_first } = self;
        format!(
            "WITH named AS MATERIALIZED (SELECT n, at, room, seq FROM events WHERE words @@ $1::text::tsquery)
             SELECT {place}, room, seq FROM named WHERE {older} AND at >= $4 AND at < $5
             ORDER BY {newest_first} LIMIT $6"
        )
    }
}

static NEWEST: LazyLock<[String; 2]> =
    LazyLock::new(|| [BY_TIME.newest_sql(), IN_ROOM.newest_sql()]);
static NAMED: LazyLock<[String; 2]> = LazyLock::new(|| [BY_TIME.named_sql(), IN_ROOM.named_sql()]);

/// Of the messages at `$1`, `$2` those that the person `$3` may see, of the authors `$4`, with their numbers in the list.
static MESSAGES: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS}, s.name, k.i FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY k(room, seq, i)
         JOIN members m ON m.usr = $3 AND m.room = k.room
         JOIN rooms r ON r.n = k.room AND k.seq >= r.first AND (r.history = 1 OR k.seq >= m.joined)
         JOIN events e ON e.room = k.room AND e.seq = k.seq AND e.kind = 1 AND e.deleted IS NULL
             AND ($4::bigint[] IS NULL OR e.sender = ANY($4))
         JOIN users s ON s.n = e.sender"
    )
});

const OWN: &str = "SELECT room FROM members WHERE usr = $1 LIMIT $2";
const OWN_NAMED: &str = "SELECT r.n, r.id, r.name FROM members m JOIN rooms r ON r.n = m.room WHERE m.usr = $1 ORDER BY r.n";
const OWN_BY_ID: &str =
    "SELECT r.n FROM rooms r JOIN members m ON m.usr = $1 AND m.room = r.n WHERE r.id = $2";
const PEOPLE: &str = "SELECT n FROM users WHERE id = ANY($1::text[])";

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let mut statements: Vec<String> = NEWEST.iter().chain(NAMED.iter()).cloned().collect();
    statements.push(MESSAGES.clone());
    statements.extend([OWN, OWN_BY_ID, PEOPLE].map(str::to_owned));
    statements
}

/// Where to look and for whose messages: row numbers.
struct Scope {
    user: i64,
    /// These rooms only; none: all of the person's.
    rooms: Option<Vec<i64>>,
    /// The one room that is searched in its own order.
    one: Option<i64>,
    /// These authors only; none: whoever.
    senders: Option<Vec<i64>>,
    at_ms: std::ops::Range<i64>,
}

pub(in crate::postgres) async fn search(
    db: &impl GenericClient,
    id: &UserId,
    asked: &Search,
) -> Result<Hits, Stop> {
    let query = Query::parse(&asked.query)?;
    if query.is_empty() {
        return Ok(Hits::default());
    }
    let Some(user) = user(db, id).await? else { return Ok(Hits::default()) };
    let rooms = rooms(db, user, &query.rooms, asked.room.as_ref()).await?;
    let senders = match query.from.as_slice() {
        [] => None,
        meant => Some(senders(db, (id, user), meant).await?),
    };
    let at_ms = query.after_ms.map_or(0, put)..query.before_ms.map_or(i64::MAX, put);
    // Only a room that was named goes by its own numbers: which rooms are meant may change from page to page.
    let one = asked.room.as_ref().and(rooms.as_deref()).and_then(|rooms| rooms.first().copied());
    let scope = Scope { user, rooms, one, senders, at_ms };
    let mut picker = Picker::new(&query, asked);
    if !scope.finds_nothing() {
        look(db, &query, &scope, &mut picker).await?;
    }
    Ok(picker.into_hits())
}

/// The rooms that are meant, of those that the person is in.
async fn rooms(
    db: &impl GenericClient,
    user: i64,
    meant: &[String],
    one: Option<&RoomId>,
) -> Result<Option<Vec<i64>>, Stop> {
    let one: Option<Option<i64>> = match one {
        Some(id) => {
            let row = query_opt(db, OWN_BY_ID, &[&user, &id.as_str()]).await?;
            Some(row.map(|row| row.try_get(0)).transpose()?)
        }
        None => None,
    };
    match (one, meant) {
        (Some(one), []) => Ok(Some(one.into_iter().collect())),
        (None, []) => {
            let limit = put(SCOPE_ROOMS as u64 + 1);
            let own = numbers(&query(db, OWN, &[&user, &limit]).await?)?;
            Ok((own.len() <= SCOPE_ROOMS).then_some(own))
        }
        _ => {
            let mut found = Vec::new();
            for row in &query(db, OWN_NAMED, &[&user]).await? {
                let (n, id): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
                let name: Option<&str> = row.try_get(2)?;
                let is_meant =
                    |typed: &String| typed == id || name.is_some_and(|name| is_meant(name, typed));
                let is_here = one.is_none_or(|one| one == Some(n));
                if found.len() < SCOPE_ROOMS && is_here && meant.iter().any(is_meant) {
                    found.push(n);
                }
            }
            Ok(Some(found))
        }
    }
}

/// The people who are meant: oneself, whoever has this id, and whose names begin so of those one shares a room with.
async fn senders(
    db: &impl GenericClient,
    (id, user): (&UserId, i64),
    meant: &[String],
) -> Result<Vec<i64>, Stop> {
    let mut ids: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for typed in meant {
        if typed.eq_ignore_ascii_case("me") {
            found.push(user);
            continue;
        }
        ids.push(without_nul(typed));
        let people = people::people_by_name(db, typed, Some(id), SENDERS).await?;
        ids.extend(people.into_iter().map(|person| person.id.as_str().to_owned()));
    }
    found.extend(numbers(&query(db, PEOPLE, &[&ids]).await?)?);
    Ok(found)
}

fn numbers(rows: &[Row]) -> Result<Vec<i64>, Failure> {
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

impl Scope {
    fn finds_nothing(&self) -> bool {
        let is_none = |list: &Option<Vec<i64>>| list.as_ref().is_some_and(Vec::is_empty);
        is_none(&self.rooms) || is_none(&self.senders)
    }

    /// What is asked, in the index's language. Terms hold letters, numbers and marks, and so nothing that it reads.
    fn expression(&self, query: &Query) -> String {
        let any = |terms: Vec<String>| format!("({})", terms.join(" | "));
        let mut all: Vec<String> = query
            .terms()
            .iter()
            .map(|term| format!("'{}'{}", term.text, if term.is_prefix { ":*" } else { "" }))
            .collect();
        let quoted = |term: String| format!("'{term}'");
        if let Some(rooms) = &self.rooms {
            all.push(any(rooms.iter().map(|n| quoted(room_term(*n))).collect()));
        }
        if let Some(senders) = &self.senders {
            all.push(any(senders.iter().map(|n| quoted(sender_term(*n))).collect()));
        }
        all.join(" & ")
    }
}

/// A message that the index names.
#[derive(Clone, Copy)]
struct Candidate {
    place: Place,
    room: i64,
    seq: i64,
}

/// Looks through the newest rows, then asks the index for what is older.
async fn look(
    db: &impl GenericClient,
    asked: &Query,
    scope: &Scope,
    picker: &mut Picker<'_>,
) -> Result<(), Stop> {
    let expression = scope.expression(asked);
    let mut below = picker.below();
    let order = usize::from(scope.one.is_some());
    for sql in [&NEWEST[order], &NAMED[order]] {
        let left = put(picker.left() as u64);
        let (one, two) = (put(below.0), put(below.1));
        let Scope { at_ms, one: room, .. } = scope;
        let values: [&(dyn ToSql + Sync); 7] =
            [&expression, &one, &two, &at_ms.start, &at_ms.end, &left, room];
        let rows = query(db, sql, &values).await?;
        let candidates: Vec<Candidate> = rows.iter().map(candidate).collect::<Result<_, _>>()?;
        if offer(db, scope, &candidates, picker).await? {
            break;
        }
        below = candidates.last().map_or(below, |last| last.place);
    }
    Ok(())
}

fn candidate(row: &Row) -> Result<Candidate, Failure> {
    let place = Place(number(row, 0)?, number(row, 1)?);
    Ok(Candidate { place, room: row.try_get(2)?, seq: row.try_get(3)? })
}

/// Offers candidates, the newest first, until the page is done; then true.
async fn offer(
    db: &impl GenericClient,
    scope: &Scope,
    candidates: &[Candidate],
    picker: &mut Picker<'_>,
) -> Result<bool, Stop> {
    let mut rest = candidates;
    let mut together = picker.page().min(TOGETHER);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(together.min(rest.len()));
        let rooms: Vec<i64> = now.iter().map(|candidate| candidate.room).collect();
        let seqs: Vec<i64> = now.iter().map(|candidate| candidate.seq).collect();
        let rows = query(db, &MESSAGES, &[&rooms, &seqs, &scope.user, &scope.senders]).await?;
        let mut seen: HashMap<u64, &Row> = HashMap::with_capacity(rows.len());
        for row in &rows {
            seen.insert(number(row, WIDTH + 1)?, row);
        }
        for (at, candidate) in (1..).zip(now) {
            picker.looked_at(candidate.place);
            if let Some(row) = seen.get(&at) {
                let name: String = row.try_get(WIDTH)?;
                picker.offer(candidate.place, event(row, 0)?, || name);
            }
            if picker.is_done() {
                return Ok(true);
            }
        }
        (rest, together) = (later, TOGETHER);
    }
    Ok(false)
}
