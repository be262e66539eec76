//! Long-poll: runs one consumer for one request, until there is something to answer or the time is up.
//!
//! The consumer is the same as on a WebSocket, and so is its outbox; only here it ends with the answer. Nothing of it is
//! kept for the next poll: what a client has, it carries itself.

mod page;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use moorline_chat::{Close, Drained};
use moorline_protocol::CloseCode;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::connection::Connection;
use crate::consumer::{Closed, Consumer, Side};
use crate::registry::Registration;
use crate::seen;
use crate::websocket::Settings;
pub(crate) use page::Page;

/// What the server still waits for once the client's time is up: rooms that are being read. Then the next poll goes on.
const GRACE: Duration = Duration::from_secs(5);

/// What the request hands over.
pub(crate) struct PollOpening {
    pub(crate) connection: Connection,
    pub(crate) registration: Registration,
    pub(crate) settings: Arc<Settings>,
    /// How long to wait for something.
    pub(crate) wait: Duration,
    /// What is filled.
    pub(crate) page: Page,
    /// Where the answer goes; closed once the client has left.
    pub(crate) answer: oneshot::Sender<Page>,
}

/// Why a poll ended.
enum Ending {
    /// There is something to say, or the time is up.
    Answered,
    /// The client left.
    Left,
    /// The connection is over, for this reason.
    Closed(Close),
}

/// One poll while it waits.
struct Waiting {
    page: Page,
    answer: oneshot::Sender<Page>,
    until: Instant,
    timer: Pin<Box<Sleep>>,
}

/// The life of one poll.
pub(crate) async fn drive<C: Consumer>(mut consumer: C, opening: PollOpening) {
    let PollOpening { connection, registration, settings, wait, page, answer } = opening;
    let began = Instant::now();
    let until = began + wait;
    let timer = Box::pin(sleep_until(until));
    let mut waiting = Waiting { page, answer, until, timer };
    let ending = match guard(|| consumer.connected(&connection), &settings) {
        Ok(()) => {
            poll_fn(|cx| poll_turn(cx, &mut consumer, &connection, &settings, &mut waiting)).await
        }
        Err(close) => Ending::Closed(close),
    };
    let Waiting { mut page, answer, .. } = waiting;
    page.set_more(consumer.has_more());
    let closed = closed(&ending);
    let is_left = matches!(ending, Ending::Left);
    if let Ending::Closed(close) = ending {
        // A refusal may be on its way out before it.
        let _ = take(&connection, &mut page, &mut Context::from_waker(std::task::Waker::noop()));
        page.end(close.code);
        settings.metrics.closed(&closed, began.elapsed());
        settings.tap.tell(connection.user().as_ref(), || seen::closed(&connection, &closed));
        log_closed(&connection, &closed, began.elapsed());
    }
    if !is_left {
        page.count(&settings.metrics.delivered);
    }
    let _ = answer.send(page);
    connection.outbox().shut();
    disconnect(&mut consumer, &closed, &connection, settings.close_timeout).await;
    drop(registration);
}

/// A poll that is answered is a request; only one that the server ends is told, as a connection would be.
fn log_closed(connection: &Connection, closed: &Closed, age: Duration) {
    let user = connection.user();
    tracing::info!(
        connection = %connection.id(),
        user = user.as_ref().map_or("-", |user| user.as_str()),
        code = closed.code.0,
        side = closed.side.as_str(),
        reason = &*closed.reason,
        age_s = age.as_secs(),
        "poll disconnecting"
    );
}

fn poll_turn<C: Consumer>(
    cx: &mut Context<'_>,
    consumer: &mut C,
    connection: &Connection,
    settings: &Settings,
    waiting: &mut Waiting,
) -> Poll<Ending> {
    match turn(cx, consumer, connection, settings, waiting) {
        Ok(None) => Poll::Pending,
        Ok(Some(ending)) => Poll::Ready(ending),
        Err(close) => Poll::Ready(Ending::Closed(close)),
    }
}

/// One round: news, clock, progress, what came, whether that is enough.
fn turn<C: Consumer>(
    cx: &mut Context<'_>,
    consumer: &mut C,
    connection: &Connection,
    settings: &Settings,
    waiting: &mut Waiting,
) -> Result<Option<Ending>, Close> {
    // A wake consumes the waker, so each round leaves it anew, before it looks.
    connection.shared().waker.register(cx.waker());
    if waiting.answer.poll_closed(cx).is_ready() {
        return Ok(Some(Ending::Left));
    }
    if let Some(after) = connection.shared().take_news().and_then(|news| news.drain) {
        let goodbye = || {
            consumer.drain(after, connection);
            Ok(())
        };
        guard(goodbye, settings)?;
    }
    let now = Instant::now();
    if consumer.next_deadline().is_some_and(|deadline| deadline <= now) {
        guard(|| consumer.on_deadline(now, connection), settings)?;
    }
    if let Poll::Ready(result) = guard(|| Ok(consumer.poll_progress(cx, connection)), settings)? {
        result?;
        cx.waker().wake_by_ref();
    }
    match take(connection, &mut waiting.page, cx) {
        Drained::Close(close) => return Ok(Some(Ending::Closed(close))),
        Drained::More => return Ok(Some(Ending::Answered)),
        Drained::Empty => {}
    }
    let is_over = now >= waiting.until;
    let is_settled = consumer.is_settled() || now >= waiting.until + GRACE;
    if is_settled && (is_over || !waiting.page.is_empty()) {
        return Ok(Some(Ending::Answered));
    }
    let end = if is_over { waiting.until + GRACE } else { waiting.until };
    let next = consumer.next_deadline().map_or(end, |deadline| deadline.min(end));
    waiting.timer.as_mut().reset(next);
    if waiting.timer.as_mut().poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
    Ok(None)
}

/// Takes what came into the page, while there is room in it.
fn take(connection: &Connection, page: &mut Page, cx: &mut Context<'_>) -> Drained {
    connection.outbox().drain(cx, |frame| page.take(frame))
}

/// Calls into the consumer; a panic there becomes the end of this poll.
fn guard<T>(call: impl FnOnce() -> Result<T, Close>, settings: &Settings) -> Result<T, Close> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        settings.metrics.panics.inc();
        Err(Close::new(CloseCode::INTERNAL, "the server failed at this connection"))
    })
}

fn closed(ending: &Ending) -> Closed {
    match ending {
        Ending::Answered => {
            Closed { code: CloseCode::NORMAL, side: Side::Server, reason: "answered".into() }
        }
        Ending::Left => {
            Closed { code: CloseCode(1006), side: Side::Client, reason: "the client left".into() }
        }
        Ending::Closed(close) => {
            Closed { code: close.code, side: Side::Server, reason: close.reason.clone() }
        }
    }
}

async fn disconnect<C: Consumer>(
    consumer: &mut C,
    closed: &Closed,
    connection: &Connection,
    limit: Duration,
) {
    let mut leaving = pin!(consumer.disconnect(closed));
    let guarded = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| leaving.as_mut().poll(cx)));
        polled.unwrap_or(Poll::Ready(()))
    });
    if timeout(limit, guarded).await.is_err() {
        tracing::warn!(
            connection = %connection.id(),
            "a consumer's disconnect took too long and was given up"
        );
    }
}
