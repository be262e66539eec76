//! Search: words to the messages as they are now, of rooms that the asker is in, as far back as each room shows them.

use std::time::{Duration, Instant};

use moorline_protocol::{RoomId, UserId};
use rusqlite::{Connection, ErrorCode, Rows, params};
use unicode_normalization::char::is_combining_mark;

use super::{Names, user};
use crate::sqlite::cache::put;
use crate::sqlite::events::{COLUMNS, WIDTH, event};
use crate::{Error, Hits};

/// A common word in rooms of others must not hold a reader: after this, the page ends and says that there may be more.
const TIME: Duration = Duration::from_millis(50);
/// Matches between two looks at the clock.
const LOOK_AT_CLOCK: u32 = 128;
/// An unfinished word counts as one from so many bytes on, its quotes counted: three letters, or one of Chinese. The
/// index looks at every message with a word that begins so.
const OPEN_BYTES: usize = 5;
/// Words of one query that count.
const WORDS: usize = 16;

/// What is asked, in the index's language: all words, the last one perhaps not yet typed to its end.
fn expression(query: &str) -> Option<String> {
    let words: Vec<String> = query
        .split(|letter| !is_part_of_a_word(letter))
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(WORDS)
        .map(|word| format!("\"{word}\""))
        .collect();
    let is_open = query.chars().next_back().is_some_and(is_part_of_a_word)
        && words.last().is_some_and(|word| word.len() >= OPEN_BYTES);
    match words.as_slice() {
        [] => None,
        _ if is_open => Some(format!("{}*", words.join(" "))),
        _ => Some(words.join(" ")),
    }
}

/// As the index's tokenizer sees it: letters, numbers and marks.
fn is_part_of_a_word(letter: char) -> bool {
    letter.is_alphanumeric() || is_combining_mark(letter)
}

pub(in crate::sqlite) fn search(
    db: &Connection,
    id: &UserId,
    query: &str,
    room: Option<&RoomId>,
    before: Option<u64>,
    limit: usize,
) -> Result<Hits, Error> {
    let mut hits = Hits { hits: vec![], more: false, before: None, behind_ms: 0, people: vec![] };
    let Some(user) = user(db, id)? else { return Ok(hits) };
    let Some(words) = expression(query) else { return Ok(hits) };
    // Every match comes, the newest first; `m` is there only where the person may see it.
    let mut find = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, s.name, e.n, m.user IS NOT NULL
         FROM search CROSS JOIN events e ON e.n = search.rowid CROSS JOIN rooms r ON r.n = e.room
         LEFT JOIN members m ON m.user = ?3 AND m.room = e.room AND e.kind = 1 AND e.deleted IS NULL
             AND e.seq >= r.first AND (r.history = 1 OR e.seq >= m.joined) AND (?4 IS NULL OR r.id = ?4)
         LEFT JOIN users s ON m.user IS NOT NULL AND s.n = e.sender
         WHERE search MATCH ?1 AND search.rowid < ?2 ORDER BY search.rowid DESC"
    ))?;
    let below = before.map_or(i64::MAX, put);
    let rows = find.query(params![words, below, user, room.map(RoomId::as_str)])?;
    let mut names = Names::default();
    match collect(rows, limit, &mut hits, &mut names) {
        // A letter that is younger than the tokenizer: it stands in no word of the index either.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {}
        other => other?,
    }
    hits.before = hits.before.filter(|_| hits.more);
    hits.people = names.into_people();
    Ok(hits)
}

fn collect(
    mut rows: Rows<'_>,
    limit: usize,
    hits: &mut Hits,
    names: &mut Names,
) -> rusqlite::Result<()> {
    let started = Instant::now();
    let mut looked_at = 0_u32;
    while let Some(row) = rows.next()? {
        let n: i64 = row.get(WIDTH + 1)?;
        if row.get(WIDTH + 2)? {
            if hits.hits.len() == limit {
                hits.more = true;
                return Ok(());
            }
            let event = event(row, 0)?;
            names.add(&event.from, row.get(WIDTH)?);
            hits.hits.push(event);
        }
        hits.before = Some(n.cast_unsigned());
        looked_at += 1;
        if looked_at.is_multiple_of(LOOK_AT_CLOCK) && started.elapsed() >= TIME {
            hits.more = true;
            return Ok(());
        }
    }
    Ok(())
}
