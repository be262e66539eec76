//! The writing half of a connection: everything that waits goes into one write.
//!
//! `batch` puts it together in a buffer of the thread. A connection owns memory here only while its socket is full.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use moorline_chat::{Close, Drained, Outbox};
use moorline_protocol::CloseCode;

use super::batch::{BATCH_BYTES, Batch, Unsent};
use super::socket::Socket;
use crate::delivered::Delivered;
use crate::metrics::Metrics;
use crate::stream::Events;

/// A close reason may not be longer (RFC 6455 section 5.5: 125 bytes with the code).
const REASON_MAX: usize = 123;

thread_local! {
    static BATCH: RefCell<Batch> = const { RefCell::new(Batch::new()) };
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
        if batch.is_empty() {
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
