//! The writing half of a connection: everything that waits goes into one write.
//!
//! Small frames are copied into a buffer of the thread, which costs less than describing each to the kernel; large
//! ones are written from where they are. A connection owns memory here only while its socket is full.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use moorline_chat::{Close, Drained, Outbox};
use moorline_protocol::{CloseCode, Frame};
use tokio::io::AsyncWrite;

use super::deflate::deflate;
use super::socket::Socket;
use crate::delivered::{Delivered, Handing};
use crate::metrics::Metrics;
use crate::stream::Events;

/// Frames from this size on are written from where they are. Measured on loopback with 4 and 16 frames a write, copying
/// costs 0.65 of a vectored write at 256 bytes, 0.9 at 2 KiB, 1.05 at 4 KiB, 1.0 to 1.5 at 8 KiB and up to 2.8 above.
pub(crate) const COPY_BORDER: usize = 4096;
/// No more is gathered for one write once this much is; the socket would not take it.
const BATCH_BYTES: usize = 64 * 1024;
/// No more slices than this in one write.
const BATCH_PIECES: usize = 32;
/// A close reason may not be longer (RFC 6455 section 5.5: 125 bytes with the code).
const REASON_MAX: usize = 123;

thread_local! {
    static BATCH: RefCell<Batch> = const { RefCell::new(Batch { copied: Vec::new(), pieces: Vec::new(), bytes: 0 }) };
}

/// What goes into one write.
struct Batch {
    /// The bytes of all copied pieces, one after the other.
    copied: Vec<u8>,
    pieces: Vec<Piece>,
    /// Bytes of all pieces.
    bytes: usize,
}

enum Piece {
    /// That many bytes of `copied`.
    Copied(usize),
    Shared(Shared),
}

/// A frame that is written from where it is.
struct Shared {
    frame: Frame,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// With its header, for a WebSocket.
    Whole,
    /// Deflated, once that has been made.
    Deflated,
    /// The payload alone, for an event stream.
    Bare,
}

impl Shared {
    fn bytes(&self) -> &[u8] {
        match self.form {
            Form::Whole => self.frame.websocket(),
            Form::Deflated => self.frame.deflated().unwrap_or(self.frame.websocket()),
            Form::Bare => self.frame.payload(),
        }
    }
}

/// What a full socket left of a batch.
#[derive(Default)]
struct Unsent {
    pieces: VecDeque<UnsentPiece>,
    /// Bytes of the first piece that are written already.
    written: usize,
    /// Bytes of all pieces that are not written.
    bytes: usize,
}

enum UnsentPiece {
    Bytes(Vec<u8>),
    Shared(Shared),
}

/// How far a flush came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing waits.
    All,
    /// Nothing waits, and the outbox asks for a close.
    Close(Close),
    /// The socket is full; whether it took anything this time.
    Blocked { progress: bool },
}

/// The writing half, without its socket.
#[derive(Default)]
pub(crate) struct Writer {
    /// Control frames, which go before all that is not begun; in an event stream, lines that go before what is new.
    control: Vec<u8>,
    unsent: Option<Box<Unsent>>,
    /// What makes it an event stream; none on a WebSocket.
    events: Option<Box<Events>>,
    /// On a WebSocket that has negotiated compression: where deflations are counted.
    deflates: Option<Arc<Metrics>>,
}

impl Writer {
    /// Writes to a WebSocket that has negotiated compression, and counts here.
    pub(crate) fn deflating(metrics: Arc<Metrics>) -> Self {
        Self { deflates: Some(metrics), ..Self::default() }
    }

    /// Writes an event stream, this head first.
    pub(crate) fn stream(events: Box<Events>, head: Vec<u8>) -> Self {
        Self { control: head, events: Some(events), ..Self::default() }
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.events.is_some()
    }

    pub(crate) fn ping(&mut self, number: u32) {
        if self.is_stream() {
            self.control.extend_from_slice(Events::COMMENT);
            return;
        }
        self.control(0x89, &number.to_be_bytes());
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.control(0x8a, payload);
    }

    /// Queues the close frame; without a code it is empty, as the answer to an empty one is.
    pub(crate) fn close(&mut self, code: Option<CloseCode>, reason: &str) {
        if let Some(events) = &mut self.events {
            self.control.extend_from_slice(&events.end(code));
            return;
        }
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend_from_slice(&code.0.to_be_bytes());
            payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(REASON_MAX)]);
        }
        self.control(0x88, &payload);
    }

    fn control(&mut self, first: u8, payload: &[u8]) {
        self.control.extend_from_slice(&[first, payload.len() as u8]);
        self.control.extend_from_slice(payload);
    }

    /// Bytes of control frames that wait.
    pub(crate) fn control_bytes(&self) -> usize {
        self.control.len()
    }

    /// Whether the socket was full at the last flush.
    pub(crate) fn is_blocked(&self) -> bool {
        self.unsent.is_some()
    }

    /// Whether more than a batch of ordinary frames is left: a large one, which the outbox no longer counts.
    pub(crate) fn is_laden(&self) -> bool {
        self.unsent.as_ref().is_some_and(|unsent| unsent.bytes > 2 * BATCH_BYTES)
    }

    /// Writes all that waits, as far as the socket takes it.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        outbox: &Outbox,
        delivered: &Delivered,
    ) -> io::Result<Flushed> {
        let mut progress = false;
        loop {
            if self.unsent.is_some() && socket.poll_write_ready(cx)?.is_pending() {
                return Ok(Flushed::Blocked { progress });
            }
            let round = BATCH.with_borrow_mut(|batch| {
                let drained = self.gather(cx, outbox, delivered, batch);
                self.write(cx, socket, batch, drained)
            })?;
            match round {
                Round::Written(Drained::More) => progress = true,
                Round::Written(Drained::Empty) => return Ok(Flushed::All),
                Round::Written(Drained::Close(close)) => return Ok(Flushed::Close(close)),
                Round::Blocked { written } => {
                    progress |= written > 0;
                    if written == 0 {
                        return Ok(Flushed::Blocked { progress });
                    }
                }
            }
        }
    }

    /// Puts what goes into one write together. Says how much of its first piece is written, and what the outbox has left.
    fn gather(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &Outbox,
        delivered: &Delivered,
        batch: &mut Batch,
    ) -> (usize, Drained) {
        batch.clear();
        let skip = self.gather_unsent(batch);
        let events = &mut self.events;
        let deflates = self.deflates.is_some();
        let mut handing = delivered.hand();
        let drained = outbox.drain(cx, |frame| match events {
            None => batch.take(frame, deflates, &mut handing),
            Some(events) => batch.take_event(frame, events, &mut handing),
        });
        if let Some(metrics) = &self.deflates {
            batch.deflate(metrics);
        }
        (skip, drained)
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        batch: &mut Batch,
        (skip, drained): (usize, Drained),
    ) -> io::Result<Round> {
        if batch.pieces.is_empty() {
            return Ok(Round::Written(drained));
        }
        let written = match batch.poll_write(cx, socket, skip) {
            Poll::Ready(result) => result?,
            Poll::Pending => 0,
        };
        if let Some(unsent) = batch.unsent(skip + written) {
            self.unsent = Some(unsent);
            return Ok(Round::Blocked { written });
        }
        Ok(Round::Written(drained))
    }

    /// Puts what is begun first, then control frames, then what else was left. Says how much of the first is written.
    fn gather_unsent(&mut self, batch: &mut Batch) -> usize {
        let mut unsent = self.unsent.take().unwrap_or_default();
        // A piece ends with a frame, but not with an event of a stream.
        let begun = if self.is_stream() { unsent.pieces.len() } else { 1 };
        for piece in unsent.pieces.drain(..begun.min(unsent.pieces.len())) {
            batch.push_unsent(piece);
        }
        if !self.control.is_empty() {
            batch.copy(&std::mem::take(&mut self.control));
        }
        for piece in unsent.pieces {
            batch.push_unsent(piece);
        }
        unsent.written
    }
}

enum Round {
    Written(Drained),
    Blocked { written: usize },
}

impl Batch {
    fn clear(&mut self) {
        self.copied.clear();
        self.pieces.clear();
        self.bytes = 0;
    }

    /// Takes a frame from the outbox unless the batch is full. Nothing is deflated here, where the outbox is locked.
    fn take(&mut self, frame: &Frame, deflates: bool, handing: &mut Handing<'_>) -> bool {
        if self.is_full() {
            return false;
        }
        handing.took(frame);
        let form = if deflates && frame.is_deflatable() { Form::Deflated } else { Form::Whole };
        match frame.deflated() {
            None if form == Form::Deflated => self.share(Shared { frame: frame.clone(), form }),
            _ => self.add(frame, form),
        }
        true
    }

    /// Deflates what no other socket has deflated yet. Until then the batch counts the plain bytes, so that one write never
    /// brings more work than a batch and a frame.
    fn deflate(&mut self, metrics: &Metrics) {
        for piece in &self.pieces {
            if let Piece::Shared(Shared { frame, form: Form::Deflated }) = piece {
                frame.deflate(|payload| {
                    let deflated = deflate(payload);
                    let after = deflated.as_ref().map_or(payload.len(), Vec::len);
                    metrics.deflated(payload.len(), after);
                    deflated
                });
            }
        }
        self.bytes = self.pieces.iter().map(Piece::len).sum();
    }

    /// The same as an event of a stream; its bytes are those of all other sockets, between lines of its own.
    fn take_event(
        &mut self,
        frame: &Frame,
        events: &mut Events,
        handing: &mut Handing<'_>,
    ) -> bool {
        if self.is_full() {
            return false;
        }
        if let Some(before) = events.before(frame.payload()) {
            handing.took(frame);
            self.copy(&before);
            self.add(frame, Form::Bare);
            self.copy(Events::AFTER);
        }
        true
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.pieces.len() >= BATCH_PIECES
    }

    fn add(&mut self, frame: &Frame, form: Form) {
        let shared = Shared { frame: frame.clone(), form };
        if shared.bytes().len() < COPY_BORDER {
            self.copy(shared.bytes());
        } else {
            self.share(shared);
        }
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
        self.bytes += bytes.len();
        match self.pieces.last_mut() {
            Some(Piece::Copied(len)) => *len += bytes.len(),
            _ => self.pieces.push(Piece::Copied(bytes.len())),
        }
    }

    fn share(&mut self, shared: Shared) {
        self.bytes += shared.bytes().len();
        self.pieces.push(Piece::Shared(shared));
    }

    fn push_unsent(&mut self, piece: UnsentPiece) {
        match piece {
            UnsentPiece::Bytes(bytes) => self.copy(&bytes),
            UnsentPiece::Shared(shared) => self.share(shared),
        }
    }

    /// One write of everything but the first `skip` bytes.
    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        skip: usize,
    ) -> Poll<io::Result<usize>> {
        if let [Piece::Copied(_)] = self.pieces[..] {
            return Pin::new(socket).poll_write(cx, &self.copied[skip..]);
        }
        let mut slices = [IoSlice::new(&[]); BATCH_PIECES + 2];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(self.slices(skip)) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        Pin::new(socket).poll_write_vectored(cx, &slices[..count])
    }

    /// The bytes of each piece, without the first `skip`.
    fn slices(&self, mut skip: usize) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        self.pieces.iter().filter_map(move |piece| {
            let bytes = match piece {
                Piece::Copied(len) => {
                    at += len;
                    &self.copied[at - len..at]
                }
                Piece::Shared(shared) => shared.bytes(),
            };
            let skipped = skip.min(bytes.len());
            skip -= skipped;
            (skipped < bytes.len()).then(|| &bytes[skipped..])
        })
    }

    /// What is left after `written` bytes.
    fn unsent(&mut self, mut written: usize) -> Option<Box<Unsent>> {
        let mut unsent = Unsent { bytes: self.bytes.saturating_sub(written), ..Unsent::default() };
        let mut at = 0;
        for piece in self.pieces.drain(..) {
            let len = piece.len();
            let range = at..at + if matches!(piece, Piece::Copied(_)) { len } else { 0 };
            at = range.end;
            if written >= len {
                written -= len;
                continue;
            }
            unsent.pieces.push_back(match piece {
                Piece::Copied(_) => {
                    let skipped = std::mem::take(&mut written);
                    UnsentPiece::Bytes(self.copied[range.start + skipped..range.end].to_vec())
                }
                Piece::Shared(shared) => {
                    unsent.written += std::mem::take(&mut written); // Only the first one can be begun.
                    UnsentPiece::Shared(shared)
                }
            });
        }
        (!unsent.pieces.is_empty()).then(|| Box::new(unsent))
    }
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Copied(len) => *len,
            Self::Shared(shared) => shared.bytes().len(),
        }
    }
}
