//! The one type that callers use: seven verbs over three back ends.
//!
//! Programs that embed the crate call it from any task; clones are the same layer. It decides nothing itself.

use std::time::Duration;

use crate::counters::Counters;
use crate::error::Error;
use crate::gaps::{Gaps, Reporter};
use crate::inspect::{Bounds, Contents, mark_ghosts};
use crate::memory::{Faults, Memory};
use crate::options::Options;
use crate::redis::Redis;
use crate::redis::inspect::contents;
use crate::redis_pubsub::RedisPubSub;
use crate::trouble::Trouble;
use crate::value::Message;

/// What a new channel's name starts with unless the caller says otherwise, as in Django.
const SPECIFIC: &str = "specific";

/// A channel layer as Django's: channels to send to and receive on, and groups of channels.
///
/// Clones are cheap and are the same layer: the same client with the same channels, groups and connections.
#[derive(Debug, Clone)]
pub enum ChannelLayer {
    /// Within this process only.
    Memory(Memory),
    /// Over Redis, as `channels_redis.core`: messages wait in Redis for their reader.
    Redis(Redis),
    /// Over Redis Pub/Sub, as `channels_redis.pubsub`: nothing is stored.
    RedisPubSub(RedisPubSub),
}

impl ChannelLayer {
    /// A layer for a single process.
    ///
    /// # Errors
    /// [`Error::InvalidOptions`].
    pub fn memory(options: Options) -> Result<Self, Error> {
        options.check()?;
        Ok(Self::Memory(Memory::new(options, None)))
    }

    /// A layer for a single process that loses, repeats, delays and reorders messages by a seed: for tests of what must
    /// survive that. It starts tasks, so a tokio runtime must run where it is used.
    ///
    /// # Errors
    /// [`Error::InvalidOptions`].
    pub fn memory_with_faults(options: Options, faults: Faults) -> Result<Self, Error> {
        options.check()?;
        Ok(Self::Memory(Memory::new(options, Some(faults))))
    }

    /// A layer over Redis that speaks with `channels_redis.core.RedisChannelLayer`. It returns at once and connects in
    /// the background, for ever; commands wait for that up to [`Options::patience`]. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Error::InvalidOptions`].
    pub fn redis(options: Options) -> Result<Self, Error> {
        options.check()?;
        Ok(Self::Redis(Redis::new(options)?))
    }

    /// A layer over Redis that speaks with `channels_redis.pubsub.RedisPubSubChannelLayer`. Connects as
    /// [`redis`](Self::redis) does. It has no expiry and no capacity but that of the readers' buffers.
    ///
    /// # Errors
    /// [`Error::InvalidOptions`].
    pub fn redis_pubsub(options: Options) -> Result<Self, Error> {
        options.check()?;
        Ok(Self::RedisPubSub(RedisPubSub::new(options)?))
    }

    /// Makes a channel that only this layer object receives on: give its name to others, or put it into groups.
    ///
    /// # Errors
    /// [`Error::Unavailable`] over Redis Pub/Sub, where the name is subscribed at once.
    pub async fn new_channel(&self) -> Result<String, Error> {
        // The dot is the core layer's own, but part of the default here, as in Django.
        let prefix = if matches!(self, Self::RedisPubSub(_)) { "specific." } else { SPECIFIC };
        self.new_channel_with_prefix(prefix).await
    }

    /// Makes a channel whose name starts with this instead of `specific`.
    ///
    /// # Errors
    /// [`Error::InvalidName`] if that makes no valid name, else as [`new_channel`](Self::new_channel).
    pub async fn new_channel_with_prefix(&self, prefix: &str) -> Result<String, Error> {
        match self {
            Self::Memory(layer) => layer.new_channel(prefix),
            Self::Redis(layer) => layer.new_channel(prefix),
            Self::RedisPubSub(layer) => layer.new_channel(prefix).await,
        }
    }

    /// Sends a message to one channel, wherever it is received.
    ///
    /// # Errors
    /// [`Error::ChannelFull`], [`Error::InvalidName`], [`Error::InvalidMessage`], [`Error::Unavailable`],
    /// [`Error::Closed`].
    pub async fn send(&self, channel: &str, message: &Message) -> Result<(), Error> {
        match self {
            Self::Memory(layer) => layer.send(channel, message),
            Self::Redis(layer) => layer.send(channel, message).await,
            Self::RedisPubSub(layer) => layer.send(channel, message).await,
        }
    }

    /// Waits for the next message of a channel: one that [`new_channel`](Self::new_channel) made here, or a name
    /// without `!` that several processes may share, of which each message reaches one.
    ///
    /// Cancel-safe: a receive that is dropped before it is ready loses nothing. While Redis is away it waits.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::WrongClient`], [`Error::Closed`].
    pub async fn receive(&self, channel: &str) -> Result<Message, Error> {
        match self {
            Self::Memory(layer) => layer.receive(channel).await,
            Self::Redis(layer) => layer.receive(channel).await,
            Self::RedisPubSub(layer) => layer.receive(channel).await,
        }
    }

    /// Waits for the next message of a channel until the deadline; `None` if none came.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub async fn receive_within(
        &self,
        channel: &str,
        deadline: Duration,
    ) -> Result<Option<Message>, Error> {
        tokio::time::timeout(deadline, self.receive(channel)).await.ok().transpose()
    }

    /// Adds a channel to a group. The layer keeps the membership of its own channels alive until they are discarded.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::NotInProcess`] over Redis Pub/Sub, [`Error::Unavailable`], [`Error::Closed`].
    pub async fn group_add(&self, group: &str, channel: &str) -> Result<(), Error> {
        match self {
            Self::Memory(layer) => layer.group_add(group, channel),
            Self::Redis(layer) => layer.group_add(group, channel).await,
            Self::RedisPubSub(layer) => layer.group_add(group, channel).await,
        }
    }

    /// Takes a channel out of a group; that it was not in it is no error. Whose channel it is keeps it in its groups: if
    /// another process takes it out, it is in again once its own process has lost Redis and restores its groups.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::Unavailable`], [`Error::Closed`].
    pub async fn group_discard(&self, group: &str, channel: &str) -> Result<(), Error> {
        match self {
            Self::Memory(layer) => layer.group_discard(group, channel),
            Self::Redis(layer) => layer.group_discard(group, channel).await,
            Self::RedisPubSub(layer) => layer.group_discard(group, channel).await,
        }
    }

    /// Sends a message to every channel of a group. Channels that are full miss it, which is counted and told as a
    /// [`Gap`](crate::Gap), not an error.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::InvalidMessage`], [`Error::Unavailable`], [`Error::Closed`].
    pub async fn group_send(&self, group: &str, message: &Message) -> Result<(), Error> {
        match self {
            Self::Memory(layer) => layer.group_send(group, message),
            Self::Redis(layer) => layer.group_send(group, message).await,
            Self::RedisPubSub(layer) => layer.group_send(group, message).await,
        }
    }

    /// Forgets a channel that nobody will receive on any more: what is unread, and its memberships of groups.
    ///
    /// A socket that closes should call it; otherwise its channel stays in its groups until they expire.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the memberships could not be withdrawn yet; that is done after the reconnection.
    pub async fn close_channel(&self, channel: &str) -> Result<(), Error> {
        match self {
            Self::Memory(layer) => layer.close_channel(channel),
            Self::Redis(layer) => layer.close_channel(channel).await?,
            Self::RedisPubSub(layer) => layer.close_channel(channel).await?,
        }
        Ok(())
    }

    /// Deletes all channels and groups under this layer's prefix, those of other processes included. Keys of another
    /// prefix stay, even of one that begins with this one's text and goes on with other characters than names have.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Closed`].
    pub async fn flush(&self) -> Result<(), Error> {
        match self {
            Self::Memory(layer) => layer.flush(),
            Self::Redis(layer) => layer.flush().await?,
            Self::RedisPubSub(layer) => layer.flush().await?,
        }
        Ok(())
    }

    /// Ends every receive with [`Error::Closed`], withdraws this process's channels, and disconnects.
    pub async fn close(&self) {
        match self {
            Self::Memory(layer) => layer.close(),
            Self::Redis(layer) => layer.close().await,
            Self::RedisPubSub(layer) => layer.close(),
        }
    }

    /// Looks at what lies in Redis under the layer's prefix, host by host: queues, groups and their members, subscriptions,
    /// of every peer. It changes nothing and reads no message. A layer in memory has no hosts.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Closed`].
    pub async fn inspect(&self, bounds: Bounds) -> Result<Vec<Contents>, Error> {
        let (hosts, options) = match self {
            Self::Memory(_) => return Ok(Vec::new()),
            Self::Redis(layer) => layer.hosts(),
            Self::RedisPubSub(layer) => layer.hosts(),
        };
        let mut found = Vec::with_capacity(hosts.count());
        for link in hosts.iter() {
            found.push(contents(link, options, bounds).await?);
        }
        mark_ghosts(&mut found, options.group_expiry);
        Ok(found)
    }

    /// What the layer did so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.reporter().tally().read()
    }

    /// The hosts that cannot be used now, and why: none while all is well, and while the first attempt to connect is
    /// under way. A layer in memory has no hosts.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        match self {
            Self::Memory(_) => Vec::new(),
            Self::Redis(layer) => layer.troubles(),
            Self::RedisPubSub(layer) => layer.troubles(),
        }
    }

    /// Whether commands reach every host now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Redis(layer) => layer.is_up(),
            Self::RedisPubSub(layer) => layer.is_up(),
        }
    }

    /// Listens for moments after which messages may be missing, from now on.
    #[must_use]
    pub fn gaps(&self) -> Gaps {
        self.reporter().listen()
    }

    fn reporter(&self) -> &Reporter {
        match self {
            Self::Memory(layer) => layer.reporter(),
            Self::Redis(layer) => layer.reporter(),
            Self::RedisPubSub(layer) => layer.reporter(),
        }
    }
}
