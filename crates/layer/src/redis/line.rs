//! A connection for commands that many tasks share: whoever sends writes at once, replies come in the order of commands.
//!
//! `Link` opens one at a time and sends everything through it. There is no task between a caller and the socket on the way
//! out; [`Line::drive`] reads the replies, and writes what the socket did not take. It neither connects nor retries.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use redis::{Cmd, Pipeline, Value};
use tokio::io::AsyncWrite as _;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use crate::redis::connect::BoxedStream;
use crate::redis::resp::{self, Frames};

/// A command that takes longer means a connection that is dead without having said so.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A buffer that one large command made larger than this is given back.
const KEPT: usize = 256 * 1024;

/// Why a line ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ended {
    /// The connection is gone, and whether the command was carried out is not known.
    Lost(String),
    /// A reply did not come in time.
    Silent,
}

/// The connection.
pub(super) struct Line {
    wire: Mutex<Wire>,
}

struct Wire {
    stream: BoxedStream,
    /// Commands of which the socket has taken the first `written` bytes.
    unwritten: Vec<u8>,
    written: usize,
    frames: Frames,
    waiting: VecDeque<Waiting>,
    /// Of the task that drives the line, for when it must write.
    driver: Option<Waker>,
    ended: Option<Ended>,
}

/// Commands sent together whose replies have not all come.
struct Waiting {
    since: Instant,
    missing: usize,
    replies: Vec<Value>,
    done: oneshot::Sender<Result<Vec<Value>, Ended>>,
}

impl Line {
    pub(super) fn new(stream: BoxedStream) -> Self {
        let wire = Wire {
            stream,
            unwritten: Vec::new(),
            written: 0,
            frames: Frames::default(),
            waiting: VecDeque::new(),
            driver: None,
            ended: None,
        };
        Self { wire: Mutex::new(wire) }
    }

    /// Sends one command and waits for its reply, which may be an error.
    pub(super) async fn command(&self, command: &Cmd) -> Result<Value, Ended> {
        let answer = self.send(1, |out| command.write_packed_command(out))?;
        let replies = answer.await.unwrap_or_else(|_| Err(dropped()))?;
        replies.into_iter().next().ok_or_else(dropped)
    }

    /// Sends several commands at once and waits for all their replies.
    pub(super) async fn commands(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Ended> {
        let packed = pipeline.get_packed_pipeline();
        let answer = self.send(pipeline.len(), |out| out.extend_from_slice(&packed))?;
        answer.await.unwrap_or_else(|_| Err(dropped()))
    }

    fn send(
        &self,
        count: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<oneshot::Receiver<Result<Vec<Value>, Ended>>, Ended> {
        let (done, answer) = oneshot::channel();
        if count == 0 {
            let _ = done.send(Ok(Vec::new()));
            return Ok(answer);
        }
        let mut wire = self.wire.lock();
        if let Some(ended) = &wire.ended {
            return Err(ended.clone());
        }
        let (since, replies) = (Instant::now(), Vec::with_capacity(count));
        wire.waiting.push_back(Waiting { since, missing: count, replies, done });
        write(&mut wire.unwritten);
        // While replies are on their way, the driver writes: once for all that many tasks send in the same moment.
        let is_alone = wire.waiting.len() == 1;
        let mut context = Context::from_waker(Waker::noop());
        if !is_alone || !matches!(wire.poll_write(&mut context), Poll::Ready(Ok(()))) {
            wire.driver.take().inspect(Waker::wake_by_ref);
        }
        Ok(answer)
    }

    /// Reads and writes until the connection ends; whoever waits is told why. Dropping it ends the line too.
    pub(super) fn drive(&self) -> impl Future<Output = ()> + '_ {
        // Made here, so that a future that was never polled ends the line as well.
        let end = EndsOnDrop(self);
        async move {
            // The whole guard moves in, and not only the reference in it.
            let end = end;
            let mut overdue = Box::pin(tokio::time::sleep(RESPONSE_TIMEOUT));
            let ended = std::future::poll_fn(|context| end.0.poll_drive(context, overdue.as_mut()));
            let ended = ended.await;
            end.0.end(ended);
        }
    }

    fn poll_drive(&self, context: &mut Context<'_>, mut overdue: Pin<&mut Sleep>) -> Poll<Ended> {
        let mut wire = self.wire.lock();
        // Read first: what a peer said before it closed the connection counts.
        if let Poll::Ready(why) = wire.poll_read(context) {
            return Poll::Ready(Ended::Lost(why));
        }
        if let Poll::Ready(Err(error)) = wire.poll_write(context) {
            return Poll::Ready(Ended::Lost(error.to_string()));
        }
        // One timer for all commands, which hardly ever has to be set.
        while overdue.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let oldest = wire.waiting.front().map_or(now, |waiting| waiting.since);
            if now.duration_since(oldest) >= RESPONSE_TIMEOUT {
                return Poll::Ready(Ended::Silent);
            }
            overdue.as_mut().reset(oldest + RESPONSE_TIMEOUT);
        }
        if !wire.driver.as_ref().is_some_and(|driver| driver.will_wake(context.waker())) {
            wire.driver = Some(context.waker().clone());
        }
        Poll::Pending
    }

    fn end(&self, ended: Ended) {
        let waiting = {
            let mut wire = self.wire.lock();
            wire.ended.get_or_insert_with(|| ended.clone());
            std::mem::take(&mut wire.waiting)
        };
        for (index, waiting) in waiting.into_iter().enumerate() {
            // Only the first was waited for in vain; the others may do better on another connection.
            let is_lost = index > 0 && ended == Ended::Silent;
            let _ = waiting.done.send(Err(if is_lost { dropped() } else { ended.clone() }));
        }
    }
}

impl Wire {
    /// Ready when nothing is left to write.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while let Some(rest) = self.unwritten.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(length)) => self.written += length,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.unwritten.clear();
        self.unwritten.shrink_to(KEPT);
        self.written = 0;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Hands out the replies that are there; ready with the reason when no more will come.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<String> {
        loop {
            match self.frames.poll_fill(&mut self.stream, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(error.to_string()),
                Poll::Ready(Ok(())) => {}
            }
            if let Err(why) = self.hand_out() {
                return Poll::Ready(why);
            }
        }
    }

    fn hand_out(&mut self) -> Result<(), String> {
        while let Some(frame) = self.frames.next().map_err(|why| why.to_string())? {
            let reply = resp::value(frame).map_err(|why| why.to_string())?;
            let Some(waiting) = self.waiting.front_mut() else {
                return Err("it replied to nothing".to_owned());
            };
            waiting.replies.push(reply);
            waiting.missing -= 1;
            if waiting.missing == 0
                && let Some(whole) = self.waiting.pop_front()
            {
                // An error here means that whoever asked has stopped waiting.
                let _ = whole.done.send(Ok(whole.replies));
            }
        }
        Ok(())
    }
}

struct EndsOnDrop<'a>(&'a Line);

impl Drop for EndsOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end(dropped());
    }
}

fn dropped() -> Ended {
    Ended::Lost("the connection was given up".to_owned())
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
