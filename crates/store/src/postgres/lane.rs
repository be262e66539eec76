//! A lane: one thread with one connection, which takes what is queued for its rooms, makes one transaction of it and hands
//! the commit on. Rooms are spread over a few lanes; a room is always in the same one, so its order is kept.
//!
//! A commit whose outcome is unknown is answered neither way: another connection is made and the same commands are run
//! again. Whatever the first one still does holds the rooms' locks, so the second waits for it, and the cids tell what
//! was stored. Where no connection comes in time, those who wait are told to ask again with the same cid.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use moorline_protocol::{RoomId, Seq};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::batch::Batch;
use super::connect::{Connector, Purpose};
use super::failure::{Cause, Failure};
use super::generation::Generation;
use super::people::People;
use super::shared::Shared;
use super::wanted::Wanted;
use super::{load, write};
use crate::commit::{Commit, Outcome};
use crate::fingerprint::Hasher;
use crate::queue::{Job, Queue, Taken, Work};

/// How often a lane that cannot write tries whether it can.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// A lane that has just failed answers at once for so long, instead of trying for each of those who come.
const SURE: Duration = Duration::from_millis(250);
/// One attempt, connecting included; beyond it the server counts as away.
const ATTEMPT: Duration = Duration::from_secs(6);
/// How long those who wait are made to wait while the server comes back, as it does from a restart.
const PATIENCE: Duration = Duration::from_secs(4);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// Attempts against other transactions that are first.
const RACES: u32 = 8;

/// What a lane is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rooms: all that has a place in a log, and read markers.
    Rooms,
    /// People: accounts, sessions, who was seen.
    People,
}

/// What all lanes are made with.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) connector: Connector,
    pub(super) generation: Generation,
    pub(super) hasher: Hasher,
    pub(super) shared: Arc<Shared>,
    pub(super) commits: mpsc::Sender<Commit>,
    /// Commands in a transaction at most.
    pub(super) batch: usize,
}

/// The thread's state.
pub(super) struct Lane {
    name: String,
    queue: Arc<Queue>,
    worker: Worker,
}

/// What a committed transaction gives.
struct Made {
    commit: Commit,
    outcomes: Vec<Outcome>,
    repeated: u64,
}

/// A connection and what is prepared on it.
struct Link {
    client: Client,
    prepared: Option<(load::Statements, write::Statements)>,
}

struct Worker {
    kind: Kind,
    tools: Tools,
    /// Absent after a failure, until the next transaction makes another.
    link: Option<Link>,
    /// When writing last failed, until it works again.
    failed_at: Option<Instant>,
    /// When the server was last found away, and how.
    last_attempt: Option<(Instant, String)>,
    /// Rooms whose last commit may or may not be stored, and where their logs ended before it.
    unsettled: HashMap<RoomId, Seq>,
    /// The same for the transaction whose commit is under way.
    committing: Option<HashMap<RoomId, Seq>>,
    /// Whether a commit without rooms may or may not be stored.
    is_after_failure: bool,
}

impl Lane {
    pub(super) fn new(name: String, kind: Kind, queue: Arc<Queue>, tools: Tools) -> Self {
        let worker = Worker {
            kind,
            tools,
            link: None,
            failed_at: None,
            last_attempt: None,
            unsettled: HashMap::new(),
            committing: None,
            is_after_failure: false,
        };
        Self { name, queue, worker }
    }

    /// The thread.
    pub(super) fn run(mut self, runtime: &Runtime) {
        loop {
            let probe = self.worker.failed_at.map(|failed| failed + PROBE_EVERY);
            match self.queue.take(probe, self.worker.tools.batch) {
                Taken::Work(work) => self.write(runtime, work),
                Taken::Idle => self.write(runtime, Work { is_probe: true, ..Work::default() }),
                Taken::Closed => break,
            }
        }
    }

    fn write(&mut self, runtime: &Runtime, work: Work) {
        let made = self.transact(runtime, &work);
        match made {
            Ok(made) => self.deliver(work.jobs, made),
            Err(failure) if failure.cause() == Cause::Command && work.jobs.len() > 1 => {
                self.write_alone(runtime, work.jobs);
            }
            Err(failure) => self.refuse(work.jobs, &failure),
        }
    }

    /// One of these commands fails the transaction, which no refusal should: each gets its own.
    fn write_alone(&mut self, runtime: &Runtime, jobs: Vec<Job>) {
        for job in jobs {
            let work = Work { jobs: vec![job], ..Work::default() };
            match self.transact(runtime, &work) {
                Ok(made) => self.deliver(work.jobs, made),
                Err(failure) => self.refuse(work.jobs, &failure),
            }
        }
    }

    fn transact(&mut self, runtime: &Runtime, work: &Work) -> Result<Made, Failure> {
        let was_failing = self.worker.failed_at.is_some();
        let begun = Instant::now();
        let run = AssertUnwindSafe(|| runtime.block_on(self.worker.transact(work)));
        let mut made = catch_unwind(run).unwrap_or_else(|_| {
            self.worker.link = None;
            Err(Failure::Odd("state: a command failed inside the store"))
        });
        let shared = &self.worker.tools.shared;
        if let Ok(made) = &mut made {
            let now = Instant::now();
            shared.commit_times.add(now.duration_since(begun), 1);
            made.commit.at = Some(now);
        }
        match &made {
            Ok(_) if was_failing => shared.worked_again(&self.name),
            Ok(_) => {}
            // What one command did wrong says nothing of the server.
            Err(failure) if failure.cause() == Cause::Command && !was_failing => {
                tracing::error!(lane = self.name, error = %failure, "a command failed");
                return made;
            }
            Err(failure) => shared.failed(&self.name, failure, !was_failing),
        }
        self.worker.failed_at = made.is_err().then(Instant::now);
        made
    }

    fn refuse(&self, jobs: Vec<Job>, failure: &Failure) {
        let replies = jobs.into_iter().map(|job| (job.reply, Err(failure.answer()))).collect();
        self.hand_on(Commit { replies, ..Commit::default() });
    }

    fn deliver(&self, jobs: Vec<Job>, made: Made) {
        let shared = &self.worker.tools.shared;
        shared.commits.fetch_add(1, Ordering::Relaxed);
        shared.commands.fetch_add(jobs.len() as u64, Ordering::Relaxed);
        shared.repeated.fetch_add(made.repeated, Ordering::Relaxed);
        let mut commit = made.commit;
        self.worker.tools.generation.seen().events(commit.events.iter().map(AsRef::as_ref));
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
        if let Err(unread) = self.worker.tools.commits.blocking_send(commit) {
            unread.0.answer();
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // However the thread ends, nobody waits for it in vain, and health says so.
        self.worker.tools.shared.ended();
        self.queue.abandon();
    }
}

impl Worker {
    async fn transact(&mut self, work: &Work) -> Result<Made, Failure> {
        let started = Instant::now();
        if let Some((at, failure)) = &self.last_attempt
            && at.elapsed() < SURE
        {
            return Err(Failure::Unfit(failure.clone()));
        }
        let made = self.try_patiently(work, started).await;
        // What one command did wrong says nothing of the server.
        let failure = made.as_ref().err().filter(|failure| failure.cause() == Cause::Away);
        self.last_attempt = failure.map(|failure| (Instant::now(), failure.to_string()));
        made
    }

    async fn try_patiently(&mut self, work: &Work, started: Instant) -> Result<Made, Failure> {
        let mut races = 0;
        loop {
            let done = timeout(ATTEMPT, self.attempt(work)).await;
            let failure = match done.unwrap_or_else(|elapsed| Err(elapsed.into())) {
                Ok(made) => return Ok(made),
                Err(failure) => failure,
            };
            self.note_outcome(&failure);
            match failure.cause() {
                Cause::Race if races < RACES => {
                    races += 1;
                    self.undo().await;
                }
                Cause::Race | Cause::Command | Cause::Full => {
                    self.undo().await;
                    return Err(failure);
                }
                Cause::ReadOnly => {
                    self.link = None;
                    return Err(failure);
                }
                Cause::Away => {
                    self.link = None;
                    // Who has failed before fails at once; a restart, and a commit of unknown outcome, are waited for.
                    let is_patient = self.failed_at.is_none() && started.elapsed() < PATIENCE;
                    if !is_patient || matches!(failure, Failure::Unfit(_)) {
                        return Err(failure);
                    }
                }
            }
            tokio::time::sleep(PAUSE.mul_f64(rand::random::<f64>())).await;
        }
    }

    /// A commit that the server did not itself report as undone may be stored: its rooms are looked at first from now on.
    fn note_outcome(&mut self, failure: &Failure) {
        let Some(rooms) = self.committing.take() else { return };
        if failure.is_rolled_back() {
            return;
        }
        self.is_after_failure = true;
        for (room, head) in rooms {
            let known = self.unsettled.entry(room).or_insert(head);
            *known = (*known).min(head);
        }
    }

    /// Ends a transaction that failed; a connection that cannot do even that is given up.
    async fn undo(&mut self) {
        let Some(link) = &self.link else { return };
        let done = timeout(SURE, link.client.batch_execute("ROLLBACK")).await;
        if !matches!(done, Ok(Ok(()))) {
            self.link = None;
        }
    }

    async fn attempt(&mut self, work: &Work) -> Result<Made, Failure> {
        let link = match self.link.take().filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => self.connect().await?,
        };
        let link = self.link.insert(link);
        if work.is_probe {
            link.client.execute("UPDATE state SET generation = generation", &[]).await?;
        }
        let made = match &link.prepared {
            Some((load, write)) => {
                let (client, committing) = (&link.client, &mut self.committing);
                let rooms = Rooms { client, load, write, hasher: &self.tools.hasher };
                rooms.attempt(work, &self.unsettled, committing).await?
            }
            None => {
                let mut people = {
                    let hasher = &self.tools.hasher;
                    People::begin(&link.client, hasher, work, self.is_after_failure).await?
                };
                let mut outcomes = Vec::with_capacity(work.jobs.len());
                for job in &work.jobs {
                    outcomes.push(people.run(&job.command).await?);
                }
                self.committing = Some(HashMap::new());
                people.commit(work).await?;
                Made { commit: people.commit, outcomes, repeated: 0 }
            }
        };
        self.committing = None;
        self.unsettled.clear();
        self.is_after_failure = false;
        if let Err(error) = self.tools.generation.make_room(&link.client).await {
            tracing::debug!(%error, "the generation could not be raised, trying again");
        }
        Ok(made)
    }

    async fn connect(&self) -> Result<Link, Failure> {
        let mut client = self.tools.connector.connect(Purpose::Write).await?;
        self.tools.connector.check(&client).await?;
        self.tools.generation.check(&mut client).await?;
        let prepared = match self.kind {
            Kind::Rooms => {
                let load = load::Statements::prepare(&client).await?;
                Some((load, write::Statements::prepare(&client).await?))
            }
            Kind::People => None,
        };
        Ok(Link { client, prepared })
    }
}

/// A transaction of a room lane.
struct Rooms<'a> {
    client: &'a Client,
    load: &'a load::Statements,
    write: &'a write::Statements,
    hasher: &'a Hasher,
}

impl Rooms<'_> {
    async fn attempt(
        &self,
        work: &Work,
        unsettled: &HashMap<RoomId, Seq>,
        committing: &mut Option<HashMap<RoomId, Seq>>,
    ) -> Result<Made, Failure> {
        let commands = work.jobs.iter().map(|job| &job.command);
        let wanted = Wanted::of(commands, &work.reads);
        let above: Vec<(RoomId, Seq)> =
            unsettled.iter().map(|(room, seq)| (room.clone(), *seq)).collect();
        let (rows, told) = load::load(self.client, self.load, &wanted, &above).await?;
        let mut batch = Batch::new(rows, self.hasher);
        batch.tell(told);
        let outcomes = work.jobs.iter().map(|job| batch.run(&job.command)).collect();
        batch.read_markers(&work.reads);
        batch.finish();
        let heads = batch.writes.rooms.iter().map(|(id, room)| (id.clone(), Seq(room.head_before)));
        *committing = Some(heads.collect());
        write::write(self.client, self.write, &batch.rows, &batch.writes).await?;
        Ok(Made { commit: batch.commit, outcomes, repeated: batch.repeated })
    }
}
