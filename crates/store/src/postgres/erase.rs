//! What the lane of people does for upkeep: beginning and ending the erasing of a person, their cids, how long a room's
//! events are kept, and which node prunes.

use moorline_protocol::{RoomId, UserId};

use super::failure::Failure;
use super::people::People;
use super::presence;
use super::schema::{cid_bytes, put};
use crate::command::Command;
use crate::commit::{Outcome, Revoked, Value};
use crate::store::{DELETED_NAME, DELETED_USER, SYSTEM_USER};
use crate::upkeep::EraseCids;
use crate::{Erasing, Error, SetRetention};

impl People<'_> {
    /// Carries out a command of upkeep; anything else means nothing here.
    pub(super) async fn keep_up(&mut self, command: &Command) -> Result<Outcome, Failure> {
        match command {
            Command::BeginErasing { user, keeps_messages, at_ms } => {
                let begun = self.begin_erasing(user, *keeps_messages, *at_ms).await?;
                Ok(begun.map(Value::Changed))
            }
            Command::DropTickets { at_ms } => {
                Ok(Ok(Value::Count(self.drop_tickets(*at_ms).await?)))
            }
            Command::EraseCids(erase) => Ok(Ok(Value::Count(self.erase_cids(erase).await?))),
            Command::EndErasing(erasing) => {
                self.end_erasing(erasing).await?;
                Ok(Ok(Value::Done))
            }
            Command::SetRetention(set) => Ok(self.set_retention(set).await?.map(Value::Changed)),
            Command::ClaimUpkeep { node, seconds } => {
                Ok(Ok(Value::Changed(self.claim_upkeep(node, *seconds).await?)))
            }
            _ => Ok(Ok(Value::Done)),
        }
    }

    async fn begin_erasing(
        &mut self,
        user: &UserId,
        keeps_messages: bool,
        at_ms: u64,
    ) -> Result<Result<bool, Error>, Failure> {
        if [SYSTEM_USER, DELETED_USER].contains(&user.as_str()) {
            return Ok(Err(Error::UnknownUser));
        }
        let find = "SELECT n, removed FROM users WHERE id = $1";
        let Some(row) = self.client.query_opt(find, &[&user.as_str()]).await? else {
            let is_erased = self.is_erased(user).await?;
            return Ok(if is_erased { Ok(false) } else { Err(Error::UnknownUser) });
        };
        // Said again for one whose erasing has begun: the commit may have been reported as failed.
        self.commit.revoked.push(Revoked { user: user.clone(), session: None });
        if row.try_get::<_, Option<i64>>(1)?.is_some() {
            return Ok(Ok(true));
        }
        let n: i64 = row.try_get(0)?;
        let mark = "UPDATE users SET removed = $2, name = $3, folded = '', seen = 0 WHERE n = $1";
        self.client.execute(mark, &[&n, &put(at_ms), &DELETED_NAME]).await?;
        for gone in ["DELETE FROM sessions WHERE usr = $1", "DELETE FROM accounts WHERE usr = $1"] {
            self.client.execute(gone, &[&n]).await?;
        }
        self.end_tickets(n, None).await?;
        presence::forget(self.client, n).await?;
        let begin = "INSERT INTO erasures (usr, keeps) VALUES ($1, $2)";
        self.client.execute(begin, &[&n, &i64::from(keeps_messages)]).await?;
        Ok(Ok(true))
    }

    /// Whether this was the id of somebody who is erased.
    async fn is_erased(&self, user: &UserId) -> Result<bool, Failure> {
        let find = "SELECT 1 FROM users WHERE id = $1";
        let erased = self.hasher.erased_id(user.as_str());
        Ok(self.client.query_opt(find, &[&erased]).await?.is_some())
    }

    /// The same, or whether that has begun.
    pub(super) async fn is_removed(&self, user: &UserId) -> Result<bool, Failure> {
        let find = "SELECT removed IS NOT NULL FROM users WHERE id = $1";
        match self.client.query_opt(find, &[&user.as_str()]).await? {
            Some(row) => Ok(row.try_get(0)?),
            None => self.is_erased(user).await,
        }
    }

    async fn erase_cids(&self, erase: &EraseCids) -> Result<u64, Failure> {
        let (cids, rooms): (Vec<Vec<u8>>, Vec<i64>) =
            erase.cids.iter().map(|(cid, room)| (cid_bytes(cid), *room)).unzip();
        let delete = "DELETE FROM cids c USING unnest($1::bytea[], $2::bigint[]) k(cid, room)
             WHERE c.cid = k.cid AND c.sender = $3 AND c.room = k.room";
        Ok(self.client.execute(delete, &[&cids, &rooms, &erase.erasing.n]).await?)
    }

    /// What is left of the id is its hash.
    async fn end_erasing(&self, erasing: &Erasing) -> Result<(), Failure> {
        let erased = self.hasher.erased_id(erasing.user.as_str());
        let forget =
            "UPDATE users SET id = $2, at = 0, rooms = 0 WHERE n = $1 AND removed IS NOT NULL";
        self.client.execute(forget, &[&erasing.n, &erased]).await?;
        self.client.execute("DELETE FROM erasures WHERE usr = $1", &[&erasing.n]).await?;
        Ok(())
    }

    async fn set_retention(&self, set: &SetRetention) -> Result<Result<bool, Error>, Failure> {
        let SetRetention { room, seconds } = set;
        if !self.has_room(room).await? {
            return Ok(Err(Error::NotFound));
        }
        let update =
            "UPDATE rooms SET retention = $2 WHERE id = $1 AND retention IS DISTINCT FROM $2";
        let seconds = seconds.map(put);
        Ok(Ok(self.client.execute(update, &[&room.as_str(), &seconds]).await? > 0))
    }

    async fn has_room(&self, room: &RoomId) -> Result<bool, Failure> {
        let find = "SELECT 1 FROM rooms WHERE id = $1";
        Ok(self.client.query_opt(find, &[&room.as_str()]).await?.is_some())
    }

    /// One node at a time wins, and keeps it for as long as it comes back; by the database's clock.
    async fn claim_upkeep(&self, node: &str, seconds: u32) -> Result<bool, Failure> {
        let claim = "INSERT INTO upkeep AS u (node, until)
             VALUES ($1, clock_timestamp() + $2 * interval '1 second')
             ON CONFLICT (one) DO UPDATE SET node = excluded.node, until = excluded.until
             WHERE u.node = excluded.node OR u.until < clock_timestamp()";
        Ok(self.client.execute(claim, &[&node, &f64::from(seconds)]).await? > 0)
    }
}
