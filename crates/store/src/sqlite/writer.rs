//! The writer: the one thread that changes the database. It takes what is queued, makes one transaction of it, and hands
//! the commit on; what it acknowledges is synced.
//!
//! A failed write or sync is answered neither way from that handle: the handle is given up, another one is opened, what
//! the log holds is brought into the file, and the same commands are run again. Their cids tell what was stored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;
use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB};
use tokio::sync::mpsc;

use super::batch::{Batch, Stop};
use super::cache::Cache;
use super::generation;
use super::index::Index;
use super::schema::{Purpose, connect};
use super::shared::{CHECKPOINT_PAGES, Shared};
use crate::Error;
use crate::commit::{Commit, Outcome};
use crate::fingerprint::Hasher;
use crate::queue::{Job, Taken, Work};

/// How often a store that cannot write tries whether it can.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Why a transaction is void.
#[derive(Debug)]
pub(super) enum Failure {
    Sql(rusqlite::Error),
    Panicked,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// No space: known not to be committed.
    Full,
    /// The handle cannot be trusted any more; perhaps the transaction was committed.
    Io,
    /// Somebody else holds the file.
    Busy,
    /// One of the commands cannot be carried out; the others can.
    Command,
}

impl Failure {
    fn cause(&self) -> Cause {
        let Self::Sql(error) = self else { return Cause::Command };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Cause::Full,
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OperationInterrupted,
            ) => Cause::Busy,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed,
            ) => Cause::Io,
            _ => Cause::Command,
        }
    }

    fn answer(&self) -> Error {
        match self {
            Self::Sql(error) if self.cause() == Cause::Full => {
                tracing::debug!(%error, "answered as storage full");
                Error::StorageFull { retry_after: Duration::from_secs(2) }
            }
            Self::Sql(error) => Error::unavailable(error.to_string()),
            Self::Panicked => Error::unavailable("the command failed inside the store"),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sql(error) => error.fmt(f),
            Self::Panicked => f.write_str("a command panicked"),
        }
    }
}

/// What a committed transaction gives.
struct Made {
    commit: Commit,
    outcomes: Vec<Outcome>,
    rows: u64,
    last_row: i64,
    repeated: u64,
}

/// The thread's state.
pub(super) struct Writer {
    folder: PathBuf,
    shared: Arc<Shared>,
    commits: mpsc::Sender<Commit>,
    hasher: Hasher,
    cache: Cache,
    index: Index,
    /// Absent after a failure, until the next transaction opens another.
    db: Option<Connection>,
    /// Whether the log must be brought into the file before anything may be acknowledged.
    must_settle: bool,
    /// When writing last failed, until it works again.
    failed_at: Option<Instant>,
    /// The newest event that was handed on. After a failure there may be newer ones that nobody was told of.
    told_row: i64,
}

impl Writer {
    pub(super) fn new(
        folder: PathBuf,
        mut db: Connection,
        shared: Arc<Shared>,
        commits: mpsc::Sender<Commit>,
        hasher: Hasher,
    ) -> rusqlite::Result<Self> {
        watch_log(&mut db, &shared)?;
        let index = Index::new(&db, Instant::now())?;
        // After a crash it is behind from the first moment on.
        index.report(&shared);
        Ok(Self {
            folder,
            shared,
            commits,
            hasher,
            told_row: index.newest(),
            cache: Cache::default(),
            index,
            db: Some(db),
            must_settle: false,
            failed_at: None,
        })
    }

    /// The thread.
    pub(super) fn run(mut self) {
        loop {
            let now = Instant::now();
            let taken = self.shared.queue.take(self.wakes_at(now), self.index.batch_rows(now));
            match taken {
                Taken::Work(work) => self.write(work),
                Taken::Idle => self.probe_if_due(Instant::now()),
                Taken::Closed => break,
            }
            self.index_if_due();
        }
        self.end();
    }

    fn wakes_at(&self, now: Instant) -> Option<Instant> {
        let probe = self.failed_at.map(|failed| failed + PROBE_EVERY);
        [self.index.due(now), probe].into_iter().flatten().min()
    }

    /// A store that nobody dares to send to must notice by itself that it can write again.
    fn probe_if_due(&mut self, now: Instant) {
        if self.failed_at.is_some_and(|failed| now >= failed + PROBE_EVERY) {
            self.write(Work { is_probe: true, ..Work::default() });
        }
    }

    /// Everything queued is committed: the generation is raised, so that an older copy is noticed, and the log goes into
    /// the file, so that the file alone is a whole copy.
    fn end(mut self) {
        let _gate = self.shared.gate.lock();
        let Some(db) = self.db.take() else { return };
        if let Err(error) = generation::close(&db, &self.folder) {
            self.shared.failed("note its end", &error);
        }
        if let Err(error) = db.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE) {
            tracing::warn!(%error, "the log stays beside the file, as nothing is lost by it");
        }
    }

    fn write(&mut self, work: Work) {
        let made = match self.transact(&work) {
            Ok(made) => Ok(made),
            Err(failure) => self.recover(&work, failure),
        };
        match made {
            Ok(made) => self.deliver(work.jobs, made),
            Err(failure) if failure.cause() == Cause::Command && work.jobs.len() > 1 => {
                self.write_alone(work.jobs);
            }
            Err(failure) => self.refuse(work.jobs, &failure),
        }
    }

    /// After a failure whose outcome may be unknown: another handle, a settled log, and the same commands again.
    fn recover(&mut self, work: &Work, failure: Failure) -> Result<Made, Failure> {
        self.give_up(&failure);
        match failure.cause() {
            Cause::Io => self.transact(work).inspect_err(|again| self.give_up(again)),
            Cause::Full | Cause::Busy | Cause::Command => Err(failure),
        }
    }

    /// One of these commands fails the transaction, which no refusal should: each gets its own.
    fn write_alone(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            let work = Work { jobs: vec![job], ..Work::default() };
            match self.transact(&work) {
                Ok(made) => self.deliver(work.jobs, made),
                Err(failure) => {
                    self.give_up(&failure);
                    self.refuse(work.jobs, &failure);
                }
            }
        }
    }

    /// Forgets what an undone transaction may have left in memory, and the handle with it.
    fn give_up(&mut self, failure: &Failure) {
        self.shared.failed("write", failure);
        self.failed_at = Some(Instant::now());
        self.cache.clear();
        // A handle is closed even where a rollback would do: nothing is ever acknowledged from one that failed.
        self.db = None;
        if failure.cause() == Cause::Io {
            self.must_settle = true;
        }
    }

    fn refuse(&mut self, jobs: Vec<Job>, failure: &Failure) {
        let replies = jobs.into_iter().map(|job| (job.reply, Err(failure.answer()))).collect();
        self.hand_on(Commit { replies, ..Commit::default() });
    }

    fn deliver(&mut self, jobs: Vec<Job>, made: Made) {
        #[cfg(test)]
        super::faults::before_delivery(&self.folder);
        self.shared.worked();
        self.failed_at = None;
        self.told_row = self.told_row.max(made.last_row);
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        self.shared.commands.fetch_add(jobs.len() as u64, Ordering::Relaxed);
        self.shared.repeated.fetch_add(made.repeated, Ordering::Relaxed);
        self.index.added(made.last_row, made.rows, Instant::now());
        self.index.report(&self.shared);
        let mut commit = made.commit;
        commit.replies = jobs.into_iter().map(|job| job.reply).zip(made.outcomes).collect();
        self.hand_on(commit);
    }

    fn hand_on(&self, commit: Commit) {
        let is_empty = commit.replies.is_empty()
            && commit.events.is_empty()
            && commit.receipts.is_empty()
            && commit.revoked.is_empty()
            && commit.made.is_empty();
        if is_empty {
            return;
        }
        // Without a reader there is nobody to publish to, and the answers are still owed.
        if let Err(unread) = self.commits.blocking_send(commit) {
            unread.0.answer();
        }
    }

    fn transact(&mut self, work: &Work) -> Result<Made, Failure> {
        let shared = Arc::clone(&self.shared);
        let begun = Instant::now();
        let gate = shared.gate.lock();
        let done = catch_unwind(AssertUnwindSafe(|| self.attempt(work)));
        // The checkpointer may be waiting, and this thread would be back before it woke.
        MutexGuard::unlock_fair(gate);
        let mut made = done.unwrap_or(Err(Failure::Panicked))?;
        let now = Instant::now();
        shared.commit_times.add(now.duration_since(begun), 1);
        made.commit.at = Some(now);
        Ok(made)
    }

    fn attempt(&mut self, work: &Work) -> Result<Made, Failure> {
        self.open()?;
        let Some(db) = &self.db else { return Err(Failure::Panicked) };
        self.cache.trim();
        let indexed = self.index.indexed();
        let mut batch = Batch::new(db, &mut self.cache, &self.hasher, indexed);
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut told =
            if self.failed_at.is_some() { batch.tell_above(self.told_row) } else { Ok(()) };
        let mut outcomes = Vec::with_capacity(work.jobs.len());
        for job in &work.jobs {
            #[cfg(test)]
            super::faults::before_command(&self.folder, &job.command)?;
            outcomes.push(batch.run(&job.command)?);
        }
        told = told.and_then(|()| batch.read_markers(&work.reads));
        told = told.and_then(|()| batch.seen(&work.seen));
        match told.and_then(|()| batch.finish()) {
            Ok(()) | Err(Stop::Refused(_) | Stop::Repeated(_)) => {}
            Err(Stop::Failed(error)) => return Err(error.into()),
        }
        if work.is_probe {
            db.prepare_cached("UPDATE state SET indexed = indexed")?.execute([])?;
        }
        #[cfg(test)]
        super::faults::before_commit(&self.folder)?;
        db.prepare_cached("COMMIT")?.execute([])?;
        #[cfg(test)]
        super::faults::after_commit(&self.folder)?;
        let (rows, last_row, repeated) = (batch.added_rows, batch.last_row, batch.repeated);
        Ok(Made { commit: batch.commit, outcomes, rows, last_row, repeated })
    }

    /// Opens another handle after a failure.
    fn open(&mut self) -> Result<(), Failure> {
        if self.db.is_some() {
            return Ok(());
        }
        let mut db = connect(&self.folder, Purpose::Write)?;
        if self.must_settle {
            // Pages of a log whose sync failed may only seem to be on the disk. Copied into the file and synced there,
            // they are; and the log starts again from its beginning.
            db.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::RESTART)?;
            self.must_settle = false;
        }
        watch_log(&mut db, &self.shared)?;
        self.index = Index::new(&db, Instant::now())?;
        self.db = Some(db);
        Ok(())
    }

    fn index_if_due(&mut self) {
        if !self.index.is_due(Instant::now(), self.shared.queue.len()) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let gate = shared.gate.lock();
        let done = self.open().and_then(|()| match &self.db {
            Some(db) => self.index.step(db).map_err(Failure::from),
            None => Ok(()),
        });
        MutexGuard::unlock_fair(gate);
        if let Err(failure) = done {
            self.give_up(&failure);
            self.index.pause(Instant::now());
        }
        self.index.report(&self.shared);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // However the thread ends, nobody waits for it in vain, and health says so.
        self.shared.is_ended.store(true, Ordering::Relaxed);
        self.shared.queue.abandon();
        self.shared.tick();
    }
}

/// Follows the size of the log; checkpoints are another thread's work.
fn watch_log(db: &mut Connection, shared: &Arc<Shared>) -> rusqlite::Result<()> {
    let shared = Arc::clone(shared);
    db.wal_hook(Some(move |_: &mut Wal, pages: i32| {
        let pages = u32::try_from(pages).unwrap_or(0);
        shared.wal_pages.store(pages, Ordering::Relaxed);
        if pages >= CHECKPOINT_PAGES {
            shared.tick();
        }
        Ok(())
    }))
}
