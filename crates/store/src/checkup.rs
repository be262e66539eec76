//! How a store is, for those who look at it without opening it: nothing is made, migrated or raised here.
//!
//! A doctor of the configuration asks; the server never does. The facts are told as they are, whether they are good or not is
//! for the caller to say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{DatabaseUrl, Error};

/// A SQLite store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteFacts {
    /// The database file.
    pub path: PathBuf,
    /// The newest step of its schema; none where there is no file yet.
    pub found: Option<i64>,
    /// The newest step that this program knows.
    pub known: i64,
    /// `wal`, as the server sets it, or another mode.
    pub journal: String,
    /// What is damaged, at most five lines; none where looking took too long.
    pub damage: Option<Vec<String>>,
}

/// A PostgreSQL store.
#[derive(Debug, Clone, PartialEq)]
pub struct PostgresFacts {
    /// The database, its password masked.
    pub place: String,
    /// The server's version, as 150004.
    pub version: i64,
    /// The database's encoding.
    pub encoding: String,
    /// The newest step of the schema, 0 for none.
    pub found: i64,
    /// The newest step that this program knows.
    pub known: i64,
    /// The server's own settings by name: `fsync`, `full_page_writes`, `synchronous_commit`.
    pub settings: Vec<(String, String)>,
    /// Whether it is a standby, which cannot be written to.
    pub is_standby: bool,
    /// Seconds since the last transaction that a standby repeated; none where it is none, or none came yet.
    pub standby_behind: Option<f64>,
    /// Whether a standby is connected to its primary.
    pub is_following: bool,
    /// Standbys that a commit waits for are named, but none of them is connected.
    pub lacks_standby: bool,
    /// Its clock, in seconds since 1970.
    pub clock: f64,
    /// Transactions that are open for minutes, the oldest first.
    pub long: Vec<LongTransaction>,
}

/// A transaction that has been open for long.
#[derive(Debug, Clone, PartialEq)]
pub struct LongTransaction {
    /// The process of the server that has it.
    pub pid: i32,
    /// What the client calls itself.
    pub application: String,
    /// What it does now: `idle in transaction`, `active`, …
    pub state: String,
    /// For how many seconds.
    pub seconds: f64,
}

/// Looks at the SQLite store of a folder; for its damage no longer than this. Blocks.
///
/// # Errors
/// Where the file is there and cannot be read.
pub fn look_at_sqlite(folder: &Path, within: Duration) -> Result<SqliteFacts, Error> {
    crate::sqlite::checkup(folder, within)
}

/// Looks at a PostgreSQL store.
///
/// # Errors
/// Where it cannot be reached or does not let this user in.
pub async fn look_at_postgres(url: &DatabaseUrl) -> Result<PostgresFacts, Error> {
    crate::postgres::checkup(url).await
}
