//! Events to Django: each that this node committed, once, to the group of its room.
//!
//! One task takes them from an outlet. Rooms are sent beside each other, a room's events one after the other. What the
//! layer does not take is counted and gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moorline_layer::{ChannelLayer, Message};
use moorline_protocol::{Event, RoomId};
use tokio::task::JoinSet;

use super::{DjangoCounts, EventsTo, count, data};
use crate::outlet::{Happening, Outlet};

/// Events that are on their way at once.
const AT_ONCE: usize = 256;

/// Sends until the outlet is closed.
pub(super) async fn send_all(
    outlet: Arc<Outlet>,
    layer: ChannelLayer,
    targets: Arc<[EventsTo]>,
    counts: Arc<DjangoCounts>,
) {
    let sender = Arc::new(Sender { layer, targets, counts, is_failing: AtomicBool::new(false) });
    while let Some(happenings) = outlet.take(AT_ONCE).await {
        let mut rooms = JoinSet::new();
        for (room, events) in by_room(happenings) {
            rooms.spawn(Arc::clone(&sender).send(room, events));
        }
        while rooms.join_next().await.is_some() {}
    }
}

struct Sender {
    layer: ChannelLayer,
    targets: Arc<[EventsTo]>,
    counts: Arc<DjangoCounts>,
    is_failing: AtomicBool,
}

impl Sender {
    async fn send(self: Arc<Self>, room: RoomId, events: Vec<Arc<Event>>) {
        for target in self.targets.iter() {
            let group = target.group(&room);
            for (index, event) in events.iter().enumerate() {
                let Some(message) = message(target.kind(), event) else { continue };
                let sent = self.layer.group_send(&group, &message).await;
                self.tell_change(sent.as_ref().err());
                if sent.is_err() {
                    // Those behind it would wait as long, in vain.
                    let left = (events.len() - index) as u64;
                    self.counts.unsent.fetch_add(left, Ordering::Relaxed);
                    break;
                }
                count(&self.counts.sent);
            }
        }
    }

    fn tell_change(&self, error: Option<&moorline_layer::Error>) {
        if self.is_failing.swap(error.is_some(), Ordering::Relaxed) == error.is_some() {
            return;
        }
        match error {
            Some(error) => tracing::warn!("events for Django are lost: {error}"),
            None => tracing::info!("events for Django are sent again"),
        }
    }
}

/// The event under a type of Channels, as clients get it.
fn message(kind: &str, event: &Event) -> Option<Message> {
    let event = serde_json::to_value(event).ok()?;
    Some(Message::of_type(kind).with("event", data::value(event)))
}

/// The events, room by room, each in the order of its log. Django hears of what is in a log, and of nothing else.
fn by_room(happenings: Vec<Happening>) -> Vec<(RoomId, Vec<Arc<Event>>)> {
    let mut rooms: Vec<(RoomId, Vec<Arc<Event>>)> = Vec::new();
    for happening in happenings {
        let Happening::Event(event) = happening else { continue };
        match rooms.iter_mut().find(|(room, _)| *room == event.room) {
            Some((_, events)) => events.push(event),
            None => rooms.push((event.room.clone(), vec![event])),
        }
    }
    rooms
}
