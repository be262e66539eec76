//! A frame: what a server sends, encoded once and shared by every socket that gets it.

use std::cell::RefCell;
use std::sync::Arc;

use serde::Serialize;

/// Room before the payload for the longest WebSocket header of a server (RFC 6455 section 5.2: 2, 4 or 10 bytes).
const HEADER_ROOM: usize = 10;
/// FIN with the opcode of a text message.
const TEXT: u8 = 0x81;
/// FIN with the opcode of a binary message.
const BINARY: u8 = 0x82;

thread_local! {
    /// Where JSON is written before its length is known; kept, since most frames are of a like size.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A scratch longer than this is given back, so that one large page does not stay in each thread.
const SCRATCH_KEPT: usize = 64 * 1024;

/// One message to clients: the header of an unmasked WebSocket frame and the payload in one shared allocation.
/// A clone is a reference. SSE and long-poll send the payload alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Arc<[u8]>);

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
            let frame = Self::seal(buffer, TEXT);
            if buffer.capacity() > SCRATCH_KEPT {
                *buffer = Vec::new();
            }
            frame
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
        let mut buffer = Vec::with_capacity(HEADER_ROOM + payload.len());
        buffer.resize(HEADER_ROOM, 0);
        buffer.extend_from_slice(payload);
        Self::seal(&mut buffer, first)
    }

    /// Writes the header into the room before the payload and shares what results.
    fn seal(buffer: &mut [u8], first: u8) -> Self {
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
        Self(Arc::from(&buffer[start..]))
    }

    /// Header and payload, as a WebSocket server sends them.
    #[must_use]
    pub fn websocket(&self) -> &[u8] {
        &self.0
    }

    /// The payload alone.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        let header = match self.0.get(1) {
            Some(127) => 10,
            Some(126) => 4,
            _ => 2,
        };
        &self.0[header..]
    }

    /// Bytes on a WebSocket: what an outbox counts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payload().is_empty()
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({})", String::from_utf8_lossy(self.payload()))
    }
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
}
