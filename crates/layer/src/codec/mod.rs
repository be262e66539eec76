//! From a message to the bytes on the wire and back: msgpack or JSON, sealed with Fernet if there are keys.
//!
//! The back ends call [`Wire`]; [`Serializer`] is public for programs that read or write such bytes themselves.
//! Everything that is read counts as hostile: an error, never a panic, never memory out of proportion.

mod fernet;
mod json;
mod msgpack;
mod wire;

pub use fernet::Fernet;
pub(crate) use wire::{ADDRESS, Wire};

use crate::error::{DecodeError, Error};
use crate::value::{Key, Map, Value};

/// Levels of lists and maps that are read. Python's own limits are higher, but no message nears this one.
const MAX_DEPTH: usize = 128;

/// Values in one message that are read. A value of one byte takes about a hundred in memory.
const MAX_VALUES: usize = 1_000_000;

/// How a message is turned into bytes. Every peer must use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Serializer {
    /// The default of `channels_redis`; carries bytes.
    #[default]
    Msgpack,
    /// Readable by people; cannot carry bytes.
    Json,
}

/// The entries of a message as bytes, to which an address is appended once for each destination.
pub(crate) struct Entries {
    bytes: Vec<u8>,
    count: usize,
}

impl Serializer {
    /// The bytes of a message, the same that Python writes.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] if the format cannot carry a value: bytes or NaN in JSON.
    pub fn encode(self, message: &Map) -> Result<Vec<u8>, Error> {
        let entries = self.entries(message)?;
        Ok(self.finish(&entries, None))
    }

    /// The value that the bytes are, of whichever sort; a message is a map.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but exactly one value within the limits of depth and number.
    pub fn decode(self, bytes: &[u8]) -> Result<Value, DecodeError> {
        match self {
            Self::Msgpack => msgpack::read(bytes),
            Self::Json => json::read(bytes),
        }
    }

    fn entries(self, message: &Map) -> Result<Entries, Error> {
        let mut bytes = Vec::with_capacity(256);
        for (index, (key, value)) in message.iter().enumerate() {
            self.entry(&mut bytes, index, key, value)?;
        }
        Ok(Entries { bytes, count: message.len() })
    }

    fn entry(self, out: &mut Vec<u8>, index: usize, key: &Key, value: &Value) -> Result<(), Error> {
        match self {
            Self::Msgpack => msgpack::write_entry(out, key, value),
            Self::Json => {
                json::separate(out, index);
                json::write_entry(out, key, value)?;
            }
        }
        Ok(())
    }

    /// The whole map: the entries, and the address as the last one.
    fn finish(self, entries: &Entries, address: Option<&Address<'_>>) -> Vec<u8> {
        let names = address.map_or(0, Address::len);
        let mut out = Vec::with_capacity(entries.bytes.len() + 32 + 80 * names);
        match self {
            Self::Msgpack => {
                msgpack::write_map_length(&mut out, entries.count + usize::from(address.is_some()));
                out.extend_from_slice(&entries.bytes);
                if let Some(address) = address {
                    msgpack::write_text(&mut out, ADDRESS);
                    address.write_msgpack(&mut out);
                }
            }
            Self::Json => {
                out.push(b'{');
                out.extend_from_slice(&entries.bytes);
                if let Some(address) = address {
                    json::separate(&mut out, entries.count);
                    json::write_text(&mut out, ADDRESS);
                    out.extend_from_slice(b": ");
                    address.write_json(&mut out);
                }
                out.push(b'}');
            }
        }
        out
    }
}

/// Whom a message on a channel key is for: one name from `send`, all names of that key from `group_send`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Address<'a> {
    One(&'a str),
    All(&'a [&'a str]),
}

impl Address<'_> {
    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::All(names) => names.len(),
        }
    }

    fn write_msgpack(&self, out: &mut Vec<u8>) {
        match self {
            Self::One(name) => msgpack::write_text(out, name),
            Self::All(names) => {
                msgpack::write_array_length(out, names.len());
                names.iter().for_each(|name| msgpack::write_text(out, name));
            }
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::One(name) => json::write_text(out, name),
            Self::All(names) => {
                out.push(b'[');
                for (index, name) in names.iter().enumerate() {
                    json::separate(out, index);
                    json::write_text(out, name);
                }
                out.push(b']');
            }
        }
    }

    fn to_value(self) -> Value {
        match self {
            Self::One(name) => Value::from(name),
            Self::All(names) => Value::Array(names.iter().map(|name| Value::from(*name)).collect()),
        }
    }
}

/// What one message may cost to read.
#[derive(Default)]
struct Budget {
    values: usize,
}

impl Budget {
    fn spend(&mut self, depth: usize) -> Result<(), DecodeError> {
        self.values += 1;
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep { limit: MAX_DEPTH });
        }
        if self.values > MAX_VALUES {
            return Err(DecodeError::TooManyValues { limit: MAX_VALUES });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
