//! What can go wrong, named by cause, with what to do about it.
//!
//! Every back end answers with these. Nothing here is fatal to the layer: after any of them the next
//! call may succeed. Messages that cannot be decoded are not an error of `receive`; they are counted
//! and told as a [`Gap`](crate::Gap).

/// An operation of the channel layer that did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The channel holds as many unread messages as its capacity allows; this one was not sent.
    #[error(
        "channel {channel} is full ({capacity} unread messages): its reader is slow or gone; drop the message or \
         send it later, or raise `capacity` on every peer"
    )]
    ChannelFull {
        /// The channel as the caller named it.
        channel: String,
        /// Its capacity in messages.
        capacity: usize,
    },
    /// A channel or group name that no peer would accept.
    #[error(
        "{kind} name {name:?} is not valid: use 1 to 99 characters of A-Z a-z 0-9 _ - . (and one `!` in a channel's name)"
    )]
    InvalidName {
        /// `channel` or `group`.
        kind: &'static str,
        /// The name, cut to its first 100 characters.
        name: String,
    },
    /// A message that cannot be put on the wire.
    #[error("the message cannot be sent: {0}")]
    InvalidMessage(String),
    /// Bytes that are not a message under these options.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A channel that another layer object made; only that one can receive on it.
    #[error(
        "channel {channel} belongs to another client of the layer: receive on it where `new_channel` made it"
    )]
    WrongClient {
        /// The channel as the caller named it.
        channel: String,
    },
    /// Redis Pub/Sub only: a channel that this layer object neither made nor receives on.
    #[error(
        "channel {channel} does not exist in this process: over Redis Pub/Sub only channels made or received here \
         can be in a group; call `new_channel` or `receive` first"
    )]
    NotInProcess {
        /// The channel as the caller named it.
        channel: String,
    },
    /// Redis cannot be reached, refuses the login or refuses the command.
    #[error("Redis at {host} is unavailable: {why}")]
    Unavailable {
        /// The host, its password masked.
        host: String,
        /// The cause, and what to do about it where that is known.
        why: String,
    },
    /// Options that no layer can be opened with.
    #[error("the layer cannot be opened: {0}")]
    InvalidOptions(String),
    /// The layer was closed while the call waited, or before it.
    #[error("the channel layer is closed")]
    Closed,
}

/// Why bytes are not a message. They come from outside, so this is an expected value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end in the middle of a value; often another `random_prefix_length` at the sender.
    #[error(
        "the message is cut short; check that `random_prefix_length` is the same on every peer"
    )]
    CutShort,
    /// A whole value, and more bytes after it; often an encrypted or JSON peer.
    #[error(
        "the message has bytes after its end; check that the keys and the serializer are the same on every peer"
    )]
    TrailingBytes,
    /// Bytes that the format does not allow.
    #[error("the message is not valid {format}: {why}")]
    Malformed {
        /// `msgpack` or `JSON`.
        format: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Values nested deeper than any peer would send.
    #[error("the message is nested deeper than {limit} levels")]
    TooDeep {
        /// The deepest level that is read.
        limit: usize,
    },
    /// More values than any peer would send; each takes many times its bytes in memory.
    #[error("the message has more than {limit} values")]
    TooManyValues {
        /// The most values that are read.
        limit: usize,
    },
    /// A whole value, but no map.
    #[error("the message is not a map")]
    NotAMap,
    /// Not a Fernet token, or sealed with a key that is not among ours, or changed on its way.
    #[error(
        "the message cannot be decrypted; check that `symmetric_encryption_keys` is the same on every peer"
    )]
    InvalidToken,
    /// A Fernet token older than the expiry allows, or from the future.
    #[error(
        "the message was encrypted too long ago or in the future; check the clocks of the peers"
    )]
    TokenExpired,
}
