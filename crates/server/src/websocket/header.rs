//! The header of a client's frame (RFC 6455 section 5.2), checked strictly: a violation has a close code at once.

use moorline_protocol::CloseCode;

/// The longest header of a client's frame: 2 bytes, 8 of length, 4 of mask.
pub(crate) const HEADER_MAX: usize = 14;
/// The longest payload of a control frame.
pub(crate) const CONTROL_MAX: u64 = 125;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) opcode: Opcode,
    pub(crate) fin: bool,
    /// It begins a compressed message (RFC 7692 section 6).
    pub(crate) is_deflated: bool,
    pub(crate) mask: [u8; 4],
    pub(crate) payload: u64,
    /// Bytes of the header itself.
    pub(crate) len: usize,
}

/// A rule of the protocol that the client broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// RSV1 to RSV3 belong to extensions. The first frame of a message may have RSV1 if compression was negotiated.
    #[error("reserved bits are set")]
    ReservedBits,
    /// Opcodes 3 to 7 and 11 to 15.
    #[error("unknown opcode")]
    UnknownOpcode,
    /// A client must mask each frame.
    #[error("frame is not masked")]
    Unmasked,
    /// A control frame may not be fragmented.
    #[error("control frame is fragmented")]
    FragmentedControl,
    /// A control frame carries at most 125 bytes.
    #[error("control frame is too long")]
    LongControl,
    /// A length must be written in as few bytes as possible and below 2^63.
    #[error("frame length is badly written")]
    BadLength,
    /// A continuation without a message that it continues.
    #[error("continuation of nothing")]
    LoneContinuation,
    /// A new message within a fragmented one.
    #[error("a message within a message")]
    Interleaved,
    /// A close frame with a payload of one byte or with a code that may not be sent.
    #[error("bad close frame")]
    BadClose,
    /// Text or a close reason that is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A compressed message that cannot be inflated.
    #[error("compressed message is broken")]
    BadDeflate,
    /// A message over the limit of its route, as sent or as inflated.
    #[error("message is too big")]
    TooBig,
}

impl Violation {
    /// The close code that answers it.
    #[must_use]
    pub fn code(self) -> CloseCode {
        match self {
            Self::NotUtf8 | Self::BadDeflate => CloseCode::INVALID_DATA,
            Self::TooBig => CloseCode::TOO_BIG,
            _ => CloseCode::PROTOCOL,
        }
    }

    /// The reason that is sent and logged.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved bits are set",
            Self::UnknownOpcode => "unknown opcode",
            Self::Unmasked => "frame is not masked",
            Self::FragmentedControl => "control frame is fragmented",
            Self::LongControl => "control frame is too long",
            Self::BadLength => "frame length is badly written",
            Self::LoneContinuation => "continuation of nothing",
            Self::Interleaved => "a message within a message",
            Self::BadClose => "bad close frame",
            Self::NotUtf8 => "text is not UTF-8",
            Self::BadDeflate => "compressed message is broken",
            Self::TooBig => "message is too big",
        }
    }
}

impl Opcode {
    fn parse(first: u8) -> Result<Self, Violation> {
        Ok(match first & 0x0f {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return Err(Violation::UnknownOpcode),
        })
    }

    pub(crate) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

impl Header {
    /// Reads a header; none while its end has not arrived. `inflates`: compression was negotiated.
    pub(crate) fn parse(bytes: &[u8], inflates: bool) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let is_deflated = first & 0x70 == 0x40 && inflates;
        if first & 0x70 != 0 && !is_deflated {
            return Err(Violation::ReservedBits);
        }
        let (opcode, fin) = (Opcode::parse(*first)?, first & 0x80 != 0);
        if is_deflated && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(Violation::ReservedBits);
        }
        if second & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        let (payload, extra) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 2),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 8)
            }
            (126 | 127, _) => {
                return if opcode.is_control() { Err(Violation::LongControl) } else { Ok(None) };
            }
            (short, _) => (u64::from(short), 0),
        };
        check(opcode, fin, payload, extra)?;
        let Some(&[a, b, c, d]) = rest.get(extra..extra + 4) else { return Ok(None) };
        let (mask, len) = ([a, b, c, d], 2 + extra + 4);
        Ok(Some(Self { opcode, fin, is_deflated, mask, payload, len }))
    }
}

fn check(opcode: Opcode, fin: bool, payload: u64, extra: usize) -> Result<(), Violation> {
    if opcode.is_control() && payload > CONTROL_MAX {
        return Err(Violation::LongControl);
    }
    if opcode.is_control() && !fin {
        return Err(Violation::FragmentedControl);
    }
    let shortest = match extra {
        2 => 126,
        8 => 65_536,
        _ => 0,
    };
    if payload < shortest || payload >> 63 != 0 {
        return Err(Violation::BadLength);
    }
    Ok(())
}

/// Takes the mask off, `phase` bytes into it, and returns the phase after it. Eight bytes a step: the compiler makes
/// vector instructions of it.
pub(crate) fn unmask(bytes: &mut [u8], mask: [u8; 4], phase: usize) -> usize {
    let key = |at: usize| mask[(phase + at) & 3];
    let wide = u64::from_ne_bytes([key(0), key(1), key(2), key(3), key(0), key(1), key(2), key(3)]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (at, byte) in chunks.into_remainder().iter_mut().enumerate() {
        *byte ^= key(at);
    }
    (phase + bytes.len()) & 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_or_refused_by_rule() {
        let fine = |bytes: &[u8]| Header::parse(bytes, false).unwrap().unwrap().payload;
        assert_eq!(fine(&[0x81, 0x80, 1, 2, 3, 4]), 0);
        assert_eq!(fine(&[0x81, 0xfd, 1, 2, 3, 4]), 125);
        assert_eq!(fine(&[0x82, 0xfe, 0, 126, 1, 2, 3, 4]), 126);
        assert_eq!(fine(&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]), 65_536);
        for (bytes, expected) in [
            (&[0xc1, 0x80][..], Violation::ReservedBits),
            (&[0x91, 0x80], Violation::ReservedBits),
            (&[0x83, 0x80], Violation::UnknownOpcode),
            (&[0x8b, 0x80], Violation::UnknownOpcode),
            (&[0x81, 0x05], Violation::Unmasked),
            (&[0x09, 0x80], Violation::FragmentedControl),
            (&[0x89, 0xfe], Violation::LongControl),
            (&[0x88, 0xfe, 0, 126], Violation::LongControl),
            (&[0x81, 0xfe, 0, 125], Violation::BadLength),
            (&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 255, 255], Violation::BadLength),
            (&[0x81, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0], Violation::BadLength),
        ] {
            assert_eq!(Header::parse(bytes, false), Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn the_bit_of_compression_belongs_to_the_first_frame_of_a_message() {
        let parse = |first: u8| Header::parse(&[first, 0x80, 1, 2, 3, 4], true);
        for (first, expected) in [(0x81, false), (0x82, false), (0xc1, true), (0x42, true)] {
            assert_eq!(parse(first).unwrap().unwrap().is_deflated, expected, "{first:x}");
        }
        // Of continuations, control frames, and beside or in place of it the other two bits.
        for first in [0x40, 0xc0, 0xc8, 0xc9, 0xca, 0xa1, 0x91, 0xe1, 0xd1, 0xf2] {
            assert_eq!(parse(first), Err(Violation::ReservedBits), "{first:x}");
        }
    }

    #[test]
    fn a_header_that_has_not_arrived_is_awaited() {
        for bytes in [&[][..], &[0x81], &[0x81, 0xfe, 1], &[0x81, 0xff, 0, 0], &[0x81, 0x81, 1]] {
            assert_eq!(Header::parse(bytes, false), Ok(None), "{bytes:?}");
        }
    }

    #[test]
    fn a_mask_comes_off_in_any_pieces() {
        let plain: Vec<u8> = (0..100).collect();
        let mask = [7, 99, 200, 31];
        for cut in 0..plain.len() {
            let mut masked: Vec<u8> =
                plain.iter().enumerate().map(|(at, byte)| byte ^ mask[at & 3]).collect();
            let (left, right) = masked.split_at_mut(cut);
            let phase = unmask(left, mask, 0);
            unmask(right, mask, phase);
            assert_eq!(masked, plain);
        }
    }
}
