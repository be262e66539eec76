//! Tickets, inside the writer's transaction.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::batch::{Batch, Stop};
use super::cache::{get, put};
use crate::{
    Error, Holder, NewTicket, OPEN_TICKETS, SessionId, UPKEEP_STEP, USED_TICKETS, UseTicket,
};

impl Batch<'_> {
    pub(super) fn add_ticket(&mut self, ticket: &NewTicket) -> Result<(), Stop> {
        let user = self.user(&ticket.user)?.ok_or(Error::UnknownUser)?;
        let is_there = "SELECT EXISTS (SELECT 1 FROM tickets WHERE hash = ?1)";
        // It may be stored already by a commit that was reported as failed.
        if self.db.prepare_cached(is_there)?.query_row([ticket.hash], |row| row.get(0))? {
            return Ok(());
        }
        let ended = "DELETE FROM tickets WHERE user = ?1 AND expires <= ?2";
        self.db.prepare_cached(ended)?.execute(params![user, put(ticket.at_ms)])?;
        self.check_open(user, ticket.at_ms)?;
        let old = "DELETE FROM tickets WHERE hash IN (SELECT hash FROM tickets
             WHERE user = ?1 AND holder IS NOT NULL ORDER BY at DESC LIMIT -1 OFFSET ?2)";
        self.db.prepare_cached(old)?.execute(params![user, USED_TICKETS as i64 - 1])?;
        let insert = "INSERT INTO tickets (hash, user, session, issued, at, ends, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.db.prepare_cached(insert)?.execute(params![
            ticket.hash,
            user,
            ticket.session.as_ref().map(|session| &session.0),
            put(ticket.issued_ms),
            put(ticket.at_ms),
            put(ticket.ends_ms),
            put(ticket.until_ms),
        ])?;
        Ok(())
    }

    fn check_open(&self, user: i64, at_ms: u64) -> Result<(), Stop> {
        let open = "SELECT count(*), coalesce(min(expires), 0) FROM tickets
             WHERE user = ?1 AND holder IS NULL";
        let (count, first): (u64, u64) = self
            .db
            .prepare_cached(open)?
            .query_row([user], |row| Ok((get(row, 0)?, get(row, 1)?)))?;
        if count < OPEN_TICKETS as u64 {
            return Ok(());
        }
        let retry_after = Duration::from_millis(first.saturating_sub(at_ms));
        Err(Error::TooManyTickets { limit: OPEN_TICKETS, retry_after }.into())
    }

    pub(super) fn use_ticket(&mut self, wanted: &UseTicket) -> Result<Option<Holder>, Stop> {
        let UseTicket { hash, shown, fresh, at_ms } = wanted;
        let find = "SELECT user, holder FROM tickets WHERE hash = ?1 AND expires > ?2";
        let found = self.db.prepare_cached(find)?.query_row(params![hash, put(*at_ms)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<[u8; 32]>>(1)?))
        });
        let Some((user, held)) = found.optional()? else { return Ok(None) };
        let holder = match held {
            // The same use again, after a commit that was reported as failed.
            Some(held) if held == *fresh || Some(held) == *shown => held,
            Some(_) => return Ok(None),
            None => match shown {
                Some(shown) if self.ticket_end(user, shown, *at_ms)?.is_some() => *shown,
                _ => *fresh,
            },
        };
        let bind = "UPDATE tickets SET holder = ?2, expires = ends WHERE hash = ?1";
        self.db.prepare_cached(bind)?.execute(params![hash, holder])?;
        let ends = self.ticket_end(user, &holder, *at_ms)?;
        Ok(ends.map(|ends_ms| Holder { was_shown: Some(holder) == *shown, ends_ms }))
    }

    /// When the last of a person's tickets ends that goes on with this cookie; none where none does.
    fn ticket_end(&self, user: i64, holder: &[u8; 32], at_ms: u64) -> Result<Option<u64>, Stop> {
        let last = "SELECT max(ends) FROM tickets WHERE user = ?1 AND holder = ?2 AND expires > ?3";
        let values = params![user, holder, put(at_ms)];
        let ends = self.db.prepare_cached(last)?.query_row(values, |row| row.get(0))?;
        Ok(Option::<i64>::map(ends, i64::cast_unsigned))
    }

    pub(super) fn drop_tickets(&mut self, at_ms: u64) -> Result<u64, Stop> {
        let ended = "DELETE FROM tickets WHERE hash IN
             (SELECT hash FROM tickets WHERE expires <= ?1 LIMIT ?2)";
        let values = params![put(at_ms), UPKEEP_STEP as i64];
        Ok(self.db.prepare_cached(ended)?.execute(values)? as u64)
    }

    /// Ends the tickets of a session that ends, or all of a person.
    pub(super) fn end_tickets(&self, user: i64, of: Option<&SessionId>) -> Result<(), Stop> {
        let end = "DELETE FROM tickets WHERE user = ?1 AND (?2 IS NULL OR session = ?2)";
        self.db.prepare_cached(end)?.execute(params![user, of.map(|session| &session.0)])?;
        Ok(())
    }
}
