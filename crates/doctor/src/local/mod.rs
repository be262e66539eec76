//! Checks of the settings, of this machine and of the store. Each takes the subject and answers an outcome; what blocks runs on
//! a thread of its own.

pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod folder;
pub(crate) mod limits;
pub(crate) mod ports;
pub(crate) mod settings;
pub(crate) mod store;
pub(crate) mod token;

use crate::finding::Outcome;

/// What is said where the settings cannot be read.
pub(crate) fn unread() -> Outcome {
    Outcome::skipped("The settings cannot be used: see ML-CONFIG-001.")
}

/// Runs something that blocks. A crash in there is one of the check.
pub(crate) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and nobody waits for the outcome.
            Err(_) => std::future::pending().await,
        },
    }
}
