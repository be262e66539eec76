//! A room's feed on this node: the last seq delivered, the local listeners, the newest frames.
//!
//! The hub's one task delivers; sessions enter and leave. An event is encoded once and pushed to every listener as the
//! same frame. A lower seq than the last is dropped, a higher one than the next is a hole that the hub fills first.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use moorline_protocol::{
    Carries, Change, Epoch, Event, EventKind, Frame, Person, Position, RoomId, Seq, UserId,
};
use moorline_store::Head;
use parking_lot::Mutex;

use crate::listener::Listener;
use crate::outbox::{Notice, Pushed};
use crate::round::Round;
use crate::tail::{Kept, Tail};
use crate::typing::Typing;

/// After so many sweeps without an event the tail is given back: a minute, as long as an empty feed is kept.
const QUIET_SWEEPS: u32 = 6;

/// One room's live feed.
pub(crate) struct Feed {
    room: RoomId,
    state: Mutex<State>,
}

struct State {
    /// Where the feed stands; unknown until the head was read.
    at: Option<(Epoch, Seq)>,
    /// The highest event seen before the head was known.
    early: Seq,
    members: u64,
    entries: Vec<Entry>,
    tail: Tail,
    /// Where the feed stood at the last sweep, and how many sweeps found it there.
    swept: (Seq, u32),
    /// Senders whose names everybody here was told.
    named: HashSet<UserId>,
    typing: Typing,
    empty_since: Option<Instant>,
}

struct Entry {
    listener: Arc<Listener>,
    /// Whether the client knows of the room; the first event of one that it does not know announces it.
    is_announced: bool,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Everything was delivered or known before.
    Done,
    /// Events after this seq are missing and must be delivered first.
    Hole(Seq),
}

/// What became of an attempt to enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// From the next event on, the listener gets all.
    Live,
    /// The feed is ahead: the log must be read from the listener's position.
    Behind(Seq),
    /// The feed does not know the head yet: read it and call [`Feed::warm`].
    Cold,
    /// The log has another life than the listener's position.
    OtherEpoch,
    /// The person was taken out meanwhile.
    Barred,
}

impl Feed {
    pub(crate) fn new(room: RoomId, now: Instant) -> Arc<Self> {
        let state = State {
            at: None,
            early: Seq(0),
            members: 0,
            entries: Vec::new(),
            tail: Tail::default(),
            swept: (Seq(0), 0),
            named: HashSet::new(),
            typing: Typing::default(),
            empty_since: Some(now),
        };
        Arc::new(Self { room, state: Mutex::new(state) })
    }

    pub(crate) fn room(&self) -> &RoomId {
        &self.room
    }

    /// Tells a new feed where the log ended when it was read, after the feed was made.
    pub(crate) fn warm(&self, head: Head) {
        let mut state = self.state.lock();
        if state.at.is_none() {
            state.at = Some((head.epoch, head.head.max(state.early)));
        }
    }

    /// The last event delivered, once it is known.
    pub(crate) fn position(&self) -> Option<Seq> {
        self.state.lock().at.map(|(_, last)| last)
    }

    /// Whether this is the life of the log that the feed delivers; a feed that knows none yet is of any.
    pub(crate) fn is_of(&self, epoch: Epoch) -> bool {
        self.state.lock().at.is_none_or(|(own, _)| own == epoch)
    }

    /// The log begins there from now on: what is older is not kept for those who come back.
    pub(crate) fn begins_at(&self, first: Seq) {
        self.state.lock().tail.forget_below(first);
    }

    /// Nothing that went out is kept for those who come back; they are told it as it is now.
    pub(crate) fn forget_tail(&self) {
        self.state.lock().tail = Tail::default();
    }

    /// How many members the room has, as last heard.
    pub(crate) fn set_members(&self, members: u64) {
        self.state.lock().members = members;
    }

    pub(crate) fn members(&self) -> u64 {
        self.state.lock().members
    }

    /// Lets a listener in whose client has everything up to `cursor`, pushing what the tail still holds after it.
    pub(crate) fn enter(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        cursor: (Epoch, Seq),
    ) -> Entered {
        let mut state = self.state.lock();
        let Some((epoch, last)) = state.at else { return Entered::Cold };
        if !listener.may_enter(&self.room, cursor.1) {
            return Entered::Barred;
        }
        if epoch != cursor.0 {
            return Entered::OtherEpoch;
        }
        state.remove(listener, self);
        let mut reached = cursor.1;
        while reached < last {
            let Some(kept) = state.tail.get(reached.next()) else {
                return Entered::Behind(reached);
            };
            let frame = kept.frame.clone();
            if listener.outbox().push(frame) == Pushed::Lagging {
                return Entered::Behind(reached);
            }
            reached = reached.next();
        }
        state.add(listener.clone(), self, true);
        Entered::Live
    }

    /// Whether the tail shows the event at a client's position.
    pub(crate) fn holds(&self, from: &Position) -> bool {
        self.state.lock().holds(from)
    }

    /// Lets a listener in whose client stands at `from`, if the tail shows that event and holds all that follows it.
    /// `read` is where the log ended when the person was read to be a member. Answers how many events were sent;
    /// `None` leaves it to the store, which may then repeat some.
    pub(crate) fn resume(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        from: &Position,
        read: Seq,
    ) -> Option<usize> {
        let mut state = self.state.lock();
        let (_, last) = state.at?;
        if !state.holds(from) || !listener.may_enter(&self.room, read) {
            return None;
        }
        state.remove(listener, self);
        let mut reached = from.seq;
        while reached < last {
            let frame = state.tail.get(reached.next())?.frame.clone();
            if listener.outbox().push(frame) == Pushed::Lagging {
                return None;
            }
            reached = reached.next();
        }
        state.add(listener.clone(), self, true);
        usize::try_from(last.0 - from.seq.0).ok()
    }

    /// Lets a listener in whose client has not been told of the room yet.
    pub(crate) fn enter_unannounced(self: &Arc<Self>, listener: &Arc<Listener>) {
        let mut state = self.state.lock();
        if listener.may_enter(&self.room, Seq(u64::MAX - 1)) {
            state.add(listener.clone(), self, false);
        }
    }

    /// Takes a listener out.
    pub(crate) fn leave(&self, listener: &Arc<Listener>) {
        let mut state = self.state.lock();
        state.remove(listener, self);
        state.typing.stopped(listener.user());
    }

    /// Gives back what a quiet room need not hold. Answers since when nobody listens.
    pub(crate) fn sweep(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state.lock();
        let last = state.at.map_or(Seq(0), |(_, last)| last);
        let (seen, times) = state.swept;
        state.swept = if seen == last { (last, times + 1) } else { (last, 0) };
        if state.swept.1 >= QUIET_SWEEPS {
            state.tail = Tail::default();
        }
        if state.entries.is_empty() {
            return Some(*state.empty_since.get_or_insert(now));
        }
        state.entries.shrink_to_fit();
        state.empty_since = None;
        None
    }

    /// Delivers events of this room in the order of the log. Whoever is woken is left in the round.
    pub(crate) fn deliver(
        &self,
        events: &[Arc<Event>],
        name_of: &dyn Fn(&UserId) -> Option<Person>,
        round: &mut Round,
    ) -> Delivered {
        let mut state = self.state.lock();
        let mut frames: Vec<Kept> = Vec::with_capacity(events.len());
        for event in events {
            let Some((epoch, last)) = state.at else {
                state.early = state.early.max(event.seq);
                state.announce(&self.room, round, self);
                continue;
            };
            if event.epoch != epoch || event.seq <= last {
                continue;
            }
            if event.seq > last.next() {
                state.flush(&mut frames, self, round);
                return Delivered::Hole(last);
            }
            state.at = Some((epoch, event.seq));
            state.typing.stopped(&event.from);
            let frame = state.encode(event, name_of).carrying(match &event.kind {
                EventKind::Message { .. } => Carries::NewMessage(round.since),
                _ => Carries::Other,
            });
            frames.push(Kept { seq: event.seq, id: event.id, frame });
            if let EventKind::Delete { .. } = &event.kind {
                // An erased text is not kept for those who come later.
                state.flush(&mut frames, self, round);
                state.tail = Tail::default();
            }
            if let EventKind::Member { changes } = &event.kind {
                // The one who goes gets this event and nothing above it.
                state.flush(&mut frames, self, round);
                for change in changes.iter().filter(|change| change.change != Change::Joined) {
                    state.remove_person(&change.user, self);
                }
            }
        }
        state.flush(&mut frames, self, round);
        Delivered::Done
    }

    /// Pushes what may be dropped to everybody here. Answers how many did not get it.
    pub(crate) fn tell(&self, frame: &Frame) -> u64 {
        let state = self.state.lock();
        let dropped =
            |entry: &&Entry| entry.listener.outbox().push_droppable(frame) == Pushed::Lagging;
        state.entries.iter().filter(|entry| entry.is_announced).filter(dropped).count() as u64
    }

    /// The listeners, once each, for those who tell several rooms at once.
    pub(crate) fn listeners(&self) -> Vec<Arc<Listener>> {
        self.state.lock().entries.iter().map(|entry| entry.listener.clone()).collect()
    }

    /// Somebody types. Answers whether a frame is still due.
    pub(crate) fn typed(&self, user: &UserId, now: Instant) -> bool {
        let mut state = self.state.lock();
        let frame = state.typing.typed(&self.room, user, now);
        let is_due = state.typing.is_due();
        drop(state);
        if let Some(frame) = frame {
            self.tell(&frame);
        }
        is_due
    }

    /// Tells who types, if that is due. Answers whether it still is.
    pub(crate) fn tick(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let frame = state.typing.tick(&self.room, now);
        let is_due = state.typing.is_due();
        drop(state);
        if let Some(frame) = frame {
            self.tell(&frame);
        }
        is_due
    }
}

impl State {
    fn holds(&self, from: &Position) -> bool {
        let is_of_this_life = self.at.is_some_and(|(epoch, _)| epoch == from.epoch);
        let is_it = |kept: &Kept| from.check.as_ref().is_none_or(|check| kept.id.check() == *check);
        is_of_this_life && self.tail.get(from.seq).is_some_and(is_it)
    }

    fn add(&mut self, listener: Arc<Listener>, feed: &Arc<Feed>, is_announced: bool) {
        listener.entered(feed);
        self.entries.push(Entry { listener, is_announced });
        // The newcomer knows no names yet, so senders are introduced to everybody once more.
        self.named.clear();
    }

    fn remove(&mut self, listener: &Arc<Listener>, feed: &Feed) {
        if let Some(at) =
            self.entries.iter().position(|entry| Arc::ptr_eq(&entry.listener, listener))
        {
            self.entries.swap_remove(at);
            listener.left(feed);
        }
    }

    fn remove_person(&mut self, user: &UserId, feed: &Feed) {
        self.entries.retain(|entry| {
            let stays = entry.listener.user() != user;
            if !stays {
                entry.listener.left(feed);
            }
            stays
        });
    }

    /// The event as a frame, with the names of people whom somebody here may not know.
    fn encode(&mut self, event: &Event, name_of: &dyn Fn(&UserId) -> Option<Person>) -> Frame {
        let unknown: Vec<Person> = event
            .mentioned()
            .filter(|user| !self.named.contains(*user))
            .filter_map(name_of)
            .collect();
        if unknown.is_empty() {
            return event.frame();
        }
        self.named.extend(unknown.iter().map(|person| person.id.clone()));
        Event { people: unknown, ..event.clone() }.frame()
    }

    /// Pushes frames to all listeners: one lock of each outbox, whatever the number of frames.
    fn flush(&mut self, frames: &mut Vec<Kept>, feed: &Feed, round: &mut Round) {
        let Some(first) = frames.first().map(|kept| kept.seq) else { return };
        let shared: Vec<Frame> = frames.iter().map(|kept| kept.frame.clone()).collect();
        self.announce(&feed.room, round, feed);
        self.entries.retain(|entry| {
            let (taken, waker) = entry.listener.outbox().push_all(&shared);
            round.wakers.extend(waker);
            if taken == shared.len() {
                return true;
            }
            let from = Seq(first.0 + taken as u64);
            entry.listener.left(feed);
            round
                .wakers
                .extend(entry.listener.notify(Notice::Behind { room: feed.room.clone(), from }));
            false
        });
        frames.drain(..).for_each(|kept| self.tail.keep(kept));
    }

    /// Hands those who have not been told of the room over to their sessions.
    fn announce(&mut self, room: &RoomId, round: &mut Round, feed: &Feed) {
        self.entries.retain(|entry| {
            if !entry.is_announced {
                entry.listener.left(feed);
                round.wakers.extend(entry.listener.notify(Notice::Added { room: room.clone() }));
            }
            entry.is_announced
        });
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
