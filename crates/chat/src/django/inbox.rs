//! What Django sends to the channel `moorline`, taken by whichever node comes first, and done or refused.
//!
//! One task receives; posts go to the store in the order in which they came, notices are checked one after the other by
//! a second task. Everything here is bounded, and hostile until it is read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moorline_layer::{ChannelLayer, Error};
use moorline_protocol::{EventId, Send, UserId};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::answer::Outcome;
use super::refusal::{Rarely, Reason, Refusal};
use super::request::{Asked, Request, Sender};
use super::{CHANNEL, DjangoCounts, count};
use crate::nodes::Noticed;
use crate::notices::Shown;
use crate::recent::Recent;
use crate::{Chat, now_ms};

/// Posts that wait for the store at once; further messages stay in the layer meanwhile.
const POSTS: usize = 256;
/// Notices that wait to be checked.
const NOTICES: usize = 256;
/// Answers that are on their way at once; more are not given.
const ANSWERS: usize = 256;
/// How long to wait before receiving is tried again.
const AGAIN: Duration = Duration::from_millis(500);

pub(super) struct Inbox {
    chat: Arc<Chat>,
    layer: ChannelLayer,
    accepts_posts: bool,
    counts: Arc<DjangoCounts>,
    posting: Arc<Semaphore>,
    answering: Arc<Semaphore>,
    /// Messages that posts became, so that a repeated one is counted as that.
    posted: Mutex<Recent<EventId>>,
    refusals: Rarely,
}

/// A notice that waits to be checked.
type Waiting = (Box<Noticed>, Sender);

impl Inbox {
    pub(super) fn new(
        chat: Arc<Chat>,
        layer: ChannelLayer,
        accepts_posts: bool,
        counts: Arc<DjangoCounts>,
    ) -> Arc<Self> {
        Arc::new(Self {
            chat,
            layer,
            accepts_posts,
            counts,
            posting: Arc::new(Semaphore::new(POSTS)),
            answering: Arc::new(Semaphore::new(ANSWERS)),
            posted: Mutex::default(),
            refusals: Rarely::default(),
        })
    }

    /// Starts its tasks.
    pub(super) fn start(self: &Arc<Self>) -> Vec<AbortHandle> {
        let (hand_on, notices) = mpsc::channel(NOTICES);
        vec![
            tokio::spawn(Arc::clone(self).receive_all(hand_on)).abort_handle(),
            tokio::spawn(Arc::clone(self).notice_all(notices)).abort_handle(),
        ]
    }

    async fn receive_all(self: Arc<Self>, notices: mpsc::Sender<Waiting>) {
        loop {
            // Nothing is taken from the layer that cannot be worked on.
            let Ok(permit) = Arc::clone(&self.posting).acquire_owned().await else { return };
            let message = match self.layer.receive(CHANNEL).await {
                Ok(message) => message,
                Err(Error::Closed) => return,
                Err(error) => {
                    tracing::debug!(%error, "could not receive from Django");
                    sleep(AGAIN).await;
                    continue;
                }
            };
            let Asked { what, from } = Asked::read(&message, now_ms());
            match what {
                Ok(Request::Post { from: person, send }) => self.post(person, *send, from, permit),
                Ok(Request::Notice(noticed)) => {
                    if let Err(full) = notices.try_send((noticed, from)) {
                        let mut refusal =
                            Refusal::new(Reason::Unavailable, "too many notices wait");
                        refusal.retry_after_ms = Some(1_000);
                        let (_, from) = full.into_inner();
                        self.end(&from, Outcome::Refused(refusal));
                    }
                }
                Err(refusal) => self.end(&from, Outcome::Refused(refusal)),
            }
        }
    }

    /// Queues a post in the store at once, and waits for the outcome beside the others.
    fn post(
        self: &Arc<Self>,
        person: UserId,
        send: Send,
        from: Sender,
        permit: OwnedSemaphorePermit,
    ) {
        if !self.accepts_posts {
            let text = "posts over the channel layer are not accepted here; the server needs --accept-layer-posts";
            return self.end(&from, Outcome::Refused(Refusal::new(Reason::Forbidden, text)));
        }
        let at_ms = now_ms();
        let reply = match self.chat.send(&person, send, at_ms) {
            Ok(reply) => reply,
            Err(error) => return self.end(&from, Outcome::Refused(error.into())),
        };
        let inbox = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = match reply.await {
                Ok(stored) => {
                    // Of several that came in one moment, the first to be answered is the one that was stored.
                    let is_new = stored.at_ms == at_ms
                        && inbox.posted.lock().note(stored.id, Instant::now());
                    Outcome::Stored { stored, is_repeated: !is_new }
                }
                Err(error) => Outcome::Refused(crate::Error::from(error).into()),
            };
            inbox.end(&from, outcome);
            drop(permit);
        });
    }

    async fn notice_all(self: Arc<Self>, mut notices: mpsc::Receiver<Waiting>) {
        // Over Pub/Sub each node hears of it by itself.
        let is_taken_once = !matches!(self.layer, ChannelLayer::RedisPubSub(_));
        while let Some((noticed, from)) = notices.recv().await {
            let shown = match self.chat.check_target(&noticed.notice).await {
                Ok(()) => Ok(self.chat.hub().notice(&noticed, Instant::now(), is_taken_once)),
                Err(refusal) => Err(refusal),
            };
            let outcome = match shown {
                Err(refusal) => Outcome::Refused(refusal),
                Ok(Shown { is_repeated: false, .. }) => Outcome::Noticed,
                Ok(Shown { is_repeated: true, .. }) => {
                    let text = "a notice with this `id` came before";
                    Outcome::Refused(Refusal::new(Reason::Repeated, text))
                }
            };
            self.end(&from, outcome);
        }
    }

    /// Counts what became of a message, and tells its sender if they asked for it.
    fn end(&self, from: &Sender, outcome: Outcome) {
        match &outcome {
            Outcome::Noticed => count(&self.counts.notices),
            Outcome::Stored { is_repeated: false, .. } => count(&self.counts.posts),
            Outcome::Stored { .. } => count(&self.counts.repeated),
            Outcome::Refused(refusal) => self.refuse(refusal),
        }
        let Some(channel) = from.reply_channel.clone() else { return };
        let Ok(permit) = Arc::clone(&self.answering).try_acquire_owned() else {
            return count(&self.counts.unanswered);
        };
        let (layer, counts) = (self.layer.clone(), Arc::clone(&self.counts));
        let message = outcome.message(from);
        tokio::spawn(async move {
            if let Err(error) = layer.send(&channel, &message).await {
                tracing::debug!(%error, "an answer to Django was not sent");
                count(&counts.unanswered);
            }
            drop(permit);
        });
    }

    fn refuse(&self, refusal: &Refusal) {
        self.counts.refuse(refusal.reason);
        if let Some(unsaid) = self.refusals.now(Instant::now()) {
            tracing::warn!(
                reason = refusal.reason.word(),
                unsaid,
                "refused a message on the channel `{CHANNEL}`: {}",
                refusal.text
            );
        }
    }
}
