//! The rows of a data folder's database, in one read transaction.

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::backup::file::Header;
use crate::backup::row::{Row, Value};
use crate::backup::tables::{Column, Kind, TABLES, Table};
use crate::backup::{BackupError, TakeRow};
use crate::sqlite::schema::{self, Purpose, connect, database};

/// Lines of `PRAGMA integrity_check` that are told.
const FINDINGS: i64 = 20;

/// A database that is read.
pub(crate) struct Source {
    db: Connection,
    path: PathBuf,
    schema: i64,
}

impl Source {
    /// Opens the database in this folder for reading; refuses one whose schema is not this program's.
    pub(crate) fn open(folder: &Path) -> Result<Self, BackupError> {
        let path = database(folder);
        if !path.exists() {
            return Err(BackupError::NoStore(folder.display().to_string()));
        }
        let failed =
            |error: rusqlite::Error| BackupError::failed(path.display().to_string(), error);
        let db = connect(folder, Purpose::Read).map_err(failed)?;
        let (found, known) = (schema::newest_applied(&db).map_err(failed)?, schema::newest_known());
        let place = path.display().to_string();
        match found {
            0 => return Err(BackupError::NoStore(place)),
            _ if found > known => {
                return Err(crate::Error::NewerSchema { path, found, known }.into());
            }
            _ if found < known => return Err(BackupError::OlderSchema { place, found, known }),
            _ => {}
        }
        db.execute_batch("BEGIN").map_err(failed)?;
        Ok(Self { db, path, schema: found })
    }

    fn failed(&self, error: impl std::fmt::Display) -> BackupError {
        BackupError::failed(self.path.display().to_string(), error)
    }

    /// What the file of these rows begins with.
    pub(crate) fn header(&self, taken_ms: u64) -> Result<Header, BackupError> {
        let mut header = Header::new("sqlite", self.schema, taken_ms);
        let state = "SELECT store, generation, cid_key FROM state";
        let state = self
            .db
            .query_row(state, [], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)));
        let (store, generation, key) = state.map_err(|error| self.failed(error))?;
        (header.store, header.generation, header.cid_key) = (store, generation, hex::encode(key));
        for table in TABLES {
            let count = format!("SELECT count(*) FROM {}", table.name);
            let count = self.db.query_row(&count, [], |row| row.get::<_, i64>(0));
            header.rows += count.map_err(|error| self.failed(error))?.max(0).cast_unsigned();
        }
        Ok(header)
    }

    /// All rows, table by table.
    pub(crate) fn rows(&self, take: TakeRow<'_>) -> Result<(), BackupError> {
        for (place, table) in TABLES.iter().enumerate() {
            self.rows_of(place, table, take)?;
        }
        Ok(())
    }

    fn rows_of(&self, place: usize, table: &Table, take: TakeRow<'_>) -> Result<(), BackupError> {
        let columns: Vec<String> =
            table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let order: Vec<String> = table.order.iter().map(|name| format!("\"{name}\"")).collect();
        let (columns, order) = (columns.join(", "), order.join(", "));
        let select = format!("SELECT {columns} FROM {} ORDER BY {order}", table.name);
        let mut select = self.db.prepare(&select).map_err(|error| self.failed(error))?;
        let mut found = select.query(params![]).map_err(|error| self.failed(error))?;
        let mut row = Row::new();
        while let Some(values) = found.next().map_err(|error| self.failed(error))? {
            row.clear();
            for (number, column) in table.columns.iter().enumerate() {
                let held = values.get_ref(number).map_err(|error| self.failed(error))?;
                let value = value(column, held).ok_or_else(|| {
                    let what =
                        format!("{}.{} holds what no Moorline wrote", table.name, column.name);
                    self.failed(what)
                })?;
                row.push(value);
            }
            take(place, &row)?;
        }
        Ok(())
    }

    /// What SQLite itself finds wrong with the file.
    pub(crate) fn integrity(&self) -> Vec<String> {
        let check = format!("PRAGMA integrity_check({FINDINGS})");
        let found = self.db.prepare(&check).and_then(|mut check| {
            check.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
        });
        match found {
            Ok(found) => found.into_iter().filter(|line| line != "ok").collect(),
            Err(error) => vec![error.to_string()],
        }
    }
}

fn value(column: &Column, held: ValueRef<'_>) -> Option<Value> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    Some(match (column.kind, held) {
        (_, ValueRef::Null) => Value::Null,
        (Kind::Int, ValueRef::Integer(number)) => Value::Int(number),
        (Kind::Text | Kind::Body | Kind::Cid, ValueRef::Text(bytes)) => Value::Text(text(bytes)?),
        (Kind::Bytes, ValueRef::Blob(bytes)) => Value::Bytes(bytes.to_vec()),
        (Kind::Uuid, ValueRef::Blob(bytes)) => Value::Uuid(Uuid::from_slice(bytes).ok()?),
        (Kind::Cid, ValueRef::Blob(bytes)) => {
            let uuid = Uuid::from_slice(bytes).ok()?;
            Value::Text(uuid.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::backup::tables::tests::assert_complete;
    use crate::sqlite::schema::{Purpose, connect, migrate};

    /// What can be made again: the index of words, where the events of an hour stand, tickets, and what migrations are
    /// there.
    const DERIVED: [&str; 4] = ["search", "hours", "tickets", "refinery_schema_history"];

    #[test]
    fn a_backup_holds_every_column_of_every_table() {
        let folder = tempfile::tempdir().unwrap();
        let mut db = connect(folder.path(), Purpose::Write).unwrap();
        migrate(&mut db, folder.path()).unwrap();
        let mut columns = db
            .prepare(
                "SELECT t.name, c.name FROM pragma_table_list t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT IN ('state')",
            )
            .unwrap();
        let found = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let found: BTreeSet<(String, String)> = found
            .map(Result::unwrap)
            .filter(|(table, _): &(String, String)| !DERIVED.contains(&table.as_str()))
            .collect();
        assert_complete(found, str::to_owned);
        let state: String = db
            .query_row(
                "SELECT group_concat(name, ' ') FROM pragma_table_info('state')",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(state, "one store generation cid_key indexed", "see the header of a backup");
    }
}
