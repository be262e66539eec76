//! Exactly once: each cid's first answer is kept for ever beside a keyed hash of the whole command, and is given again
//! before anything else is decided.

use hmac::{Hmac, KeyInit, Mac};
use moorline_protocol::{Cid, RoomId, Seq};
use rusqlite::{OptionalExtension, params};
use sha2::Sha256;

use super::batch::{Batch, Stop, held};
use super::cache::{get, put};
use super::schema::{CidKey, Sql};
use crate::commit::Value;
use crate::{Error, Stored};

/// The hash of a whole command, keyed so that it tells nothing of the text to one who reads the file without the key.
pub(super) type Fingerprint = [u8; 16];

/// Makes fingerprints.
#[derive(Clone)]
pub(super) struct Hasher(Hmac<Sha256>);

impl Hasher {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        // A key of the length of a block is used as it is; the rest of a shorter one is zeros (RFC 2104).
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self(Hmac::new(&block.into()))
    }

    /// Each part goes in with its length, so that no two lists of parts look alike.
    pub(super) fn fingerprint(&self, word: &str, parts: &[&[u8]]) -> Fingerprint {
        let mut mac = self.0.clone();
        for part in std::iter::once(&word.as_bytes()).chain(parts) {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        let whole = mac.finalize().into_bytes();
        let mut short = [0; 16];
        short.copy_from_slice(&whole[..16]);
        short
    }
}

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
