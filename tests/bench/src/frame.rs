//! WebSocket frames, as far as the benchmark needs them: both ends of a connection are ours, so
//! there is no extension and no fragment. Used by the bare server and by the load.

use std::io::{self, Read};

/// A text frame's first byte: final, opcode 1.
pub(crate) const TEXT: u8 = 0x81;
/// A close frame's first byte.
pub(crate) const CLOSE: u8 = 0x88;
/// A ping frame's first byte.
pub(crate) const PING: u8 = 0x89;
/// A pong frame's first byte.
pub(crate) const PONG: u8 = 0x8a;

/// The load's mask. Any non-zero one makes the server do the work of unmasking.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What a frame's header says.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Header {
    /// The first byte: final bit and opcode.
    pub(crate) first: u8,
    /// The mask, from a client.
    pub(crate) mask: Option<[u8; 4]>,
    /// Bytes of the header itself.
    pub(crate) header_bytes: usize,
    /// Bytes of the payload.
    pub(crate) payload_bytes: usize,
}

impl Header {
    /// Reads a header; `None` if it is not there as a whole.
    pub(crate) fn read(bytes: &[u8]) -> Option<Header> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (mut at, payload_bytes) = match second & 0x7f {
            126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize),
            127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
            short => (2, short as usize),
        };
        let mut mask = None;
        if second & 0x80 != 0 {
            mask = Some(bytes.get(at..at + 4)?.try_into().ok()?);
            at += 4;
        }
        Some(Header { first, mask, header_bytes: at, payload_bytes })
    }
}

/// Whether the bytes start with a whole frame.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    Header::read(bytes)
        .is_some_and(|header| bytes.len() >= header.header_bytes + header.payload_bytes)
}

/// Takes the next whole frame off the front of `bytes`, unmasked: its first byte, its payload,
/// and what follows it.
pub(crate) fn next(bytes: &mut [u8]) -> Option<(u8, &mut [u8], &mut [u8])> {
    let header = Header::read(bytes)?;
    if bytes.len() < header.header_bytes + header.payload_bytes {
        return None;
    }
    let (_, rest) = bytes.split_at_mut(header.header_bytes);
    let (payload, rest) = rest.split_at_mut(header.payload_bytes);
    if let Some(mask) = header.mask {
        apply_mask(payload, mask);
    }
    Some((header.first, payload, rest))
}

/// Masks or unmasks, which is the same, eight bytes at a time.
pub(crate) fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

fn push_header(out: &mut Vec<u8>, first: u8, masked: u8, payload_bytes: usize) {
    out.push(first);
    match payload_bytes {
        0..=125 => out.push(masked | payload_bytes as u8),
        126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
}

/// Appends a frame as a server sends it.
pub(crate) fn push_from_server(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    push_header(out, first, 0, payload.len());
    out.extend_from_slice(payload);
}

/// Appends a frame as a client sends it.
pub(crate) fn push_from_client(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    push_header(out, first, 0x80, payload.len());
    out.extend_from_slice(&MASK);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], MASK);
}

/// What one read brought.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Brought {
    /// Bytes at the front of the scratch buffer, the remainder of earlier reads among them.
    pub(crate) bytes: usize,
    /// The socket may have more: the read filled the buffer.
    pub(crate) maybe_more: bool,
    /// The other side closed, or the connection broke.
    pub(crate) closed: bool,
}

/// Reads once into `scratch`, behind what `rest` kept from before. A buffer for each connection
/// would cost memory for nothing: all but a remainder is consumed at once.
pub(crate) fn read_once(stream: &mut impl Read, rest: &mut Vec<u8>, scratch: &mut [u8]) -> Brought {
    let kept = rest.len();
    scratch[..kept].copy_from_slice(rest);
    rest.clear();
    let room = scratch.len() - kept;
    let (read, closed) = loop {
        match stream.read(&mut scratch[kept..]) {
            Ok(0) => break (0, true),
            Ok(read) => break (read, false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break (0, false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break (0, true),
        }
    };
    Brought { bytes: kept + read, maybe_more: read == room, closed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_any_size_comes_back_as_it_was() {
        for size in [0, 1, 7, 8, 125, 126, 300, 65_535, 65_536, 70_000] {
            let payload: Vec<u8> = (0..size).map(|n| n as u8).collect();
            for push in [push_from_client, push_from_server] {
                let mut wire = Vec::new();
                push(&mut wire, TEXT, &payload);
                push(&mut wire, PING, b"x");
                let (first, read, rest) = next(&mut wire).unwrap();
                assert_eq!((first, &*read), (TEXT, payload.as_slice()));
                let (first, read, rest) = next(rest).unwrap();
                assert_eq!((first, &*read, rest.len()), (PING, &b"x"[..], 0));
            }
        }
    }

    #[test]
    fn a_frame_cut_anywhere_is_not_taken_for_whole() {
        let mut wire = Vec::new();
        push_from_client(&mut wire, TEXT, &[b'a'; 300]);
        for cut in 0..wire.len() {
            assert!(next(&mut wire[..cut].to_vec()).is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn a_remainder_stands_before_what_the_next_read_brings() {
        let mut rest = b"ab".to_vec();
        let mut scratch = [0; 8];
        let brought = read_once(&mut &b"cd"[..], &mut rest, &mut scratch);
        assert_eq!(brought, Brought { bytes: 4, maybe_more: false, closed: false });
        assert_eq!(&scratch[..4], b"abcd");
        assert!(read_once(&mut &b""[..], &mut rest, &mut scratch).closed);
    }
}
