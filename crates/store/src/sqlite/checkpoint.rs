//! The checkpointer: brings the log's pages into the file beside the writer, so that the writer never does, and sees to
//! it that the log starts again from its beginning before it grows large.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, MAIN_DB};

use super::schema::{Purpose, connect};
use super::shared::Shared;

/// From so many pages on, the log is made to start again: 16 MiB.
const RESTART_PAGES: i32 = 4_000;
/// So many pages are left at most to be copied while the writer waits: about a millisecond.
const LAST_PAGES: i32 = 128;
/// Attempts to come so near; a writer that is faster than the disk is made to wait all the same.
const APPROACHES: usize = 4;

/// The thread.
pub(super) fn run(folder: PathBuf, shared: Arc<Shared>) {
    let mut db: Option<Connection> = None;
    let mut done_pages = 0;
    while !shared.is_ended.load(Ordering::Relaxed) {
        shared.wait_tick();
        let pages = shared.wal_pages.load(Ordering::Relaxed);
        if pages == done_pages {
            continue;
        }
        match checkpoint(&mut db, &folder, &shared) {
            Ok(()) => done_pages = pages,
            Err(error) => {
                // The log keeps everything; only its size suffers.
                tracing::warn!(%error, "could not bring the log into the file, trying again");
                db = None;
            }
        }
    }
}

fn checkpoint(
    db: &mut Option<Connection>,
    folder: &std::path::Path,
    shared: &Shared,
) -> rusqlite::Result<()> {
    let db = match db {
        Some(db) => db,
        None => db.insert(connect(folder, Purpose::Checkpoint)?),
    };
    let (mut log, mut done) = db.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)?;
    if log < RESTART_PAGES {
        return Ok(());
    }
    for _ in 0..APPROACHES {
        if log - done <= LAST_PAGES {
            break;
        }
        (log, done) = db.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)?;
    }
    // Readers hold the old log for as long as their short transactions last; the larger it is, the longer we wait.
    let patience = Duration::from_millis(if log > 3 * RESTART_PAGES { 250 } else { 5 });
    let _gate = shared.gate.lock();
    db.busy_timeout(patience)?;
    match db.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::RESTART) {
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
            tracing::debug!(log, "a reader holds the log");
            Ok(())
        }
        Err(error) => Err(error),
    }
}
