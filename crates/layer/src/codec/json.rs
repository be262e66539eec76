//! JSON as Python's `json.dumps` writes it and `json.loads` reads it.
//!
//! Called by the [`Serializer`](crate::Serializer). Own code, because peers write `NaN`, both write whole numbers of 64
//! bits, and the bytes written are compared. Reading takes hostile input: nesting is bounded. `NaN` and the
//! infinities are read, as Python writes them, and never written, as they are not JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::codec::Budget;
use crate::error::{DecodeError, Error};
use crate::value::{Key, Map, Value};

/// Appends a value with the separators and escapes of `json.dumps`.
pub(super) fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), Error> {
    match value {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Float(number) => write_float(out, *number)?,
        Value::Text(text) => write_text(out, text),
        Value::Array(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                separate(out, index);
                write(out, value)?;
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (index, (key, value)) in map.iter().enumerate() {
                separate(out, index);
                write_entry(out, key, value)?;
            }
            out.push(b'}');
        }
        Value::Bytes(_) => {
            return Err(cannot("JSON cannot carry bytes; use the msgpack serializer"));
        }
        Value::Extension(..) => {
            return Err(cannot("JSON cannot carry msgpack extensions; use the msgpack serializer"));
        }
    }
    Ok(())
}

/// Appends one entry of an object.
pub(super) fn write_entry(out: &mut Vec<u8>, key: &Key, value: &Value) -> Result<(), Error> {
    let Key::Text(key) = key else {
        return Err(cannot("the keys of a JSON object are text, not bytes"));
    };
    write_text(out, key);
    out.extend_from_slice(b": ");
    write(out, value)
}

/// Appends the separator before every entry but the first.
pub(super) fn separate(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.extend_from_slice(b", ");
    }
}

/// Appends a text, all of it ASCII.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            ' '..='~' => out.push(character as u8),
            other => write_escape(out, other),
        }
    }
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, character: char) {
    let mut escape = String::new();
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing into a String cannot fail.
        let _ = write!(escape, "\\u{unit:04x}");
    }
    out.extend_from_slice(escape.as_bytes());
}

/// A float as Python's `repr`: shortest digits, an exponent below 1e-4 and from 1e16 on.
fn write_float(out: &mut Vec<u8>, number: f64) -> Result<(), Error> {
    if !number.is_finite() {
        return Err(cannot("JSON has no NaN and no infinity"));
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let text = if number == 0.0 || (-4..16).contains(&exponent) {
        format!("{number:?}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    };
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn cannot(why: &str) -> Error {
    Error::InvalidMessage(why.to_owned())
}

/// Reads exactly one value out of all the bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Value, DecodeError> {
    let text = decode_text(bytes)?;
    let mut reader = Reader { text: &text, at: 0, budget: Budget::default() };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at == text.len() { Ok(value) } else { Err(DecodeError::TrailingBytes) }
}

/// UTF-8, 16 or 32, told apart by the byte order mark or by where the zeros of the first characters are, as in Python.
fn decode_text(bytes: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    let utf8 = |bytes| std::str::from_utf8(bytes).map(Cow::Borrowed).ok();
    let text = match bytes {
        [0, 0, 0xfe, 0xff, rest @ ..] => utf32(rest, u32::from_be_bytes),
        [0xff, 0xfe, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        [0, 0, _, _, ..] => utf32(bytes, u32::from_be_bytes),
        [_, 0, 0, 0, ..] => utf32(bytes, u32::from_le_bytes),
        [0, _, ..] => utf16(bytes, u16::from_be_bytes),
        [_, 0, ..] => utf16(bytes, u16::from_le_bytes),
        _ => utf8(bytes),
    };
    text.ok_or(malformed("it is neither UTF-8 nor UTF-16 nor UTF-32"))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Cow<'static, str>> {
    let (units, rest) = bytes.as_chunks();
    let text: Result<String, _> = char::decode_utf16(units.iter().copied().map(unit)).collect();
    text.ok().filter(|_| rest.is_empty()).map(Cow::Owned)
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Option<Cow<'static, str>> {
    let (units, rest) = bytes.as_chunks();
    let text: Option<String> = units.iter().map(|bytes| char::from_u32(unit(*bytes))).collect();
    text.filter(|_| rest.is_empty()).map(Cow::Owned)
}

fn malformed(why: &'static str) -> DecodeError {
    DecodeError::Malformed { format: "JSON", why }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    budget: Budget,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        self.budget.spend(depth)?;
        self.skip_space();
        match self.peek().ok_or(DecodeError::CutShort)? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Value::Text),
            b'-' if self.word("-Infinity") => Ok(Value::Float(f64::NEG_INFINITY)),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.literal(),
        }
    }

    fn literal(&mut self) -> Result<Value, DecodeError> {
        let literals = [
            ("null", Value::Nil),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
        ];
        literals
            .into_iter()
            .find_map(|(word, value)| self.word(word).then_some(value))
            .ok_or(malformed("a value starts with no character that one can start with"))
    }

    fn array(&mut self, depth: usize) -> Result<Value, DecodeError> {
        self.at += 1;
        let mut values = Vec::new();
        if self.ends(b']') {
            return Ok(Value::Array(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            if !self.goes_on(b']')? {
                return Ok(Value::Array(values));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, DecodeError> {
        self.at += 1;
        let mut map = Map::new();
        if self.ends(b'}') {
            return Ok(Value::Map(map));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(malformed("an object's key is not a string"));
            }
            let key = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(malformed("there is no colon after an object's key"));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            map.insert(key, value);
            if !self.goes_on(b'}')? {
                return Ok(Value::Map(map));
            }
        }
    }

    /// Whether the list ends at once.
    fn ends(&mut self, close: u8) -> bool {
        self.skip_space();
        let ends = self.peek() == Some(close);
        self.at += usize::from(ends);
        ends
    }

    /// Whether a comma follows, or else the end of the list.
    fn goes_on(&mut self, close: u8) -> Result<bool, DecodeError> {
        self.skip_space();
        let next = self.peek().ok_or(DecodeError::CutShort)?;
        if next != b',' && next != close {
            return Err(malformed("there is neither a comma nor the end after an entry"));
        }
        self.at += 1;
        Ok(next == b',')
    }

    fn number(&mut self) -> Result<Value, DecodeError> {
        let rest = &self.text[self.at..];
        let length = rest
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let text = &rest[..length];
        if !is_number(text) {
            return Err(malformed("a number is not one"));
        }
        self.at += length;
        if text.contains(['.', 'e', 'E']) {
            return text.parse().map(Value::Float).map_err(|_| malformed("a number is not one"));
        }
        text.parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<u64>().map(Value::from))
            .map_err(|_| malformed("a whole number has more than 64 bits"))
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .bytes()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
                .ok_or(DecodeError::CutShort)?;
            string.push_str(&rest[..plain]);
            self.at += plain + 1;
            match rest.as_bytes()[plain] {
                b'"' => return Ok(string),
                b'\\' => string.push(self.escape()?),
                _ => return Err(malformed("a string holds a control character")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, DecodeError> {
        let kind = self.peek().ok_or(DecodeError::CutShort)?;
        self.at += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(malformed("an escape in a string has no meaning")),
        })
    }

    fn unicode(&mut self) -> Result<char, DecodeError> {
        let first = self.unit()?;
        let units = if (0xd800..0xdc00).contains(&first) && self.word("\\u") {
            vec![first, self.unit()?]
        } else {
            vec![first]
        };
        let mut decoded = char::decode_utf16(units);
        match (decoded.next(), decoded.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(malformed("a string holds half of a surrogate pair")),
        }
    }

    fn unit(&mut self) -> Result<u16, DecodeError> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(DecodeError::CutShort)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed("an escape in a string has no meaning"));
        }
        self.at += 4;
        u16::from_str_radix(digits, 16)
            .map_err(|_| malformed("an escape in a string has no meaning"))
    }

    fn word(&mut self, word: &str) -> bool {
        let is_there = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if is_there { word.len() } else { 0 };
        is_there
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// The grammar of a number: no leading zero, digits on both sides of a point.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}
