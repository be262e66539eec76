//! Upkeep of one node: prunes what is older than it is kept, drops tickets that have ended, and carries through the
//! erasing of people.
//!
//! Started beside the chat; every step is a small command among the sends of others, and between two steps it rests for
//! longer than the step took, so that nobody waits for it. Of several nodes on one database one prunes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moorline_protocol::UserId;
use moorline_store::{Eraser, Erasing, Error, Overdue, Prune, RoomNumber, Store};

use crate::{Chat, now_ms};

/// Between two rounds. A round that finds nothing looks at each room's oldest event once.
const ROUND: Duration = Duration::from_secs(60);
/// A node that prunes has the others wait for so long: three rounds, so that one late round loses nothing.
const CLAIM_SECS: u32 = 180;
/// Rest after a step, in multiples of its time: a tenth of the writer's time at most goes to upkeep.
const REST: u32 = 9;
/// And at least this.
const BREATH: Duration = Duration::from_millis(1);
/// Commands that wait while the store has more to do than it can.
const BUSY: usize = 500;

/// What upkeep did, for metrics.
#[derive(Debug, Default)]
pub struct Upkept {
    /// Events pruned since the start.
    pub pruned: AtomicU64,
    /// People erased since the start.
    pub erased: AtomicU64,
}

/// How the erasing of a person stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// All of it is done.
    Through,
    /// They are gone for everybody; what they left is still being erased.
    Begun,
}

impl Chat {
    /// Keeps the store in order until the task is ended: `retention` is for rooms that say nothing of it themselves, none
    /// for ever.
    pub async fn keep_up(self: Arc<Self>, retention: Option<Duration>) {
        let node = format!("{:016x}", rand::random::<u64>());
        loop {
            if let Err(error) = self.keep_up_once(&node, retention, now_ms()).await {
                tracing::warn!(%error, "upkeep could not go on, trying again");
            }
            tokio::time::sleep(ROUND.mul_f64(0.9 + 0.2 * rand::random::<f64>())).await;
        }
    }

    /// One round: erasings that were cut off, tickets that have ended, then all rooms.
    ///
    /// # Errors
    /// Where the store cannot do it now; the next round begins again.
    pub async fn keep_up_once(
        &self,
        node: &str,
        retention: Option<Duration>,
        now_ms: u64,
    ) -> Result<(), Error> {
        let mut claim = Claim { node, at: None };
        if !claim.holds(self.store()).await? {
            return Ok(());
        }
        for erasing in self.store().erasings().await? {
            carry_through(self.store(), erasing).await?;
            self.upkept().erased.fetch_add(1, Ordering::Relaxed);
        }
        while self.store().drop_tickets(now_ms).await? > 0 {
            tokio::time::sleep(BREATH).await;
        }
        self.prune_all(&mut claim, retention, now_ms).await
    }

    async fn prune_all(
        &self,
        claim: &mut Claim<'_>,
        retention: Option<Duration>,
        now_ms: u64,
    ) -> Result<(), Error> {
        let seconds = retention.map(|kept| kept.as_secs());
        let mut after: Option<RoomNumber> = None;
        loop {
            let Overdue { rooms, next } = self.store().overdue(seconds, now_ms, after).await?;
            for (room, before_ms) in rooms {
                let prune = Prune { room, before_ms };
                while claim.holds(self.store()).await? && self.prune_some(&prune).await? {}
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// One step; answers whether there may be more.
    async fn prune_some(&self, prune: &Prune) -> Result<bool, Error> {
        let pace = Pace::begin(self.store()).await;
        let pruned = match self.store().prune(prune.clone()).await {
            Ok(pruned) => pruned,
            Err(Error::NotFound) => 0,
            Err(error) => return Err(error),
        };
        self.upkept().pruned.fetch_add(pruned, Ordering::Relaxed);
        pace.rest().await;
        Ok(pruned > 0)
    }

    /// Erases a person. They are signed out everywhere and gone for everybody when this has begun, which is before it
    /// answers; what is left to do goes on whoever waits, also after a crash. Waits for its end at most for `patience`.
    /// Doing it again changes nothing, and tells how it stands.
    ///
    /// # Errors
    /// Where there is no such person, or the store cannot do it now.
    pub async fn erase(
        self: &Arc<Self>,
        user: &UserId,
        keeps_messages: bool,
        patience: Duration,
    ) -> Result<Erased, Error> {
        // Read before, since nobody is a member of anything afterwards.
        let rooms = self.store().room_ids_of(user).await?;
        let begin = self.store().begin_erasing(user.clone(), keeps_messages, now_ms());
        if !begin.await? {
            return Ok(Erased::Through);
        }
        let rooms: Vec<_> = rooms.into_iter().map(|(room, _)| room).collect();
        self.hub().erased(user, &rooms);
        tracing::info!(keeps_messages, "the erasing of a person has begun");
        let (chat, user) = (Arc::clone(self), user.clone());
        let erasing = tokio::spawn(async move { chat.erase_begun(&user).await });
        match tokio::time::timeout(patience, erasing).await {
            Ok(Ok(done)) => done.map(|()| Erased::Through),
            // It goes on by itself; where it failed, the next round takes it up.
            Ok(Err(_)) | Err(_) => Ok(Erased::Begun),
        }
    }

    async fn erase_begun(&self, user: &UserId) -> Result<(), Error> {
        let begun = self.store().erasings().await?;
        for erasing in begun.into_iter().filter(|erasing| erasing.user == *user) {
            carry_through(self.store(), erasing).await?;
            self.upkept().erased.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Runs an erasing to its end, in the pace of upkeep.
///
/// # Errors
/// Where the store cannot do it now.
pub async fn carry_through(store: &Store, erasing: Erasing) -> Result<(), Error> {
    let mut eraser = Eraser::new(store.clone(), erasing);
    loop {
        let pace = Pace::begin(store).await;
        if !eraser.step(now_ms()).await? {
            return Ok(());
        }
        pace.rest().await;
    }
}

/// This node's being the one that prunes.
struct Claim<'a> {
    node: &'a str,
    /// When it was last granted.
    at: Option<Instant>,
}

impl Claim<'_> {
    /// Whether it still is; asked again long before it ends.
    async fn holds(&mut self, store: &Store) -> Result<bool, Error> {
        if self.at.is_some_and(|at| at.elapsed() < ROUND) {
            return Ok(true);
        }
        let asked = Instant::now();
        let is_granted = store.claim_upkeep(self.node, CLAIM_SECS).await?;
        self.at = is_granted.then_some(asked);
        Ok(is_granted)
    }
}

/// The time that a step takes.
struct Pace(Instant);

impl Pace {
    /// Waits for its turn while the store has much to do, but not for ever.
    async fn begin(store: &Store) -> Self {
        for _ in 0..100 {
            if store.health().queued < BUSY {
                break;
            }
            tokio::time::sleep(BREATH * 10).await;
        }
        Self(Instant::now())
    }

    async fn rest(self) {
        tokio::time::sleep((self.0.elapsed() * REST).clamp(BREATH, Duration::from_secs(1))).await;
    }
}
