//! A connection's outbox: what waits to be written to it, bounded in bytes.
//!
//! Feeds push live events, sessions push replies, the connection's driver drains. A live event that does not fit is
//! refused and noted: the connection leaves that feed, drains, and is caught up from the log. Nothing is dropped unsaid.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use moorline_protocol::{CloseCode, Frame, RoomId, Seq};
use parking_lot::Mutex;

/// Bytes of live events that may wait for a connection: a second of a busy room, little enough for 10,000 sockets.
pub const DEFAULT_LIMIT_BYTES: usize = 512 * 1024;

/// An empty queue longer than this is given back, so that an idle connection holds next to nothing.
const KEPT_CAPACITY: usize = 8;

/// How a connection is to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The code.
    pub code: CloseCode,
    /// The reason, at most 123 bytes (RFC 6455 section 5.5).
    pub reason: Cow<'static, str>,
}

impl Close {
    /// A close with its code and reason.
    #[must_use]
    pub fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// What became of a live event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It will be written.
    Queued,
    /// It did not fit: the connection has to be caught up from the log.
    Lagging,
}

/// What the session of a connection has to see to; left by the hub, taken by the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The connection left the live feed of a room before this event: catch up from there and come back.
    Behind {
        /// The room.
        room: RoomId,
        /// The first event that was not queued.
        from: Seq,
    },
    /// The person is in a room that the client was not told of: tell it, then follow the room.
    Added {
        /// The room.
        room: RoomId,
    },
}

/// What is there to do for the one who drains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drained {
    /// Everything was taken.
    Empty,
    /// The taker had enough; there is more.
    More,
    /// Everything was taken and the connection shall be closed.
    Close(Close),
}

/// The queue of one connection. Shared by feeds, session and driver; no call waits.
pub struct Outbox {
    limit_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Frame>,
    bytes: usize,
    notices: Vec<Notice>,
    close: Option<Box<Close>>,
    is_closed: bool,
    /// The driver, waiting for frames or a close.
    driver: Option<Waker>,
    /// The session, waiting for notices or for room.
    session: Option<Waker>,
}

impl Outbox {
    /// An empty outbox that refuses live events while more than `limit_bytes` wait.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, state: Mutex::default() }
    }

    /// Queues a live event, unless too much waits already.
    pub fn push(&self, frame: Frame) -> Pushed {
        let (taken, waker) = self.push_all(std::slice::from_ref(&frame));
        wake(waker);
        if taken == 1 { Pushed::Queued } else { Pushed::Lagging }
    }

    /// Queues live events in order until too much waits; answers how many were taken and whom to wake once the
    /// caller's own lock is free. On a closed outbox all count as taken: nobody will ask for them.
    #[must_use]
    pub(crate) fn push_all(&self, frames: &[Frame]) -> (usize, Option<Waker>) {
        let mut state = self.state.lock();
        if state.is_closed {
            return (frames.len(), None);
        }
        let mut taken = 0;
        for frame in frames {
            if state.bytes > self.limit_bytes {
                break;
            }
            state.bytes += frame.len();
            state.queue.push_back(frame.clone());
            taken += 1;
        }
        (taken, if taken > 0 { state.driver.take() } else { None })
    }

    /// Queues what may be dropped (typing, presence, receipts): only while less than half of the room is used.
    pub fn push_droppable(&self, frame: &Frame) -> Pushed {
        let mut state = self.state.lock();
        if state.is_closed || state.bytes > self.limit_bytes / 2 {
            return Pushed::Lagging;
        }
        state.bytes += frame.len();
        state.queue.push_back(frame.clone());
        let waker = state.driver.take();
        drop(state);
        wake(waker);
        Pushed::Queued
    }

    /// Queues a reply or a piece of the log that the session itself asked for; never refused.
    pub fn reply(&self, frame: Frame) {
        let mut state = self.state.lock();
        if state.is_closed {
            return;
        }
        state.bytes += frame.len();
        state.queue.push_back(frame);
        let waker = state.driver.take();
        drop(state);
        wake(waker);
    }

    /// Closes the connection after what is queued. The first close counts.
    pub fn close(&self, close: Close) {
        let mut state = self.state.lock();
        if state.close.is_none() {
            state.close = Some(Box::new(close));
        }
        let waker = state.driver.take();
        drop(state);
        wake(waker);
    }

    /// Leaves something for the session to see to.
    pub(crate) fn notify(&self, notice: Notice) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        state.notices.push(notice);
        state.session.take()
    }

    /// Whether so much waits that the driver stops reading commands from the socket.
    #[must_use]
    pub fn is_over_mark(&self) -> bool {
        self.state.lock().bytes > self.limit_bytes
    }

    /// Bytes that wait.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Frames that wait, and their bytes.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.queue.len(), state.bytes)
    }

    /// Hands the frames over in order, each until `take` answers false, which leaves that frame at the front.
    /// Remembers the waker if all were taken and there is no close.
    pub fn drain(&self, cx: &Context<'_>, mut take: impl FnMut(&Frame) -> bool) -> Drained {
        let mut state = self.state.lock();
        let mut taken_bytes = 0;
        while let Some(frame) = state.queue.front() {
            if !take(frame) {
                break;
            }
            taken_bytes += frame.len();
            state.queue.pop_front();
        }
        state.bytes -= taken_bytes;
        let waker = if state.bytes <= self.limit_bytes / 2 && taken_bytes > 0 {
            state.session.take()
        } else {
            None
        };
        let drained = if !state.queue.is_empty() {
            Drained::More
        } else if let Some(close) = &state.close {
            Drained::Close((**close).clone())
        } else {
            if state.queue.capacity() > KEPT_CAPACITY {
                state.queue = VecDeque::new();
            }
            remember(&mut state.driver, cx);
            Drained::Empty
        };
        drop(state);
        wake(waker);
        drained
    }

    /// What the session has to see to; pending while there is nothing.
    pub fn poll_notices(&self, cx: &Context<'_>) -> Poll<Vec<Notice>> {
        let mut state = self.state.lock();
        if state.notices.is_empty() {
            remember(&mut state.session, cx);
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut state.notices))
    }

    /// Ready once at most half of the room is used: when the session may queue another page of the log.
    pub fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.is_closed || state.bytes <= self.limit_bytes / 2 {
            return Poll::Ready(());
        }
        remember(&mut state.session, cx);
        Poll::Pending
    }

    /// The connection is over: drops what is queued and takes nothing more.
    pub fn shut(&self) {
        let mut state = self.state.lock();
        *state = State { is_closed: true, ..State::default() };
    }
}

fn remember(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    fn frame(text: &str) -> Frame {
        Frame::text(text)
    }

    fn drain_all(outbox: &Outbox) -> (Vec<String>, Drained) {
        let mut seen = Vec::new();
        let drained = outbox.drain(&context(), |frame| {
            seen.push(String::from_utf8_lossy(frame.payload()).into_owned());
            true
        });
        (seen, drained)
    }

    #[test]
    fn frames_come_out_in_order_and_a_refused_one_stays() {
        let outbox = Outbox::new(1000);
        for text in ["a", "b", "c"] {
            assert_eq!(outbox.push(frame(text)), Pushed::Queued);
        }
        let mut left = 1;
        let drained = outbox.drain(&context(), |_| {
            left -= 1;
            left >= 0
        });
        assert_eq!(drained, Drained::More);
        assert_eq!(drain_all(&outbox), (vec!["b".into(), "c".into()], Drained::Empty));
        assert_eq!(outbox.queued_bytes(), 0);
    }

    #[test]
    fn a_live_event_over_the_mark_is_refused_but_a_reply_never() {
        let outbox = Outbox::new(10);
        assert_eq!(outbox.push(frame("0123456789")), Pushed::Queued);
        assert!(outbox.is_over_mark());
        assert_eq!(outbox.push(frame("live")), Pushed::Lagging);
        outbox.reply(frame("reply"));
        assert_eq!(drain_all(&outbox).0, ["0123456789", "reply"]);
        assert_eq!(outbox.push(frame("live")), Pushed::Queued);
    }

    #[test]
    fn what_may_be_dropped_is_dropped_above_half() {
        let outbox = Outbox::new(20);
        assert_eq!(outbox.push(frame("0123456789")), Pushed::Queued);
        assert_eq!(outbox.push_droppable(&frame("typing")), Pushed::Lagging);
        drain_all(&outbox);
        assert_eq!(outbox.push_droppable(&frame("typing")), Pushed::Queued);
    }

    #[test]
    fn a_close_comes_after_what_is_queued_and_the_first_counts() {
        let outbox = Outbox::new(10);
        outbox.reply(frame("last words"));
        outbox.close(Close::new(CloseCode::SIGNED_OUT, "signed out"));
        outbox.close(Close::new(CloseCode::NORMAL, "later"));
        let (seen, drained) = drain_all(&outbox);
        assert_eq!(seen, ["last words"]);
        assert_eq!(drained, Drained::Close(Close::new(CloseCode::SIGNED_OUT, "signed out")));
    }

    #[test]
    fn a_shut_outbox_takes_nothing_more() {
        let outbox = Outbox::new(10);
        outbox.reply(frame("a"));
        outbox.shut();
        outbox.reply(frame("b"));
        assert_eq!(outbox.push(frame("c")), Pushed::Queued);
        assert_eq!(drain_all(&outbox).0, Vec::<String>::new());
    }
}
