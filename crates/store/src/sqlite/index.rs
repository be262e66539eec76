//! The search index's way after the log: the writer fills it between its other transactions, in steps short enough
//! that no send waits long, and often enough that search is never two seconds behind.
//!
//! Its transactions are not synced: losing one loses nothing, since how far the index reaches is written in it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use super::shared::Shared;
use crate::queue::BATCH_ROWS;
use crate::words::entry;

/// Rows of one step at most: 1 to 2 ms, which is what a send may have to wait longer because of search. Half as many
/// cost a tenth more a row.
const STEP_ROWS: i64 = 256;
/// Long texts end a step sooner; committing what was gathered takes about as long again.
const STEP_TIME: Duration = Duration::from_millis(2);
/// Pages written by one piece of merging: what a step's rows cause over time, in 1 to 2 ms.
const MERGE_PAGES: i64 = 24;
/// Steps after which there is something to merge: each leaves a segment, and 16 become one (`usermerge`).
const MERGE_EVERY: u32 = 16;
/// With nothing else to do, rows gather so long, as one row a step costs several times as much.
const IDLE_WAIT: Duration = Duration::from_millis(200);
/// Behind by this, it takes its turn even while sends wait.
const BEHIND: Duration = Duration::from_millis(500);
/// Behind by this, a batch of sends has fewer rows than the index takes in between.
const FAR_BEHIND: Duration = Duration::from_millis(750);
/// Moments kept; more are joined.
const MARK_EVERY: Duration = Duration::from_millis(20);
/// The table `hours` counts in these.
pub(super) const HOUR_MS: i64 = 3_600_000;
/// After a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// How far the index is.
pub(super) struct Index {
    indexed: i64,
    newest: i64,
    /// When rows above a number were stored, oldest first.
    marks: VecDeque<(Instant, i64)>,
    paused_until: Option<Instant>,
    /// Rows of its last turn, by which batches are measured when it is far behind.
    last_turn: i64,
    /// Whether merging has begun and is not through.
    is_merging: bool,
    /// Steps since there was last nothing to merge.
    steps: u32,
}

impl Index {
    pub(super) fn new(db: &Connection, now: Instant) -> rusqlite::Result<Self> {
        let indexed = db.query_row("SELECT indexed FROM state", [], |row| row.get(0))?;
        let newest =
            db.query_row("SELECT coalesce(max(n), 0) FROM events", [], |row| row.get(0))?;
        let mut index = Self {
            indexed,
            newest: indexed,
            marks: VecDeque::new(),
            paused_until: None,
            last_turn: STEP_ROWS / 4,
            is_merging: false,
            steps: 0,
        };
        index.added(newest, 1, now);
        Ok(index)
    }

    /// Rows up to this one are in the index.
    pub(super) fn indexed(&self) -> i64 {
        self.indexed
    }

    /// The newest row of all.
    pub(super) fn newest(&self) -> i64 {
        self.newest
    }

    /// Notes rows that a transaction added.
    pub(super) fn added(&mut self, last_row: i64, rows: u64, now: Instant) {
        if rows == 0 || last_row <= self.newest {
            return;
        }
        self.newest = last_row;
        match self.marks.back_mut() {
            Some((at, row)) if now.duration_since(*at) < MARK_EVERY => *row = last_row,
            _ => self.marks.push_back((now, last_row)),
        }
    }

    fn backlog(&self) -> i64 {
        self.newest - self.indexed
    }

    fn lag(&self, now: Instant) -> Duration {
        self.marks.front().map_or(Duration::ZERO, |(at, _)| now.duration_since(*at))
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }

    /// When an idle writer should come back for it.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let due = match self.marks.front() {
            _ if self.is_merging || self.backlog() >= STEP_ROWS => now,
            Some((oldest, _)) => *oldest + IDLE_WAIT,
            None => return None,
        };
        Some(self.paused_until.map_or(due, |until| due.max(until)))
    }

    /// Whether it is its turn.
    pub(super) fn is_due(&self, now: Instant, queued: usize) -> bool {
        if self.is_paused(now) {
            return false;
        }
        let lag = self.lag(now);
        let is_idle = queued == 0;
        let is_worth_it = lag >= IDLE_WAIT || self.backlog() >= STEP_ROWS || self.is_merging;
        lag >= BEHIND || (is_idle && is_worth_it)
    }

    /// How many commands the next batch may have.
    pub(super) fn batch_rows(&self, now: Instant) -> usize {
        let lag = self.lag(now);
        if self.is_paused(now) || lag < FAR_BEHIND {
            return BATCH_ROWS;
        }
        // A little fewer than the index takes, so that it comes nearer; much fewer where that is not enough.
        let share = if lag < FAR_BEHIND * 2 { self.last_turn * 3 / 4 } else { self.last_turn / 8 };
        usize::try_from(share.max(8)).unwrap_or(BATCH_ROWS)
    }

    /// After a failure: the log goes first.
    pub(super) fn pause(&mut self, now: Instant) {
        self.paused_until = Some(now + PAUSE);
    }

    /// One turn: the next rows in transactions of their own, and a piece of merging where there is something to merge.
    /// After an error the connection must not be used any more.
    pub(super) fn step(&mut self, db: &Connection) -> rusqlite::Result<()> {
        db.pragma_update(None, "synchronous", "normal")?;
        let started = Instant::now();
        let before = self.indexed;
        // Twice where it is behind: each turn of a send costs a sync, so longer turns on both sides are cheaper.
        while self.backlog() > 0 {
            self.follow(db)?;
            let now = Instant::now();
            if self.lag(now) < BEHIND || now.duration_since(started) >= STEP_TIME {
                break;
            }
        }
        if self.indexed > before {
            self.last_turn = self.indexed - before;
        }
        if self.is_merging || self.steps >= MERGE_EVERY {
            self.merge(db)?;
        }
        db.pragma_update(None, "synchronous", "full")
    }

    fn follow(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let reached = self.fill(db)?;
        self.steps += 1;
        self.indexed = reached;
        while self.marks.front().is_some_and(|(_, row)| *row <= reached) {
            self.marks.pop_front();
        }
        Ok(())
    }

    fn merge(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let before = db.total_changes();
        let merge = "INSERT INTO search (search, rank) VALUES ('merge', ?1)";
        db.prepare_cached(merge)?.execute([MERGE_PAGES])?;
        // The command itself counts as one change.
        self.is_merging = db.total_changes() - before > 1;
        if !self.is_merging {
            self.steps = 0;
        }
        Ok(())
    }

    fn fill(&self, db: &Connection) -> rusqlite::Result<i64> {
        let started = Instant::now();
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut select = db.prepare_cached(
            "SELECT n, at, kind = 1 AND deleted IS NULL, room, sender, body FROM events WHERE n > ?1 ORDER BY n LIMIT ?2",
        )?;
        let mut rows = select.query(params![self.indexed, STEP_ROWS])?;
        let mut reached = self.indexed;
        let mut hours = Hours::default();
        while let Some(row) = rows.next()? {
            reached = row.get(0)?;
            hours.add(row.get(1)?, reached);
            if row.get(2)? {
                let body: String = row.get(5)?;
                insert(db, reached, &entry(&body, row.get(3)?, row.get(4)?))?;
            }
            if started.elapsed() >= STEP_TIME {
                break;
            }
        }
        drop(rows);
        hours.write(db)?;
        db.prepare_cached("UPDATE state SET indexed = ?1")?.execute([reached])?;
        db.prepare_cached("COMMIT")?.execute([])?;
        Ok(reached)
    }

    /// Tells how far behind it is.
    pub(super) fn report(&self, shared: &Shared) {
        let since = self.marks.front().map(|(at, _)| *at);
        shared.set_index_lag(self.backlog().max(0).cast_unsigned(), since);
    }
}

/// Puts what a message is found by in.
pub(super) fn insert(db: &Connection, row: i64, entry: &str) -> rusqlite::Result<()> {
    let into = "INSERT INTO search (rowid, terms) VALUES (?1, ?2)";
    db.prepare_cached(into)?.execute(params![row, entry]).map(drop)
}

/// Takes it out; `entry` must be what was put in.
pub(super) fn remove(db: &Connection, row: i64, entry: &str) -> rusqlite::Result<()> {
    let out = "INSERT INTO search (search, rowid, terms) VALUES ('delete', ?1, ?2)";
    db.prepare_cached(out)?.execute(params![row, entry]).map(drop)
}

/// Where the events of each hour stand, gathered over one step.
#[derive(Default)]
struct Hours(Vec<(i64, i64, i64)>);

impl Hours {
    fn add(&mut self, at_ms: i64, row: i64) {
        let hour = at_ms / HOUR_MS;
        match self.0.iter_mut().find(|(known, ..)| *known == hour) {
            Some((_, _, last)) => *last = row,
            None => self.0.push((hour, row, row)),
        }
    }

    fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut write = db.prepare_cached(
            "INSERT INTO hours (hour, first, last) VALUES (?1, ?2, ?3)
             ON CONFLICT (hour) DO UPDATE SET last = max(last, excluded.last)",
        )?;
        for (hour, first, last) in &self.0 {
            write.execute(params![hour, first, last])?;
        }
        Ok(())
    }
}
