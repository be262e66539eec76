//! Django beside the chat, both ways over the channel layer: events to a group of its own, and what it sends to us.
//!
//! The binary starts it where a layer is configured. At most once, as the layer is; whoever must not lose anything uses
//! the HTTP API. Nothing here is waited for by a send, and `docs/django-events.md` describes it for those who write Django.

mod answer;
mod data;
mod events;
mod inbox;
mod refusal;
mod request;
mod target;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moorline_layer::ChannelLayer;
use tokio::task::{AbortHandle, JoinHandle};

use crate::Chat;
use crate::outlet::Outlet;
pub(crate) use data::plain;
use inbox::Inbox;
pub use refusal::{Reason, Refusal};
pub use target::{EventsTo, InvalidTarget};

/// The channel on which any node takes what Django sends.
pub const CHANNEL: &str = "moorline";

/// What Django gets and what it may do.
#[derive(Debug, Clone, Default)]
pub struct DjangoSettings {
    /// Where events go, each once; nowhere unless somebody asked for it.
    pub events: Vec<EventsTo>,
    /// Whether `chat.post` stores messages: whoever can write to the layer can then post as anyone.
    pub accepts_posts: bool,
}

/// What went each way, for metrics.
#[derive(Debug, Default)]
pub struct DjangoCounts {
    /// Events sent to Django's groups.
    pub sent: AtomicU64,
    /// Events that the layer did not take.
    pub unsent: AtomicU64,
    /// Notices taken.
    pub notices: AtomicU64,
    /// Posts stored.
    pub posts: AtomicU64,
    /// Posts that were stored before, by their cids.
    pub repeated: AtomicU64,
    /// Answers that the layer did not take, or that found too many waiting.
    pub unanswered: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
}

impl DjangoCounts {
    /// Messages refused for this reason.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused[reason as usize].load(Ordering::Relaxed)
    }

    fn refuse(&self, reason: Reason) {
        count(&self.refused[reason as usize]);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The line to Django; it ends when dropped.
pub struct Django {
    counts: Arc<DjangoCounts>,
    outlet: Option<Arc<Outlet>>,
    sending: Option<JoinHandle<()>>,
    receiving: Vec<AbortHandle>,
}

impl Django {
    /// Starts it over a layer. Needs a tokio runtime.
    #[must_use]
    pub fn start(chat: &Arc<Chat>, layer: &ChannelLayer, settings: DjangoSettings) -> Self {
        let counts = Arc::new(DjangoCounts::default());
        // Without a wish for events there is not even a queue.
        let outlet = (!settings.events.is_empty()).then(|| chat.hub().outlet());
        let sending = outlet.clone().map(|outlet| {
            let (layer, counts) = (layer.clone(), Arc::clone(&counts));
            tokio::spawn(events::send_all(outlet, layer, settings.events.into(), counts))
        });
        let inbox =
            Inbox::new(Arc::clone(chat), layer.clone(), settings.accepts_posts, counts.clone());
        let receiving = inbox.start();
        Self { counts, outlet, sending, receiving }
    }

    /// What went each way so far.
    #[must_use]
    pub fn counts(&self) -> &Arc<DjangoCounts> {
        &self.counts
    }

    /// The queue of events, where there is one.
    #[must_use]
    pub fn outlet(&self) -> Option<&Arc<Outlet>> {
        self.outlet.as_ref()
    }

    /// Takes nothing more, and sends what waits in at most this time.
    pub async fn finish(mut self, within: Duration) {
        self.receiving.drain(..).for_each(|task| task.abort());
        if let (Some(outlet), Some(sending)) = (&self.outlet, &mut self.sending) {
            outlet.close();
            // What is left by then is lost, as anything on a layer may be.
            let _ = tokio::time::timeout(within, sending).await;
        }
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        self.receiving.drain(..).for_each(|task| task.abort());
        if let Some(outlet) = &self.outlet {
            outlet.close();
        }
        if let Some(sending) = &self.sending {
            sending.abort();
        }
    }
}
