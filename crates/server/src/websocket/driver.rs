//! Runs one consumer on one socket, from the open socket to the last line in the log.
//!
//! One task owns all of it. The driver writes, pings and notices a dead peer also while the consumer is busy with a
//! message; a panic of the consumer ends this connection and no other.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use moorline_chat::Close;
use moorline_layer::Message;
use moorline_protocol::CloseCode;
use tokio::time::Instant;

use super::farewell::end;
use super::link::{Link, asked_close};
use super::{Ending, Settings, Socket, Wire};
use crate::connection::Connection;
use crate::consumer::{Closed, Consumer, Incoming, Side};
use crate::registry::Registration;
use crate::seen;

/// After this many messages in a row the socket is written to and other connections get their turn.
const MESSAGES_A_TURN: u32 = 64;
/// A message counts as two more for each of these, since a compressed one may come in few bytes and still be work.
const HEAVY_BYTES: usize = 8 * 1024;

/// What the handshake hands over.
pub(crate) struct Opening {
    pub(crate) socket: Socket,
    /// What the client sent behind its handshake.
    pub(crate) unread: Vec<u8>,
    pub(crate) wire: Wire,
    pub(crate) connection: Connection,
    pub(crate) registration: Registration,
    pub(crate) settings: Arc<Settings>,
}

/// What the consumer is called with next.
enum Next {
    /// A message from the client.
    Incoming(Incoming),
    /// A message from the channel layer.
    Layer(Message),
}

/// The life of one connection.
pub(crate) fn drive<C: Consumer>(
    mut consumer: C,
    opening: Opening,
) -> impl Future<Output = ()> + Send {
    let Opening { socket, unread, wire, connection, registration, settings } = opening;
    let mut link = Link::new(socket, unread, wire, settings);
    let began = Instant::now();
    // One block that uses its captures in place: an `async fn` would keep its arguments twice.
    async move {
        log_connected(&connection, link.settings());
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
        // The calls themselves are made in the first poll, under the guard.
        let done = match turn {
            Ok(Next::Incoming(incoming)) => {
                connection.shared().spoke();
                let mut call = pin!(async { consumer.receive(incoming, connection).await });
                poll_fn(|cx| poll_call(cx, call.as_mut(), link, connection)).await
            }
            Ok(Next::Layer(message)) => {
                let mut call = pin!(async { consumer.dispatch(message, connection).await });
                let called = poll_fn(|cx| poll_call(cx, call.as_mut(), link, connection)).await;
                called.map(|dispatched| link.settings().metrics.dispatched(dispatched))
            }
            Err(ending) => Err(ending),
        };
        if let Err(ending) = done {
            return ending;
        }
    }
}

/// One round while the consumer is free: progress, messages, output, clock. Ready with the next message.
fn poll_turn<C: Consumer>(
    cx: &mut Context<'_>,
    consumer: &mut C,
    link: &mut Link,
    connection: &Connection,
    in_a_row: &mut u32,
) -> Poll<Result<Next, Ending>> {
    let result = turn(cx, consumer, link, connection, in_a_row);
    match result {
        Ok(Some(next)) => Poll::Ready(Ok(next)),
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
) -> Result<Option<Next>, Ending> {
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
    let is_over_mark = consumer.channel().is_some() && connection.outbox().is_over_mark();
    if *in_a_row >= MESSAGES_A_TURN {
        cx.waker().wake_by_ref();
    } else if let Some(next) = poll_next(cx, consumer, link, (is_held_up, is_over_mark), *in_a_row)?
    {
        *in_a_row += weight(&next);
        return Ok(Some(next));
    }
    *in_a_row = 0;
    if let Some(round_trip) = link.keepalive().round_trip() {
        connection.shared().answered_after(round_trip);
    }
    write(cx, link, connection)?;
    let is_free = is_held_up && !link.is_held_up(connection);
    if is_free || (is_over_mark && !connection.outbox().is_over_mark()) {
        cx.waker().wake_by_ref(); // There may be messages that were read ahead, or that wait in the layer.
    }
    link.arm(cx, consumer.next_deadline());
    Ok(None)
}

/// What a message counts in a turn; always odd, so that layer and client go on alternating.
fn weight(next: &Next) -> u32 {
    let bytes = match next {
        Next::Incoming(Incoming::Text(text)) => text.len(),
        Next::Incoming(Incoming::Bytes(bytes)) => bytes.len(),
        Next::Layer(_) => 0,
    };
    1 + 2 * u32::try_from(bytes / HEAVY_BYTES).unwrap_or(MESSAGES_A_TURN)
}

/// The next message, in turn from the layer and the client, so that neither can keep the other from being heard.
fn poll_next<C: Consumer>(
    cx: &mut Context<'_>,
    consumer: &mut C,
    link: &mut Link,
    (is_held_up, is_over_mark): (bool, bool),
    in_a_row: u32,
) -> Result<Option<Next>, Ending> {
    let is_layers_turn = in_a_row.is_multiple_of(2);
    if is_layers_turn
        && !is_over_mark
        && let Some(next) = poll_layer(cx, consumer)
    {
        return Ok(Some(next));
    }
    let next = poll_input(cx, consumer, link, is_held_up)?;
    if next.is_some() || is_layers_turn || is_over_mark {
        return Ok(next);
    }
    Ok(poll_layer(cx, consumer))
}

/// The next message of the consumer's channel.
fn poll_layer<C: Consumer>(cx: &mut Context<'_>, consumer: &mut C) -> Option<Next> {
    match consumer.channel()?.poll_message(cx) {
        Poll::Ready(message) => Some(Next::Layer(message)),
        Poll::Pending => None,
    }
}

/// The next message of the client, if the consumer wants one.
fn poll_input<C: Consumer>(
    cx: &mut Context<'_>,
    consumer: &C,
    link: &mut Link,
    is_held_up: bool,
) -> Result<Option<Next>, Ending> {
    if is_held_up || !consumer.wants_input() {
        return link.poll_ahead(cx).map(|()| None);
    }
    match link.poll_message(cx) {
        Poll::Ready(incoming) => incoming.map(|incoming| Some(Next::Incoming(incoming))),
        Poll::Pending => Ok(None),
    }
}

/// One round while the consumer is busy with a message.
fn poll_call<T>(
    cx: &mut Context<'_>,
    call: Pin<&mut impl Future<Output = Result<T, Close>>>,
    link: &mut Link,
    connection: &Connection,
) -> Poll<Result<T, Ending>> {
    let polled = guard(|| Ok(call.poll(cx)), link);
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

fn log_connected(connection: &Connection, settings: &Settings) {
    let user = connection.user();
    let transport = connection.shared().facts().transport;
    settings.tap.tell(user.as_ref(), || seen::connected(connection));
    let user = user.as_ref().map_or("-", |user| user.as_str());
    tracing::info!(connection = %connection.id(), user, "{transport} connected");
}

fn log_closed(connection: &Connection, link: &mut Link, closed: &Closed, began: Instant) {
    link.settings().metrics.closed(closed, began.elapsed());
    let user = connection.user();
    let settings = link.settings();
    settings.tap.tell(user.as_ref(), || seen::closed(connection, closed));
    tracing::info!(
        connection = %connection.id(),
        user = user.as_ref().map_or("-", |user| user.as_str()),
        code = closed.code.0,
        side = closed.side.as_str(),
        reason = &*closed.reason,
        age_s = began.elapsed().as_secs(),
        round_trip_ms = link.keepalive().round_trip().map(|time| time.as_millis() as u64),
        "{} disconnecting",
        link.transport()
    );
}
