//! The way back from the writer: one `Commit` a transaction, in order, to one reader, who publishes before it answers.
//!
//! The writer fills a bounded queue, so a slow reader slows the writer and through its queue the callers; nothing is dropped.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use moorline_protocol::{Event, RoomId, RoomKind, Seq, UserId};
use tokio::sync::{mpsc, oneshot};

use crate::{Create, Created, Error, Head, Holder, SessionId, Stored};

/// What a command's answer can hold.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Stored(Stored),
    Created(Created),
    Changed(bool),
    Count(u64),
    User(UserId),
    Session(SessionId),
    /// None where the ticket was not good.
    Holder(Option<Holder>),
    Done,
}

/// A command's answer: made in the transaction, told after the commit.
pub(crate) type Outcome = Result<Value, Error>;

/// What a [`Reply`] can be a reply of.
pub trait Answer: Sized + sealed::FromValue {}

pub(crate) mod sealed {
    use super::{Created, Holder, SessionId, Stored, UserId, Value};

    pub trait FromValue: Sized {
        #[doc(hidden)]
        fn take(value: super::Opaque) -> Option<Self>;
    }

    macro_rules! answers {
        ($($variant:ident($kind:ty))+) => {
            $(impl FromValue for $kind {
                fn take(value: super::Opaque) -> Option<Self> {
                    match value.0 { Value::$variant(inner) => Some(inner), _ => None }
                }
            }
            impl super::Answer for $kind {})+
        };
    }
    answers! {
        Stored(Stored) Created(Created) Changed(bool) Count(u64) User(UserId) Session(SessionId)
        Holder(Option<Holder>)
    }

    impl FromValue for () {
        fn take(_: super::Opaque) -> Option<Self> {
            Some(())
        }
    }
    impl super::Answer for () {}
}

/// A value on its way to its reply.
#[derive(Debug)]
pub struct Opaque(Value);

/// The answer to a durable command; ready after its commit was published, or once it is refused.
#[must_use = "the command is queued already; its outcome is known only from the reply"]
pub struct Reply<T> {
    state: State,
    kind: PhantomData<fn() -> T>,
}

enum State {
    Refused(Option<Error>),
    Waiting(oneshot::Receiver<Outcome>),
    /// Several parts of the store must answer; the first failure is the answer.
    All(Vec<oneshot::Receiver<Outcome>>),
}

impl<T> Reply<T> {
    pub(crate) fn refused(error: Error) -> Self {
        Self { state: State::Refused(Some(error)), kind: PhantomData }
    }

    pub(crate) fn all(receivers: Vec<oneshot::Receiver<Outcome>>) -> Self {
        Self { state: State::All(receivers), kind: PhantomData }
    }

    pub(crate) fn waiting(receiver: oneshot::Receiver<Outcome>) -> Self {
        Self { state: State::Waiting(receiver), kind: PhantomData }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

impl<T: Answer> Future for Reply<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match &mut self.get_mut().state {
            State::Refused(error) => Err(error.take().unwrap_or_else(lost)),
            State::Waiting(receiver) => match Pin::new(receiver).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(outcome) => outcome.unwrap_or_else(|_| Err(lost())),
            },
            State::All(receivers) => match poll_all(receivers, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(outcome) => outcome,
            },
        };
        Poll::Ready(outcome.and_then(|value| T::take(Opaque(value)).ok_or_else(lost)))
    }
}

/// Takes out those that have answered.
fn poll_all(
    receivers: &mut Vec<oneshot::Receiver<Outcome>>,
    cx: &mut Context<'_>,
) -> Poll<Outcome> {
    while let Some(last) = receivers.last_mut() {
        match Pin::new(last).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Ok(_))) => drop(receivers.pop()),
            Poll::Ready(outcome) => return Poll::Ready(outcome.unwrap_or_else(|_| Err(lost()))),
        }
    }
    Poll::Ready(Ok(Value::Done))
}

/// The answer where the writer ended before it gave one: whether the command was stored is unknown.
fn lost() -> Error {
    Error::unavailable("the store is closed")
}

/// A person's read marker after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// Up to here.
    pub seq: Seq,
}

/// Sessions that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Whose.
    pub user: UserId,
    /// Which one; absent: all of them, and tokens issued before.
    pub session: Option<SessionId>,
}

/// What one transaction made durable, and the replies that wait for it to be published.
#[derive(Debug, Default)]
pub struct Commit {
    /// The new events, in the order of each room's log.
    pub events: Vec<Arc<Event>>,
    /// Each room that got events, where its log ends now, and how many members it has.
    pub rooms: Vec<TouchedRoom>,
    /// Read markers moved by `read`.
    pub receipts: Vec<Receipt>,
    /// Sessions revoked.
    pub revoked: Vec<Revoked>,
    /// When it was durable; absent where nothing was committed.
    pub at: Option<Instant>,
    /// Rooms made. One whose commit was reported as failed and is stored all the same is not among them.
    pub made: Vec<MadeRoom>,
    pub(crate) replies: Vec<(oneshot::Sender<Outcome>, Outcome)>,
}

/// A room that a transaction made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeRoom {
    /// Which.
    pub room: RoomId,
    /// How people come into it.
    pub kind: RoomKind,
    /// What it is called.
    pub name: Option<String>,
    /// Who made it; absent where the server's API did.
    pub by: Option<UserId>,
    /// When, ms since 1970.
    pub at_ms: u64,
}

impl MadeRoom {
    /// The room of this command, under the id that it got.
    pub(crate) fn by(create: &Create, room: &RoomId) -> Self {
        Self {
            room: room.clone(),
            kind: create.kind,
            name: create.name.clone(),
            by: create.by.clone(),
            at_ms: create.at_ms,
        }
    }
}

/// A room after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchedRoom {
    /// Which.
    pub room: RoomId,
    /// Where its log ends now.
    pub head: Head,
    /// How many members it has now.
    pub members: u64,
}

impl Commit {
    /// Resolves the replies: acks and refusals. Called after the events were published.
    pub fn answer(self) {
        for (reply, outcome) in self.replies {
            // Nobody waits any more: the command is done all the same.
            let _ = reply.send(outcome);
        }
    }

    /// How many replies wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.replies.len()
    }
}

/// The one reader of commits, in their order.
#[derive(Debug)]
pub struct Commits {
    pub(crate) receiver: mpsc::Receiver<Commit>,
}

impl Commits {
    /// The next commit; `None` once the writer has ended.
    pub async fn next(&mut self) -> Option<Commit> {
        self.receiver.recv().await
    }

    /// Whether no commit is there yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// A commit that is there already.
    pub fn try_next(&mut self) -> Option<Commit> {
        self.receiver.try_recv().ok()
    }

    /// Answers everything until the store ends: for programs and tests that publish to nobody.
    pub async fn answer_all(mut self) {
        while let Some(commit) = self.next().await {
            commit.answer();
        }
    }
}
