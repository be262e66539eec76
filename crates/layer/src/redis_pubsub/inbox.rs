//! The messages of one channel that have reached this process and wait for a `receive`.
//!
//! The registry keeps one for each channel and each group refers to those of its members, so that a message to a thousand
//! of them is neither looked up nor copied a thousand times: the subscriber delivers, `receive` takes. It is bounded, and
//! knows neither names nor connections.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::error::Error;
use crate::value::Message;

/// What is unread of one channel, and who waits for more.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
}

/// Usually one receive waits for one message: neither needs memory elsewhere, since thousands of channels that all get
/// the same message cost as much as the memory that is touched for each.
#[derive(Debug, Default)]
struct State {
    /// The oldest unread message; there is one if any is unread.
    first: Option<Message>,
    rest: VecDeque<Message>,
    /// The receive that is woken next; there is one if any is listed.
    waiter: Option<Waiter>,
    others: VecDeque<Waiter>,
    last_ticket: u64,
    is_closed: bool,
}

/// A receive that is to be woken.
#[derive(Debug)]
struct Waiter {
    ticket: u64,
    waker: Waker,
}

/// A receive. Dropping it, at any point, loses neither a message nor the wake-up of another.
#[derive(Debug)]
pub(super) struct Next<'a> {
    inbox: &'a Inbox,
    /// Under which it was listed; it is not any more once it was woken.
    ticket: Option<u64>,
}

impl Inbox {
    /// Waits for the next message, or for the end with [`Error::Closed`].
    pub(super) fn next(&self) -> Next<'_> {
        Next { inbox: self, ticket: None }
    }

    /// Puts a message in; false if that made one too many and the oldest went.
    pub(super) fn deliver(&self, message: Message, capacity: usize) -> bool {
        let mut state = self.state.lock();
        let has_room = state.unread() < capacity;
        if !has_room {
            state.pop();
        }
        state.push(message);
        let woken = state.pop_waiter();
        drop(state);
        wake(woken);
        has_room
    }

    /// Drops what is unread; who waits, waits on.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        state.first = None;
        state.rest = VecDeque::new();
    }

    /// Ends every receive, now and later.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let waiters = state.waiter.take().into_iter().chain(std::mem::take(&mut state.others));
        drop(state);
        waiters.for_each(|waiter| waiter.waker.wake());
    }
}

impl State {
    fn unread(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    fn push(&mut self, message: Message) {
        if self.first.is_none() {
            self.first = Some(message);
        } else {
            self.rest.push_back(message);
        }
    }

    fn pop(&mut self) -> Option<Message> {
        let next = self.rest.pop_front();
        std::mem::replace(&mut self.first, next)
    }

    fn pop_waiter(&mut self) -> Option<Waiter> {
        let next = self.others.pop_front();
        std::mem::replace(&mut self.waiter, next)
    }

    /// Lists a receive at the end, or anew in its place; returns its ticket.
    fn list(&mut self, ticket: Option<u64>, waker: &Waker) -> u64 {
        let mut listed = self.waiter.iter_mut().chain(&mut self.others);
        if let Some(waiter) = listed.find(|waiter| Some(waiter.ticket) == ticket) {
            waiter.waker.clone_from(waker);
            return waiter.ticket;
        }
        self.last_ticket += 1;
        let waiter = Waiter { ticket: self.last_ticket, waker: waker.clone() };
        if self.waiter.is_none() {
            self.waiter = Some(waiter);
        } else {
            self.others.push_back(waiter);
        }
        self.last_ticket
    }

    /// Takes a receive off the list; false if it was not there, because it was woken.
    fn unlist(&mut self, ticket: u64) -> bool {
        if self.waiter.as_ref().is_some_and(|waiter| waiter.ticket == ticket) {
            self.pop_waiter();
            return true;
        }
        let before = self.others.len();
        self.others.retain(|waiter| waiter.ticket != ticket);
        self.others.len() < before
    }
}

impl Future for Next<'_> {
    type Output = Result<Message, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.inbox.state.lock();
        if state.is_closed {
            return Poll::Ready(Err(Error::Closed));
        }
        let Some(message) = state.pop() else {
            self.ticket = Some(state.list(self.ticket, context.waker()));
            return Poll::Pending;
        };
        // Still listed if it was polled for another reason: whoever was woken for this message lists itself again.
        if let Some(ticket) = self.ticket.take() {
            state.unlist(ticket);
        }
        Poll::Ready(Ok(message))
    }
}

impl Drop for Next<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut state = self.inbox.state.lock();
        // Woken for a message that it will not take: the next in line is.
        let is_heir_needed = !state.unlist(ticket) && state.first.is_some();
        let heir = if is_heir_needed { state.pop_waiter() } else { None };
        drop(state);
        wake(heir);
    }
}

fn wake(waiter: Option<Waiter>) {
    if let Some(waiter) = waiter {
        waiter.waker.wake();
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
