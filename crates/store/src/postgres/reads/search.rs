//! Search: words to the messages as they are now, of rooms that the asker is in, as far back as each room shows them.

use deadpool_postgres::GenericClient;
use moorline_protocol::{RoomId, UserId};

use super::{Names, Stop, query, user};
use crate::Hits;
use crate::postgres::events::{COLUMNS, WIDTH, event, number};
use crate::postgres::schema::put;
use crate::words::Query;

/// Matches that one search looks at, whosesoever they are: then the page ends and says that there may be more.
const CANDIDATES: i64 = 1_000;

/// What is asked, in the index's language. The words hold letters, numbers and marks, and so nothing that it reads.
fn expression(asked: &Query) -> Option<String> {
    let mut words: Vec<String> = asked.words.iter().map(|word| format!("'{word}'")).collect();
    if asked.is_open
        && let Some(last) = words.last_mut()
    {
        last.push_str(":*");
    }
    (!words.is_empty()).then(|| words.join(" & "))
}

/// Every candidate comes, the newest first; the message is there only where the person may see it.
fn sql() -> String {
    format!(
        "SELECT c.n, {COLUMNS}, s.name FROM (
             SELECT n, room, seq FROM events WHERE words @@ $1::text::tsquery AND n < $2
             ORDER BY n DESC LIMIT {CANDIDATES}) c
         LEFT JOIN (members m JOIN rooms r ON r.n = m.room) ON m.usr = $3 AND m.room = c.room AND c.seq >= r.first
             AND (r.history = 1 OR c.seq >= m.joined) AND ($4::text IS NULL OR r.id = $4)
         LEFT JOIN events e ON m.usr IS NOT NULL AND e.room = c.room AND e.seq = c.seq AND e.deleted IS NULL
         LEFT JOIN users s ON s.n = e.sender
         ORDER BY c.n DESC"
    )
}

pub(in crate::postgres) async fn search(
    db: &impl GenericClient,
    id: &UserId,
    asked: &str,
    room: Option<&RoomId>,
    before: Option<u64>,
    limit: usize,
) -> Result<Hits, Stop> {
    let mut hits = Hits { hits: vec![], more: false, before: None, behind_ms: 0, people: vec![] };
    let Some(user) = user(db, id).await? else { return Ok(hits) };
    let Some(words) = expression(&Query::parse(asked)) else { return Ok(hits) };
    let below = before.map_or(i64::MAX, put);
    let rows = query(db, &sql(), &[&words, &below, &user, &room.map(RoomId::as_str)]).await?;
    let mut names = Names::default();
    hits.more = i64::try_from(rows.len()).unwrap_or(i64::MAX) >= CANDIDATES;
    for row in &rows {
        if row.try_get::<_, Option<i64>>(3)?.is_some() {
            if hits.hits.len() == limit {
                hits.more = true;
                break;
            }
            let event = event(row, 1)?;
            names.add(&event.from, row.try_get(1 + WIDTH)?);
            hits.hits.push(event);
        }
        hits.before = Some(number(row, 0)?);
    }
    hits.before = hits.before.filter(|_| hits.more);
    hits.people = names.into_people();
    Ok(hits)
}
