//! The end of a connection: the last bytes, the close frame, the peer's answer, and the consumer's `disconnect`.
//!
//! The driver calls `end` once, when its frame loop is over, for whatever reason. Every step has a limit of time.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use moorline_protocol::CloseCode;
use tokio::time::Instant;

use super::Ending;
use super::link::Link;
use super::writer::Flushed;
use crate::connection::Connection;
use crate::consumer::{Closed, Consumer};

/// How long the last bytes and the peer's answer to a close may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Says farewell to the peer and lets the consumer put its things in order.
pub(super) async fn end<C: Consumer>(
    consumer: &mut C,
    link: &mut Link,
    connection: &Connection,
    ending: Ending,
    closed: &Closed,
) {
    Farewell::new(ending, link).say(link, connection).await;
    connection.outbox().shut();
    disconnect(consumer, closed, connection, link.settings().close_timeout).await;
    if let Some(channel) = consumer.channel() {
        channel.close().await;
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
    if tokio::time::timeout(limit, guarded).await.is_err() {
        tracing::warn!(
            connection = %connection.id(),
            "a consumer's disconnect took too long and was given up"
        );
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
                then: if link.is_stream() { Await::End } else { Await::Close },
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
