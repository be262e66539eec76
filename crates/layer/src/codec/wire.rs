//! A whole wire message: the random prefix, and the body, encrypted or not.
//!
//! The Redis back ends call it for every message out and in. The prefix makes equal messages distinct members of a
//! sorted set; it is outside the encryption, and readers drop it unread.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::codec::{Address, Entries, Fernet, Serializer};
use crate::error::{DecodeError, Error};
use crate::options::Options;
use crate::value::{Map, Value};

/// The map key that carries the full channel names on a key that several channels share.
pub(crate) const ADDRESS: &str = "__asgi_channel__";

/// How these peers write messages.
#[derive(Debug)]
pub(crate) struct Wire {
    serializer: Serializer,
    /// The keys of this moment; none where messages are in the clear.
    fernet: Option<RwLock<Arc<Fernet>>>,
    prefix_bytes: usize,
    ttl: Option<u64>,
}

/// A message that is encoded once, however many destinations it has.
pub(crate) enum Outgoing<'a> {
    Plain(Entries),
    /// The caller's map has the address key already: it keeps its place there, so each copy is encoded whole.
    Addressed(&'a Map),
}

impl Wire {
    /// For the core layer: a random prefix, and tokens that expire.
    pub(crate) fn core(options: &Options) -> Result<Self, Error> {
        let mut wire = Self::pubsub(options)?;
        wire.prefix_bytes = options.random_prefix_length;
        // Ten seconds of grace for the peers' clocks, as in channels_redis.
        wire.ttl = Some(options.expiry.as_secs() + 10);
        Ok(wire)
    }

    /// For the Pub/Sub layer: neither.
    pub(crate) fn pubsub(options: &Options) -> Result<Self, Error> {
        let keys = &options.symmetric_encryption_keys;
        let fernet = match keys.is_empty() {
            true => None,
            false => Some(RwLock::new(Arc::new(Fernet::new(keys)?))),
        };
        Ok(Self { serializer: options.serializer, fernet, prefix_bytes: 0, ttl: None })
    }

    /// Seals with the first of these keys from now on, and opens with any of them. There were keys before.
    pub(crate) fn renew(&self, keys: &[String]) -> Result<(), Error> {
        if let Some(fernet) = &self.fernet {
            *fernet.write() = Arc::new(Fernet::new(keys)?);
        }
        Ok(())
    }

    fn fernet(&self) -> Option<Arc<Fernet>> {
        self.fernet.as_ref().map(|fernet| Arc::clone(&fernet.read()))
    }

    /// Encodes the entries, so that a message that cannot be sent is refused before anything is.
    pub(crate) fn prepare<'a>(&self, message: &'a Map) -> Result<Outgoing<'a>, Error> {
        if message.get(ADDRESS).is_some() {
            return Ok(Outgoing::Addressed(message));
        }
        Ok(Outgoing::Plain(self.serializer.entries(message)?))
    }

    /// The bytes for one destination, at this time in Unix seconds.
    pub(crate) fn seal(
        &self,
        message: &Outgoing<'_>,
        address: Option<Address<'_>>,
        now: u64,
    ) -> Result<Vec<u8>, Error> {
        let body = match (message, address) {
            (Outgoing::Plain(entries), address) => {
                self.serializer.finish(entries, address.as_ref())
            }
            (Outgoing::Addressed(message), None) => self.serializer.encode(message)?,
            (Outgoing::Addressed(message), Some(address)) => {
                let mut message = (*message).clone();
                message.insert(ADDRESS, address.to_value());
                self.serializer.encode(&message)?
            }
        };
        let body = match self.fernet() {
            Some(fernet) => fernet.seal(&body, now)?.into_bytes(),
            None => body,
        };
        if self.prefix_bytes == 0 {
            return Ok(body);
        }
        let mut bytes = vec![0; self.prefix_bytes];
        rand::fill(&mut bytes[..]);
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// The map that the bytes hold, address and all.
    pub(crate) fn open(&self, bytes: &[u8], now: u64) -> Result<Map, DecodeError> {
        let body = bytes.get(self.prefix_bytes..).ok_or(DecodeError::CutShort)?;
        let value = match self.fernet() {
            Some(fernet) => self.serializer.decode(&fernet.open(body, now, self.ttl)?)?,
            None => self.serializer.decode(body)?,
        };
        if let Value::Map(map) = value { Ok(map) } else { Err(DecodeError::NotAMap) }
    }
}
