//! The read of a ticket.

use moorline_protocol::UserId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::sqlite::cache::{get, put};
use crate::sqlite::schema::Sql;
use crate::{Error, SessionId, TicketRow};

/// Ends with what it stands for, whoever ended that: a token by a revocation of all, a session by its row.
const TICKET: &str = "SELECT u.id, u.name, t.session, t.issued, t.ends, t.holder
     FROM tickets t JOIN users u ON u.n = t.user
     WHERE t.hash = ?1 AND t.expires > ?2 AND u.removed IS NULL AND CASE
         WHEN t.session IS NULL THEN t.issued >= u.not_before
         ELSE EXISTS (SELECT 1 FROM sessions s WHERE s.user = t.user AND s.id = t.session AND s.expires > ?2)
     END";

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![TICKET.to_owned()]
}

pub(in crate::sqlite) fn ticket(
    db: &Connection,
    hash: [u8; 32],
    now_ms: u64,
) -> Result<Option<TicketRow>, Error> {
    let mut find = db.prepare_cached(TICKET)?;
    let found = find.query_row(params![hash, put(now_ms)], |row| {
        Ok(TicketRow {
            user: row.get::<_, Sql<UserId>>(0)?.0,
            name: row.get(1)?,
            session: row.get::<_, Option<String>>(2)?.map(SessionId),
            issued_ms: get(row, 3)?,
            ends_ms: get(row, 4)?,
            holder: row.get(5)?,
        })
    });
    Ok(found.optional()?)
}
