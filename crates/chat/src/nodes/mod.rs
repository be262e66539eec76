//! The other nodes of one store: what this one commits is told to them over the channel layer, and what they tell is
//! handed to the hub.
//!
//! All nodes are in one group, so one message a batch and node is sent, whatever the number of rooms in it. Nothing here
//! is needed for a message to arrive: the layer may lose, repeat, delay and invent, and what is missing is read from the
//! store (`changes`). A node hears its own hints too, and by that it knows whether the layer carries anything.

mod hints;
mod pieces;
mod seen;
mod trip;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use moorline_layer::{ChannelLayer, Error, Message};
use moorline_protocol::{RoomId, UserId};
use moorline_store::{Commit, NodeId, Place};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep};

use crate::changes::Haste;
use crate::now_ms;
use hints::{Envelope, Refused, Seal};
pub(crate) use hints::{Marker, News, Noticed, RoomNews, Typist};
use pieces::{notice_size, pieces};
use seen::Seen;
use trip::{LEAST, Trip};

/// The group of all nodes.
const GROUP: &str = "moorline.nodes";
/// The beginning of a node's channel.
const PREFIX: &str = "moorline.node";
/// A node that has nothing to tell says so this often: thus a lost hint is noticed, even the last one.
const BEAT: Duration = Duration::from_secs(1);
/// Without an own hint for so long, the layer carries nothing.
const DEAF_AFTER: Duration = Duration::from_secs(3);
/// Events that wait to be told; beyond them the others find out by the store.
const WAITING: usize = 20_000;
/// People of whom a hint tells; of more the others find out by the store.
const PEOPLE: usize = 4_000;
/// Bytes of notices that wait to be told; more are dropped.
const NOTICE_BYTES: usize = 4 * 1024 * 1024;
/// News of others that wait for the hub; further hints stay in the layer.
pub(crate) const QUEUE: usize = 64;
/// How long to wait before the group is joined again.
const AGAIN: Duration = Duration::from_millis(500);

/// What became of the hints, for metrics.
#[derive(Debug, Default)]
pub struct HintCounts {
    /// Hints sent.
    pub sent: AtomicU64,
    /// Hints that the layer did not take, and commits that found too many waiting.
    pub dropped: AtomicU64,
    /// Hints of other nodes that opened.
    pub received: AtomicU64,
    /// Hints of other nodes that did not come, by their numbers.
    pub missed: AtomicU64,
    /// Messages that are no hints of this store, or forged.
    pub refused: AtomicU64,
    /// Messages of nodes on another store.
    pub foreign: AtomicU64,
}

/// The line to the other nodes.
pub(crate) struct Nodes {
    node: u64,
    layer: ChannelLayer,
    seal: Seal,
    haste: Arc<Haste>,
    waiting: Mutex<Waiting>,
    has_news: Notify,
    heard: Mutex<Instant>,
    trip: Mutex<Trip>,
    is_deaf: AtomicBool,
    /// Why the layer last did not do what it was asked to; none since this node heard itself.
    refusal: Mutex<Option<String>>,
    counts: HintCounts,
}

#[derive(Default)]
struct Waiting {
    news: News,
    events: usize,
    notice_bytes: usize,
}

impl Nodes {
    /// A line that says nothing yet; `key` is what all nodes of the store have.
    pub(crate) fn new(
        node: NodeId,
        layer: ChannelLayer,
        key: &[u8; 32],
        haste: Arc<Haste>,
    ) -> Arc<Self> {
        Arc::new(Self {
            node: node.0,
            layer,
            seal: Seal::new(key),
            haste,
            waiting: Mutex::default(),
            has_news: Notify::new(),
            heard: Mutex::new(Instant::now()),
            trip: Mutex::default(),
            is_deaf: AtomicBool::new(false),
            refusal: Mutex::default(),
            counts: HintCounts::default(),
        })
    }

    pub(crate) fn counts(&self) -> &HintCounts {
        &self.counts
    }

    /// Whether the layer carries nothing now.
    pub(crate) fn is_deaf(&self) -> bool {
        self.is_deaf.load(Ordering::Relaxed)
    }

    /// How long something that another node has said may still be under way to here.
    pub(crate) fn patience(&self) -> Duration {
        match self.is_deaf() {
            true => LEAST,
            false => self.trip.lock().patience(Instant::now().into_std()),
        }
    }

    /// Why nothing is heard by the layer, if that is so.
    pub(crate) fn silence(&self) -> Option<String> {
        if !self.is_deaf() {
            return None;
        }
        let refusal = self.refusal.lock().clone();
        Some(refusal.unwrap_or_else(|| {
            "what nodes say does not come back through the channel layer; it is too slow, or somebody takes its keys away"
                .to_owned()
        }))
    }

    /// Tells the others of a commit. Never waits.
    pub(crate) fn tell(&self, commit: &Commit) {
        let mut waiting = self.waiting.lock();
        if waiting.events + commit.events.len() > WAITING {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            waiting.news.look = true;
            return;
        }
        waiting.events += commit.events.len();
        for touched in &commit.rooms {
            let of_room = |event: &&Arc<_>| is_of(event, &touched.room);
            let events: Vec<_> = commit.events.iter().filter(of_room).cloned().collect();
            let (room, members) = (touched.room.clone(), touched.members);
            waiting.news.rooms.push(RoomNews { room, members, events });
        }
        waiting.news.receipts.extend(commit.receipts.iter().map(|receipt| Marker {
            room: receipt.room.clone(),
            user: receipt.user.clone(),
            seq: receipt.seq,
        }));
        waiting.news.look |= !commit.revoked.is_empty();
        let is_empty = waiting.news.is_empty();
        drop(waiting);
        if !is_empty {
            self.has_news.notify_one();
        }
    }

    /// Tells the others that somebody types.
    pub(crate) fn tell_typing(&self, room: &RoomId, user: &UserId) {
        let typist = Typist { room: room.clone(), user: user.clone() };
        let mut waiting = self.waiting.lock();
        if waiting.news.typing.len() < WAITING && !waiting.news.typing.contains(&typist) {
            waiting.news.typing.push(typist);
        }
        drop(waiting);
        self.has_news.notify_one();
    }

    /// Tells the others how people are here, as it is written.
    pub(crate) fn tell_presence(&self, places: Vec<Place>) {
        let mut waiting = self.waiting.lock();
        if waiting.news.presence.len() + places.len() <= PEOPLE {
            waiting.news.presence.extend(places.into_iter().map(Into::into));
        }
        drop(waiting);
        self.has_news.notify_one();
    }

    /// Tells the others of a notice; `false` where too many wait already.
    pub(crate) fn tell_notice(&self, noticed: &Noticed) -> bool {
        let bytes = notice_size(noticed);
        let mut waiting = self.waiting.lock();
        if waiting.notice_bytes + bytes > NOTICE_BYTES {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        waiting.notice_bytes += bytes;
        waiting.news.notices.push(noticed.clone());
        drop(waiting);
        self.has_news.notify_one();
        true
    }

    /// Sends what waits, in as few hints as hold it, until the layer is closed.
    async fn send_all(self: Arc<Self>) {
        let mut number = 0;
        loop {
            tokio::select! {
                () = self.has_news.notified() => {}
                () = sleep(BEAT) => {}
            }
            let waiting = std::mem::take(&mut *self.waiting.lock());
            for news in pieces(waiting.news) {
                number += 1;
                if let Err(Error::Closed) = self.send(number, &news).await {
                    return;
                }
            }
            self.listen_for_oneself();
        }
    }

    async fn send(&self, number: u64, news: &News) -> Result<(), Error> {
        let envelope = Envelope { node: self.node, number, at_ms: now_ms() };
        let Some(message) = self.seal.seal(envelope, news) else { return Ok(()) };
        self.trip.lock().sent(number, Instant::now().into_std());
        let sent = self.layer.group_send(GROUP, &message).await;
        match &sent {
            Ok(()) => {
                self.counts.sent.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                self.haste.hurry();
                tracing::debug!(%error, "a hint was not sent");
                *self.refusal.lock() = Some(error.to_string());
            }
        }
        sent
    }

    /// Who does not hear oneself does not hear the others either.
    fn listen_for_oneself(&self) {
        let is_deaf = self.heard.lock().elapsed() > DEAF_AFTER;
        if is_deaf {
            self.haste.hurry();
        }
        if self.is_deaf.swap(is_deaf, Ordering::Relaxed) != is_deaf {
            tracing::debug!(is_deaf, "whether the channel layer carries hints has changed");
            self.haste.hurry();
        }
    }

    /// Joins the group and hands on what the others tell, until the layer is closed.
    async fn receive_all(self: Arc<Self>, news: mpsc::Sender<News>) {
        let Some(channel) = self.join().await else { return };
        let mut seen = Seen::default();
        let mut beats = tokio::time::interval(BEAT);
        loop {
            let message = tokio::select! {
                _ = beats.tick() => {
                    // Here too, since sending may wait long for a Redis that stands still.
                    self.listen_for_oneself();
                    self.join_again(&channel).await;
                    continue;
                }
                received = self.layer.receive(&channel) => match received {
                    Ok(message) => message,
                    Err(Error::Closed) => return,
                    Err(error) => {
                        tracing::debug!(%error, "could not receive hints");
                        sleep(AGAIN).await;
                        continue;
                    }
                },
                () = news.closed() => return,
            };
            if let Some(heard) = self.open(&message, &mut seen)
                && news.send(heard).await.is_err()
            {
                return;
            }
        }
    }

    /// A Redis that was flushed has forgotten the group, and no connection broke that would say so: who hears nothing,
    /// not even oneself, joins again.
    async fn join_again(&self, channel: &str) {
        if self.is_deaf()
            && let Err(error) = self.layer.group_add(GROUP, channel).await
        {
            tracing::debug!(%error, "the group of nodes cannot be joined again");
        }
    }

    async fn join(&self) -> Option<String> {
        loop {
            let joined = async {
                let channel = self.layer.new_channel_with_prefix(PREFIX).await?;
                self.layer.group_add(GROUP, &channel).await?;
                Ok(channel)
            };
            match joined.await {
                Ok(channel) => {
                    *self.heard.lock() = Instant::now();
                    self.haste.hurry();
                    return Some(channel);
                }
                Err(Error::Closed) => return None,
                Err(error) => {
                    self.haste.hurry();
                    tracing::debug!(%error, "the group of nodes cannot be joined");
                    *self.refusal.lock() = Some(error.to_string());
                    sleep(AGAIN).await;
                }
            }
        }
    }

    /// What a message says that came to this node's channel, if another node of this store made it.
    fn open(&self, message: &Message, seen: &mut Seen) -> Option<News> {
        let (envelope, mut news) = match self.seal.open(message) {
            Ok(opened) => opened,
            Err(refused) => {
                self.refuse(refused);
                return None;
            }
        };
        if envelope.node == self.node {
            *self.heard.lock() = Instant::now();
            *self.refusal.lock() = None;
            self.trip.lock().came(envelope.number, Instant::now().into_std());
            return None;
        }
        self.counts.received.fetch_add(1, Ordering::Relaxed);
        let place = seen.take(envelope, now_ms());
        if place.missing > 0 {
            self.counts.missed.fetch_add(place.missing, Ordering::Relaxed);
            self.haste.hurry();
        }
        if news.look {
            self.haste.hurry();
        }
        news.is_late = !place.is_news;
        if news.is_late {
            // What is of the moment may have been kept by somebody and sent again.
            news.receipts.clear();
            news.typing.clear();
            news.presence.clear();
            news.notices.clear();
        }
        news.node = envelope.node;
        (!news.is_empty()).then_some(news)
    }

    fn refuse(&self, refused: Refused) {
        let count = match refused {
            Refused::OtherStore => &self.counts.foreign,
            Refused::Malformed | Refused::Forged => &self.counts.refused,
        };
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                "a message to the nodes was passed over, and further ones will be: {refused}"
            );
        }
        self.haste.hurry();
    }

    /// Whatever makes the layer lose messages makes this node look at the store.
    async fn watch_gaps(self: Arc<Self>) {
        let mut gaps = self.layer.gaps();
        while let Some(gap) = gaps.next().await {
            tracing::debug!(?gap, "the layer may have lost hints");
            self.haste.hurry();
        }
    }
}

/// Starts the tasks of a line; what other nodes tell comes out of the receiver.
pub(crate) fn start(nodes: &Arc<Nodes>) -> mpsc::Receiver<News> {
    let (tell, told) = mpsc::channel(QUEUE);
    tokio::spawn(Arc::clone(nodes).receive_all(tell));
    tokio::spawn(Arc::clone(nodes).send_all());
    tokio::spawn(Arc::clone(nodes).watch_gaps());
    told
}

fn is_of(event: &moorline_protocol::Event, room: &RoomId) -> bool {
    event.room == *room
}
