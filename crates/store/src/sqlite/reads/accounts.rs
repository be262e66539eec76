//! Reads for signing in.

use moorline_protocol::UserId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::fingerprint::Hasher;
use crate::sqlite::cache::{get, put};
use crate::sqlite::schema::Sql;
use crate::{Account, Error, SessionId, SessionRow, User};

pub(in crate::sqlite) fn account_by_login(
    db: &Connection,
    login: &str,
) -> Result<Option<Account>, Error> {
    let mut find = db.prepare_cached(
        "SELECT u.id, u.name, a.password_hash FROM accounts a JOIN users u ON u.n = a.user
         WHERE a.login = ?1 AND u.removed IS NULL",
    )?;
    let account = find.query_row([login.to_lowercase()], |row| {
        Ok(Account {
            id: row.get::<_, Sql<UserId>>(0)?.0,
            name: row.get(1)?,
            password_hash: row.get(2)?,
        })
    });
    Ok(account.optional()?)
}

const SESSION: &str = "SELECT s.id, u.id, u.name, s.device, s.created, u.seen, s.expires
     FROM sessions s JOIN users u ON u.n = s.user";

fn session_row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        id: SessionId(row.get(0)?),
        user: row.get::<_, Sql<UserId>>(1)?.0,
        name: row.get(2)?,
        device: row.get(3)?,
        created_ms: get(row, 4)?,
        seen_ms: get(row, 5)?,
        expires_ms: get(row, 6)?,
    })
}

pub(in crate::sqlite) fn session(
    db: &Connection,
    token_hash: [u8; 32],
    now_ms: u64,
) -> Result<Option<SessionRow>, Error> {
    let find =
        format!("{SESSION} WHERE s.token_hash = ?1 AND s.expires > ?2 AND u.removed IS NULL");
    let mut find = db.prepare_cached(&find)?;
    Ok(find.query_row(params![token_hash, put(now_ms)], session_row).optional()?)
}

pub(in crate::sqlite) fn sessions(
    db: &Connection,
    user: &UserId,
    now_ms: u64,
) -> Result<Vec<SessionRow>, Error> {
    let find = format!("{SESSION} WHERE u.id = ?1 AND s.expires > ?2 ORDER BY s.created DESC");
    let mut find = db.prepare_cached(&find)?;
    let rows = find.query_map(params![user.as_str(), put(now_ms)], session_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(in crate::sqlite) fn user(
    db: &Connection,
    hasher: &Hasher,
    user: &UserId,
) -> Result<Option<User>, Error> {
    Ok(user_row(db, hasher, user)?.map(|row| row.user))
}

/// A person with what other rows know them by.
pub(super) struct UserRow {
    pub(super) n: i64,
    /// How many rooms they are in.
    pub(super) rooms: u64,
    pub(super) user: User,
}

/// Somebody who is erased is found by the hash of the id.
pub(super) fn user_row(
    db: &Connection,
    hasher: &Hasher,
    user: &UserId,
) -> Result<Option<UserRow>, Error> {
    match user_row_by(db, user, user.as_str())? {
        Some(row) => Ok(Some(row)),
        None => user_row_by(db, user, &hasher.erased_id(user.as_str())),
    }
}

fn user_row_by(db: &Connection, user: &UserId, id: &str) -> Result<Option<UserRow>, Error> {
    let mut find = db.prepare_cached(
        "SELECT name, not_before, EXISTS (SELECT 1 FROM accounts WHERE user = n),
             removed IS NOT NULL, seen, n, rooms FROM users WHERE id = ?1",
    )?;
    let found = find.query_row([id], |row| {
        let user = User {
            id: user.clone(),
            name: row.get(0)?,
            not_before_ms: get(row, 1)?,
            has_account: row.get(2)?,
            removed: row.get(3)?,
            seen_ms: get(row, 4)?,
        };
        Ok(UserRow { n: row.get(5)?, rooms: get(row, 6)?, user })
    });
    Ok(found.optional()?)
}
