//! msgpack as Python's `msgpack` package writes and reads it: shortest forms, text and bytes apart.
//!
//! Called by the [`Serializer`](crate::Serializer). Reading takes hostile input: no length it names is trusted before
//! the bytes are there, and nesting is bounded. Nothing is written in a form that `packb` would not choose.

use crate::codec::Budget;
use crate::error::DecodeError;
use crate::value::{Integer, Key, Map, Value};

/// Entries for which room is made before they are there; a map that claims more grows with them.
const EXPECTED: usize = 16;

/// Appends a value.
pub(super) fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Nil => out.push(0xc0),
        Value::Bool(value) => out.push(if *value { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => write_integer(out, *number),
        Value::Float(number) => with_head(out, 0xcb, number.to_be_bytes()),
        Value::Text(text) => write_text(out, text),
        Value::Bytes(bytes) => write_bytes(out, bytes),
        Value::Array(values) => {
            write_length(out, values.len(), Some((0x90, 15)), [None, Some(0xdc), Some(0xdd)]);
            values.iter().for_each(|value| write(out, value));
        }
        Value::Map(map) => {
            write_map_length(out, map.len());
            map.iter().for_each(|(key, value)| write_entry(out, key, value));
        }
        Value::Extension(kind, bytes) => write_extension(out, *kind, bytes),
    }
}

/// Appends the head of a map; its entries follow.
pub(super) fn write_map_length(out: &mut Vec<u8>, length: usize) {
    write_length(out, length, Some((0x80, 15)), [None, Some(0xde), Some(0xdf)]);
}

/// Appends one entry of a map.
pub(super) fn write_entry(out: &mut Vec<u8>, key: &Key, value: &Value) {
    match key {
        Key::Text(text) => write_text(out, text),
        Key::Bytes(bytes) => write_bytes(out, bytes),
    }
    write(out, value);
}

/// Appends a text.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    write_length(out, text.len(), Some((0xa0, 31)), [Some(0xd9), Some(0xda), Some(0xdb)]);
    out.extend_from_slice(text.as_bytes());
}

/// Appends the head of an array; its values follow.
pub(super) fn write_array_length(out: &mut Vec<u8>, length: usize) {
    write_length(out, length, Some((0x90, 15)), [None, Some(0xdc), Some(0xdd)]);
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len(), None, [Some(0xc4), Some(0xc5), Some(0xc6)]);
    out.extend_from_slice(bytes);
}

fn write_extension(out: &mut Vec<u8>, kind: i8, bytes: &[u8]) {
    match bytes.len() {
        1 => out.push(0xd4),
        2 => out.push(0xd5),
        4 => out.push(0xd6),
        8 => out.push(0xd7),
        16 => out.push(0xd8),
        length => write_length(out, length, None, [Some(0xc7), Some(0xc8), Some(0xc9)]),
    }
    out.push(kind.to_be_bytes()[0]);
    out.extend_from_slice(bytes);
}

/// Non-negative numbers are always of the unsigned family, as Python writes them.
fn write_integer(out: &mut Vec<u8>, number: Integer) {
    let Some(natural) = number.as_u64() else {
        return write_negative(out, number.as_i64().unwrap_or_default());
    };
    match natural {
        0..=0x7f => out.push(natural as u8),
        0x80..=0xff => with_head(out, 0xcc, [natural as u8]),
        0x100..=0xffff => with_head(out, 0xcd, (natural as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => with_head(out, 0xce, (natural as u32).to_be_bytes()),
        _ => with_head(out, 0xcf, natural.to_be_bytes()),
    }
}

fn write_negative(out: &mut Vec<u8>, number: i64) {
    if number >= -32 {
        out.push((number as i8).to_be_bytes()[0]);
    } else if let Ok(number) = i8::try_from(number) {
        with_head(out, 0xd0, number.to_be_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        with_head(out, 0xd1, number.to_be_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        with_head(out, 0xd2, number.to_be_bytes());
    } else {
        with_head(out, 0xd3, number.to_be_bytes());
    }
}

fn with_head<const N: usize>(out: &mut Vec<u8>, head: u8, bytes: [u8; N]) {
    out.push(head);
    out.extend_from_slice(&bytes);
}

/// The shortest form of a length: within the head byte, or in 1, 2 or 4 bytes after one of `heads`.
fn write_length(
    out: &mut Vec<u8>,
    length: usize,
    fix: Option<(u8, usize)>,
    heads: [Option<u8>; 3],
) {
    match (fix, heads) {
        (Some((head, most)), _) if length <= most => out.push(head | length as u8),
        (_, [Some(head), ..]) if length <= 0xff => with_head(out, head, [length as u8]),
        (_, [_, Some(head), _]) if length <= 0xffff => {
            with_head(out, head, (length as u16).to_be_bytes());
        }
        (_, [.., head]) => {
            with_head(out, head.unwrap_or_default(), (length as u32).to_be_bytes());
        }
    }
}

/// Reads exactly one value out of all the bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader { rest: bytes, budget: Budget::default() };
    let value = reader.value(0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(DecodeError::TrailingBytes) }
}

struct Reader<'a> {
    rest: &'a [u8],
    budget: Budget,
}

fn malformed(why: &'static str) -> DecodeError {
    DecodeError::Malformed { format: "msgpack", why }
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        self.budget.spend(depth)?;
        let [head] = self.take_array()?;
        Ok(match head {
            0x00..=0x7f => Value::from(u64::from(head)),
            0x80..=0x8f => self.map(usize::from(head & 0x0f), depth)?,
            0x90..=0x9f => self.array(usize::from(head & 0x0f), depth)?,
            0xa0..=0xbf => self.text(usize::from(head & 0x1f))?,
            0xc0 => Value::Nil,
            0xc1 => return Err(malformed("the byte c1 has no meaning")),
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            0xc4..=0xc6 => {
                let length = self.length(head - 0xc4)?;
                Value::Bytes(self.take(length)?.to_vec())
            }
            0xc7..=0xc9 => {
                let length = self.length(head - 0xc7)?;
                self.extension(length)?
            }
            0xca => Value::Float(f64::from(f32::from_be_bytes(self.take_array()?))),
            0xcb => Value::Float(f64::from_be_bytes(self.take_array()?)),
            0xcc..=0xd3 => self.integer(head)?,
            0xd4..=0xd8 => self.extension(1 << (head - 0xd4))?,
            0xd9..=0xdb => {
                let length = self.length(head - 0xd9)?;
                self.text(length)?
            }
            0xdc | 0xdd => {
                let length = self.length(head - 0xdc + 1)?;
                self.array(length, depth)?
            }
            0xde | 0xdf => {
                let length = self.length(head - 0xde + 1)?;
                self.map(length, depth)?
            }
            0xe0..=0xff => Value::from(i64::from(i8::from_be_bytes([head]))),
        })
    }

    fn integer(&mut self, head: u8) -> Result<Value, DecodeError> {
        Ok(match head {
            0xcc => Value::from(u64::from(u8::from_be_bytes(self.take_array()?))),
            0xcd => Value::from(u64::from(u16::from_be_bytes(self.take_array()?))),
            0xce => Value::from(u64::from(u32::from_be_bytes(self.take_array()?))),
            0xcf => Value::from(u64::from_be_bytes(self.take_array()?)),
            0xd0 => Value::from(i64::from(i8::from_be_bytes(self.take_array()?))),
            0xd1 => Value::from(i64::from(i16::from_be_bytes(self.take_array()?))),
            0xd2 => Value::from(i64::from(i32::from_be_bytes(self.take_array()?))),
            _ => Value::from(i64::from_be_bytes(self.take_array()?)),
        })
    }

    fn text(&mut self, length: usize) -> Result<Value, DecodeError> {
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("a text is not UTF-8"))?;
        Ok(Value::Text(text.to_owned()))
    }

    fn extension(&mut self, length: usize) -> Result<Value, DecodeError> {
        let kind = i8::from_be_bytes(self.take_array()?);
        Ok(Value::Extension(kind, self.take(length)?.to_vec()))
    }

    /// Grows with what is really there: every value takes a byte at least, so a length that claims more is refused.
    fn array(&mut self, length: usize, depth: usize) -> Result<Value, DecodeError> {
        if length > self.rest.len() {
            return Err(DecodeError::CutShort);
        }
        (0..length).map(|_| self.value(depth + 1)).collect::<Result<_, _>>().map(Value::Array)
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, DecodeError> {
        if length > self.rest.len() / 2 {
            return Err(DecodeError::CutShort);
        }
        let mut map = Map::with_capacity(length.min(EXPECTED));
        for _ in 0..length {
            let key = match self.value(depth + 1)? {
                Value::Text(text) => Key::Text(text),
                Value::Bytes(bytes) => Key::Bytes(bytes),
                _ => return Err(malformed("the key of a map is neither text nor bytes")),
            };
            let value = self.value(depth + 1)?;
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }

    /// A length in 1, 2 or 4 bytes.
    fn length(&mut self, size: u8) -> Result<usize, DecodeError> {
        Ok(match size {
            0 => usize::from(u8::from_be_bytes(self.take_array()?)),
            1 => usize::from(u16::from_be_bytes(self.take_array()?)),
            _ => u32::from_be_bytes(self.take_array()?) as usize,
        })
    }

    fn take(&mut self, length: usize) -> Result<&[u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::CutShort)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::CutShort)?;
        self.rest = rest;
        Ok(*taken)
    }
}
