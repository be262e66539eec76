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

/// Threads. Reads are short and mostly answered from memory; two keep one slow search from holding up the rest.
const READERS: usize = 3;
/// Reads that may wait; more are refused as overloaded. A whole node's connections coming back at once fit.
const WAITING: usize = 32_768;
/// Reads of one transaction: enough to spread its cost, few enough to keep it short.
const TOGETHER: usize = 16;

type Question = Box<dyn FnOnce(Result<&Connection, Error>) + Send>;

#[derive(Default)]
struct Waiting {
    questions: VecDeque<Question>,
    asleep: usize,
    is_closed: bool,
}

#[derive(Default)]
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
        let pool = Self { desk: Arc::default() };
        for number in 0..READERS {
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
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |db| {
            let _ = reply.send(db.and_then(question));
        });
        self.push(question)?;
        answer.await.unwrap_or_else(|_| Err(Error::unavailable("the read failed")))
    }

    fn push(&self, question: Question) -> Result<(), Error> {
        let mut waiting = self.desk.waiting.lock();
        if waiting.is_closed {
            return Err(Error::unavailable("the store is closed"));
        }
        if waiting.questions.len() >= WAITING {
            return Err(Error::overloaded());
        }
        waiting.questions.push_back(question);
        let wake = waiting.asleep > 0;
        drop(waiting);
        if wake {
            self.desk.wake.notify_one();
        }
        Ok(())
    }

    pub(super) fn close(&self) {
        self.desk.waiting.lock().is_closed = true;
        self.desk.wake.notify_all();
    }
}

impl Desk {
    fn take(&self) -> Vec<Question> {
        let mut waiting = self.waiting.lock();
        loop {
            let count = waiting.questions.len().min(TOGETHER);
            if count > 0 {
                return waiting.questions.drain(..count).collect();
            }
            if waiting.is_closed {
                return Vec::new();
            }
            waiting.asleep += 1;
            self.wake.wait(&mut waiting);
            waiting.asleep -= 1;
        }
    }
}

fn serve(desk: &Desk, folder: &Path) {
    let mut db: Option<Connection> = None;
    loop {
        let questions = desk.take();
        if questions.is_empty() {
            return;
        }
        if db.is_none() {
            db = connect(folder, Purpose::Read)
                .inspect_err(|error| tracing::warn!(%error, "could not open a reader"))
                .ok();
        }
        let is_good = answer(db.as_ref(), questions);
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
