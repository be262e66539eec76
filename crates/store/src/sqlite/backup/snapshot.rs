//! One consistent state of a data folder whose server goes on writing: its pages, copied at the speed of the disk, from
//! which the backup is then written at leisure.
//!
//! While a snapshot is read the server cannot begin its log anew, so the log grows with all that is written meanwhile. The
//! copy is therefore made as fast as pages can be copied, and given up before the log comes near its bound.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::backup::{BackupError, Progress, Step, Tell};
use crate::sqlite::make_files;
use crate::sqlite::schema::{Purpose, connect, database};

/// Pages of one step, 8 MiB; between two of them the log is looked at.
const STEP_PAGES: i32 = 2_048;
/// The log may have this size before the copy is given up; the server's own bound is 64 MiB.
const LOG_BYTES: u64 = 48 << 20;

/// A copy of a database in a folder of its own, which is removed when this is dropped.
pub(crate) struct Copy {
    folder: PathBuf,
}

impl Copy {
    /// Where it lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Copies the database of one folder into another. What an interrupted copy left there is removed.
pub(crate) fn copy(
    folder: &Path,
    into: PathBuf,
    may_log_grow: bool,
    tell: Tell<'_>,
) -> Result<Copy, BackupError> {
    let _ = fs::remove_dir_all(&into);
    make_files(&into).map_err(|error| BackupError::file(&into, &error))?;
    let into = Copy { folder: into };
    let place = database(folder);
    let failed = |error: rusqlite::Error| BackupError::failed(place.display().to_string(), error);
    let source = connect(folder, Purpose::Read).map_err(failed)?;
    // From its first read on, the transaction sees one state.
    source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    let target = database(into.folder());
    let mut copy = private_database(&target)
        .map_err(|error| BackupError::failed(target.display().to_string(), error))?;
    let limit = if may_log_grow { u64::MAX } else { LOG_BYTES };
    let backup = Backup::new(&source, &mut copy).map_err(failed)?;
    loop {
        let step = backup.step(STEP_PAGES).map_err(failed)?;
        let pages = backup.progress();
        let done = (pages.pagecount - pages.remaining).max(0).unsigned_abs();
        tell(Progress {
            step: Step::Copying,
            done: done.into(),
            total: pages.pagecount.max(0).unsigned_abs().into(),
        });
        if step == StepResult::Done {
            break;
        }
        let log = log_bytes(folder);
        if log > limit {
            return Err(BackupError::LogTooLarge { mib: log >> 20 });
        }
    }
    drop(backup);
    Ok(into)
}

fn log_bytes(folder: &Path) -> u64 {
    fs::metadata(folder.join("moorline.db-wal")).map_or(0, |log| log.len())
}

/// A database that nobody else reads and that is worth nothing if this process ends.
fn private_database(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.execute_batch(
        "PRAGMA journal_mode = off; PRAGMA synchronous = off; PRAGMA locking_mode = exclusive",
    )?;
    Ok(db)
}
