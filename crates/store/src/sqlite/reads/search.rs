//! Search: words to the messages as they are now, of rooms that the asker is in, as far back as each room shows them.

use std::time::{Duration, Instant};

use moorline_protocol::{Event, RoomId, UserId};
use rusqlite::{Connection, ErrorCode, params};
use unicode_normalization::char::is_combining_mark;

use super::{Names, user};
use crate::sqlite::cache::put;
use crate::sqlite::events::{COLUMNS, WIDTH, event};
use crate::{Error, Hits};

/// Matches looked at in one go.
const WINDOW: i64 = 2_000;
/// A common word in rooms of others must not hold a reader: after this, the page ends and says that there may be more.
const TIME: Duration = Duration::from_millis(50);
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
    let is_open = query.chars().next_back().is_some_and(is_part_of_a_word);
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
    let started = Instant::now();
    let mut names = Names::default();
    let mut below = before.map_or(i64::MAX, put);
    loop {
        let window = Window { words: &words, below, user, room };
        let (found, lowest) = match window.read(db, limit + 1 - hits.hits.len(), &mut names) {
            Ok(found) => found,
            // A letter that is younger than the tokenizer: it stands in no word of the index either.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => break,
            Err(error) => return Err(error.into()),
        };
        for (n, event) in found {
            if hits.hits.len() == limit {
                hits.more = true;
                break;
            }
            hits.before = Some(n.cast_unsigned());
            hits.hits.push(event);
        }
        let Some(lowest) = lowest.filter(|_| !hits.more) else { break };
        below = lowest;
        if started.elapsed() >= TIME {
            hits.more = true;
            hits.before = Some(below.cast_unsigned());
            break;
        }
    }
    hits.before = hits.before.filter(|_| hits.more);
    hits.people = names.into_people();
    Ok(hits)
}

/// Matches with their rows, and the lowest row looked at, if there may be more below.
type Found = (Vec<(i64, Event)>, Option<i64>);

/// The next matches below a row, whoever may see them.
struct Window<'a> {
    words: &'a str,
    below: i64,
    user: i64,
    room: Option<&'a RoomId>,
}

impl Window<'_> {
    /// Those of them that the person may see.
    fn read(&self, db: &Connection, limit: usize, names: &mut Names) -> rusqlite::Result<Found> {
        let mut edge = db.prepare_cached(
            "SELECT rowid FROM search WHERE search MATCH ?1 AND rowid < ?2
             ORDER BY rowid DESC LIMIT 1 OFFSET ?3",
        )?;
        let mut edge = edge.query(params![self.words, self.below, WINDOW - 1])?;
        let lowest: Option<i64> = edge.next()?.map(|row| row.get(0)).transpose()?;
        drop(edge);
        let find = format!(
            "WITH found AS MATERIALIZED (
                 SELECT rowid AS n FROM search WHERE search MATCH ?1 AND rowid < ?2
                 ORDER BY rowid DESC LIMIT ?3)
             SELECT {COLUMNS}, s.name, e.n FROM found CROSS JOIN events e ON e.n = found.n
             JOIN members m ON m.user = ?4 AND m.room = e.room
             JOIN rooms r ON r.n = e.room JOIN users s ON s.n = e.sender
             WHERE e.kind = 1 AND e.deleted IS NULL AND e.seq >= r.first
                 AND (r.history = 1 OR e.seq >= m.joined) AND (?5 IS NULL OR r.id = ?5)
             ORDER BY e.n DESC LIMIT ?6"
        );
        let mut find = db.prepare_cached(&find)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let room = self.room.map(RoomId::as_str);
        let mut rows =
            find.query(params![self.words, self.below, WINDOW, self.user, room, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let event = event(row, 0)?;
            names.add(&event.from, row.get(WIDTH)?);
            found.push((row.get(WIDTH + 1)?, event));
        }
        Ok((found, lowest))
    }
}
