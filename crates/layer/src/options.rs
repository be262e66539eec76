//! What a layer is opened with: the options of `channels_redis` under the same names.
//!
//! The caller fills them in once; the back ends read them. Every peer must have the same values, since nothing is
//! negotiated. Keys never show in `Debug`.

use std::time::Duration;

use crate::codec::Serializer;
use crate::error::Error;
use crate::glob::Glob;
use crate::host::Host;

/// Options of every back end, with the defaults that suit a chat: a short expiry and a large capacity.
///
/// ```
/// use moorline_layer::{Host, Options};
/// # fn main() -> Result<(), moorline_layer::Error> {
/// let options = Options {
///     hosts: vec![Host::parse("redis://:secret@127.0.0.1:6379/0")?],
///     ..Options::default()
/// };
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Options {
    /// The Redis servers. Several share the channels by a hash of their names; the order matters.
    pub hosts: Vec<Host>,
    /// Put before every key in Redis. Any text.
    pub prefix: String,
    /// How long an unread message stays. Ten seconds, as the first users run it; `channels_redis` itself says 60.
    /// Redis counts it in whole seconds, at least one.
    pub expiry: Duration,
    /// How long a membership of a group stays without being refreshed; this layer refreshes it three times in that
    /// time. A day.
    pub group_expiry: Duration,
    /// How often the core layer asks each host for a few of its own memberships, to restore all should they be gone, as
    /// after `FLUSHALL`. Five seconds; it costs one short round trip, however many there are. Pub/Sub stores none.
    pub audit_every: Duration,
    /// Unread messages that a channel holds, all channels of one process counting as one. 1500, as the first
    /// users run it; `channels_redis` itself says 100.
    pub capacity: usize,
    /// Other capacities for some channels: the first pattern that fits the full name decides.
    pub channel_capacity: Vec<(Glob, usize)>,
    /// Keys of any length. Messages are sealed with the first and opened with any; none means in the clear.
    pub symmetric_encryption_keys: Vec<String>,
    /// msgpack, or JSON.
    pub serializer: Serializer,
    /// Random bytes before each message that make equal messages distinct. Twelve; Redis Pub/Sub uses none.
    pub random_prefix_length: usize,
    /// How long a call waits for a lost connection to come back before it answers `Unavailable`. Two seconds.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: vec![Host::localhost()],
            prefix: "asgi".to_owned(),
            expiry: Duration::from_secs(10),
            group_expiry: Duration::from_secs(86_400),
            audit_every: Duration::from_secs(5),
            capacity: 1500,
            channel_capacity: Vec::new(),
            symmetric_encryption_keys: Vec::new(),
            serializer: Serializer::default(),
            random_prefix_length: 12,
            patience: Duration::from_secs(2),
        }
    }
}

impl Options {
    /// The capacity of a channel by its full name.
    #[must_use]
    pub fn capacity_of(&self, channel: &str) -> usize {
        self.channel_capacity
            .iter()
            .find(|(pattern, _)| pattern.matches(channel))
            .map_or(self.capacity, |(_, capacity)| *capacity)
    }

    /// Refuses values that no layer can work with.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::InvalidOptions(why.to_owned()));
        if self.hosts.is_empty() {
            return refuse("`hosts` is empty; name one Redis at least");
        }
        if self.expiry < Duration::from_secs(1) {
            return refuse("`expiry` is under one second, the least that Redis counts");
        }
        if self.group_expiry < Duration::from_secs(1) {
            return refuse("`group_expiry` is under one second, the least that Redis counts");
        }
        if self.audit_every < Duration::from_millis(10) {
            return refuse("`audit_every` is under ten milliseconds");
        }
        if self.random_prefix_length > 1024 {
            return refuse("`random_prefix_length` is over 1024 bytes");
        }
        Ok(())
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = self.symmetric_encryption_keys.len();
        f.debug_struct("Options")
            .field("hosts", &self.hosts)
            .field("prefix", &self.prefix)
            .field("expiry", &self.expiry)
            .field("group_expiry", &self.group_expiry)
            .field("audit_every", &self.audit_every)
            .field("capacity", &self.capacity)
            .field("channel_capacity", &self.channel_capacity)
            .field("symmetric_encryption_keys", &format_args!("{keys} keys"))
            .field("serializer", &self.serializer)
            .field("random_prefix_length", &self.random_prefix_length)
            .field("patience", &self.patience)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_fits_decides_the_capacity() {
        let options = Options {
            capacity: 7,
            channel_capacity: vec![(Glob::new("http.*"), 1), (Glob::new("*"), 2)],
            ..Options::default()
        };
        assert_eq!((options.capacity_of("http.request"), options.capacity_of("web")), (1, 2));
        assert_eq!(Options::default().capacity_of("web"), 1500);
    }

    #[test]
    fn neither_passwords_nor_keys_are_printed() {
        let options = Options {
            hosts: vec![Host::parse("redis://ann:hunter2@127.0.0.1").unwrap()],
            symmetric_encryption_keys: vec!["hunter3".to_owned()],
            ..Options::default()
        };
        let printed = format!("{options:?}");
        assert!(!printed.contains("hunter"), "{printed}");
    }

    #[test]
    fn values_that_cannot_work_are_refused() {
        let refused = [
            Options { hosts: Vec::new(), ..Options::default() },
            Options { expiry: Duration::from_millis(900), ..Options::default() },
            Options { group_expiry: Duration::ZERO, ..Options::default() },
            Options { audit_every: Duration::ZERO, ..Options::default() },
            Options { random_prefix_length: 2000, ..Options::default() },
        ];
        assert!(refused.iter().all(|options| options.check().is_err()));
        assert_eq!(Options::default().check(), Ok(()));
    }
}
