//! A connection's own channel in the channel layer, with its groups: what a consumer of Channels has as `channel_name`,
//! `group_add`, `group_discard`, `group_send` and `send`.
//!
//! A consumer that wants one opens it in `connect` and names it in `Consumer::channel`; from then on the driver takes
//! messages out of it, and at the end withdraws it from its groups. Consumers that open none cost nothing here.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, Stream};
use http::StatusCode;
use moorline_layer::{ChannelLayer, Error, Message};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::consumer::Refusal;

/// How long the withdrawal from the groups may take; what is not done by then, the layer does after a reconnection.
const WITHDRAWAL: Duration = Duration::from_secs(5);

/// One connection's address in the channel layer.
///
/// What is sent to it waits in the layer, bounded by the layer's capacity and expiry, while the consumer is busy or its
/// client reads slowly. Nobody else waits for that.
pub struct Channel {
    layer: ChannelLayer,
    name: String,
    /// In a mutex only so that a `&Channel` may be held across an await; it is never locked.
    messages: Mutex<BoxStream<'static, Message>>,
    is_closed: bool,
}

impl Channel {
    /// Makes a channel with a name of its own.
    ///
    /// # Errors
    /// [`Error::Unavailable`] over Redis Pub/Sub, where the name is subscribed at once.
    pub async fn open(layer: &ChannelLayer) -> Result<Self, Error> {
        let name = layer.new_channel().await?;
        let messages = Mutex::new(messages(layer.clone(), name.clone()));
        Ok(Self { layer: layer.clone(), name, messages, is_closed: false })
    }

    /// The name by which others can send to this connection.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts this connection into a group; it leaves all its groups by itself when it ends.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::Unavailable`].
    pub async fn group_add(&self, group: &str) -> Result<(), Error> {
        self.layer.group_add(group, &self.name).await
    }

    /// Takes this connection out of a group.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::Unavailable`].
    pub async fn group_discard(&self, group: &str) -> Result<(), Error> {
        self.layer.group_discard(group, &self.name).await
    }

    /// Sends to every channel of a group, this one too if it is in it. At most once: nobody is told of what was lost.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::InvalidMessage`], [`Error::Unavailable`].
    pub async fn group_send(&self, group: &str, message: &Message) -> Result<(), Error> {
        self.layer.group_send(group, message).await
    }

    /// Sends to one channel by its name.
    ///
    /// # Errors
    /// [`Error::ChannelFull`], [`Error::InvalidName`], [`Error::InvalidMessage`], [`Error::Unavailable`].
    pub async fn send(&self, channel: &str, message: &Message) -> Result<(), Error> {
        self.layer.send(channel, message).await
    }

    /// The next message; the waker is remembered while there is none.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        match Pin::new(self.messages.get_mut()).poll_next(cx) {
            Poll::Ready(Some(message)) => Poll::Ready(message),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Withdraws it from its groups and forgets what is unread.
    pub(crate) async fn close(&mut self) {
        self.is_closed = true;
        // What waits for the next message goes first, so that the layer can forget the channel.
        *self.messages.get_mut() = Box::pin(stream::pending());
        withdraw(self.layer.clone(), self.name.clone()).await;
    }
}

/// What arrives on a channel, without an end: a layer that was closed brings nothing more.
fn messages(layer: ChannelLayer, name: String) -> BoxStream<'static, Message> {
    Box::pin(stream::unfold((layer, name), |(layer, name)| async move {
        match layer.receive(&name).await {
            Ok(message) => Some((message, (layer, name))),
            Err(error) => {
                tracing::debug!(channel = name, %error, "nothing more comes from the channel layer");
                std::future::pending().await
            }
        }
    }))
}

async fn withdraw(layer: ChannelLayer, name: String) {
    let channel = &*name;
    match tokio::time::timeout(WITHDRAWAL, layer.close_channel(channel)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(channel, %error, "a channel leaves its groups later"),
        Err(_) => tracing::debug!(channel, "a channel leaves its groups later: the layer is slow"),
    }
}

/// A handshake that was refused or given up after its channel was opened.
impl Drop for Channel {
    fn drop(&mut self) {
        if !self.is_closed
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(withdraw(self.layer.clone(), self.name.clone()));
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({})", self.name)
    }
}

/// Lets `connect` use `?`: a name that no peer accepts comes from the path and is the client's fault.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        if let Error::InvalidName { .. } = error {
            return Self::new(StatusCode::BAD_REQUEST, "invalid", error.to_string());
        }
        tracing::warn!(%error, "a handshake is refused: the channel layer does not answer");
        let text = "The channel layer is not available; try again in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
    }
}
