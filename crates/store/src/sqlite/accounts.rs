//! People, built-in accounts and sessions, and the markers of who read and who was seen, inside the writer's transaction.

use std::collections::HashMap;

use moorline_protocol::{RoomId, Seq, UserId};
use rusqlite::{OptionalExtension, params};

use super::batch::{Batch, Stop};
use super::cache::{Membership, get, put};
use super::events::AT;
use crate::commit::{Receipt, Revoked};
use crate::store::SYSTEM_USER;
use crate::{Error, NewAccount, NewSession, SessionId};

impl Batch<'_> {
    pub(super) fn put_user(&mut self, id: &UserId, name: &str, at_ms: u64) -> Result<bool, Stop> {
        if id.as_str() == SYSTEM_USER {
            return Err(Error::Conflict.into());
        }
        if self.is_removed(id)? {
            return Err(Error::Erased.into());
        }
        let put_it = "INSERT INTO users (id, name, folded, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, folded = excluded.folded
             WHERE name <> excluded.name AND removed IS NULL";
        let changed = self.db.prepare_cached(put_it)?.execute(params![
            id.as_str(),
            name,
            folded(name),
            put(at_ms)
        ])?;
        Ok(changed > 0)
    }

    pub(super) fn create_account(
        &mut self,
        id: &UserId,
        account: &NewAccount,
    ) -> Result<UserId, Stop> {
        let login = account.login.to_lowercase();
        let find = "SELECT u.id FROM accounts a JOIN users u ON u.n = a.user WHERE a.login = ?1";
        let holder: Option<String> =
            self.db.prepare_cached(find)?.query_row([&login], |row| row.get(0)).optional()?;
        match holder {
            Some(holder) if holder == id.as_str() => return Ok(id.clone()),
            Some(_) => return Err(Error::NameTaken.into()),
            None => {}
        }
        self.put_user(id, &account.name, account.at_ms)?;
        let user = self.user(id)?.ok_or(Error::UnknownUser)?;
        let insert = "INSERT INTO accounts (login, user, password_hash) VALUES (?1, ?2, ?3)";
        self.db.prepare_cached(insert)?.execute(params![login, user, account.password_hash])?;
        Ok(id.clone())
    }

    pub(super) fn add_session(
        &mut self,
        id: &SessionId,
        session: &NewSession,
    ) -> Result<SessionId, Stop> {
        let user = self.user(&session.user)?.ok_or(Error::UnknownUser)?;
        // Whoever signs in again and again must not leave rows behind for ever.
        let expired = "DELETE FROM sessions WHERE user = ?1 AND expires <= ?2";
        self.db.prepare_cached(expired)?.execute(params![user, put(session.at_ms)])?;
        let insert = "INSERT INTO sessions (token_hash, id, user, device, created, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        self.db.prepare_cached(insert)?.execute(params![
            session.token_hash,
            id.0,
            user,
            session.device,
            put(session.at_ms),
            put(session.expires_ms),
        ])?;
        Ok(id.clone())
    }

    pub(super) fn revoke_session(
        &mut self,
        user: &UserId,
        session: &SessionId,
    ) -> Result<bool, Stop> {
        let Some(n) = self.user(user)? else { return Ok(false) };
        self.end_tickets(n, Some(session))?;
        let delete = "DELETE FROM sessions WHERE user = ?1 AND id = ?2";
        let ended = self.db.prepare_cached(delete)?.execute(params![n, session.0])? > 0;
        // It may have ended already in a commit that was reported as failed; one that lives is somebody else's.
        if ended || (self.is_after_failure && !self.session_lives(session)?) {
            let session = Some(session.clone());
            self.commit.revoked.push(Revoked { user: user.clone(), session });
        }
        Ok(ended)
    }

    fn session_lives(&self, session: &SessionId) -> Result<bool, Stop> {
        let find = "SELECT EXISTS (SELECT 1 FROM sessions WHERE id = ?1)";
        Ok(self.db.prepare_cached(find)?.query_row([&session.0], |row| row.get(0))?)
    }

    pub(super) fn revoke_sessions(&mut self, user: &UserId, at_ms: u64) -> Result<u64, Stop> {
        let n = self.user(user)?.ok_or(Error::NotFound)?;
        let refuse = "UPDATE users SET not_before = max(not_before, ?2) WHERE n = ?1";
        self.db.prepare_cached(refuse)?.execute(params![n, put(at_ms)])?;
        self.end_tickets(n, None)?;
        let delete = "DELETE FROM sessions WHERE user = ?1";
        let ended = self.db.prepare_cached(delete)?.execute([n])?;
        self.commit.revoked.push(Revoked { user: user.clone(), session: None });
        Ok(ended as u64)
    }

    /// Moves the markers that grow; others are ignored, as are rooms and people that are none.
    pub(super) fn read_markers(
        &mut self,
        reads: &HashMap<(UserId, RoomId), Seq>,
    ) -> Result<(), Stop> {
        for ((user, id), seq) in reads {
            let Some(n) = self.user(user)? else { continue };
            let Some(room) = self.room(id)? else { continue };
            let Some(member) = self.member(room.n, n)? else { continue };
            let read = seq.0.min(room.head);
            if read <= member.read {
                continue;
            }
            let read_messages = if read == room.head {
                Some(room.messages)
            } else {
                // The event may be the membership event that is still open.
                self.close_membership(id)?;
                self.messages_at(room.n, read)?
            };
            let Some(read_messages) = read_messages else { continue };
            self.put_marker(room.n, n, Membership { read, read_messages, ..member });
            let receipt = Receipt { room: id.clone(), user: user.clone(), seq: Seq(read) };
            self.commit.receipts.push(receipt);
        }
        Ok(())
    }

    fn messages_at(&self, room: i64, seq: u64) -> Result<Option<u64>, Stop> {
        let find = format!("SELECT e.messages FROM events e WHERE {AT}");
        let mut statement = self.db.prepare_cached(&find)?;
        Ok(statement.query_row([room, put(seq)], |row| get(row, 0)).optional()?)
    }

    pub(super) fn seen(&mut self, seen: &HashMap<UserId, u64>) -> Result<(), Stop> {
        let update = "UPDATE users SET seen = ?2 WHERE id = ?1 AND seen < ?2";
        let mut update = self.db.prepare_cached(update)?;
        for (user, at_ms) in seen {
            update.execute(params![user.as_str(), put(*at_ms)])?;
        }
        Ok(())
    }
}

/// How a name is compared when somebody looks for the beginning of one of its words.
pub(super) fn folded(name: &str) -> String {
    format!(" {}", name.to_lowercase())
}
