//! Runs one consumer on one socket, from the open socket to the last line in the log.
//!
//! One task owns all of it. The driver writes, pings and notices a dead peer also while the consumer is busy with a
//! message; a panic of the consumer ends this connection and no other.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use moorline_chat::Close;
use moorline_protocol::CloseCode;
use tokio::time::Instant;

use super::link::{Link, asked_close};
use super::writer::Flushed;
use super::{Ending, Settings, Socket};
use crate::connection::Connection;
use crate::consumer::{Closed, Consumer, Incoming, Side};
use crate::registry::Registration;

/// How long the last bytes and the peer's answer to a close may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long `disconnect` of a consumer may take.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After this many messages in a row the socket is written to and other connections get their turn.
const MESSAGES_A_TURN: u32 = 64;

/// What the handshake hands over.
pub(crate) struct Opening {
    pub(crate) socket: Socket,
    /// What the client sent behind its handshake.
    pub(crate) unread: Vec<u8>,
    pub(crate) message_limit: usize,
    pub(crate) connection: Connection,
    pub(crate) registration: Registration,
    pub(crate) settings: Arc<Settings>,
}

/// The life of one connection.
pub(crate) fn drive<C: Consumer>(
    mut consumer: C,
    opening: Opening,
) -> impl Future<Output = ()> + Send {
    let Opening { socket, unread, message_limit, connection, registration, settings } = opening;
    let mut link = Link::new(socket, unread, message_limit, settings);
    let began = Instant::now();
    // One block that uses its captures in place: an `async fn` would keep its arguments twice.
    async move {
        log_connected(&connection);
        let ending = serve(&mut consumer, &mut link, &connection).await;
        let closed = closed(&ending);
        log_closed(&connection, &mut link, &closed, began);
        // The end is boxed, so that an open connection holds no room for it.
        Box::pin(end(&mut consumer, &mut link, &connection, ending, &closed)).await;
        drop(registration);
    }
}

async fn serve<C: Consumer>(consumer: &mut C, link: &mut Link, connection: &Connection) -> Ending {
    if let Err(ending) = guard(|| consumer.connected(connection), link) {
        return ending;
    }
    let mut in_a_row = 0;
    loop {
        let turn = poll_fn(|cx| poll_turn(cx, consumer, link, connection, &mut in_a_row)).await;
        let incoming = match turn {
            Ok(incoming) => incoming,
            Err(ending) => return ending,
        };
        // The call itself is made in the first poll, under the guard.
        let mut receiving = pin!(async { consumer.receive(incoming, connection).await });
        let received = poll_fn(|cx| poll_receiving(cx, receiving.as_mut(), link, connection)).await;
        if let Err(ending) = received {
            return ending;
        }
    }
}

/// One round while the consumer is free: progress, input, output, clock. Ready with the next message.
fn poll_turn<C: Consumer>(
    cx: &mut Context<'_>,
    consumer: &mut C,
    link: &mut Link,
    connection: &Connection,
    in_a_row: &mut u32,
) -> Poll<Result<Incoming, Ending>> {
    let result = turn(cx, consumer, link, connection, in_a_row);
    match result {
        Ok(Some(incoming)) => Poll::Ready(Ok(incoming)),
        Ok(None) => Poll::Pending,
        Err(ending) => Poll::Ready(Err(ending)),
    }
}

fn turn<C: Consumer>(
    cx: &mut Context<'_>,
    consumer: &mut C,
    link: &mut Link,
    connection: &Connection,
    in_a_row: &mut u32,
) -> Result<Option<Incoming>, Ending> {
    // A wake consumes the waker, so each round leaves it anew, before it looks.
    connection.shared().waker.register(cx.waker());
    if let Some(news) = connection.shared().take_news() {
        if news.is_steady {
            link.keepalive().be_steady();
        }
        if let Some(after) = news.drain {
            let goodbye = || {
                consumer.drain(after, connection);
                Ok(())
            };
            guard(goodbye, link)?;
        }
    }
    if let Some(now) = link.poll_timer(cx, connection)?
        && consumer.next_deadline().is_some_and(|deadline| deadline <= now)
    {
        guard(|| consumer.on_deadline(now, connection), link)?;
    }
    if let Poll::Ready(result) = guard(|| Ok(consumer.poll_progress(cx, connection)), link)? {
        result.map_err(Ending::Server)?;
        cx.waker().wake_by_ref();
    }
    let is_held_up = link.is_held_up(connection);
    if *in_a_row >= MESSAGES_A_TURN {
        cx.waker().wake_by_ref();
    } else if is_held_up || !consumer.wants_input() {
        link.poll_ahead(cx)?;
    } else if let Poll::Ready(incoming) = link.poll_message(cx) {
        *in_a_row += 1;
        return incoming.map(Some);
    }
    *in_a_row = 0;
    write(cx, link, connection)?;
    if is_held_up && !link.is_held_up(connection) {
        cx.waker().wake_by_ref(); // There may be messages that were read ahead.
    }
    link.arm(cx, consumer.next_deadline());
    Ok(None)
}

/// One round while the consumer is busy with a message.
fn poll_receiving(
    cx: &mut Context<'_>,
    receiving: Pin<&mut impl Future<Output = Result<(), Close>>>,
    link: &mut Link,
    connection: &Connection,
) -> Poll<Result<(), Ending>> {
    let polled = guard(|| Ok(receiving.poll(cx)), link);
    match polled {
        Err(ending) => return Poll::Ready(Err(ending)),
        Ok(Poll::Ready(result)) => return Poll::Ready(result.map_err(Ending::Server)),
        Ok(Poll::Pending) => {}
    }
    match meanwhile(cx, link, connection) {
        Ok(()) => Poll::Pending,
        Err(ending) => Poll::Ready(Err(ending)),
    }
}

fn meanwhile(cx: &mut Context<'_>, link: &mut Link, connection: &Connection) -> Result<(), Ending> {
    connection.shared().waker.register(cx.waker());
    link.poll_timer(cx, connection)?;
    link.poll_ahead(cx)?;
    write(cx, link, connection)?;
    link.arm(cx, None);
    Ok(())
}

fn write(cx: &mut Context<'_>, link: &mut Link, connection: &Connection) -> Result<(), Ending> {
    match asked_close(link.poll_flush(cx, connection)?) {
        Some(close) => Err(Ending::Server(close)),
        None => Ok(()),
    }
}

/// Calls into the consumer; a panic there becomes the end of this connection.
fn guard<T>(call: impl FnOnce() -> Result<T, Close>, link: &Link) -> Result<T, Ending> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Ending::Server),
        Err(_) => {
            link.settings().metrics.panics.inc();
            let reason = "the server failed at this connection";
            Err(Ending::Server(Close::new(CloseCode::INTERNAL, reason)))
        }
    }
}

async fn end<C: Consumer>(
    consumer: &mut C,
    link: &mut Link,
    connection: &Connection,
    ending: Ending,
    closed: &Closed,
) {
    Farewell::new(ending, link).say(link, connection).await;
    connection.outbox().shut();
    disconnect(consumer, closed).await;
}

async fn disconnect<C: Consumer>(consumer: &mut C, closed: &Closed) {
    let mut leaving = pin!(consumer.disconnect(closed));
    let guarded = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| leaving.as_mut().poll(cx)));
        polled.unwrap_or(Poll::Ready(()))
    });
    if tokio::time::timeout(DISCONNECT_TIMEOUT, guarded).await.is_err() {
        tracing::warn!("a consumer's disconnect took too long and was given up");
    }
}

/// The steps after the frame loop: the last bytes, the close frame, the peer's answer.
enum Farewell {
    /// What waits is written, then a close frame.
    Write {
        code: Option<CloseCode>,
        reason: String,
        then: Await,
    },
    /// The close frame is being written.
    Flush(Await),
    /// The peer's side is awaited.
    Wait(Await),
    Over,
}

/// What ends the farewell once the close frame is written.
#[derive(Clone, Copy)]
enum Await {
    /// The peer's close frame.
    Close,
    /// The end of the peer's stream, told of ours: what it still sends would reset the socket and the close with it.
    End,
    /// Only that all is written.
    Flush,
    /// Not even that.
    Nothing,
}

impl Farewell {
    fn new(ending: Ending, link: &mut Link) -> Self {
        link.set_timer(Instant::now() + CLOSE_TIMEOUT);
        match ending {
            Ending::Gone(_) => Self::Over,
            // RFC 6455 section 5.5.1: the answer repeats the code.
            Ending::Peer { code, .. } => {
                Self::Write { code, reason: String::new(), then: Await::Flush }
            }
            Ending::Server(close) => Self::Write {
                code: Some(close.code),
                reason: close.reason.into_owned(),
                then: Await::Close,
            },
            Ending::Abrupt(close) => Self::Write {
                code: Some(close.code),
                reason: close.reason.into_owned(),
                then: Await::Nothing,
            },
            Ending::Violation(violation) => Self::Write {
                code: Some(violation.code()),
                reason: violation.reason().to_owned(),
                then: Await::End,
            },
        }
    }

    async fn say(mut self, link: &mut Link, connection: &Connection) {
        poll_fn(|cx| self.poll(cx, link, connection)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>, link: &mut Link, connection: &Connection) -> Poll<()> {
        while !link.is_time_up(cx) {
            *self = match self {
                Self::Over => break,
                Self::Write { .. } | Self::Flush(_) => match link.poll_flush(cx, connection) {
                    Ok(Flushed::Blocked { .. }) if self.may_wait() => return Poll::Pending,
                    Ok(Flushed::Blocked { .. }) | Err(_) => Self::Over,
                    Ok(_) => self.flushed(cx, link),
                },
                Self::Wait(Await::Flush | Await::Nothing) => Self::Over,
                Self::Wait(Await::End) => {
                    ready!(link.poll_discard(cx));
                    Self::Over
                }
                Self::Wait(Await::Close) => match ready!(link.poll_message(cx)) {
                    Ok(_) => continue,
                    Err(_) => Self::Over,
                },
            };
        }
        Poll::Ready(())
    }

    /// A full socket is waited for, unless its peer is the reason for the end.
    fn may_wait(&self) -> bool {
        !matches!(self, Self::Write { then: Await::Nothing, .. } | Self::Flush(Await::Nothing))
    }

    /// What follows once all is written.
    fn flushed(&mut self, cx: &mut Context<'_>, link: &mut Link) -> Self {
        match self {
            Self::Write { code, reason, then } => {
                link.queue_close(*code, reason);
                Self::Flush(*then)
            }
            Self::Flush(then) => {
                if matches!(then, Await::End) {
                    link.shut_down_writing(cx);
                }
                Self::Wait(*then)
            }
            _ => Self::Over,
        }
    }
}

fn closed(ending: &Ending) -> Closed {
    let (code, side, reason) = match ending {
        Ending::Peer { code, reason } => {
            (code.unwrap_or(CloseCode(1005)), Side::Client, reason.clone())
        }
        Ending::Gone(reason) => (CloseCode(1006), Side::Client, (*reason).into()),
        Ending::Server(close) | Ending::Abrupt(close) => {
            (close.code, Side::Server, close.reason.clone())
        }
        Ending::Violation(violation) => (violation.code(), Side::Server, violation.reason().into()),
    };
    Closed { code, side, reason }
}

fn log_connected(connection: &Connection) {
    let user = connection.user();
    let user = user.as_ref().map_or("-", |user| user.as_str());
    tracing::info!(connection = %connection.id(), user, "WebSocket connected");
}

fn log_closed(connection: &Connection, link: &mut Link, closed: &Closed, began: Instant) {
    link.settings().metrics.closed(closed, began.elapsed());
    let user = connection.user();
    tracing::info!(
        connection = %connection.id(),
        user = user.as_ref().map_or("-", |user| user.as_str()),
        code = closed.code.0,
        side = closed.side.as_str(),
        reason = &*closed.reason,
        age_s = began.elapsed().as_secs(),
        round_trip_ms = link.keepalive().round_trip().map(|time| time.as_millis() as u64),
        "WebSocket disconnecting"
    );
}
