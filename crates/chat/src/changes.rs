//! What other nodes committed: looks at the store again and again, and hands what changed to the hub's task.
//!
//! Started with the chat; ends with it. Over a store of which this node is the only writer it ends at once. Where hints
//! tell of commits, a look is made now and then; once anything may have been lost, at once and then every second until
//! a minute has gone by without.

use std::sync::Arc;
use std::time::Duration;

use moorline_store::{ChangedRooms, Store};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// Between two looks in haste, or where there are no hints. Nodes are spread by chance, so that they do not all ask at
/// once.
const OFTEN: Duration = Duration::from_secs(1);
/// Between two looks where hints tell of everything. A layer that holds back the hints of one node alone is not noticed by
/// anything else, and who was removed or signed out there must be so here within five seconds.
const SELDOM: Duration = Duration::from_secs(3);
/// How long the haste lasts after its last cause.
const HASTE: Duration = Duration::from_secs(60);

/// How often to look.
pub(crate) struct Haste {
    /// None: always often.
    until: Option<Mutex<Instant>>,
    now: Notify,
}

impl Haste {
    /// Always, since nobody tells of commits.
    pub(crate) fn always() -> Arc<Self> {
        Arc::new(Self { until: None, now: Notify::new() })
    }

    /// Only when something may have been lost, as at the start.
    pub(crate) fn when_needed() -> Arc<Self> {
        let until = Some(Mutex::new(Instant::now() + HASTE));
        Arc::new(Self { until, now: Notify::new() })
    }

    /// Something may have been lost.
    pub(crate) fn hurry(&self) {
        let Some(until) = &self.until else { return };
        let (mut until, now) = (until.lock(), Instant::now());
        // Who is in haste already looks within a second.
        if *until <= now {
            self.now.notify_one();
        }
        *until = now + HASTE;
    }

    fn pause(&self) -> Duration {
        let is_in_haste = self.until.as_ref().is_none_or(|until| *until.lock() > Instant::now());
        let pause = if is_in_haste { OFTEN } else { SELDOM };
        pause.mul_f64(0.8 + 0.4 * rand::random::<f64>())
    }
}

/// Looks for as long as somebody listens. A look that fails is made again: it begins where the last good one ended.
pub(crate) async fn watch(store: Store, haste: Arc<Haste>, changes: mpsc::Sender<ChangedRooms>) {
    let mut since = None;
    let mut has_failed = false;
    while !changes.is_closed() {
        match store.changed_rooms(since).await {
            Ok(None) => return,
            Ok(Some(changed)) => {
                has_failed = false;
                since = Some(changed.since);
                let has_rest = changed.since.has_rest();
                if changes.send(changed).await.is_err() {
                    return;
                }
                if has_rest {
                    continue;
                }
            }
            Err(error) if !has_failed => {
                has_failed = true;
                tracing::warn!(%error, "could not see what other nodes committed, trying again");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(haste.pause()) => {}
            () = haste.now.notified() => {}
            () = changes.closed() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loss_makes_haste_for_a_minute() {
        let haste = Haste::when_needed();
        tokio::time::advance(HASTE).await;
        assert!(haste.pause() >= SELDOM / 2);
        haste.hurry();
        haste.now.notified().await;
        assert!(haste.pause() < OFTEN * 2);
        tokio::time::advance(HASTE - OFTEN).await;
        haste.hurry();
        tokio::time::advance(HASTE - OFTEN).await;
        assert!(haste.pause() < OFTEN * 2);
        tokio::time::advance(OFTEN).await;
        assert!(haste.pause() >= SELDOM / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn however_quiet_it_is_a_look_comes_in_time_for_what_must_stop_within_five_seconds() {
        let haste = Haste::when_needed();
        tokio::time::advance(HASTE).await;
        let longest = (0..1_000).map(|_| haste.pause()).max();
        assert!(longest < Some(Duration::from_secs(4)), "{longest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_hints_there_is_always_haste() {
        let haste = Haste::always();
        tokio::time::advance(2 * HASTE).await;
        assert!(haste.pause() < OFTEN * 2);
    }
}
