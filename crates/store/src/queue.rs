//! What waits for the writer: commands in order, and beside them read markers and signs of life, of which only the last
//! of each counts. Bounded; callers never wait here.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use moorline_protocol::{RoomId, Seq, UserId};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::command::Command;
use crate::commit::Outcome;

/// Rows of one transaction: what is queued, at most so many.
pub(crate) const BATCH_ROWS: usize = 1_000;
/// Bytes of one transaction; one command may be longer and is then alone.
const BATCH_BYTES: usize = 1 << 20;
/// Markers gather so long: nobody is acknowledged for them, and of those of one person and room only the last counts.
/// Fifty people who read every message of a busy room cost one row each in this time, not one a message.
const MARKERS_WAIT: Duration = Duration::from_millis(100);
/// Signs of life are for people who look when somebody was last here: seconds do.
const SEEN_WAIT: Duration = Duration::from_secs(5);

/// A command and who waits for its answer.
pub(crate) struct Job {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

/// One transaction's work.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) jobs: Vec<Job>,
    pub(crate) reads: HashMap<(UserId, RoomId), Seq>,
    pub(crate) seen: HashMap<UserId, u64>,
    /// Writes only to see whether writing works.
    pub(crate) is_probe: bool,
}

impl Work {
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.reads.is_empty() && self.seen.is_empty()
    }
}

/// What the writer finds.
pub(crate) enum Taken {
    Work(Work),
    /// Nothing until the deadline.
    Idle,
    /// Closed and empty.
    Closed,
}

/// Why a job was not taken.
pub(crate) enum Full {
    TooMany,
    Closed,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    reads: HashMap<(UserId, RoomId), Seq>,
    reads_since: Option<Instant>,
    seen: HashMap<UserId, u64>,
    seen_since: Option<Instant>,
    is_closed: bool,
    /// Whether the writer sleeps: waking one that does not costs a system call.
    is_writer_asleep: bool,
}

/// The queue.
pub(crate) struct Queue {
    limit: usize,
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), waiting: Mutex::default(), wake: Condvar::new() }
    }

    pub(crate) fn push(&self, job: Job) -> Result<(), Full> {
        let mut waiting = self.waiting.lock();
        if waiting.is_closed {
            return Err(Full::Closed);
        }
        if waiting.jobs.len() >= self.limit {
            return Err(Full::TooMany);
        }
        waiting.jobs.push_back(job);
        let wake = std::mem::take(&mut waiting.is_writer_asleep);
        drop(waiting);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Keeps the furthest marker; one too many is dropped, as the reader will move on and say so again.
    pub(crate) fn push_read(&self, user: UserId, room: RoomId, seq: Seq) {
        let mut waiting = self.waiting.lock();
        if waiting.reads.len() >= self.limit
            && !waiting.reads.contains_key(&(user.clone(), room.clone()))
        {
            return;
        }
        let marker = waiting.reads.entry((user, room)).or_default();
        *marker = (*marker).max(seq);
        if waiting.reads_since.is_none() {
            waiting.reads_since = Some(Instant::now());
            self.wake_for_lesser(waiting);
        }
    }

    pub(crate) fn push_seen(&self, user: UserId, at_ms: u64) {
        let mut waiting = self.waiting.lock();
        if waiting.seen.len() >= self.limit && !waiting.seen.contains_key(&user) {
            return;
        }
        let seen = waiting.seen.entry(user).or_default();
        *seen = (*seen).max(at_ms);
        if waiting.seen_since.is_none() {
            waiting.seen_since = Some(Instant::now());
            self.wake_for_lesser(waiting);
        }
    }

    /// The writer must learn that there is something to wait for with a deadline.
    fn wake_for_lesser(&self, mut waiting: parking_lot::MutexGuard<'_, Waiting>) {
        if std::mem::take(&mut waiting.is_writer_asleep) {
            drop(waiting);
            self.wake.notify_one();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().jobs.len()
    }

    pub(crate) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.wake.notify_all();
    }

    /// Closes it and lets go of what waits: its askers hear that the store is closed.
    pub(crate) fn abandon(&self) {
        let closed = Waiting { is_closed: true, ..Waiting::default() };
        let waiting = std::mem::replace(&mut *self.waiting.lock(), closed);
        drop(waiting);
    }

    /// Waits for work, at most until `until`, and takes at most `rows` commands of it.
    pub(crate) fn take(&self, until: Option<Instant>, rows: usize) -> Taken {
        let mut waiting = self.waiting.lock();
        loop {
            let now = Instant::now();
            let work = waiting.collect(now, rows.min(BATCH_ROWS));
            if !work.is_empty() {
                return Taken::Work(work);
            }
            if waiting.is_closed {
                return Taken::Closed;
            }
            if until.is_some_and(|until| until <= now) {
                return Taken::Idle;
            }
            waiting.is_writer_asleep = true;
            match [until, waiting.due()].into_iter().flatten().min() {
                Some(deadline) => {
                    let _ = self.wake.wait_until(&mut waiting, deadline);
                }
                None => self.wake.wait(&mut waiting),
            }
            waiting.is_writer_asleep = false;
        }
    }
}

impl Waiting {
    /// When the markers and signs of life have waited long enough.
    fn due(&self) -> Option<Instant> {
        let reads = self.reads_since.map(|since| since + MARKERS_WAIT);
        let seen = self.seen_since.map(|since| since + SEEN_WAIT);
        [reads, seen].into_iter().flatten().min()
    }

    fn collect(&mut self, now: Instant, rows: usize) -> Work {
        let mut work = Work { jobs: self.collect_jobs(rows), ..Work::default() };
        let takes_all =
            self.is_closed || work.jobs.iter().any(|job| matches!(job.command, Command::Flush));
        let is_due = |since: Option<Instant>, wait: Duration| {
            since.is_some_and(|since| takes_all || since + wait <= now)
        };
        if is_due(self.reads_since, MARKERS_WAIT) {
            self.reads_since = None;
            work.reads = std::mem::take(&mut self.reads);
        }
        if is_due(self.seen_since, SEEN_WAIT) {
            self.seen_since = None;
            work.seen = std::mem::take(&mut self.seen);
        }
        work
    }

    fn collect_jobs(&mut self, rows: usize) -> Vec<Job> {
        let mut bytes = 0;
        let mut count = 0;
        for job in self.jobs.iter().take(rows) {
            bytes += job.command.bytes();
            if bytes > BATCH_BYTES && count > 0 {
                break;
            }
            count += 1;
        }
        let jobs = self.jobs.drain(..count).collect();
        if self.jobs.is_empty() {
            // A burst leaves no memory behind.
            self.jobs.shrink_to(BATCH_ROWS);
        }
        jobs
    }
}
