//! Rows into a new database, which takes its place in the data folder only when it is whole and synced.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use moorline_protocol::Cid;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};

use crate::backup::BackupError;
use crate::backup::file::{Header, sync_folder};
use crate::backup::row::{Row, Value};
use crate::backup::tables::{Kind, TABLES, Table};
use crate::sqlite::schema::{CidKey, Purpose, connect, database, migrate};
use crate::sqlite::{generation, make_files};

/// Where the new database is made; a folder of this name that was left by an interrupted restore is removed.
const DRAFT: &str = "restore.part";

/// A restore under way.
pub(crate) struct Loader {
    folder: PathBuf,
    draft: PathBuf,
    db: Connection,
    /// For each table the statement, and which of its columns it takes.
    inserts: Vec<(String, Vec<usize>)>,
    store: String,
}

impl Loader {
    /// Begins one; refuses a folder with people or rooms in it. The caller holds the folder's lock.
    pub(crate) fn begin(folder: &Path, header: &Header) -> Result<Self, BackupError> {
        if !is_empty(folder)? {
            return Err(BackupError::NotEmpty(folder.display().to_string()));
        }
        let draft = folder.join(DRAFT);
        let made = remove_folder(&draft).and_then(|()| make_files(&draft));
        made.map_err(|error| BackupError::file(&draft, &error))?;
        let failed =
            |error: rusqlite::Error| BackupError::failed(draft.display().to_string(), error);
        let mut db = connect(&draft, Purpose::Write).map_err(failed)?;
        migrate(&mut db, &draft)?;
        // Until it takes its place, nobody would miss it.
        db.execute_batch(
            "PRAGMA journal_mode = delete; PRAGMA journal_mode = off; PRAGMA synchronous = off;
             PRAGMA cache_size = -65536; BEGIN; DELETE FROM users",
        )
        .map_err(failed)?;
        let inserts = TABLES.iter().map(|table| insert(table, header.columns_of(table))).collect();
        let folder = folder.to_owned();
        let store = format!("{:032x}", rand::random::<u128>());
        Ok(Self { folder, draft, db, inserts, store })
    }

    fn failed(&self, error: impl std::fmt::Display) -> BackupError {
        BackupError::failed(self.draft.display().to_string(), error)
    }

    pub(crate) fn row(&self, table: usize, row: &Row) -> Result<(), BackupError> {
        let (insert, columns) = &self.inserts[table];
        let done = self.db.prepare_cached(insert).and_then(|mut insert| {
            for (number, column) in columns.iter().enumerate() {
                let value = Column(&row[*column], TABLES[table].columns[*column].kind);
                insert.raw_bind_parameter(number + 1, value)?;
            }
            insert.raw_execute()
        });
        done.map(drop).map_err(|error| self.failed(error))
    }

    /// After the last row: new epochs, and into its place.
    pub(crate) fn finish(self, header: &Header) -> Result<(), BackupError> {
        let next = header.generation + 1;
        let key = hex::decode(&header.cid_key).map_err(|error| self.failed(error))?;
        let done = generation::new_epochs(&self.db).and_then(|()| {
            let state = "INSERT INTO state (one, store, generation, cid_key, indexed) VALUES (1, ?1, ?2, ?3, 0)";
            self.db.execute(state, params![self.store, next, key])?;
            self.db.execute_batch("COMMIT; PRAGMA journal_mode = wal")
        });
        done.map_err(|error| self.failed(error))?;
        let Self { folder, draft, db, store, .. } = self;
        db.close().map_err(|(_, error)| BackupError::failed(draft.display().to_string(), error))?;
        let placed = place(&folder, &draft)
            .and_then(|()| generation::note(&folder, &store, next))
            .and_then(|()| remove_folder(&draft));
        placed.map_err(|error| BackupError::file(&folder, &error))
    }

    /// Leaves nothing behind.
    pub(crate) fn abandon(self) {
        let Self { draft, db, .. } = self;
        drop(db);
        let _ = remove_folder(&draft);
    }
}

fn insert(table: &Table, columns: Vec<usize>) -> (String, Vec<usize>) {
    let names: Vec<String> =
        columns.iter().map(|place| format!("\"{}\"", table.columns[*place].name)).collect();
    let marks = vec!["?"; names.len()].join(", ");
    (format!("INSERT INTO {} ({}) VALUES ({marks})", table.name, names.join(", ")), columns)
}

/// Whether there is no database, or one without people and rooms.
fn is_empty(folder: &Path) -> Result<bool, BackupError> {
    let path = database(folder);
    if fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
        return Ok(true);
    }
    let failed = |error: rusqlite::Error| BackupError::failed(path.display().to_string(), error);
    let db = connect(folder, Purpose::Read).map_err(failed)?;
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('rooms', 'users')";
    let tables: i64 = db.query_row(tables, [], |row| row.get(0)).map_err(failed)?;
    if tables < 2 {
        return Ok(true);
    }
    let is_empty = "SELECT NOT EXISTS (SELECT 1 FROM rooms) AND NOT EXISTS (SELECT 1 FROM users WHERE id NOT IN ('moorline', 'deleted'))";
    db.query_row(is_empty, [], |row| row.get(0)).map_err(failed)
}

/// Syncs the new database and gives it the name of the old, empty one.
fn place(folder: &Path, draft: &Path) -> std::io::Result<()> {
    File::open(database(draft))?.sync_all()?;
    for old in ["moorline.db-wal", "moorline.db-shm"] {
        match fs::remove_file(folder.join(old)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(database(draft), database(folder))?;
    sync_folder(&database(folder))
}

fn remove_folder(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A value as its column holds it.
struct Column<'r>(&'r Value, Kind);

impl ToSql for Column<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match (self.0, self.1) {
            (Value::Null, _) => ToSqlOutput::Borrowed(ValueRef::Null),
            (Value::Int(number), _) => ToSqlOutput::from(*number),
            (Value::Text(text), Kind::Cid) => {
                let cid = Cid::new(text.as_str())
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                match CidKey::new(&cid) {
                    CidKey::Uuid(uuid) => ToSqlOutput::from(uuid.as_bytes().to_vec()),
                    CidKey::Text(text) => ToSqlOutput::from(text.to_owned()),
                }
            }
            (Value::Text(text), _) => ToSqlOutput::from(text.as_str()),
            (Value::Bytes(bytes), _) => ToSqlOutput::from(bytes.as_slice()),
            (Value::Uuid(uuid), _) => ToSqlOutput::from(uuid.as_bytes().as_slice()),
        })
    }
}
