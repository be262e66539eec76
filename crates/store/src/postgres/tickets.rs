//! Tickets, inside the transaction of the lane of people.

use std::time::Duration;

use super::events::number;
use super::failure::Failure;
use super::people::People;
use super::schema::put;
use crate::{
    Error, Holder, NewTicket, OPEN_TICKETS, SessionId, UPKEEP_STEP, USED_TICKETS, UseTicket,
};

impl People<'_> {
    /// The person's row is locked, so that two nodes count one after the other.
    pub(super) async fn add_ticket(
        &self,
        ticket: &NewTicket,
    ) -> Result<Result<(), Error>, Failure> {
        let Some(user) = self.user(&ticket.user).await? else {
            return Ok(Err(Error::UnknownUser));
        };
        let hash = &ticket.hash[..];
        let is_there = "SELECT 1 FROM tickets WHERE hash = $1";
        // It may be stored already by a commit that was reported as failed.
        if self.client.query_opt(is_there, &[&hash]).await?.is_some() {
            return Ok(Ok(()));
        }
        let ended = "DELETE FROM tickets WHERE usr = $1 AND expires <= $2";
        self.client.execute(ended, &[&user, &put(ticket.at_ms)]).await?;
        if let Err(refused) = self.check_open(user, ticket.at_ms).await? {
            return Ok(Err(refused));
        }
        let old = "DELETE FROM tickets WHERE hash IN (SELECT hash FROM tickets
             WHERE usr = $1 AND holder IS NOT NULL ORDER BY at DESC OFFSET $2)";
        self.client.execute(old, &[&user, &(USED_TICKETS as i64 - 1)]).await?;
        let insert = "INSERT INTO tickets (hash, usr, session, issued, at, ends, expires)
             VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let session = ticket.session.as_ref().map(|session| &session.0);
        let (issued, at) = (put(ticket.issued_ms), put(ticket.at_ms));
        let (ends, until) = (put(ticket.ends_ms), put(ticket.until_ms));
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
            [&hash, &user, &session, &issued, &at, &ends, &until];
        self.client.execute(insert, &values).await?;
        Ok(Ok(()))
    }

    async fn check_open(&self, user: i64, at_ms: u64) -> Result<Result<(), Error>, Failure> {
        let open = "SELECT count(*), coalesce(min(expires), 0) FROM tickets
             WHERE usr = $1 AND holder IS NULL";
        let row = self.client.query_one(open, &[&user]).await?;
        if number(&row, 0)? < OPEN_TICKETS as u64 {
            return Ok(Ok(()));
        }
        let retry_after = Duration::from_millis(number(&row, 1)?.saturating_sub(at_ms));
        Ok(Err(Error::TooManyTickets { limit: OPEN_TICKETS, retry_after }))
    }

    /// The ticket's row is locked, so that of two nodes only one uses it.
    pub(super) async fn use_ticket(&self, wanted: &UseTicket) -> Result<Option<Holder>, Failure> {
        let UseTicket { hash, shown, fresh, at_ms } = wanted;
        let find = "SELECT usr, holder FROM tickets WHERE hash = $1 AND expires > $2 FOR UPDATE";
        let found = self.client.query_opt(find, &[&&hash[..], &put(*at_ms)]).await?;
        let Some(row) = found else { return Ok(None) };
        let (user, held): (i64, Option<&[u8]>) = (row.try_get(0)?, row.try_get(1)?);
        let holder = match (held, shown) {
            // The same use again, after a commit that was reported as failed.
            (Some(held), _) if held == fresh => *fresh,
            (Some(held), Some(shown)) if held == shown => *shown,
            (Some(_), _) => return Ok(None),
            (None, Some(shown)) if self.ticket_end(user, shown, *at_ms).await?.is_some() => *shown,
            (None, _) => *fresh,
        };
        let bind = "UPDATE tickets SET holder = $2, expires = ends WHERE hash = $1";
        self.client.execute(bind, &[&&hash[..], &&holder[..]]).await?;
        let ends = self.ticket_end(user, &holder, *at_ms).await?;
        Ok(ends.map(|ends_ms| Holder { was_shown: Some(holder) == *shown, ends_ms }))
    }

    /// When the last of a person's tickets ends that goes on with this cookie; none where none does.
    async fn ticket_end(
        &self,
        user: i64,
        holder: &[u8; 32],
        at_ms: u64,
    ) -> Result<Option<u64>, Failure> {
        let last = "SELECT max(ends) FROM tickets WHERE usr = $1 AND holder = $2 AND expires > $3";
        let row = self.client.query_one(last, &[&user, &&holder[..], &put(at_ms)]).await?;
        Ok(row.try_get::<_, Option<i64>>(0)?.map(i64::cast_unsigned))
    }

    /// Those that another transaction holds are left for the next time.
    pub(super) async fn drop_tickets(&self, at_ms: u64) -> Result<u64, Failure> {
        let ended = "DELETE FROM tickets WHERE hash IN
             (SELECT hash FROM tickets WHERE expires <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
        Ok(self.client.execute(ended, &[&put(at_ms), &(UPKEEP_STEP as i64)]).await?)
    }

    /// Ends the tickets of a session that ends, or all of a person.
    pub(super) async fn end_tickets(
        &self,
        user: i64,
        of: Option<&SessionId>,
    ) -> Result<(), Failure> {
        let end = "DELETE FROM tickets WHERE usr = $1 AND ($2::text IS NULL OR session = $2)";
        self.client.execute(end, &[&user, &of.map(|session| &session.0)]).await?;
        Ok(())
    }
}
