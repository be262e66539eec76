//! Presence over several nodes by the store: this node's lease and its people go there, the others' are looked at.
//!
//! Started with the chat where the store is shared; two tasks, which end with the hub's. What they learn is told to the
//! people here. Hints only make it faster: without them, everything is found by the next look, and a node that is killed
//! loses its people when its lease ends. Nobody waits for this, and no message depends on it.

use std::sync::Arc;
use std::time::Duration;

use moorline_protocol::{Presence, UserId};
use moorline_store::{Lease, NodeId, Place, PresenceSince, PutPresence, Store};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::hub::Hub;
use crate::whereabouts::{Found, Whereabouts};

/// Changes gather so long before they are written.
const GATHER: Duration = Duration::from_millis(100);
/// Between two attempts at a store that does not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// How often everything is looked at from the beginning, whatever was seen.
const ALL: Duration = Duration::from_secs(300);
/// After so long without a look, the next one begins at the beginning: what is gone may not be told any more.
const GAP: Duration = Duration::from_secs(120);
/// Hints that may wait; what does not fit is found by the next look.
const HINTS: usize = 64;

/// How long a node's lease is, how often it is renewed, and how often the others are looked at.
#[derive(Debug, Clone, Copy)]
pub struct LeaseTimes {
    /// Between two renewals: 15 s, so that two may fail.
    pub renew: Duration,
    /// The lease: 45 s, so that the people of a node that is killed are gone within a minute.
    pub length: Duration,
    /// Between two looks: 3 s, so that a change is seen within some seconds where no hint tells it.
    pub look: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { renew: seconds(15), length: seconds(45), look: seconds(3) }
    }
}

impl LeaseTimes {
    /// Leases of this length, all else in proportion.
    #[must_use]
    pub fn of(length: Duration) -> Self {
        Self { renew: length / 3, length, look: length / 15 }
    }
}

/// What other nodes told by a hint.
pub(crate) struct Told {
    pub(crate) node: NodeId,
    pub(crate) places: Vec<Place>,
}

/// This node's part in the presence of all.
pub(crate) struct Leases {
    node: NodeId,
    times: LeaseTimes,
    whereabouts: Mutex<Whereabouts>,
    has_unwritten: Notify,
    told: mpsc::Sender<Told>,
    held: Mutex<Held>,
}

/// How the own lease stands.
#[derive(Default)]
struct Held {
    /// When the last renewal that succeeded began.
    renewed: Option<Instant>,
    /// Since when it has lasted without a break.
    since: Option<Instant>,
}

/// What other nodes told, for the task that takes it.
pub(crate) type Hints = mpsc::Receiver<Told>;

impl Leases {
    /// Nothing is written or read yet.
    pub(crate) fn new(node: NodeId, times: LeaseTimes) -> (Arc<Self>, Hints) {
        let (told, hints) = mpsc::channel(HINTS);
        let whereabouts = Mutex::new(Whereabouts::new(node));
        let (has_unwritten, held) = (Notify::new(), Mutex::default());
        (Arc::new(Self { node, times, whereabouts, has_unwritten, told, held }), hints)
    }

    /// How a person is, on whichever node.
    pub(crate) fn presence(&self, user: &UserId) -> Presence {
        self.whereabouts.lock().presence(user)
    }

    /// Whether another node lives, as far as this one knows.
    pub(crate) fn has_others(&self) -> bool {
        self.whereabouts.lock().has_others()
    }

    /// How somebody is on this node has changed; `here` is asked in such a way that of two changes the later one stays.
    /// Answers what the people here are to be told.
    pub(crate) fn settle(
        &self,
        user: &UserId,
        here: impl FnOnce() -> Presence,
    ) -> Option<Presence> {
        let mut whereabouts = self.whereabouts.lock();
        let turned = whereabouts.settle(user, here(), Instant::now().into_std());
        let is_written = !whereabouts.has_unwritten();
        drop(whereabouts);
        if !is_written {
            self.has_unwritten.notify_one();
        }
        turned
    }

    /// Another node told of its people. Never waits.
    pub(crate) fn hear(&self, told: Told) {
        if let Err(error) = self.told.try_send(told) {
            tracing::debug!(%error, "presence told by a hint waits for the next look");
        }
    }

    /// Whether others believe that this node lives, as far as it knows.
    pub(crate) fn is_held(&self) -> bool {
        let renewed = self.held.lock().renewed;
        renewed.is_some_and(|renewed| renewed.elapsed() < self.times.length)
    }

    /// While the store was away nobody could renew a lease: one that has ended says nothing until everybody had time to.
    fn is_sure(&self) -> bool {
        let since = self.held.lock().since;
        self.is_held() && since.is_some_and(|since| since.elapsed() > self.times.renew * 4 / 3)
    }

    /// Says that this node lives; when the next renewal is due.
    async fn renew(&self, store: &Store) -> Instant {
        let began = Instant::now();
        let lease = Lease { node: self.node, length: self.times.length };
        let lasted = match store.renew_lease(lease).await {
            Ok(lasted) => lasted && self.is_held(),
            Err(error) => {
                tracing::debug!(%error, "this node's lease was not renewed");
                return Instant::now() + AGAIN.min(self.times.renew);
            }
        };
        let mut held = self.held.lock();
        held.renewed = Some(began);
        if !lasted {
            held.since = Some(began);
            drop(held);
            self.whereabouts.lock().write_all_again();
            self.has_unwritten.notify_one();
        }
        began + self.times.renew
    }

    /// Writes who is how on this node, and tells the other nodes. Answers whether all of it is written.
    async fn write(&self, hub: &Hub) -> bool {
        loop {
            let taken = self.whereabouts.lock().take_unwritten();
            if taken.is_empty() {
                return true;
            }
            let places: Vec<Place> = taken
                .into_iter()
                .map(|(user, presence, version)| {
                    let connections = hub.connection_count(&user, presence);
                    Place { user, connections, is_away: presence == Presence::Away, version }
                })
                .collect();
            let put = PutPresence { node: self.node, places: places.clone() };
            if let Err(error) = hub.store().put_presence(put).await {
                tracing::debug!(%error, "who is here was not written, trying again");
                let users = places.into_iter().map(|place| place.user);
                self.whereabouts.lock().unwritten_again(users);
                return false;
            }
            hub.tell_nodes_of(places);
        }
    }

    /// Keeps the lease and writes, until the hub's task ends.
    async fn keep(self: Arc<Self>, hub: Arc<Hub>, mut end: watch::Receiver<()>) {
        let mut due = self.renew(hub.store()).await;
        let mut again: Option<Instant> = None;
        loop {
            let wake = again.map_or(due, |again| again.min(due));
            tokio::select! {
                () = sleep_until(wake) => {}
                () = self.has_unwritten.notified(), if again.is_none() => sleep(GATHER).await,
                _ = end.changed() => return,
            }
            if due <= Instant::now() {
                due = self.renew(hub.store()).await;
            }
            let is_written = self.is_held() && self.write(&hub).await;
            again = (!is_written).then(|| Instant::now() + AGAIN);
        }
    }

    /// Looks at the others and hears of them, until the hub's task ends.
    async fn watch(self: Arc<Self>, hub: Arc<Hub>, mut hints: Hints, mut end: watch::Receiver<()>) {
        let mut looks = Looks::default();
        loop {
            let turned = looks.look(&self, hub.store()).await;
            let orphaned = self.whereabouts.lock().orphaned(&turned);
            hub.tell_outlets_of_orphans(orphaned);
            hub.tell_turned(&turned).await;
            let pause = self.times.look.mul_f64(0.8 + 0.4 * rand::random::<f64>());
            let next = Instant::now() + pause;
            loop {
                let told = tokio::select! {
                    () = sleep_until(next) => break,
                    Some(told) = hints.recv() => told,
                    _ = end.changed() => return,
                };
                let now = Instant::now().into_std();
                let turned = self.whereabouts.lock().hear(told.node, &told.places, now);
                hub.tell_turned(&turned).await;
            }
        }
    }
}

/// How far the others were looked at.
#[derive(Default)]
struct Looks {
    since: PresenceSince,
    /// When the last look that succeeded began, and the last from the beginning.
    last: Option<Instant>,
    all: Option<Instant>,
}

impl Looks {
    async fn look(&mut self, leases: &Leases, store: &Store) -> crate::whereabouts::Turned {
        let began = Instant::now();
        let is_in = |at: Option<Instant>, time| at.is_some_and(|at| began - at < time);
        let is_all = !is_in(self.last, GAP) || !is_in(self.all, ALL);
        let mut since = if is_all { PresenceSince::default() } else { self.since };
        let mut places = Vec::new();
        let nodes = loop {
            match store.presence(since).await {
                Ok(Some(mut found)) => {
                    places.append(&mut found.places);
                    since = found.since;
                    if !since.has_rest() {
                        break found.nodes;
                    }
                }
                Ok(None) => return Vec::new(),
                Err(error) => {
                    tracing::debug!(%error, "could not see who is on other nodes");
                    return Vec::new();
                }
            }
        };
        (self.since, self.last) = (since, Some(began));
        if is_all {
            self.all = Some(began);
        }
        let (began, is_sure) = (began.into_std(), leases.is_sure());
        let found = Found { began, is_all, places, nodes, is_sure };
        let mut whereabouts = leases.whereabouts.lock();
        let (turned, has_revived) = whereabouts.look(&found);
        let is_written = !whereabouts.has_unwritten();
        drop(whereabouts);
        if has_revived {
            self.all = None;
        }
        if !is_written {
            leases.has_unwritten.notify_one();
        }
        turned
    }
}

/// Starts the tasks; they end when the other end of `end` is dropped.
pub(crate) fn start(leases: &Arc<Leases>, hub: &Arc<Hub>, hints: Hints, end: &watch::Receiver<()>) {
    tokio::spawn(Arc::clone(leases).keep(Arc::clone(hub), end.clone()));
    tokio::spawn(Arc::clone(leases).watch(Arc::clone(hub), hints, end.clone()));
}
