//! When messages are meant to be sent: at a fixed rate from the start on, whatever the server does, so that its slowness is
//! measured and not waited for. Each moment goes to one window as a ticket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::window::Board;

/// How finely tickets are given out.
const TURN: Duration = Duration::from_millis(2);
/// Tickets that may wait at a window; more are counted as skipped.
pub(super) const WAITING: usize = 8_192;

/// Gives out tickets until it is aborted.
pub(super) async fn pace(
    rate: f64,
    seed: u64,
    windows: Vec<mpsc::Sender<Instant>>,
    board: Arc<Board>,
) {
    let (start, mut chance) = (Instant::now(), StdRng::seed_from_u64(seed));
    let mut given = 0_u64;
    let mut turns = interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        // The first one is meant to be sent at the start.
        let due = (start.elapsed().as_secs_f64() * rate) as u64 + 1;
        while given < due {
            let meant = start + Duration::from_secs_f64(given as f64 / rate);
            given += 1;
            let to = chance.random_range(0..windows.len());
            // A window has ended before the talk: so has the run.
            if windows[to].is_closed() {
                return;
            }
            if windows[to].try_send(meant).is_err() {
                board.skipped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop there")]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_ticket_is_given_out_when_its_message_is_meant_to_be_sent() {
        let (give, mut tickets) = mpsc::channel(WAITING);
        let start = Instant::now();
        let pacing = tokio::spawn(pace(4.0, 1, vec![give], Arc::default()));
        for number in 0..20 {
            let meant = tickets.recv().await.unwrap();
            assert_eq!(meant - start, Duration::from_millis(250) * number);
            assert!(meant.elapsed() <= 2 * TURN, "{number}: {:?} late", meant.elapsed());
        }
        pacing.abort();
    }
}
