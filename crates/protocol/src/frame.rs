//! A frame: what a server sends, encoded once and shared by every socket that gets it.
//!
//! A frame that may be deflated also has room for its deflated form, which the first socket that wants it makes for all.
//! How to deflate is the transport's affair; nothing here does it.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use serde::Serialize;

/// Room before the payload for the longest WebSocket header of a server (RFC 6455 section 5.2: 2, 4 or 10 bytes).
const HEADER_ROOM: usize = 10;
/// FIN with the opcode of a text message.
const TEXT: u8 = 0x81;
/// FIN with the opcode of a binary message.
const BINARY: u8 = 0x82;
/// The bit of a frame whose message is deflated (RFC 7692 section 6).
const DEFLATED: u8 = 0x40;

/// Payloads that are worth deflating, in bytes. Shorter ones gain next to nothing. Longer ones would keep a thread of the
/// runtime busy for more than a millisecond; a message of 64 KiB of which JSON escapes every byte is within.
pub const DEFLATED_BYTES: RangeInclusive<usize> = 512..=130 * 1024;

thread_local! {
    /// Where JSON is written before its length is known; kept, since most frames are of a like size.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A scratch longer than this is given back, so that one large page does not stay in each thread.
const SCRATCH_KEPT: usize = 64 * 1024;

/// What a frame is to those who count deliveries; no client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carries {
    /// Something else than a message of a room, or several.
    #[default]
    Other,
    /// One message of a room's log, which may have been stored long ago.
    Message,
    /// One message that was stored, or heard of from another node, at this moment.
    NewMessage(Instant),
}

/// One message to clients: the header of an unmasked WebSocket frame and the payload in one shared allocation.
/// A clone is a reference. SSE and long-poll send the payload alone.
#[derive(Clone)]
pub struct Frame {
    bytes: Arc<[u8]>,
    /// Room for the deflated form; none where it is never deflated. Empty inside where that form is not shorter.
    twin: Option<Arc<Twin>>,
    carries: Carries,
}

type Twin = OnceLock<Option<Arc<[u8]>>>;

impl Frame {
    /// Encodes a value as JSON.
    #[must_use]
    pub fn json(value: &impl Serialize) -> Self {
        SCRATCH.with_borrow_mut(|buffer| {
            buffer.clear();
            buffer.resize(HEADER_ROOM, 0);
            if let Err(error) = serde_json::to_writer(&mut *buffer, value) {
                // Our own types have text keys and no failing serialiser, so this is a mistake of ours, told as such.
                buffer.truncate(HEADER_ROOM);
                buffer.extend_from_slice(br#"{"type":"error","code":"internal","message":""#);
                buffer.extend_from_slice(error.to_string().replace(['"', '\\'], " ").as_bytes());
                buffer.extend_from_slice(br#"","retry":true}"#);
            }
            let bytes = seal(buffer, TEXT);
            if buffer.capacity() > SCRATCH_KEPT {
                *buffer = Vec::new();
            }
            Self { bytes, twin: None, carries: Carries::Other }
        })
    }

    /// A text message as it is.
    #[must_use]
    pub fn text(payload: &str) -> Self {
        Self::raw(payload.as_bytes(), TEXT)
    }

    /// A binary message as it is.
    #[must_use]
    pub fn binary(payload: &[u8]) -> Self {
        Self::raw(payload, BINARY)
    }

    fn raw(payload: &[u8], first: u8) -> Self {
        Self { bytes: sealed(payload, first), twin: None, carries: Carries::Other }
    }

    /// Lets this frame be deflated, if its size is worth it. Only for what holds no secret: the length of a deflated text
    /// tells whoever watches the wire how alike its parts are, so text of an attacker's choice beside a secret gives it
    /// away (CRIME, BREACH).
    #[must_use]
    pub fn deflatable(mut self) -> Self {
        self.twin = DEFLATED_BYTES.contains(&self.payload().len()).then(Arc::default);
        self
    }

    /// The same frame, counted as this.
    #[must_use]
    pub fn carrying(self, carries: Carries) -> Self {
        Self { carries, ..self }
    }

    /// What it counts as.
    #[must_use]
    pub fn carries(&self) -> Carries {
        self.carries
    }

    /// Whether it may be deflated and is worth it.
    #[must_use]
    pub fn is_deflatable(&self) -> bool {
        self.twin.is_some()
    }

    /// What a socket gets that has negotiated compression; none while that has not been made.
    #[must_use]
    pub fn deflated(&self) -> Option<&[u8]> {
        let made = self.twin.as_ref()?.get()?;
        Some(made.as_deref().unwrap_or(&self.bytes))
    }

    /// The same, made now if nobody did so before; whoever else wants it meanwhile waits. `deflate` gives the payload of
    /// the compressed message (RFC 7692 section 7.2.1), or none if it would not be shorter.
    pub fn deflate(&self, deflate: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> &[u8] {
        let Some(twin) = &self.twin else { return &self.bytes };
        let made = twin.get_or_init(|| {
            let first = self.bytes.first().copied().unwrap_or(TEXT);
            let bytes = sealed(&deflate(self.payload())?, first | DEFLATED);
            (bytes.len() < self.bytes.len()).then_some(bytes)
        });
        made.as_deref().unwrap_or(&self.bytes)
    }

    /// Header and payload, as a WebSocket server sends them.
    #[must_use]
    pub fn websocket(&self) -> &[u8] {
        &self.bytes
    }

    /// The payload alone.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        let header = match self.bytes.get(1) {
            Some(127) => 10,
            Some(126) => 4,
            _ => 2,
        };
        &self.bytes[header..]
    }

    /// Bytes on a WebSocket, not deflated: what an outbox counts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payload().is_empty()
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Frame {}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({})", String::from_utf8_lossy(self.payload()))
    }
}

/// A payload with its header, in one shared allocation.
fn sealed(payload: &[u8], first: u8) -> Arc<[u8]> {
    let mut buffer = Vec::with_capacity(HEADER_ROOM + payload.len());
    buffer.resize(HEADER_ROOM, 0);
    buffer.extend_from_slice(payload);
    seal(&mut buffer, first)
}

/// Writes the header into the room before the payload and shares what results.
fn seal(buffer: &mut [u8], first: u8) -> Arc<[u8]> {
    let length = buffer.len() - HEADER_ROOM;
    let start = HEADER_ROOM - header_len(length);
    buffer[start] = first;
    match header_len(length) {
        2 => buffer[start + 1] = length as u8,
        4 => {
            buffer[start + 1] = 126;
            buffer[start + 2..HEADER_ROOM].copy_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            buffer[start + 1] = 127;
            buffer[start + 2..HEADER_ROOM].copy_from_slice(&(length as u64).to_be_bytes());
        }
    }
    Arc::from(&buffer[start..])
}

/// Bytes of the header before a payload of this length.
fn header_len(length: usize) -> usize {
    match length {
        0..=125 => 2,
        126..=65_535 => 4,
        _ => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_carries_the_header_of_its_length() {
        for (length, header) in [
            (0_usize, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 255, 255]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = Frame::text(&"x".repeat(length));
            assert_eq!(&frame.websocket()[..header.len()], header, "{length}");
            assert_eq!(frame.payload().len(), length);
            assert_eq!(frame.len(), header.len() + length);
        }
    }

    #[test]
    fn json_is_encoded_behind_the_header() {
        let frame = Frame::json(&serde_json::json!({"type": "pong"}));
        assert_eq!(frame.payload(), br#"{"type":"pong"}"#);
        assert_eq!(frame.websocket()[..2], [0x81, 15]);
        assert_eq!(Frame::binary(&[1, 2]).websocket(), [0x82, 2, 1, 2]);
    }

    #[test]
    fn a_frame_is_deflated_once_for_all_of_its_clones() {
        let frame = Frame::text(&"moor ".repeat(200)).deflatable();
        let clone = frame.clone();
        assert_eq!(frame.deflated(), None);
        let made = frame.deflate(|_| Some(vec![7; 130])).to_vec();
        assert_eq!(made[..4], [0xc1, 126, 0, 130]);
        assert_eq!(clone.deflate(|_| panic!("deflated twice")), made);
        assert_eq!(clone.deflated(), Some(&made[..]));
        assert_eq!(clone.websocket()[..2], [0x81, 126]);
    }

    #[test]
    fn what_does_not_get_shorter_stays_as_it_is() {
        let frame = Frame::binary(&[1; 600]).deflatable();
        assert_eq!(frame.deflate(|payload| Some(payload.to_vec())), frame.websocket());
        assert_eq!(frame.deflated(), Some(frame.websocket()));
        let frame = Frame::binary(&[1; 600]).deflatable();
        assert_eq!(frame.deflate(|_| None), frame.websocket());
    }

    #[test]
    fn only_what_is_allowed_and_worth_it_is_deflated() {
        let of = |length: usize| Frame::text(&"x".repeat(length));
        for (frame, expected) in [
            (of(511).deflatable(), false),
            (of(512).deflatable(), true),
            (of(130 * 1024).deflatable(), true),
            (of(130 * 1024 + 1).deflatable(), false),
            (of(1000), false),
            (Frame::json(&"x".repeat(1000)), false),
        ] {
            assert_eq!(frame.is_deflatable(), expected, "{}", frame.len());
            let bytes = frame.deflate(|_| Some(vec![0; 10])).len();
            assert_eq!(bytes < frame.len(), expected);
        }
    }
}
