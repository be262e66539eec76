//! The schema: its migrations, which one node at a time makes, and the numbers that stand for words in it.

use std::path::PathBuf;

use moorline_protocol::{Cid, Role, RoomHistory, RoomKind};
use tokio_postgres::Client;
use uuid::Uuid;

use super::failure::Failure;
use crate::Error;

mod migrations {
    refinery::embed_migrations!("migrations-postgres");
}

/// The lock that a migrating node holds: any number that no other program uses for the same.
const LOCK: i64 = 0x4d6f_6f72_6c69_6e65;

/// A step of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its number; they are made in this order.
    pub version: i64,
    /// What it does, in a word.
    pub name: String,
    /// Whether the database has it.
    pub is_applied: bool,
}

/// What this program knows, and what of it the database has.
pub(super) async fn status(client: &Client) -> Result<Vec<Migration>, Failure> {
    let applied = newest_applied(client).await?;
    let known = migrations::migrations::runner();
    let of = |migration: &refinery::Migration| Migration {
        version: i64::from(migration.version()),
        name: migration.name().to_owned(),
        is_applied: i64::from(migration.version()) <= applied,
    };
    Ok(known.get_migrations().iter().map(of).collect())
}

/// Brings the schema up to date; refuses one that is newer than this program. Nodes that start together wait for
/// each other here.
pub(super) async fn migrate(client: &mut Client, place: &str) -> Result<(), Error> {
    let open = |reason: String| Error::Database { place: place.to_owned(), reason };
    let failed = |failure: Failure| open(failure.to_string());
    client
        .query("SELECT pg_advisory_lock($1)", &[&LOCK])
        .await
        .map_err(|error| failed(error.into()))?;
    let (runner, known) = (migrations::migrations::runner(), newest_known());
    let found = newest_applied(client).await.map_err(failed)?;
    if found > known {
        return Err(Error::NewerSchema { path: PathBuf::from(place), found, known });
    }
    if found < known {
        let make = "CREATE SCHEMA IF NOT EXISTS moorline";
        client.batch_execute(make).await.map_err(|error| failed(error.into()))?;
        runner.run_async(client).await.map_err(|error| open(error.to_string()))?;
    }
    let unlock = client.query("SELECT pg_advisory_unlock($1)", &[&LOCK]).await;
    unlock.map(drop).map_err(|error| failed(error.into()))
}

/// The newest step that this program knows.
pub(super) fn newest_known() -> i64 {
    let known = migrations::migrations::runner();
    known.get_migrations().iter().map(|m| i64::from(m.version())).max().unwrap_or(0)
}

/// The newest step that the database has, 0 for none.
pub(super) async fn newest_applied(client: &Client) -> Result<i64, Failure> {
    let history = "SELECT to_regclass('moorline.refinery_schema_history') IS NOT NULL";
    if !client.query_one(history, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let newest = "SELECT coalesce(max(version), 0)::bigint FROM moorline.refinery_schema_history";
    Ok(client.query_one(newest, &[]).await?.try_get(0)?)
}

/// Numbers of the kinds of events.
pub(super) mod kind {
    pub(in crate::postgres) const MESSAGE: i64 = 1;
    pub(in crate::postgres) const EDIT: i64 = 2;
    pub(in crate::postgres) const DELETE: i64 = 3;
    pub(in crate::postgres) const RENAME: i64 = 4;
    pub(in crate::postgres) const MEMBER: i64 = 5;
}

/// A word of the protocol that is a number in a column.
pub(super) trait Numbered: Sized {
    fn number(self) -> i64;
    fn from_number(number: i64) -> Result<Self, Failure>;
}

macro_rules! numbered {
    ($($kind:ident { $($variant:ident = $number:literal),+ })+) => {
        $(impl Numbered for $kind {
            fn number(self) -> i64 {
                match self { $($kind::$variant => $number,)+ }
            }

            fn from_number(number: i64) -> Result<Self, Failure> {
                match number {
                    $($number => Ok($kind::$variant),)+
                    _ => Err(Failure::Odd(stringify!($kind))),
                }
            }
        })+
    };
}

numbered! {
    RoomKind { Direct = 1, Group = 2, Public = 3 }
    Role { Owner = 1, Admin = 2, Member = 3 }
    RoomHistory { All = 1, Joined = 2 }
}

/// A number for a column.
pub(super) fn put(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that is never negative.
pub(super) fn get(number: i64) -> u64 {
    number.max(0).cast_unsigned()
}

/// A cid as its column holds it: a canonical UUID in 16 bytes, anything else as text behind a mark, never 16 bytes long.
pub(super) fn cid_bytes(cid: &Cid) -> Vec<u8> {
    let text = cid.as_str();
    let is_canonical = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    match Uuid::try_parse(text) {
        Ok(uuid) if is_canonical => uuid.as_bytes().to_vec(),
        _ => {
            let mut bytes = Vec::with_capacity(text.len() + 2);
            bytes.push(0);
            bytes.extend_from_slice(text.as_bytes());
            if bytes.len() == 16 {
                bytes.push(0);
            }
            bytes
        }
    }
}

/// The cid from its column.
pub(super) fn cid_from(bytes: &[u8]) -> Result<Cid, Failure> {
    let odd = Failure::Odd("cid");
    let cid = match Uuid::from_slice(bytes) {
        Ok(uuid) => Cid::new(uuid.as_hyphenated().encode_lower(&mut Uuid::encode_buffer())),
        Err(_) => {
            let text = bytes.strip_prefix(&[0]).unwrap_or(bytes);
            let text = text.strip_suffix(&[0]).unwrap_or(text);
            let Ok(text) = std::str::from_utf8(text) else { return Err(odd) };
            Cid::new(text)
        }
    };
    cid.map_err(|_| odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cid_comes_back_as_it_went_in_and_no_two_look_alike() {
        let texts = [
            "0193b5c8-7a11-7aaa-8bbb-0123456789ab",
            "0193B5C8-7A11-7AAA-8BBB-0123456789AB",
            "0193b5c87a117aaa8bbb0123456789ab",
            "c1",
            "fifteen-letters",
            "sixteen-letters-",
            "fourteen-lette",
        ];
        let mut seen = std::collections::HashSet::new();
        for text in texts {
            let cid = Cid::new(text).unwrap();
            let bytes = cid_bytes(&cid);
            assert_eq!(cid_from(&bytes).unwrap(), cid, "{text}");
            assert!(seen.insert(bytes), "{text}");
        }
    }
}
