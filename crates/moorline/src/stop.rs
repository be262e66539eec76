//! When to stop: SIGTERM or SIGINT begins the drain, a second one ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a process that was interrupted exits with, as shells have it.
const INTERRUPTED: i32 = 130;

/// Resolves at the first signal. From the call on, signals no longer end the process by themselves.
pub(crate) fn on_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        next(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping; once more stops at once");
        tokio::spawn(async move {
            next(&mut terminate, &mut interrupt).await;
            std::process::exit(INTERRUPTED);
        });
    })
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
