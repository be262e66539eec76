//! The relay: sockets of existing Channels pages, served without their consumer being rewritten.
//!
//! A socket on a relay's path joins groups of the channel layer by a channel of its own. Messages of the listed types
//! go to the browser; what the browser says goes to a worker's channel or back into the group. At most once, as the
//! layer is: nothing is stored, nothing is repeated. `serve` makes one `Relay` for each `--relay`.

mod consumer;
mod convert;
mod counts;
mod entry;
mod frames;
mod rule;

use std::sync::Arc;

use moorline_chat::Chat;
use moorline_layer::{ChannelLayer, Message};
use moorline_protocol::Frame;
use tokio::sync::Semaphore;

pub use counts::RelayCounts;
pub use rule::{FromBrowser, InvalidTemplate, RelayRule, Template};

use crate::admission::{OriginCheck, Origins};
use crate::auth::Authenticator;
use crate::route::Route;
use consumer::RelayConsumer;
use entry::SignedIn;
use frames::Frames;

/// Anonymous sockets of one relay on one node; whoever has signed in is not counted.
const ANONYMOUS_SOCKETS: usize = 10_000;

/// What all relays of a server share.
#[derive(Clone)]
pub struct RelaySettings {
    /// The layer that Django's processes are on too.
    pub layer: ChannelLayer,
    /// Who closes a socket whose person signs out.
    pub chat: Arc<Chat>,
    /// Who decides who somebody is.
    pub auth: Arc<Authenticator>,
    /// Pages that may open sockets.
    pub origins: Origins,
    /// Whether clients on this machine are held to the rates too.
    pub limit_loopback: bool,
    /// The longest message of a browser, in bytes.
    pub message_bytes: usize,
    /// What the relays count.
    pub counts: Arc<RelayCounts>,
}

/// What all sockets of one relay share.
pub(crate) struct Relay {
    rule: RelayRule,
    settings: RelaySettings,
    anonymous: Arc<Semaphore>,
    frames: Frames,
}

impl Relay {
    /// What a socket writes for a message: encoded for the first that asks, shared by the others.
    fn frame(
        &self,
        message: Message,
        encode: impl FnOnce(Message) -> Option<Frame>,
    ) -> Option<Frame> {
        self.frames.of(message, |message| {
            self.settings.counts.encoded.inc();
            encode(message)
        })
    }
}

impl RelaySettings {
    /// The route of one relay: its origin check, its sign-in, its sockets.
    #[must_use]
    pub fn route(&self, rule: RelayRule) -> Route {
        let path = rule.path.clone();
        let origins = OriginCheck::always(self.origins.clone());
        let anonymous = Arc::new(Semaphore::new(ANONYMOUS_SOCKETS));
        let frames = Frames::default();
        let relay = Arc::new(Relay { rule, settings: self.clone(), anonymous, frames });
        let entry = SignedIn(Arc::clone(&relay));
        Route::new(&path, move |_| RelayConsumer::new(Arc::clone(&relay)))
            .message_bytes(self.message_bytes)
            .admission(origins)
            .admission(entry)
    }
}
