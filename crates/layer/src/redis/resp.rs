//! The replies of a Redis out of the bytes of its connection: RESP2, in bounded memory.
//!
//! The connections of both Redis layers read through [`Frames`]: many replies out of one read, and none of them copied
//! before it is there as a whole. What Redis says is hostile: no length is trusted before its bytes have come, and nesting
//! is bounded. Nothing here waits for anything or knows what a reply answers.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use redis::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Room for one read; many small replies fit.
const ROOM: usize = 16 * 1024;

/// A buffer that one large reply made larger than this is given back.
const KEPT: usize = 256 * 1024;

/// A line is a length, a number, a status or an error.
const MAX_LINE: usize = 16 * 1024;

/// Redis' own default limit of one string.
const MAX_STRING: usize = 512 * 1024 * 1024;

/// A whole reply. Memory grows with the bytes that came, not with the lengths that they name.
const MAX_FRAME: usize = 1024 * 1024 * 1024;

/// Parts of one reply, for example the members of a group.
const MAX_PARTS: usize = 1 << 24;

/// Lists in lists; no reply that the layers ask for has more than two.
const MAX_DEPTH: usize = 8;

/// What no Redis says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Malformed(&'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a reply is not in the protocol of Redis: {}", self.0)
    }
}

/// One element of a reply, without a copy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Part<'a> {
    Nil,
    Number(i64),
    Status(&'a [u8]),
    /// The line with its sign and its end.
    Error(&'a [u8]),
    Bytes(&'a [u8]),
    /// That many follow.
    List(usize),
}

/// What has been read of a connection and how far it has been looked through.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// Where the first reply begins that was not handed out.
    start: usize,
    /// How much of it was looked through, so that a large one is not looked through again with every read.
    scanned: usize,
    /// Parts of it that are still to come; 0 between replies.
    missing: usize,
}

impl Frames {
    /// Reads what is there, once; an end of the connection is an error.
    pub(crate) fn poll_fill(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin + ?Sized),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.make_room();
        match pin!(stream.read_buf(&mut self.bytes)).poll(context) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            other => other.map_ok(|_| ()),
        }
    }

    /// As [`poll_fill`](Self::poll_fill). Cancel-safe.
    pub(crate) async fn fill(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin + ?Sized),
    ) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_fill(stream, context)).await
    }

    fn make_room(&mut self) {
        if self.start == self.bytes.len() {
            (self.start, self.scanned) = (0, 0);
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
        } else if self.start >= ROOM && self.start * 2 >= self.bytes.len() {
            self.bytes.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.bytes.reserve(ROOM);
    }

    /// The next whole reply, or `None` if more must be read first.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, Malformed> {
        if self.missing == 0 {
            self.missing = 1;
        }
        while self.missing > 0 {
            let rest = self.bytes.get(self.scanned..).unwrap_or_default();
            let Some((part, length)) = part(rest)? else {
                let is_long = self.bytes.len() - self.start > MAX_FRAME;
                return if is_long { Err(Malformed("it does not end")) } else { Ok(None) };
            };
            self.scanned += length;
            self.missing -= 1;
            if let Part::List(length) = part {
                self.missing += length;
            }
            if self.missing > MAX_PARTS {
                return Err(Malformed("it has too many parts"));
            }
        }
        let frame = self.start..self.scanned;
        self.start = self.scanned;
        Ok(self.bytes.get(frame))
    }
}

/// The element at the head of these bytes, with its length, if it is there as a whole.
fn part(bytes: &[u8]) -> Result<Option<(Part<'_>, usize)>, Malformed> {
    let Some(end) = bytes.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
        return if bytes.len() < MAX_LINE {
            Ok(None)
        } else {
            Err(Malformed("a line is too long"))
        };
    };
    let after = end + 1;
    let Some([kind, line @ .., b'\r']) = bytes.get(..end) else {
        return Err(Malformed("a line is empty or ends wrongly"));
    };
    let whole = match kind {
        b'+' => Part::Status(line),
        b'-' => Part::Error(bytes.get(..after).unwrap_or_default()),
        b':' => Part::Number(number(line)?),
        b'*' => match length(line, MAX_PARTS)? {
            Some(length) => Part::List(length),
            None => Part::Nil,
        },
        b'$' => {
            let Some(length) = length(line, MAX_STRING)? else {
                return Ok(Some((Part::Nil, after)));
            };
            let Some(text) = bytes.get(after..after + length + 2) else { return Ok(None) };
            let Some(text) = text.strip_suffix(b"\r\n") else {
                return Err(Malformed("a string is longer than it says"));
            };
            return Ok(Some((Part::Bytes(text), after + length + 2)));
        }
        _ => return Err(Malformed("an element is of an unknown sort")),
    };
    Ok(Some((whole, after)))
}

fn number(line: &[u8]) -> Result<i64, Malformed> {
    let text = std::str::from_utf8(line).ok().and_then(|line| line.parse().ok());
    text.ok_or(Malformed("a number is none"))
}

/// `None` is what Redis writes as -1: nothing, which is not the same as an empty string or list.
fn length(line: &[u8], most: usize) -> Result<Option<usize>, Malformed> {
    match usize::try_from(number(line)?) {
        Ok(length) if length <= most => Ok(Some(length)),
        Ok(_) => Err(Malformed("a length is too large")),
        Err(_) => Ok(None),
    }
}

/// The elements of a whole reply, one after the other, lists and what is in them alike.
pub(crate) fn parts(frame: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut rest = frame;
    std::iter::from_fn(move || {
        let (part, length) = part(rest).ok().flatten()?;
        rest = rest.get(length..)?;
        Some(part)
    })
}

/// A whole reply as a value that owns what it has.
pub(crate) fn value(frame: &[u8]) -> Result<Value, Malformed> {
    build(&mut parts(frame), 0)
}

fn build<'a>(parts: &mut impl Iterator<Item = Part<'a>>, depth: usize) -> Result<Value, Malformed> {
    Ok(match parts.next().ok_or(Malformed("it is cut short"))? {
        Part::Nil => Value::Nil,
        Part::Number(number) => Value::Int(number),
        Part::Status(b"OK") => Value::Okay,
        Part::Status(text) => Value::SimpleString(String::from_utf8_lossy(text).into_owned()),
        // Only the client's own parser makes its errors.
        Part::Error(line) => {
            redis::parse_redis_value(line).map_err(|_| Malformed("an error is none"))?
        }
        Part::Bytes(bytes) => Value::BulkString(bytes.to_vec()),
        Part::List(_) if depth == MAX_DEPTH => return Err(Malformed("it is nested too deep")),
        Part::List(length) => {
            let values = (0..length).map(|_| build(parts, depth + 1));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
    })
}

#[cfg(test)]
#[path = "resp_tests.rs"]
mod tests;
