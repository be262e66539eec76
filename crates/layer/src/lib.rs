#![doc = include_str!("../README.md")]

mod codec;
mod counters;
mod error;
mod gaps;
mod glob;
mod host;
mod inspect;
mod layer;
mod mailboxes;
mod memory;
mod names;
mod options;
mod probe;
mod publisher;
mod redis;
mod redis_pubsub;
mod renewal;
mod trouble;
mod value;

pub use codec::{Fernet, Serializer};
pub use counters::Counters;
pub use error::{DecodeError, Error};
pub use gaps::{Gap, Gaps};
pub use glob::Glob;
pub use host::Host;
pub use inspect::{Bounds, Contents, Group, Member, Queue, Subscription};
pub use layer::ChannelLayer;
pub use memory::{Faults, Memory};
pub use options::Options;
pub use probe::{Probe, Reply};
pub use publisher::Publisher;
pub use redis::Redis;
pub use redis_pubsub::RedisPubSub;
pub use renewal::Renewed;
pub use trouble::{Cause, Trouble};
pub use value::{Integer, Key, Map, Message, Value};
