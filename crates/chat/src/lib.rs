//! The rules of Moorline: who may do what, the way of a message from the store to every outbox, resume, presence.
//!
//! The session of each connection calls [`Chat`]; the store decides and commits; the [`Hub`] publishes what was
//! committed. No HTTP, no SQL, no sockets here.

mod ahead;
mod changes;
mod django;
mod error;
mod export;
mod feed;
mod follow;
mod hub;
mod leases;
mod listener;
mod nodes;
mod notices;
mod outbox;
mod outlet;
mod people;
mod recent;
mod round;
mod rules;
mod tail;
mod tap;
mod troubles;
mod typing;
mod upkeep;
mod whereabouts;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use changes::Haste;
use leases::Leases;
use moorline_layer::ChannelLayer;
use moorline_protocol::ServerPart;
use moorline_store::{ChangedRooms, Commits, NodeId, Store};
use nodes::{News, Nodes};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};
use tokio::task::JoinHandle;
use troubles::Parts;

pub use django::{
    CHANNEL, Django, DjangoCounts, DjangoSettings, EventsTo, InvalidTarget, Reason, Refusal,
};
pub use error::Error;
pub use export::Export;
pub use follow::{Cursor, Followed};
pub use hub::{Counts, Hub, Resumes};
pub use leases::LeaseTimes;
pub use listener::Listener;
pub use nodes::HintCounts;
pub use notices::{NoticeDraft, Shown};
pub use outbox::{Close, DEFAULT_LIMIT_BYTES, Drained, Notice, Outbox, Pushed};
pub use outlet::{Happening, Outlet};
pub use rules::{Grants, check_positions, checked_name};
pub use tap::{Tap, Wanted, Watch};
pub use troubles::Trouble;
pub use upkeep::{Erased, Upkept, carry_through};

/// Connections that read the log to catch up at the same time; the others wait their turn.
const CATCHING_UP: usize = 64;

/// Whom a person may find by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Directory {
    /// Everybody.
    #[default]
    All,
    /// Those one shares a room with.
    Shared,
    /// Nobody.
    Off,
}

/// The chat of one node.
pub struct Chat {
    store: Store,
    hub: Arc<Hub>,
    catching_up: Semaphore,
    directory: Directory,
    upkept: Upkept,
    parts: Arc<Parts>,
}

impl Chat {
    /// Starts the chat over a store: its hub's task publishes every commit until the store is closed, and then ends. By
    /// the layer it hears at once of what other nodes of the same store commit, and without one within about a second.
    #[must_use]
    pub fn start(
        store: Store,
        commits: Commits,
        directory: Directory,
        layer: Option<ChannelLayer>,
    ) -> (Arc<Self>, JoinHandle<()>) {
        Self::start_with(store, commits, directory, layer, LeaseTimes::default())
    }

    /// The same with other times than the usual ones for what nodes tell each other of presence: for tests, which have no
    /// minute to wait for a node to be missed.
    #[must_use]
    pub fn start_with(
        store: Store,
        commits: Commits,
        directory: Directory,
        layer: Option<ChannelLayer>,
        times: LeaseTimes,
    ) -> (Arc<Self>, JoinHandle<()>) {
        let node = NodeId(rand::random());
        // Nodes share a key by sharing a store; a store of one's own has no other nodes.
        let line = layer.clone().zip(store.shared_key("hints"));
        let haste = line.as_ref().map_or_else(Haste::always, |_| Haste::when_needed());
        let nodes = line.map(|(layer, key)| Nodes::new(node, layer, &key, haste.clone()));
        let heard = nodes.as_ref().map(nodes::start);
        let (leases, hints) = match store.is_shared().then(|| Leases::new(node, times)) {
            Some((leases, hints)) => (Some(leases), Some(hints)),
            None => (None, None),
        };
        let parts = Arc::new(Parts { layer, nodes: nodes.clone(), store: store.clone() });
        let hub = Arc::new(Hub::new(store.clone(), haste.clone(), nodes, leases.clone()));
        let (end, has_ended) = watch::channel(());
        if let Some((leases, hints)) = leases.zip(hints) {
            leases::start(&leases, &hub, hints, &has_ended);
        }
        tokio::spawn(Arc::clone(&parts).watch(hub.tap().clone(), has_ended));
        // One waits while the one before is delivered.
        let (changes, changed) = mpsc::channel(1);
        tokio::spawn(changes::watch(store.clone(), haste, changes));
        let publishing = publish_all(hub.clone(), commits, changed, heard);
        let publishing = tokio::spawn(async move {
            publishing.await;
            drop(end);
        });
        let chat = Self {
            store,
            hub,
            catching_up: Semaphore::new(CATCHING_UP),
            directory,
            upkept: Upkept::default(),
            parts,
        };
        (Arc::new(chat), publishing)
    }

    /// The durable truth, for what needs no rule.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Who listens to what.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Whom a person may find by name.
    #[must_use]
    pub fn directory(&self) -> Directory {
        self.directory
    }

    /// What does not work as it should now. The chat goes on.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        self.parts.troubles()
    }

    /// Whether the channel layer can be used, or there is none.
    #[must_use]
    pub fn has_connected(&self) -> bool {
        self.parts.layer.as_ref().is_none_or(ChannelLayer::is_up)
    }

    /// The parts of it that clients hear of.
    #[must_use]
    pub fn degraded(&self) -> Vec<ServerPart> {
        self.troubles().into_iter().map(|trouble| trouble.part).collect()
    }

    /// What upkeep did so far.
    #[must_use]
    pub fn upkept(&self) -> &Upkept {
        &self.upkept
    }

    /// Waits for one's turn to read the log.
    pub(crate) async fn turn_to_catch_up(&self) -> Option<SemaphorePermit<'_>> {
        self.catching_up.acquire().await.ok()
    }
}

/// The hub's task: the one sequential owner of all feeds of this node.
async fn publish_all(
    hub: Arc<Hub>,
    mut commits: Commits,
    mut changed: mpsc::Receiver<ChangedRooms>,
    mut heard: Option<mpsc::Receiver<News>>,
) {
    const TICK: Duration = Duration::from_secs(1);
    const SWEEP_EVERY: u32 = 10;
    /// What an event waits for may be here, unheard, where the machine is busy: for so long it is heard first.
    const BUSY: Duration = Duration::from_millis(100);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticked = 0_u32;
    loop {
        let is_behind =
            !commits.is_empty() || heard.as_ref().is_some_and(|heard| !heard.is_empty());
        let due = hub.due().map(|due| if is_behind { due + BUSY } else { due });
        tokio::select! {
            commit = commits.next() => match commit {
                Some(commit) => hub.publish(commit).await,
                None => return,
            },
            Some(changed) = changed.recv() => hub.catch_up(&changed).await,
            Some(news) = next(&mut heard) => hub.hear(news).await,
            () = until(due) => {
                // What is waited for may have come and stand in the queue, which holds so many.
                for _ in 0..nodes::QUEUE {
                    let news = heard.as_mut().and_then(|heard| heard.try_recv().ok());
                    let Some(news) = news else { break };
                    hub.hear(news).await;
                }
                hub.bring_overdue(Instant::now()).await;
            }
            _ = ticks.tick() => {
                hub.tick(Instant::now(), now_ms());
                ticked = ticked.wrapping_add(1);
                if ticked.is_multiple_of(SWEEP_EVERY) {
                    hub.sweep(Instant::now());
                }
            }
        }
    }
}

/// What another node told; never, where there is no line to others.
async fn next(heard: &mut Option<mpsc::Receiver<News>>) -> Option<News> {
    match heard {
        Some(heard) => heard.recv().await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// The wall clock, ms since 1970: what events are stamped with. Nothing depends on its order.
#[must_use]
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}
