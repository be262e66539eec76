//! The readers: a few threads, each with a read-only connection. A thread takes what waits and answers it in one short
//! read transaction that begins after it was asked, so that everybody reads what was acknowledged to them.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::schema::{Purpose, connect};
use crate::Error;

/// Threads, by the cores that the process may use. Reads are short and mostly answered from memory, and each thread has a
/// page cache of its own; with fewer than two a search would hold up the rest.
const READERS: std::ops::RangeInclusive<usize> = 2..=4;
/// Reads that may wait; more are refused as overloaded. A whole node's connections coming back at once fit.
const WAITING: usize = 32_768;
/// Reads of one transaction: enough to spread its cost, few enough to keep it short.
const TOGETHER: usize = 16;

type Question = Box<dyn FnOnce(Result<&Connection, Error>) + Send>;

#[derive(Default)]
struct Waiting {
    questions: VecDeque<Question>,
    slow: VecDeque<Question>,
    /// Threads in all.
    readers: usize,
    asleep: usize,
    /// Readers at slow reads; at most all but one, which is kept for the others.
    at_slow: usize,
    /// Of those asleep, the ones that somebody wakes or is about to wake.
    called: usize,
    is_closed: bool,
}

/// The promise to wake a reader, kept when it is dropped, so that no cancelled caller can leave the others waiting.
struct Wake(Arc<Desk>);

impl Drop for Wake {
    fn drop(&mut self) {
        self.0.wake.notify_one();
    }
}

/// What a reader does next.
enum Taken {
    Quick(Vec<Question>),
    Slow(Question),
    Closed,
}

impl Waiting {
    /// Whether another reader is worth its waking: nobody is at quick reads, or more wait than those can take at once.
    /// On few cores a reader that is awake already answers sooner than one that has to be woken.
    fn needs_another(&self) -> bool {
        let at_quick = self.readers - self.free() - self.at_slow;
        self.free() > 0 && (at_quick == 0 || self.questions.len() > at_quick * TOGETHER)
    }

    /// Readers that sleep and that nobody has called yet.
    fn free(&self) -> usize {
        self.asleep - self.called
    }
}

struct Desk {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

/// The pool.
#[derive(Clone)]
pub(super) struct Pool {
    desk: Arc<Desk>,
}

impl Pool {
    pub(super) fn start(folder: &Path) -> std::io::Result<Self> {
        let cores = thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let readers = cores.clamp(*READERS.start(), *READERS.end());
        let waiting = Mutex::new(Waiting { readers, ..Waiting::default() });
        let pool = Self { desk: Arc::new(Desk { waiting, wake: Condvar::new() }) };
        for number in 0..readers {
            let (desk, folder) = (Arc::clone(&pool.desk), folder.to_owned());
            thread::Builder::new()
                .name(format!("store-read-{number}"))
                .spawn(move || serve(&desk, &folder))?;
        }
        Ok(pool)
    }

    /// Asks the database.
    pub(super) async fn ask<T, F>(&self, question: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        self.put(question, false).await
    }

    /// Asks what may take long, so that it holds up nobody but its like.
    pub(super) async fn ask_slowly<T, F>(&self, question: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        self.put(question, true).await
    }

    async fn put<T, F>(&self, question: F, is_slow: bool) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |db| {
            let _ = reply.send(db.and_then(question));
        });
        if let Some(wake) = self.push(question, is_slow)? {
            // The other connections that are ready add their questions first: one reader is woken for all of them.
            tokio::task::yield_now().await;
            drop(wake);
        }
        answer.await.unwrap_or_else(|_| Err(Error::unavailable("the read failed")))
    }

    /// Leaves a question. Where a reader has to be woken for it, that is the caller's to do, by dropping what it gets.
    fn push(&self, question: Question, is_slow: bool) -> Result<Option<Wake>, Error> {
        let mut waiting = self.desk.waiting.lock();
        if waiting.is_closed {
            return Err(Error::unavailable("the store is closed"));
        }
        if waiting.questions.len() + waiting.slow.len() >= WAITING {
            return Err(Error::overloaded());
        }
        let needs_reader = if is_slow {
            waiting.slow.push_back(question);
            waiting.free() > 0 && waiting.at_slow + 1 < waiting.readers
        } else {
            waiting.questions.push_back(question);
            waiting.needs_another()
        };
        if !needs_reader {
            return Ok(None);
        }
        waiting.called += 1;
        Ok(Some(Wake(Arc::clone(&self.desk))))
    }

    pub(super) fn close(&self) {
        self.desk.waiting.lock().is_closed = true;
        self.desk.wake.notify_all();
    }
}

impl Desk {
    fn take(&self) -> Taken {
        let mut waiting = self.waiting.lock();
        loop {
            let count = waiting.questions.len().min(TOGETHER);
            if count > 0 {
                return Taken::Quick(waiting.questions.drain(..count).collect());
            }
            if waiting.at_slow + 1 < waiting.readers
                && let Some(question) = waiting.slow.pop_front()
            {
                waiting.at_slow += 1;
                return Taken::Slow(question);
            }
            if waiting.is_closed {
                return Taken::Closed;
            }
            waiting.asleep += 1;
            self.wake.wait(&mut waiting);
            waiting.asleep -= 1;
            waiting.called = waiting.called.saturating_sub(1);
        }
    }

    /// A slow read is done. Its like may be waiting for that, and a sleeper may be the one to take it.
    fn slow_done(&self) {
        self.waiting.lock().at_slow -= 1;
    }
}

fn serve(desk: &Desk, folder: &Path) {
    let mut db: Option<Connection> = None;
    loop {
        let (questions, is_slow) = match desk.take() {
            Taken::Quick(questions) => (questions, false),
            Taken::Slow(question) => (vec![question], true),
            Taken::Closed => return,
        };
        if db.is_none() {
            db = connect(folder, Purpose::Read)
                .inspect_err(|error| tracing::warn!(%error, "could not open a reader"))
                .ok();
        }
        let is_good = answer(db.as_ref(), questions);
        if is_slow {
            desk.slow_done();
        }
        if !is_good {
            db = None;
        }
    }
}

/// Answers in one transaction. False where the connection should be replaced.
fn answer(db: Option<&Connection>, questions: Vec<Question>) -> bool {
    let begun = db.map(|db| db.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([])));
    let (Some(db), Some(Ok(_))) = (db, begun) else {
        for question in questions {
            question(Err(Error::unavailable("the store cannot be read")));
        }
        return false;
    };
    let mut is_good = true;
    for question in questions {
        // One bad row must not end the thread: its asker hears that the read failed.
        let ask = std::panic::AssertUnwindSafe(|| question(Ok(db)));
        is_good &= std::panic::catch_unwind(ask).is_ok();
    }
    is_good && db.prepare_cached("COMMIT").and_then(|mut end| end.execute([])).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::{join_all, poll_immediate};
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn pool() -> (Pool, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        drop(connect(folder.path(), Purpose::Write).unwrap());
        (Pool::start(folder.path()).unwrap(), folder)
    }

    fn one(db: &Connection) -> Result<i64, Error> {
        Ok(db.query_row("SELECT 1", [], |row| row.get(0))?)
    }

    async fn all_readers_sleep(pool: &Pool) {
        let sleep = || {
            let waiting = pool.desk.waiting.lock();
            waiting.free() == waiting.readers
        };
        timeout(DEADLINE, async {
            while !sleep() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn an_asker_who_gives_up_leaves_nobody_waiting() {
        let (pool, _folder) = pool();
        all_readers_sleep(&pool).await;
        let mut first = Box::pin(pool.ask(one));
        assert!(poll_immediate(first.as_mut()).await.is_none());
        assert_eq!(pool.desk.waiting.lock().called, 1, "the first has promised to wake a reader");
        let mut second = Box::pin(pool.ask(one));
        assert!(poll_immediate(second.as_mut()).await.is_none());
        assert_eq!(pool.desk.waiting.lock().called, 1, "the second relies on that");
        drop(first);
        assert_eq!(timeout(DEADLINE, second).await.unwrap().unwrap(), 1);
    }

    #[tokio::test]
    async fn all_who_ask_at_once_are_answered_and_the_readers_sleep_again() {
        let (pool, _folder) = pool();
        for _ in 0..20 {
            let slow = pool.ask_slowly(one);
            let quick = join_all((0..100).map(|_| pool.ask(one)));
            let (slow, quick) =
                timeout(DEADLINE, async { tokio::join!(slow, quick) }).await.unwrap();
            assert_eq!(slow.unwrap() + quick.into_iter().map(Result::unwrap).sum::<i64>(), 101);
            all_readers_sleep(&pool).await;
        }
    }
}
