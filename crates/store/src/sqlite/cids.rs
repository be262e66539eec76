//! Exactly once: each cid's first answer is kept for ever beside a keyed hash of the whole command, and is given again
//! before anything else is decided.

use moorline_protocol::{Cid, RoomId, Seq};
use rusqlite::{OptionalExtension, params};

use super::batch::{Batch, Stop, held};
use super::cache::{get, put};
use super::schema::{CidKey, Sql};
use crate::commit::Value;
use crate::fingerprint::Fingerprint;
use crate::{Error, Stored};

/// Who does what under which cid, and what exactly.
#[derive(Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) cid: &'a Cid,
    pub(super) sender: i64,
    /// 0 for the making of a room.
    pub(super) room: i64,
    pub(super) hash: Fingerprint,
}

impl Batch<'_> {
    /// Sees to the repeat before the refusal: what was carried out once is answered so for ever, whatever changed since.
    pub(super) fn or_repeat<T>(
        &mut self,
        id: &RoomId,
        claim: Claim<'_>,
        checked: Result<T, Stop>,
    ) -> Result<T, Stop> {
        match checked {
            Err(Stop::Refused(refusal)) => match self.first_answer(id, claim)? {
                Some(first) => Err(Stop::Repeated(Value::Stored(first))),
                None => Err(Stop::Refused(refusal)),
            },
            other => other,
        }
    }

    /// Writes down the answer of a new cid; a known one ends the command with its first answer.
    pub(super) fn claim(&mut self, claim: Claim<'_>, stored: &Stored) -> Result<(), Stop> {
        const INSERT: &str = "INSERT INTO cids (cid, sender, room, hash, epoch, seq, id, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
        let insert = held(self.db, &mut self.insert_cid, INSERT)?;
        let inserted = insert.execute(params![
            CidKey::new(claim.cid),
            claim.sender,
            claim.room,
            claim.hash,
            Sql(stored.epoch),
            put(stored.seq.0),
            Sql(stored.id),
            put(stored.at_ms),
        ])?;
        if inserted == 1 {
            return Ok(());
        }
        match self.first_answer(&stored.room, claim)? {
            Some(first) => Err(Stop::Repeated(Value::Stored(first))),
            None => Err(Error::CidConflict.into()),
        }
    }

    /// The answer that this cid got, if any; another command under the same cid is a conflict.
    fn first_answer(&mut self, id: &RoomId, claim: Claim<'_>) -> Result<Option<Stored>, Stop> {
        let mut statement = self.db.prepare_cached(
            "SELECT hash, epoch, seq, id, at FROM cids WHERE cid = ?1 AND sender = ?2 AND room = ?3",
        )?;
        let found = statement
            .query_row(params![CidKey::new(claim.cid), claim.sender, claim.room], |row| {
                let stored = Stored {
                    room: id.clone(),
                    epoch: row.get::<_, Sql<_>>(1)?.0,
                    seq: Seq(get(row, 2)?),
                    id: row.get::<_, Sql<_>>(3)?.0,
                    at_ms: get(row, 4)?,
                };
                Ok((row.get::<_, Fingerprint>(0)?, stored))
            })
            .optional()?;
        drop(statement);
        match found {
            None => Ok(None),
            Some((hash, _)) if hash != claim.hash => Err(Error::CidConflict.into()),
            Some((_, stored)) => Ok(Some(stored)),
        }
    }
}
