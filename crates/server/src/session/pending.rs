//! Commands in work: what a session waits for before it answers, in the order of the commands.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use moorline_chat::{Close, Error, Outbox};
use moorline_protocol::{Ack, Reply};
use moorline_store::{Created, Stored};

use super::following::Follow;
use super::hello::Greeted;
use crate::connection::ConnectionId;

/// A boxed future: only commands that read need one, and only while they do.
pub(crate) type Job<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One command in work.
pub(crate) enum Pending {
    /// A durable command: its ack comes with the commit.
    Stored { id: Option<u64>, reply: moorline_store::Reply<Stored> },
    /// A room in the making.
    Created { id: Option<u64>, reply: moorline_store::Reply<Created> },
    /// Something that is read; it ends in one answer, or for `resume` in what follows the positions.
    Reading(Job<(Option<Reply>, Vec<Follow>)>),
    /// The sign-in.
    Greeting(Job<Result<Box<Greeted>, Close>>),
}

/// What a finished command asks of the session.
pub(crate) enum Done {
    Answered,
    Follow(Vec<Follow>),
    Refused(Close),
    SignedIn(Box<Greeted>),
}

impl Pending {
    /// Goes on; once finished, the answer is in the outbox.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &Outbox,
        by: Option<ConnectionId>,
    ) -> Poll<Done> {
        let reply = match self {
            Self::Stored { id, reply } => {
                let Poll::Ready(stored) = Pin::new(reply).poll(cx) else { return Poll::Pending };
                stored
                    .map_or_else(|error| refusal(*id, &error.into(), by), |stored| ack(*id, stored))
            }
            Self::Created { id, reply } => {
                let Poll::Ready(created) = Pin::new(reply).poll(cx) else { return Poll::Pending };
                created.map_or_else(
                    |error| refusal(*id, &error.into(), by),
                    |created| found(*id, created),
                )
            }
            Self::Reading(job) => {
                let Poll::Ready((reply, follow)) = job.as_mut().poll(cx) else {
                    return Poll::Pending;
                };
                if let Some(reply) = reply {
                    outbox.reply(reply.frame());
                }
                return Poll::Ready(Done::Follow(follow));
            }
            Self::Greeting(job) => {
                let Poll::Ready(greeted) = job.as_mut().poll(cx) else { return Poll::Pending };
                return Poll::Ready(greeted.map_or_else(Done::Refused, Done::SignedIn));
            }
        };
        outbox.reply(reply.frame());
        Poll::Ready(Done::Answered)
    }
}

/// The one place where a failure becomes an answer, and where an unexpected one is logged. `by` is the connection that
/// asked; none where it was a request without one.
pub(crate) fn refusal(id: Option<u64>, error: &Error, by: Option<ConnectionId>) -> Reply {
    let code = error.code();
    if code.is_retryable() {
        let connection = by.map(tracing::field::display);
        tracing::warn!(connection, %error, %code, "a command could not be carried out now");
    }
    let retry_after_ms = error.retry_after_ms().or_else(|| code.is_retryable().then_some(1_000));
    Reply::failure(id, code, error.text(), retry_after_ms)
}

fn ack(id: Option<u64>, stored: Stored) -> Reply {
    let Stored { room, epoch, seq, id: message, at_ms } = stored;
    Ack { id, room, epoch, seq, message: Some(message), at: at_ms }.into()
}

fn found(id: Option<u64>, created: Created) -> Reply {
    let Created { room, epoch, seq, id: message, at_ms, .. } = created;
    Ack { id, room, epoch, seq, message, at: at_ms }.into()
}
