//! Reads of people: names, and who shares a room with whom.

use deadpool_postgres::GenericClient;
use moorline_protocol::{Person, UserId};

use super::{Stop, person, query, without_nul};
use crate::postgres::events::user_id;

fn texts(ids: &[UserId]) -> Vec<&str> {
    ids.iter().map(UserId::as_str).collect()
}

pub(in crate::postgres) async fn names(
    db: &impl GenericClient,
    ids: &[UserId],
) -> Result<Vec<Person>, Stop> {
    let find = "SELECT u.id, u.name FROM unnest($1::text[]) WITH ORDINALITY k(id, i)
         JOIN users u ON u.id = k.id AND u.removed IS NULL ORDER BY k.i";
    let rows = query(db, find, &[&texts(ids)]).await?;
    Ok(rows.iter().map(person).collect::<Result<_, _>>()?)
}

/// Goes through the rooms of each of the others, looking each up among those of the person.
pub(super) const SHARES: &str = "SELECT k.id FROM users me, unnest($2::text[]) WITH ORDINALITY k(id, i)
     WHERE me.id = $1 AND me.removed IS NULL AND (k.id = $1 OR EXISTS (
         SELECT 1 FROM users o JOIN members b ON b.usr = o.n JOIN members a ON a.usr = me.n AND a.room = b.room
         WHERE o.id = k.id AND o.removed IS NULL))
     ORDER BY k.i";

pub(in crate::postgres) async fn shares_room(
    db: &impl GenericClient,
    id: &UserId,
    others: &[UserId],
) -> Result<Vec<UserId>, Stop> {
    let rows = query(db, SHARES, &[&id.as_str(), &texts(others)]).await?;
    Ok(rows.iter().map(|row| user_id(row, 0)).collect::<Result<_, _>>()?)
}

pub(in crate::postgres) async fn people_by_ids(
    db: &impl GenericClient,
    id: &UserId,
    ids: &[UserId],
) -> Result<Vec<Person>, Stop> {
    names(db, &shares_room(db, id, ids).await?).await
}

pub(in crate::postgres) async fn people_by_name(
    db: &impl GenericClient,
    asked: &str,
    shared_with: Option<&UserId>,
    limit: usize,
) -> Result<Vec<Person>, Stop> {
    let begins = format!(" {}", without_nul(asked.trim()).to_lowercase());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let find = "SELECT id, name FROM users WHERE n > 1 AND removed IS NULL AND strpos(folded, $1) > 0
             AND ($3::text IS NULL OR n IN (
                 SELECT b.usr FROM users me JOIN members a ON a.usr = me.n JOIN members b ON b.room = a.room
                 WHERE me.id = $3 AND me.removed IS NULL))
         ORDER BY folded, n LIMIT $2";
    let asker = shared_with.map(UserId::as_str);
    let rows = query(db, find, &[&begins, &limit, &asker]).await?;
    Ok(rows.iter().map(person).collect::<Result<_, _>>()?)
}
