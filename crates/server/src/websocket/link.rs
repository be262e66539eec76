//! One socket with its protocol state: what the driver of a connection polls.
//!
//! All reads go through a buffer of the thread, so an idle connection owns no buffer. Bytes that a read brought beyond
//! the message in hand wait in `unread`, which exists only as long as it holds something.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use moorline_chat::Close;
use moorline_protocol::CloseCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::decoder::{Decoder, Item};
use super::keepalive::{Due, Keepalive, message_due};
use super::socket::Socket;
use super::writer::{Flushed, Writer};
use super::{Ending, Settings, Wire};
use crate::connection::Connection;
use crate::consumer::Incoming;
use crate::transport::Transport;

/// What one read brings at most.
const READ_BYTES: usize = 64 * 1024;
/// While no message may be taken, this much is still read, so that a dead or leaving peer is noticed.
const READ_AHEAD: usize = 16 * 1024;
/// With this much of pongs unsent, reading stops: the peer pings but does not read.
const CONTROL_MARK: usize = 8 * 1024;

thread_local! {
    static READ: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The socket and all that the protocol needs beside it.
pub(crate) struct Link {
    socket: Socket,
    decoder: Decoder,
    writer: Writer,
    unread: Vec<u8>,
    unread_at: usize,
    is_eof: bool,
    is_armed: bool,
    keepalive: Keepalive,
    timer: Pin<Box<Sleep>>,
    stalled_since: Option<Instant>,
    /// When the message that is still incomplete began.
    incomplete_since: Option<Instant>,
    settings: Arc<Settings>,
}

impl Link {
    pub(crate) fn new(
        socket: Socket,
        unread: Vec<u8>,
        wire: Wire,
        settings: Arc<Settings>,
    ) -> Self {
        let now = Instant::now();
        let mut keepalive = Keepalive::new(now);
        let (decoder, writer) = match wire {
            Wire::WebSocket { message_limit, deflates } => {
                let writer = match deflates {
                    true => Writer::deflating(Arc::clone(&settings.metrics)),
                    false => Writer::default(),
                };
                (Decoder::new(message_limit, deflates), writer)
            }
            Wire::Stream { events, head } => {
                keepalive.be_steady();
                socket.give_up_unacknowledged_after(settings.pace.timeout);
                (Decoder::new(0, false), Writer::stream(events, head))
            }
        };
        Self {
            socket,
            decoder,
            writer,
            unread,
            unread_at: 0,
            is_eof: false,
            is_armed: false,
            keepalive,
            timer: Box::pin(sleep_until(now + settings.pace.interval)),
            stalled_since: None,
            incomplete_since: None,
            settings,
        }
    }

    pub(crate) fn keepalive(&mut self) -> &mut Keepalive {
        &mut self.keepalive
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the peer only listens.
    pub(crate) fn is_stream(&self) -> bool {
        self.writer.is_stream()
    }

    pub(crate) fn transport(&self) -> Transport {
        if self.is_stream() { Transport::Stream } else { Transport::WebSocket }
    }

    /// When a WebSocket is closed however well it is, where the operator wants that.
    fn ends_at(&self) -> Option<Instant> {
        self.settings.max_age.filter(|_| !self.is_stream()).map(|age| self.keepalive.began() + age)
    }

    /// Whether what waits to go out forbids taking more in.
    pub(crate) fn is_held_up(&self, connection: &Connection) -> bool {
        self.writer.is_blocked()
            && (self.writer.is_laden()
                || self.writer.control_bytes() > CONTROL_MARK
                || connection.outbox().is_over_mark())
    }

    /// The next message; pings, pongs and the peer's close are dealt with here.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Ending>> {
        if self.is_stream() {
            return self.poll_discard(cx).map(|()| Err(Ending::Gone("the stream's client left")));
        }
        loop {
            let item = match self.poll_item(cx) {
                Poll::Ready(Ok(item)) => item,
                Poll::Ready(Err(ending)) => return Poll::Ready(Err(ending)),
                Poll::Pending => return Poll::Pending,
            };
            match item {
                Item::Message(incoming) => return Poll::Ready(Ok(incoming)),
                Item::Ping(payload) => self.writer.pong(&payload),
                Item::Pong(payload) => {
                    if let Some(round_trip) = self.keepalive.pong(&payload, Instant::now()) {
                        self.settings.metrics.ping_rtt.observe(round_trip.as_secs_f64());
                    }
                }
                Item::Close(code, reason) => {
                    return Poll::Ready(Err(Ending::Peer { code, reason }));
                }
            }
            if self.writer.control_bytes() > CONTROL_MARK {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<Item, Ending>> {
        loop {
            if let Some(item) = self.decode_unread()? {
                self.incomplete_since = None;
                return Poll::Ready(Ok(item));
            }
            if self.is_eof {
                return Poll::Ready(Err(Ending::Gone("the socket ended")));
            }
            let Self { socket, decoder, unread, .. } = self;
            let read = poll_read(socket, cx, READ_BYTES, |bytes| {
                let (taken, item) = decoder.decode(bytes).map_err(Ending::Violation)?;
                unread.extend_from_slice(&bytes[taken..]);
                Ok(item)
            });
            let item = match read {
                Poll::Ready(Ok(Some(item))) => item?,
                Poll::Ready(Ok(None)) => {
                    self.is_eof = true;
                    continue;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Ending::Gone("the socket broke"))),
                Poll::Pending => {
                    if self.decoder.incomplete_bytes().is_some() {
                        self.incomplete_since.get_or_insert_with(Instant::now);
                    }
                    return Poll::Pending;
                }
            };
            self.keepalive.heard(Instant::now());
            if let Some(item) = item {
                self.incomplete_since = None;
                return Poll::Ready(Ok(item));
            }
        }
    }

    fn decode_unread(&mut self) -> Result<Option<Item>, Ending> {
        if self.unread.is_empty() {
            return Ok(None);
        }
        let bytes = &mut self.unread[self.unread_at..];
        let (taken, item) = self.decoder.decode(bytes).map_err(Ending::Violation)?;
        self.unread_at += taken;
        if self.unread_at == self.unread.len() {
            self.unread = Vec::new();
            self.unread_at = 0;
        }
        Ok(item)
    }

    /// Until when more of the incomplete message must have come.
    fn incomplete_due(&self) -> Option<Instant> {
        let bytes = self.decoder.incomplete_bytes()?;
        self.incomplete_since.map(|since| message_due(since, bytes))
    }

    /// Reads a little while no message may be taken, to notice a peer that speaks, leaves or breaks.
    pub(crate) fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
        if self.is_stream() {
            return match self.poll_message(cx) {
                Poll::Ready(Err(ending)) => Err(ending),
                _ => Ok(()),
            };
        }
        if let Some(since) = &mut self.incomplete_since {
            *since = Instant::now(); // It is we who do not read on.
        }
        while !self.is_eof && self.unread_len() < READ_AHEAD {
            let room = READ_AHEAD - self.unread_len();
            let Self { socket, unread, .. } = self;
            match poll_read(socket, cx, room, |bytes| unread.extend_from_slice(bytes)) {
                Poll::Ready(Ok(Some(()))) => self.keepalive.heard(Instant::now()),
                Poll::Ready(Ok(None)) => self.is_eof = true,
                Poll::Ready(Err(_)) => return Err(Ending::Gone("the socket broke")),
                Poll::Pending => return Ok(()),
            }
        }
        Ok(())
    }

    fn unread_len(&self) -> usize {
        self.unread.len() - self.unread_at
    }

    /// Writes what waits. Returns the outbox's wish to close once all before it is written.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
    ) -> Result<Flushed, Ending> {
        let flushed = self
            .writer
            .poll_flush(cx, &mut self.socket, connection.outbox(), &self.settings.metrics.delivered)
            .map_err(|_| Ending::Gone("the socket broke"))?;
        match flushed {
            Flushed::Blocked { progress } if progress || self.stalled_since.is_none() => {
                self.stalled_since = Some(Instant::now());
            }
            Flushed::Blocked { .. } => {}
            _ => self.stalled_since = None,
        }
        Ok(flushed)
    }

    /// Does what the clock asks for: pings and the end of a dead or stuck peer. Says whether the timer fired.
    pub(crate) fn poll_timer(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
    ) -> Result<Option<Instant>, Ending> {
        if self.is_armed && !self.timer.is_elapsed() {
            return Ok(None);
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            self.is_armed = true;
            return Ok(None);
        }
        let now = Instant::now();
        let next = self.keep_alive(now, connection)?;
        self.timer.as_mut().reset(next);
        self.is_armed = false;
        Ok(Some(now))
    }

    fn keep_alive(&mut self, now: Instant, connection: &Connection) -> Result<Instant, Ending> {
        let pace = self.settings.pace;
        if self.ends_at().is_some_and(|end| now >= end) {
            let reason = "it was open for as long as the server allows";
            return Err(Ending::Server(Close::new(CloseCode::MOVED, reason)));
        }
        if self.incomplete_due().is_some_and(|due| now >= due) {
            let reason = "a message came too slowly";
            return Err(Ending::abrupt(CloseCode::PING_TIMEOUT, reason));
        }
        if let Some(since) = self.stalled_since
            && now >= since + pace.timeout
        {
            return Err(Ending::abrupt(CloseCode::SLOW_READER, "no progress in writing"));
        }
        if self.unread_len() >= READ_AHEAD || (self.is_stream() && self.stalled_since.is_none()) {
            // More has come than may be read now, or the peer has nothing to say and takes what it gets: that is not silence.
            self.keepalive.heard(now);
        }
        match self.keepalive.due(now, pace) {
            Due::Wait(until) => Ok(until),
            Due::Ping(number) => {
                self.writer.ping(number);
                if let Some(frame) = connection.application_ping() {
                    connection.outbox().reply(frame);
                }
                match self.keepalive.due(now, pace) {
                    Due::Wait(until) => Ok(until),
                    _ => Ok(now + pace.interval),
                }
            }
            Due::Dead if self.stalled_since.is_some() => Ok(now + pace.interval),
            Due::Dead => {
                self.settings.metrics.pong_timeouts.inc();
                Err(Ending::abrupt(CloseCode::PING_TIMEOUT, "nothing was heard"))
            }
        }
    }

    /// Sees to it that the timer fires no later than the consumer's deadline and the end of a stall.
    pub(crate) fn arm(&mut self, cx: &mut Context<'_>, consumer: Option<Instant>) {
        let stall = self.stalled_since.map(|since| since + self.settings.pace.timeout);
        if let Some(wanted) =
            [stall, consumer, self.incomplete_due(), self.ends_at()].into_iter().flatten().min()
            && wanted < self.timer.deadline()
        {
            self.timer.as_mut().reset(wanted);
            self.is_armed = false;
        }
        if !self.is_armed {
            match self.timer.as_mut().poll(cx) {
                Poll::Pending => self.is_armed = true,
                Poll::Ready(()) => cx.waker().wake_by_ref(),
            }
        }
    }

    /// Sets the timer for the end, where it is the only thing that it serves.
    pub(crate) fn set_timer(&mut self, at: Instant) {
        self.timer.as_mut().reset(at);
    }

    pub(crate) fn is_time_up(&mut self, cx: &mut Context<'_>) -> bool {
        self.timer.as_mut().poll(cx).is_ready()
    }

    /// Queues the close frame behind all that waits.
    pub(crate) fn queue_close(&mut self, code: Option<CloseCode>, reason: &str) {
        self.writer.close(code, reason);
    }

    /// Ends our direction, so that the peer sees the end while its last bytes are still read.
    pub(crate) fn shut_down_writing(&mut self, cx: &mut Context<'_>) {
        let _ = Pin::new(&mut self.socket).poll_shutdown(cx);
    }

    /// Throws away what comes until the peer ends its direction.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.unread = Vec::new();
        self.unread_at = 0;
        while !self.is_eof {
            match poll_read(&mut self.socket, cx, READ_BYTES, |_| ()) {
                Poll::Ready(Ok(Some(()))) => {}
                Poll::Ready(Ok(None) | Err(_)) => self.is_eof = true,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

/// One read into the thread's buffer; none at the end of the stream.
fn poll_read<T>(
    socket: &mut Socket,
    cx: &mut Context<'_>,
    room: usize,
    take: impl FnOnce(&mut [u8]) -> T,
) -> Poll<io::Result<Option<T>>> {
    READ.with_borrow_mut(|scratch| {
        if scratch.is_empty() {
            scratch.resize(READ_BYTES, 0);
        }
        let mut buffer = ReadBuf::new(&mut scratch[..room]);
        match Pin::new(socket).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Ok(None)),
            Poll::Ready(Ok(())) => Poll::Ready(Ok(Some(take(buffer.filled_mut())))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    })
}

/// The close that the outbox asked for, if it did.
pub(crate) fn asked_close(flushed: Flushed) -> Option<Close> {
    match flushed {
        Flushed::Close(close) => Some(close),
        _ => None,
    }
}
