//! Domain events by Redis Pub/Sub: each that this node committed, once, as JSON on the channel of its name.
//!
//! One task takes them from an outlet of the hub. While Redis is away they wait there, as many as it holds; what was being
//! published when the connection was lost may be gone. `docs/events.md` describes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use moorline_chat::{Chat, Happening, Outlet};
use moorline_layer::Publisher;
use moorline_protocol::{DomainEvent, RoomFacts};
use tokio::task::JoinHandle;

use super::EventsConfig;

/// What is published in one go.
const AT_ONCE: usize = 256;
/// After a refusal, Redis is left alone for a moment.
const PAUSE: Duration = Duration::from_millis(500);

/// The line to Redis and what became of domain events.
pub(super) struct Publishing {
    /// Published.
    pub(super) published: AtomicU64,
    /// Not published: Redis was lost meanwhile, or refused.
    pub(super) unpublished: AtomicU64,
    is_failing: AtomicBool,
    outlet: Arc<Outlet>,
    publisher: Publisher,
    prefix: String,
}

impl Publishing {
    /// What happened and was never published.
    pub(super) fn dropped(&self) -> u64 {
        self.outlet.dropped() + self.unpublished.load(Ordering::Relaxed)
    }

    /// Whether there is a connection to Redis.
    pub(super) fn is_up(&self) -> bool {
        self.publisher.is_connected()
    }
}

/// The running part.
pub(super) struct DomainEvents {
    line: Arc<Publishing>,
    publishing: JoinHandle<()>,
}

impl DomainEvents {
    /// Starts it; it connects in the background, for ever.
    pub(super) fn start(config: &EventsConfig, chat: &Arc<Chat>) -> Self {
        let line = Arc::new(Publishing {
            published: AtomicU64::new(0),
            unpublished: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            outlet: chat.hub().outlet(),
            publisher: Publisher::new(config.host.clone()),
            prefix: config.prefix.clone(),
        });
        let publishing = tokio::spawn(publish_all(Arc::clone(&line)));
        Self { line, publishing }
    }

    /// What became of them so far.
    pub(super) fn line(&self) -> &Arc<Publishing> {
        &self.line
    }

    /// Takes nothing more, and publishes what waits in at most this time.
    pub(super) async fn finish(mut self, within: Duration) {
        self.line.outlet.close();
        // What is left by then is lost, as anything on Pub/Sub may be.
        // Who waits for a Redis that is away, with nothing to tell it, need not be waited for.
        let is_idle = self.line.outlet.is_empty() && !self.line.is_up();
        let within = if is_idle { Duration::ZERO } else { within };
        if tokio::time::timeout(within, &mut self.publishing).await.is_err() {
            self.publishing.abort();
        }
    }
}

async fn publish_all(line: Arc<Publishing>) {
    loop {
        line.publisher.connected().await;
        let Some(happenings) = line.outlet.take(AT_ONCE).await else { return };
        let texts: Vec<(String, String)> =
            happenings.iter().flat_map(|happening| texts(&line.prefix, happening)).collect();
        let borrowed = texts.iter().map(|(channel, text)| (channel.as_str(), text.as_str()));
        let published = line.publisher.publish(borrowed).await;
        let count = if published.is_ok() { &line.published } else { &line.unpublished };
        count.fetch_add(texts.len() as u64, Ordering::Relaxed);
        tell_change(&line, published.as_ref().err());
        if published.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn tell_change(line: &Publishing, error: Option<&moorline_layer::Error>) {
    if line.is_failing.swap(error.is_some(), Ordering::Relaxed) == error.is_some() {
        return;
    }
    match error {
        Some(error) => tracing::warn!(%error, "domain events are lost: {error}"),
        None => tracing::info!("domain events are published again"),
    }
}

/// What is published for one happening: channels and JSON.
fn texts(prefix: &str, happening: &Happening) -> Vec<(String, String)> {
    let events = match happening {
        Happening::Event(event) => DomainEvent::of(event),
        Happening::Made(made) => {
            let room = RoomFacts {
                room: &made.room,
                kind: made.kind,
                name: made.name.as_deref(),
                by: made.by.as_ref(),
            };
            vec![DomainEvent::room_created(room, made.at_ms)]
        }
        Happening::Presence(change) => vec![DomainEvent::presence_changed(change)],
    };
    events.iter().map(|event| (format!("{prefix}{}", event.name()), event.json())).collect()
}
