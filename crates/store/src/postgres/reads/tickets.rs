//! The read of a ticket.

use deadpool_postgres::GenericClient;

use super::{Stop, query_opt};
use crate::postgres::events::{number, user_id};
use crate::postgres::schema::put;
use crate::{SessionId, TicketRow};

/// Ends with what it stands for, whoever ended that: a token by a revocation of all, a session by its row.
const TICKET: &str = "SELECT u.id, u.name, t.session, t.issued, t.ends, t.holder
     FROM tickets t JOIN users u ON u.n = t.usr
     WHERE t.hash = $1 AND t.expires > $2 AND u.removed IS NULL AND CASE
         WHEN t.session IS NULL THEN t.issued >= u.not_before
         ELSE EXISTS (SELECT 1 FROM sessions s WHERE s.usr = t.usr AND s.id = t.session AND s.expires > $2)
     END";

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![TICKET.to_owned()]
}

pub(in crate::postgres) async fn ticket(
    db: &impl GenericClient,
    hash: [u8; 32],
    now_ms: u64,
) -> Result<Option<TicketRow>, Stop> {
    let found = query_opt(db, TICKET, &[&&hash[..], &put(now_ms)]).await?;
    let Some(row) = found else { return Ok(None) };
    let holder: Option<&[u8]> = row.try_get(5)?;
    Ok(Some(TicketRow {
        user: user_id(&row, 0)?,
        name: row.try_get(1)?,
        session: row.try_get::<_, Option<String>>(2)?.map(SessionId),
        issued_ms: number(&row, 3)?,
        ends_ms: number(&row, 4)?,
        holder: holder.and_then(|holder| holder.try_into().ok()),
    }))
}
