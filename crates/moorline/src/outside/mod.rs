//! What other programs hear of the chat and may send to it: its options, and the parts that `serve` starts for them.
//!
//! Django over the channel layer is in `chat`; domain events go out over a Redis of their own (`publish`). None of it is
//! waited for by anybody.

mod gauges;
mod options;
mod publish;

use std::sync::Arc;
use std::time::Duration;

use moorline_chat::{Chat, Django};
use moorline_layer::ChannelLayer;
use moorline_server::Metrics;

pub use options::{EventsConfig, OutsideArgs, OutsideConfig};
use publish::DomainEvents;

/// How long what waits may take to go out when the server stops.
const FINISHING: Duration = Duration::from_secs(2);

/// The parts that run.
pub struct Outside {
    django: Option<Django>,
    events: Option<DomainEvents>,
}

impl Outside {
    /// Starts what was asked for, and puts its numbers among the metrics. Needs a tokio runtime.
    pub fn start(
        config: &OutsideConfig,
        chat: &Arc<Chat>,
        layer: Option<&ChannelLayer>,
        metrics: &Metrics,
    ) -> Self {
        let django = layer.map(|layer| Django::start(chat, layer, config.django.clone()));
        let events = config.events.as_ref().map(|events| DomainEvents::start(events, chat));
        if let Some(django) = &django {
            gauges::register_django(metrics, django);
        }
        if let Some(events) = &events {
            gauges::register_events(metrics, events.line());
        }
        Self { django, events }
    }

    /// Sends what waits, in bounded time; to be called after the store is closed.
    pub async fn finish(self) {
        let django = async {
            if let Some(django) = self.django {
                django.finish(FINISHING).await;
            }
        };
        let events = async {
            if let Some(events) = self.events {
                events.finish(FINISHING).await;
            }
        };
        tokio::join!(django, events);
    }
}
