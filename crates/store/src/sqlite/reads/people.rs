//! Reads of people: names, and who shares a room with whom.

use moorline_protocol::{Person, UserId};
use rusqlite::{Connection, OptionalExtension, params};

use super::{person, user};
use crate::Error;
use crate::sqlite::cache::get;

pub(in crate::sqlite) fn names(db: &Connection, ids: &[UserId]) -> Result<Vec<Person>, Error> {
    let mut find =
        db.prepare_cached("SELECT id, name FROM users WHERE id = ?1 AND removed IS NULL")?;
    let mut people = Vec::with_capacity(ids.len());
    for id in ids {
        people.extend(find.query_row([id.as_str()], person).optional()?);
    }
    Ok(people)
}

pub(in crate::sqlite) fn shares_room(
    db: &Connection,
    id: &UserId,
    others: &[UserId],
) -> Result<Vec<UserId>, Error> {
    let mut found = Vec::new();
    let Some(user) = user(db, id)? else { return Ok(found) };
    for other in others {
        if other == id || share(db, user, other)? {
            found.push(other.clone());
        }
    }
    Ok(found)
}

/// Goes through the rooms of the one who has fewer.
fn share(db: &Connection, user: i64, other: &UserId) -> Result<bool, Error> {
    let mut count = db.prepare_cached("SELECT rooms FROM users WHERE n = ?1")?;
    let rooms = count.query_row([user], |row| get(row, 0))?;
    let find = "SELECT n, rooms FROM users WHERE id = ?1 AND removed IS NULL";
    let mut find = db.prepare_cached(find)?;
    let found = find.query_row([other.as_str()], |row| Ok((row.get::<_, i64>(0)?, get(row, 1)?)));
    let Some((other, other_rooms)) = found.optional()? else { return Ok(false) };
    let (few, many) = if rooms <= other_rooms { (user, other) } else { (other, user) };
    let mut share = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM members a CROSS JOIN members b ON b.user = ?2 AND b.room = a.room
         WHERE a.user = ?1)",
    )?;
    Ok(share.query_row([few, many], |row| row.get(0))?)
}

pub(in crate::sqlite) fn people_by_ids(
    db: &Connection,
    id: &UserId,
    ids: &[UserId],
) -> Result<Vec<Person>, Error> {
    names(db, &shares_room(db, id, ids)?)
}

pub(in crate::sqlite) fn people_by_name(
    db: &Connection,
    query: &str,
    shared_with: Option<&UserId>,
    limit: usize,
) -> Result<Vec<Person>, Error> {
    let query = query.trim().to_lowercase();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let begins = format!(" {query}");
    let Some(asker) = shared_with else {
        let mut find = db.prepare_cached(
            "SELECT id, name FROM users WHERE n > 1 AND removed IS NULL AND instr(folded, ?1) > 0
             ORDER BY folded, n LIMIT ?2",
        )?;
        let rows = find.query_map(params![begins, limit], person)?;
        return Ok(rows.collect::<Result<_, _>>()?);
    };
    let Some(asker) = user(db, asker)? else { return Ok(Vec::new()) };
    let mut find = db.prepare_cached(
        "SELECT id, name FROM users WHERE n > 1 AND removed IS NULL AND instr(folded, ?1) > 0
             AND n IN (SELECT b.user FROM members a JOIN members b ON b.room = a.room WHERE a.user = ?3)
         ORDER BY folded, n LIMIT ?2",
    )?;
    let rows = find.query_map(params![begins, limit, asker], person)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
