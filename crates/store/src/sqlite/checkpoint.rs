//! The checkpointer: brings the log's pages into the file beside the writer, so that the writer never does, and sees to
//! it that the log starts again from its beginning before it grows large.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB};

use super::schema::{Purpose, connect};
use super::shared::{CHECKPOINT_PAGES, Shared};

/// So many pages are left at most to be copied while the writer waits: about a millisecond.
const LAST_PAGES: i32 = 128;
/// Attempts to come so near; a writer that is faster than the disk is made to wait all the same.
const APPROACHES: usize = 4;

/// How long the writer may be held up for a reader that holds the log: hardly, and longer where the log is large.
const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_millis(250);

/// A reader that does not let go of the log for as long as that is a backup at its copying. Until it is done, the writer is
/// held up hardly and seldom, and longer only once in so many times, should it be many short readers after all.
const HELD_PAUSE: Duration = Duration::from_millis(100);
const HELD_TIMES: u32 = 20;

/// The thread.
pub(super) fn run(folder: PathBuf, shared: Arc<Shared>) {
    let mut db: Option<Connection> = None;
    let (mut seen, mut cleared) = (0, 0);
    // Attempts since a reader began to hold the log; 0 where none does.
    let mut held = 0;
    while !shared.is_ended.load(Ordering::Relaxed) {
        let is_large = shared.wait_tick();
        let commits = shared.commits.load(Ordering::Relaxed);
        // Nothing new for a second: time to tidy up, once.
        let is_quiet = !is_large && commits == seen && commits != cleared;
        seen = commits;
        let done = match (is_large, is_quiet) {
            (true, _) => {
                checkpoint(&mut db, &folder, &shared, held).map(|attempts| held = attempts)
            }
            (false, true) => clear(&mut db, &folder, &shared).map(|()| cleared = commits),
            (false, false) => Ok(()),
        };
        if let Err(error) = done {
            // The log keeps everything; only its size suffers.
            tracing::warn!(%error, "could not bring the log into the file, trying again");
            db = None;
        }
        if held > 0 {
            thread::sleep(HELD_PAUSE);
        }
    }
}

fn connection<'a>(
    db: &'a mut Option<Connection>,
    folder: &Path,
) -> rusqlite::Result<&'a mut Connection> {
    match db {
        Some(db) => Ok(db),
        None => Ok(db.insert(connect(folder, Purpose::Checkpoint)?)),
    }
}

/// Empties the log while nobody writes, so that a restart is quick and erased text does not linger in it.
fn clear(db: &mut Option<Connection>, folder: &Path, shared: &Shared) -> rusqlite::Result<()> {
    let db = connection(db, folder)?;
    db.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)?;
    let Some(_gate) = shared.gate.try_lock() else { return Ok(()) };
    finish(db, shared, CheckpointMode::TRUNCATE, SHORT).map(drop)
}

/// The last part of a checkpoint, with the gate held. A reader that holds the log is no error: there is a next time.
/// Answers whether the log starts again.
fn finish(
    db: &Connection,
    shared: &Shared,
    mode: CheckpointMode,
    patience: Duration,
) -> rusqlite::Result<bool> {
    db.busy_timeout(patience)?;
    match db.wal_checkpoint_v2(Some(MAIN_DB), mode) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            tracing::debug!("a reader holds the log");
            Ok(false)
        }
        other => {
            other?;
            shared.wal_pages.store(0, Ordering::Relaxed);
            Ok(true)
        }
    }
}

/// Answers how often it was tried in vain since a reader began to hold the log.
fn checkpoint(
    db: &mut Option<Connection>,
    folder: &Path,
    shared: &Shared,
    held: u32,
) -> rusqlite::Result<u32> {
    let db = connection(db, folder)?;
    let (mut log, mut done) = db.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)?;
    for _ in 0..APPROACHES {
        if log - done <= LAST_PAGES {
            break;
        }
        (log, done) = db.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)?;
    }
    // Readers hold the old log for as long as their short transactions last; the larger it is, the longer we wait.
    let is_urgent = log.unsigned_abs() > 3 * CHECKPOINT_PAGES && held.is_multiple_of(HELD_TIMES);
    let _gate = shared.gate.lock();
    let patience = if is_urgent { LONG } else { SHORT };
    let is_done = finish(db, shared, CheckpointMode::RESTART, patience)?;
    let is_held = !is_done && (held > 0 || is_urgent);
    Ok(if is_held { held + 1 } else { 0 })
}
