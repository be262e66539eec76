//! When to stop: SIGTERM, SIGINT or the end of the terminal begins the drain, a further SIGTERM or SIGINT ends the process at once.

use std::fs::File;
use std::io::{IsTerminal, stdin};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a process that was interrupted exits with, as shells have it.
const INTERRUPTED: i32 = 130;

/// Resolves at the first signal. From the call on, signals no longer end the process by themselves.
pub(crate) fn on_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hangup: signal(SignalKind::hangup())?,
        has_terminal: stdin().is_terminal(),
    };
    Ok(async move {
        signals.next().await;
        tracing::info!("stopping; once more stops at once");
        // A shell that ends says it once more.
        signals.has_terminal = false;
        tokio::spawn(async move {
            signals.next().await;
            std::process::exit(INTERRUPTED);
        });
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Sent by whoever wants the settings read again, and by the kernel when the terminal is closed.
    hangup: Signal,
    has_terminal: bool,
}

impl Signals {
    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                Some(()) = self.hangup.recv() => {
                    // A terminal that is gone cannot be opened any more.
                    if self.has_terminal && File::open("/dev/tty").is_err() {
                        return;
                    }
                }
            }
        }
    }
}
