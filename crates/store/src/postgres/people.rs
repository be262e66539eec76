//! The lane of people: accounts, sessions, names and who was seen. These are rare beside sends and concern no room, so
//! they are carried out one after the other in one transaction, whose people's rows are locked first, in order.

use moorline_protocol::UserId;
use tokio_postgres::Client;

use super::events::user_id;
use super::failure::Failure;
use super::presence;
use super::schema::put;
use crate::command::Command;
use crate::commit::{Commit, Outcome, Revoked, Value};
use crate::fingerprint::Hasher;
use crate::queue::Work;
use crate::store::SYSTEM_USER;
use crate::{Error, NewAccount, NewSession, SessionId};

/// A transaction of this lane under way.
pub(super) struct People<'a> {
    pub(super) client: &'a Client,
    /// Knows the ids of erased people.
    pub(super) hasher: &'a Hasher,
    /// Whether a transaction before failed, and may have been stored all the same.
    is_after_failure: bool,
    pub(super) commit: Commit,
}

impl<'a> People<'a> {
    /// Begins the transaction and locks whom the work names.
    pub(super) async fn begin(
        client: &'a Client,
        hasher: &'a Hasher,
        work: &Work,
        is_after_failure: bool,
    ) -> Result<Self, Failure> {
        client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let mut ids: Vec<&str> = work.jobs.iter().filter_map(|job| named(&job.command)).collect();
        ids.extend(work.seen.keys().map(UserId::as_str));
        let lock = "SELECT 1 FROM users WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE";
        client.query(lock, &[&ids]).await?;
        Ok(Self { client, hasher, is_after_failure, commit: Commit::default() })
    }

    /// Carries out one command. A failure voids the transaction; a refusal is an answer.
    pub(super) async fn run(&mut self, command: &Command) -> Result<Outcome, Failure> {
        match command {
            Command::PutUser { id, name, at_ms } => {
                Ok(self.put_user(id, name, *at_ms).await?.map(Value::Changed))
            }
            Command::CreateAccount { id, account } => {
                Ok(self.create_account(id, account).await?.map(Value::User))
            }
            Command::AddSession { id, session } => {
                Ok(self.add_session(id, session).await?.map(Value::Session))
            }
            Command::RevokeSession { user, session } => {
                Ok(Ok(Value::Changed(self.revoke_session(user, session).await?)))
            }
            Command::RevokeSessions { user, at_ms } => {
                Ok(self.revoke_sessions(user, *at_ms).await?.map(Value::Count))
            }
            Command::AddTicket(ticket) => Ok(self.add_ticket(ticket).await?.map(|()| Value::Done)),
            Command::UseTicket(wanted) => Ok(Ok(Value::Holder(self.use_ticket(wanted).await?))),
            Command::RenewLease(lease) => {
                Ok(Ok(Value::Changed(presence::renew(self.client, lease).await?)))
            }
            Command::PutPresence(put) => {
                presence::write(self.client, put).await?;
                Ok(Ok(Value::Done))
            }
            other => self.keep_up(other).await,
        }
    }

    pub(super) async fn user(&self, id: &UserId) -> Result<Option<i64>, Failure> {
        let find = "SELECT n FROM users WHERE id = $1 AND removed IS NULL";
        let row = self.client.query_opt(find, &[&id.as_str()]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    async fn put_user(
        &self,
        id: &UserId,
        name: &str,
        at_ms: u64,
    ) -> Result<Result<bool, Error>, Failure> {
        if id.as_str() == SYSTEM_USER {
            return Ok(Err(Error::Conflict));
        }
        if self.is_removed(id).await? {
            return Ok(Err(Error::Erased));
        }
        let put_it = "INSERT INTO users AS u (id, name, folded, at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, folded = excluded.folded
             WHERE u.name <> excluded.name AND u.removed IS NULL";
        let values = (id.as_str(), name, folded(name), put(at_ms));
        let changed =
            self.client.execute(put_it, &[&values.0, &values.1, &values.2, &values.3]).await?;
        Ok(Ok(changed > 0))
    }

    async fn create_account(
        &self,
        id: &UserId,
        account: &NewAccount,
    ) -> Result<Result<UserId, Error>, Failure> {
        let login = account.login.to_lowercase();
        let find = "SELECT u.id FROM accounts a JOIN users u ON u.n = a.usr WHERE a.login = $1";
        match self.client.query_opt(find, &[&login]).await? {
            Some(holder) if user_id(&holder, 0)? == *id => return Ok(Ok(id.clone())),
            Some(_) => return Ok(Err(Error::NameTaken)),
            None => {}
        }
        if let Err(refused) = self.put_user(id, &account.name, account.at_ms).await? {
            return Ok(Err(refused));
        }
        let Some(user) = self.user(id).await? else { return Ok(Err(Error::UnknownUser)) };
        // Another node that is as fast makes this one fail, and find the other's account when it is run again.
        let insert = "INSERT INTO accounts (login, usr, password_hash) VALUES ($1, $2, $3)";
        self.client.execute(insert, &[&login, &user, &account.password_hash]).await?;
        Ok(Ok(id.clone()))
    }

    async fn add_session(
        &self,
        id: &SessionId,
        session: &NewSession,
    ) -> Result<Result<SessionId, Error>, Failure> {
        let Some(user) = self.user(&session.user).await? else {
            return Ok(Err(Error::UnknownUser));
        };
        // Whoever signs in again and again must not leave rows behind for ever.
        let expired = "DELETE FROM sessions WHERE usr = $1 AND expires <= $2";
        self.client.execute(expired, &[&user, &put(session.at_ms)]).await?;
        let insert = "INSERT INTO sessions (token_hash, id, usr, device, created, expires)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        let (hash, times) =
            (&session.token_hash[..], (put(session.at_ms), put(session.expires_ms)));
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&hash, &id.0, &user, &session.device, &times.0, &times.1];
        self.client.execute(insert, &values).await?;
        Ok(Ok(id.clone()))
    }

    async fn revoke_session(
        &mut self,
        user: &UserId,
        session: &SessionId,
    ) -> Result<bool, Failure> {
        let Some(n) = self.user(user).await? else { return Ok(false) };
        self.end_tickets(n, Some(session)).await?;
        let delete = "DELETE FROM sessions WHERE usr = $1 AND id = $2";
        let ended = self.client.execute(delete, &[&n, &session.0]).await? > 0;
        // It may have ended already in a commit that was reported as failed; one that lives is somebody else's.
        if ended || (self.is_after_failure && !self.session_lives(session).await?) {
            let session = Some(session.clone());
            self.commit.revoked.push(Revoked { user: user.clone(), session });
        }
        Ok(ended)
    }

    async fn session_lives(&self, session: &SessionId) -> Result<bool, Failure> {
        let find = "SELECT EXISTS (SELECT 1 FROM sessions WHERE id = $1)";
        Ok(self.client.query_one(find, &[&session.0]).await?.try_get(0)?)
    }

    async fn revoke_sessions(
        &mut self,
        user: &UserId,
        at_ms: u64,
    ) -> Result<Result<u64, Error>, Failure> {
        let Some(n) = self.user(user).await? else { return Ok(Err(Error::NotFound)) };
        let refuse = "UPDATE users SET not_before = greatest(not_before, $2) WHERE n = $1";
        self.client.execute(refuse, &[&n, &put(at_ms)]).await?;
        self.end_tickets(n, None).await?;
        let ended = self.client.execute("DELETE FROM sessions WHERE usr = $1", &[&n]).await?;
        self.commit.revoked.push(Revoked { user: user.clone(), session: None });
        Ok(Ok(ended))
    }

    /// Marks whose sessions ended, for the other nodes.
    async fn mark_revoked(&self) -> Result<(), Failure> {
        let ids: Vec<&str> =
            self.commit.revoked.iter().map(|revoked| revoked.user.as_str()).collect();
        if !ids.is_empty() {
            let mark = "UPDATE users SET revoked = pg_current_xact_id() WHERE id = ANY($1::text[])";
            self.client.execute(mark, &[&ids]).await?;
        }
        Ok(())
    }

    /// Notes who was seen and whose sessions ended, and commits.
    pub(super) async fn commit(&self, work: &Work) -> Result<(), Failure> {
        self.mark_revoked().await?;
        let (ids, times): (Vec<&str>, Vec<i64>) =
            work.seen.iter().map(|(id, at_ms)| (id.as_str(), put(*at_ms))).unzip();
        if !ids.is_empty() {
            let update =
                "UPDATE users u SET seen = k.at FROM unnest($1::text[], $2::bigint[]) k(id, at)
                 WHERE u.id = k.id AND u.seen < k.at";
            self.client.execute(update, &[&ids, &times]).await?;
        }
        Ok(self.client.batch_execute("COMMIT").await?)
    }
}

/// Whose row a command may change.
fn named(command: &Command) -> Option<&str> {
    match command {
        Command::PutUser { id, .. } | Command::CreateAccount { id, .. } => Some(id.as_str()),
        Command::AddSession { session, .. } => Some(session.user.as_str()),
        Command::AddTicket(ticket) => Some(ticket.user.as_str()),
        Command::RevokeSession { user, .. }
        | Command::RevokeSessions { user, .. }
        | Command::BeginErasing { user, .. } => Some(user.as_str()),
        _ => None,
    }
}

/// How a name is compared when somebody looks for the beginning of one of its words.
fn folded(name: &str) -> String {
    format!(" {}", name.to_lowercase())
}
