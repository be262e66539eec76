//! The hub: which connections of this node listen to which room, and the way of every commit to them.
//!
//! One task publishes ([`Hub::publish`]); sessions come, enter rooms, leave. What other nodes commit enters by
//! `Hub::hear`, as told by them, and by [`Hub::catch_up`], as read from the store; what this node commits is told to
//! them at the end of `publish`.

mod beside;
mod bring;
mod counts;
mod elsewhere;
mod guests;
mod others;
mod outside;
mod overview;
mod presence;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moorline_protocol::{
    Change, Cid, CloseCode, Epoch, Event, EventKind, Frame, Goodbye, Limits, Position, Presence,
    Receipt, Reply, RoomChange, RoomChangeKind, RoomId, Seq, UserId,
};
use moorline_store::{Commit, Head, Revoked, Store};
use parking_lot::Mutex;

use crate::ahead::Ahead;
use crate::changes::Haste;
use crate::feed::{Delivered, Entered, Feed};
use crate::leases::Leases;
use crate::listener::Listener;
use crate::nodes::{HintCounts, Nodes};
use crate::outbox::{Close, Notice};
use crate::outlet::Outlet;
use crate::people::People;
use crate::recent::Recent;
use crate::round::Round;
use crate::tap::Tap;

pub use counts::{Counts, Resumes};

/// How long a feed without listeners is kept: those who come back after a cut find it warm.
const KEPT: Duration = Duration::from_secs(60);

/// The local listeners and the feeds that they are in.
pub struct Hub {
    store: Store,
    feeds: Mutex<HashMap<RoomId, Arc<Feed>>>,
    people: Mutex<People>,
    /// Connections that carry nothing of the chat.
    guests: guests::Guests,
    /// Rooms with a typing frame that is due.
    typing: Mutex<Vec<Arc<Feed>>>,
    revocations: AtomicU64,
    /// People whose connections are to be looked at again, since another node ended something of theirs.
    doubted: Mutex<HashSet<UserId>>,
    counts: Counts,
    /// Events that came before their neighbours.
    ahead: Mutex<Ahead>,
    haste: Arc<Haste>,
    /// The line to the other nodes, where there is one.
    nodes: Option<Arc<Nodes>>,
    /// Who is on the other nodes, where there may be any.
    leases: Option<Arc<Leases>>,
    /// Those outside who want to know what happens here.
    outlets: Mutex<Vec<Arc<Outlet>>>,
    /// Notices that were shown, by their ids.
    noticed: Mutex<Recent<Cid>>,
    /// Operators who watch.
    tap: Arc<Tap>,
}

impl Hub {
    pub(crate) fn new(
        store: Store,
        haste: Arc<Haste>,
        nodes: Option<Arc<Nodes>>,
        leases: Option<Arc<Leases>>,
    ) -> Self {
        Self {
            store,
            haste,
            nodes,
            leases,
            ahead: Mutex::default(),
            feeds: Mutex::default(),
            people: Mutex::default(),
            guests: guests::Guests::default(),
            typing: Mutex::default(),
            revocations: AtomicU64::new(0),
            doubted: Mutex::default(),
            counts: Counts::default(),
            outlets: Mutex::default(),
            noticed: Mutex::default(),
            tap: Arc::default(),
        }
    }

    /// What the hub did so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What became of the hints between nodes, and whether the layer carries none now; none where there is no layer.
    #[must_use]
    pub fn hints(&self) -> Option<(&HintCounts, bool)> {
        self.nodes.as_deref().map(|nodes| (nodes.counts(), nodes.is_deaf()))
    }

    /// Where an operator watches what happens here: commits of this node, connections, troubles.
    #[must_use]
    pub fn tap(&self) -> &Arc<Tap> {
        &self.tap
    }

    /// A connection shows who it is. From here on it hears of changes of its own memberships and of revocations, so that
    /// nothing falls between this and the reading of its person and rooms.
    pub fn came(&self, listener: &Arc<Listener>) {
        self.people.lock().came(listener);
    }

    /// What it showed is not good after all. Its outbox stays open, for the refusal.
    pub fn turned_away(&self, listener: &Arc<Listener>, now: Instant, at_ms: u64) {
        let turned = self.people.lock().went(listener, Vec::new(), now);
        let other = self.people.lock().listeners(listener.user()).first().cloned();
        if let (Some(state), Some(other)) = (turned, other) {
            self.tell_presence(listener.user(), &other.feeds(), state, at_ms);
        }
    }

    /// A connection is over.
    pub fn went(&self, listener: &Arc<Listener>, now: Instant, at_ms: u64) {
        let feeds = listener.take_feeds();
        for feed in &feeds {
            feed.leave(listener);
        }
        let turned = self.people.lock().went(listener, feeds.clone(), now);
        listener.outbox().shut();
        if let Some(state) = turned {
            self.tell_presence(listener.user(), &feeds, state, at_ms);
        }
    }

    pub(crate) fn enter(
        &self,
        listener: &Arc<Listener>,
        room: &RoomId,
        cursor: (Epoch, Seq),
    ) -> Entered {
        self.feed(room).enter(listener, cursor)
    }

    /// Lets a listener into a room that its client has not been told of: the first event announces it.
    pub fn enter_unannounced(&self, listener: &Arc<Listener>, room: &RoomId) {
        self.feed(room).enter_unannounced(listener);
    }

    /// Whether a room's feed still holds in memory what follows a position.
    #[must_use]
    pub fn holds(&self, room: &RoomId, from: &Position) -> bool {
        let feed = self.feeds.lock().get(room).cloned();
        feed.is_some_and(|feed| feed.holds(from))
    }

    /// Lets a listener in from the feed's tail, where that is enough: see [`Feed::resume`].
    pub(crate) fn resume(
        &self,
        listener: &Arc<Listener>,
        room: &RoomId,
        from: &Position,
        read: Seq,
    ) -> Option<usize> {
        let feed = self.feeds.lock().get(room).cloned()?;
        feed.resume(listener, from, read)
    }

    pub(crate) fn warm(&self, room: &RoomId, head: Head) {
        self.feed(room).warm(head);
    }

    /// How many members a room has, as the session read it: decides whether presence and receipts go to all.
    pub fn set_members(&self, room: &RoomId, members: u64) {
        self.feed(room).set_members(members);
    }

    fn feed(&self, room: &RoomId) -> Arc<Feed> {
        let mut feeds = self.feeds.lock();
        if let Some(feed) = feeds.get(room) {
            return feed.clone();
        }
        feeds.entry(room.clone()).or_insert_with(|| Feed::new(room.clone(), Instant::now())).clone()
    }

    /// Publishes one commit: events to the feeds in order, then receipts and revocations, then the replies. Wakes the
    /// connections last, so that an ack and the sender's own event go out in one write.
    pub async fn publish(&self, commit: Commit) {
        let mut round = Round::of(commit.at.unwrap_or_else(Instant::now));
        for (room, events) in by_room(&commit.events) {
            let feed = self.feeds.lock().get(&room).cloned();
            let epoch = events.first().map(|event| event.epoch);
            if let (Some(feed), Some(epoch)) = (&feed, epoch)
                && !feed.is_of(epoch)
            {
                self.end_life(feed, "a room's log begins anew");
            }
            self.bring(&room, &events, &mut round).await;
        }
        commit.rooms.iter().for_each(|touched| self.touch(touched));
        for receipt in &commit.receipts {
            self.tell_receipt(receipt);
        }
        for revoked in &commit.revoked {
            self.revoke(revoked);
        }
        self.counts.published(commit.events.iter().map(AsRef::as_ref));
        if let Some(nodes) = &self.nodes {
            nodes.tell(&commit);
        }
        self.tell_outlets(&commit);
        let watched =
            self.tap.is_watched().then(|| (commit.events.clone(), commit.receipts.clone()));
        commit.answer();
        round.end();
        if let Some((events, receipts)) = watched {
            self.tap.tell_commit(&events, &receipts);
        }
    }

    fn deliver_known(
        &self,
        feed: &Arc<Feed>,
        events: &[Arc<Event>],
        round: &mut Round,
    ) -> Delivered {
        feed.deliver(events, &|user| self.people.lock().person(user), round)
    }

    /// Before a removal is delivered, its people are kept from entering with what they read earlier.
    fn bar_the_removed(&self, events: &[Arc<Event>]) {
        for (event, user, change) in changes(events) {
            for listener in self.people.lock().listeners(user) {
                match change {
                    Change::Joined => listener.unbar(&event.room),
                    Change::Left | Change::Removed => listener.bar(&event.room, event.seq),
                }
            }
        }
    }

    /// After a membership event is delivered, the people concerned hear of the room's coming or going.
    fn tell_memberships(&self, events: &[Arc<Event>], round: &mut Round) {
        for (event, user, change) in changes(events) {
            let room = &event.room;
            for listener in self.people.lock().listeners(user) {
                if change == Change::Joined {
                    round.wakers.extend(listener.notify(Notice::Added { room: room.clone() }));
                } else {
                    let what = RoomChangeKind::Gone { id: room.clone() };
                    listener
                        .outbox()
                        .reply(Reply::from(RoomChange { what, people: Vec::new() }).frame());
                }
            }
        }
    }

    fn tell_receipt(&self, receipt: &moorline_store::Receipt) {
        let moorline_store::Receipt { room, user, seq } = receipt.clone();
        let frame = Reply::from(Receipt { room: room.clone(), user: user.clone(), seq }).frame();
        let feed = self.feeds.lock().get(&room).cloned();
        match feed {
            Some(feed) if feed.members() <= u64::from(Limits::DEFAULT.receipt_members) => {
                self.drop_some(feed.tell(&frame))
            }
            // In a large room only the person's own windows hear of it.
            _ => self.tell_person(&user, &frame),
        }
    }

    fn tell_person(&self, user: &UserId, frame: &Frame) {
        for listener in self.people.lock().listeners(user) {
            listener.outbox().push_droppable(frame);
        }
    }

    fn drop_some(&self, dropped: u64) {
        self.counts.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    /// How many revocations were published. A proof of who somebody is, made when the number was the same as after
    /// [`Hub::came`], still holds: a later one closes the connection.
    #[must_use]
    pub fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::SeqCst)
    }

    fn revoke(&self, revoked: &Revoked) {
        self.revocations.fetch_add(1, Ordering::SeqCst);
        for listener in self.all_of(&revoked.user) {
            if revoked.session.is_none() || revoked.session.as_ref() == listener.session() {
                sign_out(&listener);
            }
        }
    }

    /// A person types in a room that this listener is in; unknown rooms are passed over.
    pub fn typed(&self, listener: &Arc<Listener>, room: &RoomId, now: Instant) {
        let Some(feed) = listener.feeds().into_iter().find(|feed| feed.room() == room) else {
            return;
        };
        if feed.typed(listener.user(), now) {
            self.typing.lock().push(feed);
        }
        if let Some(nodes) = &self.nodes {
            nodes.tell_typing(room, listener.user());
        }
    }

    /// What is due by the clock: typing frames, people whose grace is over. Once a second.
    pub fn tick(&self, now: Instant, at_ms: u64) {
        let due = std::mem::take(&mut *self.typing.lock());
        let still: Vec<Arc<Feed>> = due.into_iter().filter(|feed| feed.tick(now)).collect();
        self.typing.lock().extend(still);
        let gone = self.people.lock().gone(now);
        for gone in gone {
            self.tell_presence(&gone.user, &gone.feeds, Presence::Offline, at_ms);
        }
    }

    /// Forgets feeds that nobody has listened to for a while, and what quiet rooms need not hold. Every ten seconds.
    pub fn sweep(&self, now: Instant) {
        self.feeds.lock().retain(|_, feed| {
            let is_kept = feed.sweep(now).is_none_or(|since| now.duration_since(since) < KEPT);
            is_kept || Arc::strong_count(feed) > 1
        });
    }

    /// Every listener, for a drain.
    #[must_use]
    pub fn listeners(&self) -> Vec<Arc<Listener>> {
        self.people.lock().all().cloned().collect()
    }
}

/// Tells a connection that what it came with is not good any more, and closes it.
fn sign_out(listener: &Listener) {
    if !listener.is_guest() {
        let goodbye = Goodbye { code: CloseCode::SIGNED_OUT.0, reconnect: false, after_ms: 0 };
        listener.outbox().reply(Reply::from(goodbye).frame());
    }
    listener.outbox().close(Close::new(CloseCode::SIGNED_OUT, "signed out"));
}

/// The events of a commit, room by room, each in the order of its log.
fn by_room(events: &[Arc<Event>]) -> Vec<(RoomId, Vec<Arc<Event>>)> {
    let mut places: HashMap<&RoomId, usize> = HashMap::with_capacity(events.len());
    let mut rooms: Vec<(RoomId, Vec<Arc<Event>>)> = Vec::new();
    for event in events {
        let place = *places.entry(&event.room).or_insert_with(|| {
            rooms.push((event.room.clone(), Vec::new()));
            rooms.len() - 1
        });
        if let Some((_, of_room)) = rooms.get_mut(place) {
            of_room.push(event.clone());
        }
    }
    rooms
}

/// Everybody's coming and going in these events, in order.
fn changes(events: &[Arc<Event>]) -> impl Iterator<Item = (&Arc<Event>, &UserId, Change)> {
    events.iter().flat_map(|event| {
        let changes = match &event.kind {
            EventKind::Member { changes } => changes.as_slice(),
            _ => &[],
        };
        changes.iter().map(move |change| (event, &change.user, change.change))
    })
}
