//! How the database file is, read without touching it. Called by `crate::checkup` alone.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema::{database, newest_applied, newest_known};
use crate::Error;
use crate::checkup::SqliteFacts;

/// Steps of SQLite's machine between two looks at the clock: some milliseconds.
const STEPS: std::ffi::c_int = 100_000;

pub(crate) fn checkup(folder: &Path, within: Duration) -> Result<SqliteFacts, Error> {
    let path = database(folder);
    let known = newest_known();
    if !path.exists() {
        let nothing =
            SqliteFacts { path, found: None, known, journal: String::new(), damage: Some(vec![]) };
        return Ok(nothing);
    }
    let open =
        |error: rusqlite::Error| Error::Open { path: path.clone(), reason: error.to_string() };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(&path, flags).map_err(open)?;
    db.busy_timeout(Duration::from_secs(2)).map_err(open)?;
    let found = newest_applied(&db).map_err(open)?;
    let journal = db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(open)?;
    let damage = damage(&mut db, within).map_err(open)?;
    Ok(SqliteFacts { path: path.clone(), found: Some(found), known, journal, damage })
}

fn damage(db: &mut Connection, within: Duration) -> rusqlite::Result<Option<Vec<String>>> {
    let until = Instant::now() + within;
    db.progress_handler(STEPS, Some(move || Instant::now() > until))?;
    let looked = db.prepare("PRAGMA quick_check(5)").and_then(|mut statement| {
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
        lines.collect::<rusqlite::Result<Vec<String>>>()
    });
    match looked {
        Ok(lines) if lines == ["ok"] => Ok(Some(Vec::new())),
        Ok(lines) => Ok(Some(lines)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            Ok(None)
        }
        // What is so damaged that it cannot be looked through is damaged.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Ok(Some(vec![error.to_string()]))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Store, StoreConfig};

    const LONG: Duration = Duration::from_secs(60);

    fn made() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(StoreConfig::new(folder.path())).unwrap());
        folder
    }

    #[test]
    fn a_store_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let facts = checkup(folder.path(), LONG).unwrap();
        assert_eq!((facts.found, facts.damage), (None, Some(vec![])));
        assert!(!facts.path.exists());
    }

    #[test]
    fn a_sound_store_is_told_as_sound() {
        let folder = made();
        let facts = checkup(folder.path(), LONG).unwrap();
        assert_eq!(facts.found, Some(facts.known));
        assert_eq!((facts.journal.as_str(), facts.damage), ("wal", Some(vec![])));
    }

    #[test]
    fn a_damaged_file_is_told_as_damaged() {
        let folder = made();
        let path = database(folder.path());
        let db = Connection::open(&path).unwrap();
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        // The store's own threads may still be closing the file.
        let until = Instant::now() + LONG;
        while let Err(error) =
            db.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
        {
            assert!(Instant::now() < until, "{error}");
            std::thread::yield_now();
        }
        // The damage is behind all that a checkup itself reads.
        let filling = "CREATE TABLE filling (n INTEGER PRIMARY KEY, x BLOB);
            WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 500)
            INSERT INTO filling SELECT n, randomblob(500) FROM c";
        db.execute_batch(filling).unwrap();
        drop(db);
        let mut bytes = std::fs::read(&path).unwrap();
        let (from, to) = (bytes.len() - 40_000, bytes.len());
        bytes[from..to].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        let facts = checkup(folder.path(), LONG).unwrap();
        assert!(facts.damage.is_some_and(|lines| !lines.is_empty()));
    }
}
