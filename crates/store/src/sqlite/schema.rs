//! The database file: its connections and their settings, its migrations, and the numbers that stand for words in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use moorline_protocol::{Cid, Epoch, EventId, Role, RoomHistory, RoomKind};
use rusqlite::config::DbConfig;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use uuid::Uuid;

use crate::Error;

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// What a connection is for; decides its memory and its rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The one that writes: its page cache holds the ends of the indexes of several hundred busy rooms.
    Write,
    /// One of the readers.
    Read,
    /// Moves pages from the log into the file.
    Checkpoint,
}

pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join("moorline.db")
}

/// Opens one connection.
pub(super) fn connect(folder: &Path, purpose: Purpose) -> rusqlite::Result<Connection> {
    let flags = match purpose {
        Purpose::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Purpose::Write | Purpose::Checkpoint => {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        }
    };
    let db =
        Connection::open_with_flags(database(folder), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // A plan that depends on values would be made again with every other value.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.set_prepared_statement_cache_capacity(96);
    if purpose != Purpose::Read {
        db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
    }
    let cache_kib = match purpose {
        Purpose::Write => 8_192,
        Purpose::Read => 1_024,
        Purpose::Checkpoint => 256,
    };
    db.pragma_update(None, "cache_size", -cache_kib)?;
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "temp_store", "memory")?;
    db.pragma_update(None, "mmap_size", 0)?;
    // Erased text is overwritten with zeros, not only unlinked.
    db.pragma_update(None, "secure_delete", true)?;
    // A log that had to grow is cut back to this when it starts again.
    db.pragma_update(None, "journal_size_limit", 16 << 20)?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(db)
}

/// Brings the schema up to date; refuses one that is newer than this program.
pub(super) fn migrate(db: &mut Connection, folder: &Path) -> Result<(), Error> {
    let runner = migrations::migrations::runner();
    let known = newest_known();
    let path = database(folder);
    let open = |reason: String| Error::Open { path: path.clone(), reason };
    let found = newest_applied(db).map_err(|error| open(error.to_string()))?;
    if found > known {
        return Err(Error::NewerSchema { path, found, known });
    }
    runner.run(db).map(drop).map_err(|error| open(error.to_string()))
}

/// The newest step of the schema that this program knows.
pub(super) fn newest_known() -> i64 {
    let known = migrations::migrations::runner();
    known.get_migrations().iter().map(|m| i64::from(m.version())).max().unwrap_or(0)
}

/// The newest step that the database has, 0 for none.
pub(super) fn newest_applied(db: &Connection) -> rusqlite::Result<i64> {
    const HISTORY: &str =
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'refinery_schema_history'";
    if db.query_row(HISTORY, [], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    let newest = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
    db.query_row(newest, [], |row| row.get(0))
}

/// Numbers of the kinds of events.
pub(super) mod kind {
    pub(in crate::sqlite) const MESSAGE: i64 = 1;
    pub(in crate::sqlite) const EDIT: i64 = 2;
    pub(in crate::sqlite) const DELETE: i64 = 3;
    pub(in crate::sqlite) const RENAME: i64 = 4;
    pub(in crate::sqlite) const MEMBER: i64 = 5;
}

/// A value of the protocol as a column.
pub(super) struct Sql<T>(pub(super) T);

macro_rules! numbered {
    ($($kind:ident { $($variant:ident = $number:literal),+ })+) => {
        $(impl ToSql for Sql<$kind> {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(match self.0 { $($kind::$variant => $number,)+ } as i64))
            }
        }
        impl FromSql for Sql<$kind> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                match value.as_i64()? {
                    $($number => Ok(Self($kind::$variant)),)+
                    other => Err(FromSqlError::OutOfRange(other)),
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

impl ToSql for Sql<Epoch> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.0.cast_signed()))
    }
}

impl FromSql for Sql<Epoch> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(Epoch(value.as_i64()?.cast_unsigned())))
    }
}

impl ToSql for Sql<EventId> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.0.as_bytes())))
    }
}

impl FromSql for Sql<EventId> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let id = Uuid::from_slice(value.as_blob()?);
        id.map(|id| Self(EventId(id))).map_err(|error| FromSqlError::Other(error.into()))
    }
}

/// A cid as its row holds it: a canonical UUID in 16 bytes, anything else as text.
pub(super) enum CidKey<'a> {
    Uuid(Uuid),
    Text(&'a str),
}

impl<'a> CidKey<'a> {
    pub(super) fn new(cid: &'a Cid) -> Self {
        let text = cid.as_str();
        let is_canonical = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match Uuid::try_parse(text) {
            Ok(uuid) if is_canonical => Self::Uuid(uuid),
            _ => Self::Text(text),
        }
    }
}

impl ToSql for CidKey<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(uuid) => ValueRef::Blob(uuid.as_bytes()),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl FromSql for Sql<Cid> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let wrong = |error: Box<dyn std::error::Error + Send + Sync>| FromSqlError::Other(error);
        let cid = match value {
            ValueRef::Blob(bytes) => {
                let uuid = Uuid::from_slice(bytes).map_err(|error| wrong(error.into()))?;
                Cid::new(uuid.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
            _ => Cid::new(value.as_str()?),
        };
        cid.map(Self).map_err(|error| wrong(error.into()))
    }
}

macro_rules! text_columns {
    ($($kind:ident)+) => {
        $(impl FromSql for Sql<moorline_protocol::$kind> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let id = moorline_protocol::$kind::new(value.as_str()?);
                id.map(Self).map_err(|error| FromSqlError::Other(error.into()))
            }
        })+
    };
}

text_columns! { RoomId UserId }
