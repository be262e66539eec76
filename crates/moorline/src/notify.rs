//! What the service manager is told, as sd_notify(3) has it: that the server is ready, reads its settings again, stops, and
//! lives. `serve` and `reload` call it. Where nobody asks for it (`NOTIFY_SOCKET`, `WATCHDOG_USEC`) nothing is sent, and a
//! manager that does not listen is no reason not to serve.

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// Clients are served from now on: says so, and that the server lives, as long as it does. Needs a tokio runtime.
pub(crate) fn serving() {
    ready();
    tokio::spawn(live());
}

/// The settings that were read last are in force.
pub(crate) fn ready() {
    say(&[NotifyState::Ready]);
}

/// The settings are read again; [`ready`] says that it is done.
pub(crate) fn reloading() {
    let since = NotifyState::monotonic_usec_now().ok();
    let states: Vec<_> = std::iter::once(NotifyState::Reloading).chain(since).collect();
    say(&states);
}

/// Waits for the wish to stop and says that the drain begins.
pub(crate) async fn stopping(wish: impl Future<Output = ()>) {
    wish.await;
    say(&[NotifyState::Stopping]);
}

/// Says twice in each of the watchdog's intervals that the server lives, for ever; returns at once where there is no
/// watchdog. A server whose threads all hang says nothing any more, and is started anew.
async fn live() {
    let Some(patience) = sd_notify::watchdog_enabled().filter(|time| !time.is_zero()) else {
        return;
    };
    let mut beat = interval(patience / 2);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        say(&[NotifyState::Watchdog]);
    }
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}
