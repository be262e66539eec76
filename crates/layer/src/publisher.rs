//! Publishes texts on channels of Redis Pub/Sub, for programs that know nothing of channel layers.
//!
//! The server publishes its domain events with it. It connects, and comes back after a loss, as the layers do; what was
//! being published when a connection was lost is not published again, so that nobody gets anything twice.

use std::sync::Arc;

use tokio::task::AbortHandle;

use crate::error::Error;
use crate::gaps::Reporter;
use crate::host::Host;
use crate::options::Options;
use crate::redis::link::Link;

/// A connection that publishes. It is closed when dropped.
#[derive(Debug)]
pub struct Publisher {
    link: Arc<Link>,
    keeping: AbortHandle,
}

impl Publisher {
    /// Returns at once and connects in the background, for ever. Needs a tokio runtime.
    #[must_use]
    pub fn new(host: Host) -> Self {
        let link = Arc::new(Link::new(host, Options::default().patience, Reporter::new()));
        let keeping = tokio::spawn(Arc::clone(&link).keep()).abort_handle();
        Self { link, keeping }
    }

    /// Publishes texts in their order, each on its channel: names of Redis, to which no layer's prefix is added.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if Redis cannot be reached within two seconds, refuses, or is lost meanwhile; then some of
    /// them may have been published.
    pub async fn publish<'a>(
        &self,
        texts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), Error> {
        let mut pipeline = redis::pipe();
        for (channel, text) in texts {
            pipeline.cmd("PUBLISH").arg(channel).arg(text);
        }
        self.link.commands_once(&pipeline).await.map(|_| ())
    }

    /// Returns once there is a connection.
    pub async fn connected(&self) {
        self.link.up(0).await;
    }

    /// Whether there is a connection now, as far as is known.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.is_up()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.link.close();
        self.keeping.abort();
    }
}
