//! Reads for signing in.

use deadpool_postgres::GenericClient;
use moorline_protocol::UserId;
use tokio_postgres::Row;

use super::{Stop, query, query_opt, without_nul};
use crate::postgres::events::{number, user_id};
use crate::postgres::failure::Failure;
use crate::postgres::schema::put;
use crate::{Account, SessionId, SessionRow, User};

pub(in crate::postgres) async fn account_by_login(
    db: &impl GenericClient,
    login: &str,
) -> Result<Option<Account>, Stop> {
    let find = "SELECT u.id, u.name, a.password_hash FROM accounts a JOIN users u ON u.n = a.usr
         WHERE a.login = $1 AND u.removed IS NULL";
    let login = without_nul(&login.to_lowercase());
    let Some(row) = query_opt(db, find, &[&login]).await? else { return Ok(None) };
    let (name, password_hash) = (row.try_get(1)?, row.try_get(2)?);
    Ok(Some(Account { id: user_id(&row, 0)?, name, password_hash }))
}

const SESSION: &str = "SELECT s.id, u.id, u.name, s.device, s.created, u.seen, s.expires
     FROM sessions s JOIN users u ON u.n = s.usr";

fn session_row(row: &Row) -> Result<SessionRow, Failure> {
    Ok(SessionRow {
        id: SessionId(row.try_get(0)?),
        user: user_id(row, 1)?,
        name: row.try_get(2)?,
        device: row.try_get(3)?,
        created_ms: number(row, 4)?,
        seen_ms: number(row, 5)?,
        expires_ms: number(row, 6)?,
    })
}

pub(in crate::postgres) async fn session(
    db: &impl GenericClient,
    token_hash: [u8; 32],
    now_ms: u64,
) -> Result<Option<SessionRow>, Stop> {
    let find =
        format!("{SESSION} WHERE s.token_hash = $1 AND s.expires > $2 AND u.removed IS NULL");
    let row = query_opt(db, &find, &[&&token_hash[..], &put(now_ms)]).await?;
    Ok(row.as_ref().map(session_row).transpose()?)
}

pub(in crate::postgres) async fn sessions(
    db: &impl GenericClient,
    user: &UserId,
    now_ms: u64,
) -> Result<Vec<SessionRow>, Stop> {
    let find = format!("{SESSION} WHERE u.id = $1 AND s.expires > $2 ORDER BY s.created DESC");
    let rows = query(db, &find, &[&user.as_str(), &put(now_ms)]).await?;
    Ok(rows.iter().map(session_row).collect::<Result<_, _>>()?)
}

/// Somebody who is erased is found by the hash of the id.
pub(in crate::postgres) async fn user_or_hash(
    db: &impl GenericClient,
    user: &UserId,
    erased: &str,
) -> Result<Option<User>, Stop> {
    match user_by(db, user, user.as_str()).await? {
        Some(known) => Ok(Some(known)),
        None => user_by(db, user, erased).await,
    }
}

async fn user_by(db: &impl GenericClient, user: &UserId, id: &str) -> Result<Option<User>, Stop> {
    let find = "SELECT name, not_before, EXISTS (SELECT 1 FROM accounts WHERE usr = n),
             removed IS NOT NULL, seen FROM users WHERE id = $1";
    let Some(row) = query_opt(db, find, &[&id]).await? else { return Ok(None) };
    Ok(Some(User {
        id: user.clone(),
        name: row.try_get(0)?,
        not_before_ms: number(&row, 1)?,
        has_account: row.try_get(2)?,
        removed: row.try_get(3)?,
        seen_ms: number(&row, 4)?,
    }))
}
