//! Bytes from a client become messages and control frames.
//!
//! What arrives whole, as nearly everything does, is taken straight from the thread's read buffer. Only while a frame
//! or a fragmented message is incomplete does a connection own memory here, and then as much as has really arrived.

use std::borrow::Cow;

use moorline_protocol::CloseCode;

use super::deflate::{deflated_limit, inflate};
use super::header::{HEADER_MAX, Header, Opcode, Violation, unmask};
use super::utf8::Utf8;
use crate::consumer::Incoming;

/// What one or more frames said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Message(Incoming),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The peer's close: its code, if it sent one, and its reason.
    Close(Option<CloseCode>, Cow<'static, str>),
}

/// The reading half of the protocol, without a socket.
#[derive(Debug)]
pub(crate) struct Decoder {
    bounds: Bounds,
    partial: Option<Box<Partial>>,
}

/// What a connection's messages may be.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// The longest message in bytes, fragments joined and inflated.
    message_limit: usize,
    /// Whether they may be compressed.
    inflates: bool,
}

/// What has arrived of something incomplete.
#[derive(Debug, Default)]
struct Partial {
    header: [u8; HEADER_MAX],
    header_len: usize,
    frame: Option<OpenFrame>,
    control: Vec<u8>,
    message: Option<OpenMessage>,
}

#[derive(Debug)]
struct OpenFrame {
    header: Header,
    remaining: u64,
    phase: usize,
}

#[derive(Debug)]
struct OpenMessage {
    is_text: bool,
    is_deflated: bool,
    bytes: Vec<u8>,
    utf8: Utf8,
}

impl Decoder {
    pub(crate) fn new(message_limit: usize, inflates: bool) -> Self {
        Self { bounds: Bounds { message_limit, inflates }, partial: None }
    }

    /// Reads up to the end of the next item; says how many bytes it took. Without an item, all were taken.
    pub(crate) fn decode(&mut self, input: &mut [u8]) -> Result<(usize, Option<Item>), Violation> {
        if self.partial.is_none()
            && let Some((taken, item)) = self.take_whole(input)?
        {
            return Ok((taken, Some(item)));
        }
        let mut taken = 0;
        while taken < input.len() {
            let partial = self.partial.get_or_insert_default();
            let (more, item) = partial.advance(&mut input[taken..], self.bounds)?;
            taken += more;
            if partial.is_idle() {
                self.partial = None;
            }
            if item.is_some() {
                return Ok((taken, item));
            }
        }
        Ok((taken, None))
    }

    /// Bytes that are here of an incomplete frame or message; none between messages.
    pub(crate) fn incomplete_bytes(&self) -> Option<usize> {
        let partial = self.partial.as_ref()?;
        Some(partial.message.as_ref().map_or(0, |message| message.bytes.len()))
    }

    /// The usual case: one unfragmented frame that is here in full.
    fn take_whole(&self, input: &mut [u8]) -> Result<Option<(usize, Item)>, Violation> {
        let Some(header) = Header::parse(input, self.bounds.inflates)? else { return Ok(None) };
        if header.opcode == Opcode::Continuation {
            return Err(Violation::LoneContinuation);
        }
        let payload = self.bounds.within(0, header.is_deflated, &header)?;
        let end = header.len + payload;
        if !header.fin || end > input.len() {
            return Ok(None);
        }
        let payload = &mut input[header.len..end];
        unmask(payload, header.mask, 0);
        let item = match header.opcode {
            opcode @ (Opcode::Text | Opcode::Binary) if header.is_deflated => {
                self.bounds.inflated(opcode == Opcode::Text, payload.to_vec())?
            }
            Opcode::Text => Item::Message(Incoming::Text(text(payload)?.to_owned())),
            Opcode::Binary => Item::Message(Incoming::Bytes(payload.to_vec())),
            control => control_item(control, payload)?,
        };
        Ok(Some((end, item)))
    }
}

impl Partial {
    fn is_idle(&self) -> bool {
        self.header_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// One step: a header's bytes or a payload's.
    fn advance(
        &mut self,
        input: &mut [u8],
        bounds: Bounds,
    ) -> Result<(usize, Option<Item>), Violation> {
        let Some(frame) = &mut self.frame else {
            let taken = self.read_header(input, bounds)?;
            let is_empty = self.frame.as_ref().is_some_and(|frame| frame.remaining == 0);
            let item = if is_empty { self.end_frame(bounds)? } else { None };
            return Ok((taken, item));
        };
        let taken = input.len().min(usize::try_from(frame.remaining).unwrap_or(usize::MAX));
        let piece = &mut input[..taken];
        frame.phase = unmask(piece, frame.header.mask, frame.phase);
        frame.remaining -= taken as u64;
        let is_end = frame.remaining == 0;
        if frame.header.opcode.is_control() {
            self.control.extend_from_slice(piece);
        } else if let Some(message) = &mut self.message {
            message.push(piece)?;
        }
        let item = if is_end { self.end_frame(bounds)? } else { None };
        Ok((taken, item))
    }

    fn read_header(&mut self, input: &[u8], bounds: Bounds) -> Result<usize, Violation> {
        for (at, &byte) in input.iter().enumerate() {
            self.header[self.header_len] = byte;
            self.header_len += 1;
            let header = Header::parse(&self.header[..self.header_len], bounds.inflates)?;
            if let Some(header) = header {
                self.header_len = 0;
                self.begin_frame(header, bounds)?;
                return Ok(at + 1);
            }
        }
        Ok(input.len())
    }

    fn begin_frame(&mut self, header: Header, bounds: Bounds) -> Result<(), Violation> {
        let so_far = self.message.as_ref().map(|message| message.bytes.len());
        let is_deflated = self.message.as_ref().map_or(header.is_deflated, |open| open.is_deflated);
        match (header.opcode, so_far) {
            (Opcode::Continuation, None) => return Err(Violation::LoneContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Violation::Interleaved),
            (opcode @ (Opcode::Text | Opcode::Binary), None) => {
                let is_text = opcode == Opcode::Text;
                let utf8 = Utf8::default();
                self.message = Some(OpenMessage { is_text, is_deflated, bytes: Vec::new(), utf8 });
            }
            _ => {}
        }
        if !header.opcode.is_control() {
            bounds.within(so_far.unwrap_or(0), is_deflated, &header)?;
        }
        self.frame = Some(OpenFrame { remaining: header.payload, header, phase: 0 });
        Ok(())
    }

    fn end_frame(&mut self, bounds: Bounds) -> Result<Option<Item>, Violation> {
        let Some(frame) = self.frame.take() else { return Ok(None) };
        if frame.header.opcode.is_control() {
            let payload = std::mem::take(&mut self.control);
            return control_item(frame.header.opcode, &payload).map(Some);
        }
        if !frame.header.fin {
            return Ok(None);
        }
        self.message.take().map(|message| message.end(bounds)).transpose()
    }
}

impl OpenMessage {
    fn push(&mut self, piece: &[u8]) -> Result<(), Violation> {
        if self.is_text && !self.is_deflated {
            self.utf8.push(piece).map_err(|_| Violation::NotUtf8)?;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    fn end(self, bounds: Bounds) -> Result<Item, Violation> {
        if self.is_deflated {
            return bounds.inflated(self.is_text, self.bytes);
        }
        if !self.is_text {
            return Ok(Item::Message(Incoming::Bytes(self.bytes)));
        }
        if !self.utf8.is_whole() {
            return Err(Violation::NotUtf8);
        }
        let text = String::from_utf8(self.bytes).map_err(|_| Violation::NotUtf8)?;
        Ok(Item::Message(Incoming::Text(text)))
    }
}

impl Bounds {
    /// The payload's length, if the message stays within its limit. A control frame has its own.
    fn within(self, so_far: usize, is_deflated: bool, header: &Header) -> Result<usize, Violation> {
        let limit = self.message_limit;
        let limit = if is_deflated { deflated_limit(limit) } else { limit };
        let payload = usize::try_from(header.payload).map_err(|_| Violation::TooBig)?;
        if !header.opcode.is_control() && payload > limit.saturating_sub(so_far) {
            return Err(Violation::TooBig);
        }
        Ok(payload)
    }

    /// The message that was compressed.
    fn inflated(self, is_text: bool, deflated: Vec<u8>) -> Result<Item, Violation> {
        let bytes = inflate(deflated, self.message_limit)?;
        if !is_text {
            return Ok(Item::Message(Incoming::Bytes(bytes)));
        }
        let text = String::from_utf8(bytes).map_err(|_| Violation::NotUtf8)?;
        Ok(Item::Message(Incoming::Text(text)))
    }
}

fn text(payload: &[u8]) -> Result<&str, Violation> {
    simdutf8::basic::from_utf8(payload).map_err(|_| Violation::NotUtf8)
}

fn control_item(opcode: Opcode, payload: &[u8]) -> Result<Item, Violation> {
    match opcode {
        Opcode::Ping => Ok(Item::Ping(payload.to_vec())),
        Opcode::Pong => Ok(Item::Pong(payload.to_vec())),
        _ => close_item(payload),
    }
}

fn close_item(payload: &[u8]) -> Result<Item, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(Item::Close(None, "".into())),
        [_] => return Err(Violation::BadClose),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::BadClose);
    }
    Ok(Item::Close(Some(CloseCode(code)), text(reason)?.to_owned().into()))
}
