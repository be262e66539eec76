//! Outlets: what this node committed, and what became of its people, for those outside of the chat who want to know.
//!
//! The hub pushes, which never waits; the events for Django (`django`) and the domain events (in the binary) take. An
//! outlet is bounded: when nobody takes for too long, the oldest go and are counted. Nothing that people see hangs on it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moorline_protocol::{Event, EventKind, PresenceChange};
use moorline_store::MadeRoom;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What may wait: some seconds of a busy node, or the time that a Redis takes to restart.
const WAITING: usize = 10_000;
/// Bytes of texts that may wait.
const WAITING_BYTES: usize = 16 * 1024 * 1024;

/// Something that happened on this node, told by it and by no other.
#[derive(Debug, Clone)]
pub enum Happening {
    /// An event of a room's log was committed.
    Event(Arc<Event>),
    /// A room was made; its first event, if it has one, follows.
    Made(Arc<MadeRoom>),
    /// Somebody came, went, or left their screen.
    Presence(Arc<PresenceChange>),
}

/// The queue to one who wants to know.
#[derive(Debug, Default)]
pub struct Outlet {
    state: Mutex<State>,
    came: Notify,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Happening>,
    bytes: usize,
    is_closed: bool,
}

impl Outlet {
    pub(crate) fn push(&self, happenings: impl IntoIterator<Item = Happening>) {
        let mut state = self.state.lock();
        if state.is_closed {
            return;
        }
        for happening in happenings {
            state.bytes += weight(&happening);
            state.waiting.push_back(happening);
        }
        let mut dropped = 0;
        while state.waiting.len() > WAITING || state.bytes > WAITING_BYTES {
            let Some(oldest) = state.waiting.pop_front() else { break };
            state.bytes -= weight(&oldest);
            dropped += 1;
        }
        drop(state);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.came.notify_one();
    }

    /// Waits for something and takes at most so many, the oldest first; `None` once the outlet is closed and empty. One
    /// task may take. Cancel-safe.
    pub async fn take(&self, most: usize) -> Option<Vec<Happening>> {
        loop {
            if let Some(taken) = self.take_now(most) {
                return (!taken.is_empty()).then_some(taken);
            }
            self.came.notified().await;
        }
    }

    /// None: there is nothing yet; empty: there will be nothing more.
    fn take_now(&self, most: usize) -> Option<Vec<Happening>> {
        let mut state = self.state.lock();
        if state.waiting.is_empty() {
            return state.is_closed.then(Vec::new);
        }
        let most = most.min(state.waiting.len());
        let taken: Vec<Happening> = state.waiting.drain(..most).collect();
        state.bytes -= taken.iter().map(weight).sum::<usize>();
        Some(taken)
    }

    /// Nothing more comes in; what waits can still be taken.
    pub fn close(&self) {
        self.state.lock().is_closed = true;
        self.came.notify_one();
    }

    /// How many were dropped since nobody took them in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.lock().waiting.is_empty()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().is_closed
    }
}

/// About how many bytes it keeps in memory.
fn weight(happening: &Happening) -> usize {
    const REST: usize = 300;
    match happening {
        Happening::Event(event) => match &event.kind {
            EventKind::Message { body, .. } | EventKind::Edit { body, .. } => REST + body.len(),
            EventKind::Member { changes } => REST + changes.len() * REST,
            EventKind::Delete { .. } | EventKind::Rename { .. } => REST,
        },
        Happening::Made(_) | Happening::Presence(_) => REST,
    }
}

#[cfg(test)]
mod tests {
    use moorline_protocol::{Presence, UserId};

    use super::*;

    fn presence(at: u64) -> Happening {
        let (user, state) = (UserId::new("ann").unwrap(), Presence::Online);
        Happening::Presence(Arc::new(PresenceChange { user, state, at }))
    }

    fn long(at: u64) -> Happening {
        let event = serde_json::json!({
            "type": "event", "room": "ops", "epoch": "00000000000000ff", "seq": 1, "kind": "message",
            "body": "x".repeat(65_536), "n": 1, "id": "01930000-0000-7000-8000-00009c41f07b", "from": "bob", "at": at,
        });
        Happening::Event(Arc::new(serde_json::from_value(event).unwrap()))
    }

    fn times(happenings: &[Happening]) -> Vec<u64> {
        let time = |happening: &Happening| match happening {
            Happening::Event(event) => event.at,
            Happening::Made(made) => made.at_ms,
            Happening::Presence(change) => change.at,
        };
        happenings.iter().map(time).collect()
    }

    #[tokio::test]
    async fn what_came_is_taken_in_order_and_the_oldest_go_when_there_is_too_much() {
        let outlet = Outlet::default();
        let all = WAITING as u64 + 7;
        (0..all).for_each(|at| outlet.push([presence(at)]));
        assert_eq!(outlet.dropped(), 7);
        assert_eq!(times(&outlet.take(3).await.unwrap()), [7, 8, 9]);
        let rest = times(&outlet.take(usize::MAX).await.unwrap());
        assert_eq!((rest.len(), rest.last()), (WAITING - 3, Some(&(all - 1))));
        assert_eq!(outlet.state.lock().bytes, 0);
    }

    #[tokio::test]
    async fn long_texts_are_bounded_by_their_bytes() {
        let outlet = Outlet::default();
        (0..1_000).for_each(|at| outlet.push([long(at)]));
        let kept = times(&outlet.take(usize::MAX).await.unwrap());
        assert!(kept.len() < 256 && kept.last() == Some(&999), "{} are kept", kept.len());
        assert_eq!(outlet.dropped(), 1_000 - kept.len() as u64);
    }

    #[tokio::test]
    async fn a_closed_outlet_gives_out_what_it_has_and_then_ends() {
        let outlet = Arc::new(Outlet::default());
        let waiting = tokio::spawn({
            let outlet = outlet.clone();
            async move { outlet.take(1).await.map(|taken| times(&taken)) }
        });
        tokio::task::yield_now().await;
        outlet.push([presence(1), presence(2)]);
        assert_eq!(waiting.await.unwrap(), Some(vec![1]));
        outlet.close();
        outlet.push([presence(3)]);
        assert_eq!(times(&outlet.take(9).await.unwrap()), [2]);
        assert!(outlet.take(9).await.is_none());
    }
}
