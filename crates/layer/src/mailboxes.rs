//! The messages that have reached this process and wait for a `receive`, one mailbox a channel.
//!
//! The memory layer and the core layer deliver into it, and their receives read from it. It is bounded: a full mailbox drops its oldest message
//! and says so. Nothing here knows where messages come from, and no lock is held across an await.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use crate::error::Error;
use crate::gaps::Reporter;
use crate::value::Message;

/// New mailboxes between two looks for those that nobody needs, so that the names of closed sockets do not pile up.
const SWEEP_EVERY: usize = 1024;

/// The mailboxes of one layer object.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    state: Mutex<State>,
    /// Told whenever somebody begins or ends to wait, or takes a message.
    changed: Notify,
    /// Whether anybody ever listened to that.
    is_watched: AtomicBool,
    capacity: usize,
    expiry: Duration,
    reporter: Reporter,
}

#[derive(Debug, Default)]
struct State {
    boxes: HashMap<String, Mailbox>,
    /// Receives that wait on specific channels, which share one queue in Redis.
    waiting_on_specific: usize,
    /// Normal channels on which something was received here, ever.
    read: HashSet<String>,
    made: usize,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Mailbox {
    unread: VecDeque<Unread>,
    waiting: usize,
    arrived: Arc<Notify>,
}

/// A message and when it came.
#[derive(Debug)]
struct Unread {
    message: Message,
    since: Instant,
    origin: Option<Origin>,
}

/// Where a message of a normal channel came from, so that it can go back if nobody takes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Origin {
    pub(crate) host: usize,
    pub(crate) member: Vec<u8>,
    /// As Redis wrote it, so that the order stays exactly as it was.
    pub(crate) score: Vec<u8>,
}

/// A receive in progress. Dropping it, at any point, loses nothing.
struct Waiting<'a> {
    mailboxes: &'a Mailboxes,
    channel: &'a str,
    /// Whether it does not count any more.
    is_over: bool,
}

/// How a receive begins.
enum Begun<'a> {
    Taken(Message),
    Waiting(Waiting<'a>, OwnedNotified),
}

impl Mailboxes {
    /// Mailboxes that hold `capacity` messages each, for `expiry` at most.
    pub(crate) fn new(capacity: usize, expiry: Duration, reporter: Reporter) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            is_watched: AtomicBool::new(false),
            capacity: capacity.max(1),
            expiry,
            reporter,
        }
    }

    /// Waits for the next message of a channel. `when_waiting` is called once this receive counts as waiting.
    pub(crate) async fn receive(
        &self,
        channel: &str,
        when_waiting: impl FnOnce(),
    ) -> Result<Message, Error> {
        let (mut waiting, mut arrived) = match self.begin(channel)? {
            Begun::Taken(message) => return Ok(message),
            Begun::Waiting(waiting, arrived) => (waiting, arrived),
        };
        when_waiting();
        loop {
            arrived.await;
            match waiting.take()? {
                Ok(message) => return Ok(message),
                Err(again) => arrived = again,
            }
        }
    }

    /// Takes what is there, or counts as waiting.
    fn begin<'a>(&'a self, channel: &'a str) -> Result<Begun<'a>, Error> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.is_closed {
            return Err(Error::Closed);
        }
        let mailbox = match state.boxes.get_mut(channel) {
            Some(mailbox) => mailbox,
            None => {
                if !channel.contains('!') {
                    state.read.insert(channel.to_owned());
                }
                self.make_box(state, channel)
            }
        };
        let begun = match self.take(mailbox) {
            Some(message) => Begun::Taken(message),
            None => {
                mailbox.waiting += 1;
                let arrived = Arc::clone(&mailbox.arrived).notified_owned();
                let is_specific = channel.contains('!');
                state.waiting_on_specific += usize::from(is_specific);
                Begun::Waiting(Waiting { mailboxes: self, channel, is_over: false }, arrived)
            }
        };
        drop(guard);
        self.tell();
        Ok(begun)
    }

    fn take(&self, mailbox: &mut Mailbox) -> Option<Message> {
        if !mailbox.unread.is_empty() {
            self.reporter.tally().expired(mailbox.expire(Instant::now(), self.expiry));
        }
        let taken = mailbox.unread.pop_front()?;
        if !mailbox.unread.is_empty() && mailbox.waiting > 0 {
            // Two arrivals may have left one wake-up only; the next in line gets its own here.
            mailbox.arrived.notify_one();
        }
        self.reporter.tally().received();
        Some(taken.message)
    }

    /// Puts a message into a channel's mailbox; a full one loses its oldest.
    pub(crate) fn deliver(&self, channel: &str, message: Message, origin: Option<Origin>) {
        let unread = Unread { message, since: Instant::now(), origin };
        let (arrived, is_over) = {
            let mut state = self.state.lock();
            if state.is_closed {
                return;
            }
            let mailbox = match state.boxes.get_mut(channel) {
                Some(mailbox) => mailbox,
                None => self.make_box(&mut state, channel),
            };
            self.reporter.tally().expired(mailbox.expire(unread.since, self.expiry));
            mailbox.unread.push_back(unread);
            let is_over = mailbox.unread.len() > self.capacity;
            if is_over {
                mailbox.unread.pop_front();
            }
            // Whoever comes later looks before it waits.
            ((mailbox.waiting > 0).then(|| Arc::clone(&mailbox.arrived)), is_over)
        };
        arrived.inspect(|arrived| arrived.notify_one());
        if is_over {
            self.reporter.overflowed(channel);
        }
    }

    /// Tells those who look for demand, in the layers that have such, that it may have changed.
    fn tell(&self) {
        if self.is_watched.load(Ordering::Relaxed) {
            self.changed.notify_waiters();
        }
    }

    /// Whether this normal channel was ever received on here.
    pub(crate) fn is_read(&self, channel: &str) -> bool {
        self.state.lock().read.contains(channel)
    }

    /// Returns once a receive waits on some specific channel.
    pub(crate) async fn demand_on_specific(&self) {
        self.until(|state| (state.waiting_on_specific > 0).then_some(())).await;
    }

    /// Returns once a receive waits on this channel and nothing is there for it: how many wait; or, if messages are
    /// left that nobody waits for, those.
    pub(crate) async fn demand_on(&self, channel: &str, host: usize) -> Demand {
        self.until(|state| {
            let mailbox = state.boxes.get_mut(channel)?;
            if mailbox.waiting > mailbox.unread.len() {
                return Some(Demand::Wanted(mailbox.waiting - mailbox.unread.len()));
            }
            if mailbox.waiting > 0 || mailbox.unread.is_empty() {
                return None;
            }
            let left = mailbox.give_back(host);
            (!left.is_empty()).then_some(Demand::Left(left))
        })
        .await
    }

    /// Whether somebody waits on any specific channel right now.
    pub(crate) fn is_specific_wanted(&self) -> bool {
        self.state.lock().waiting_on_specific > 0
    }

    /// Whether somebody waits on this channel right now.
    pub(crate) fn is_wanted(&self, channel: &str) -> bool {
        let state = self.state.lock();
        state.boxes.get(channel).is_some_and(|mailbox| mailbox.waiting > mailbox.unread.len())
    }

    async fn until<T>(&self, mut answer: impl FnMut(&mut State) -> Option<T>) -> T {
        // Before the state is locked: whoever changes it after that has seen this, by the order of the lock.
        self.is_watched.store(true, Ordering::Relaxed);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the state is read, so that no change between the two is missed.
            changed.as_mut().enable();
            if let Some(answer) = answer(&mut self.state.lock()) {
                return answer;
            }
            changed.await;
        }
    }

    /// Takes out everything that came from normal channels at this host, so that it can go back.
    pub(crate) fn give_back(&self, channel: &str, host: usize) -> Vec<Origin> {
        let mut state = self.state.lock();
        state.boxes.get_mut(channel).map_or_else(Vec::new, |mailbox| mailbox.give_back(host))
    }

    fn make_box<'s>(&self, state: &'s mut State, channel: &str) -> &'s mut Mailbox {
        state.made += 1;
        if state.made.is_multiple_of(SWEEP_EVERY) {
            self.sweep(state);
        }
        state.boxes.entry(channel.to_owned()).or_default()
    }

    /// Forgets what expired, and mailboxes that hold nothing and that nobody waits on.
    fn sweep(&self, state: &mut State) {
        let now = Instant::now();
        state.boxes.retain(|_, mailbox| {
            self.reporter.tally().expired(mailbox.expire(now, self.expiry));
            mailbox.waiting > 0 || !mailbox.unread.is_empty()
        });
    }

    /// Drops a channel's mailbox with what is unread in it.
    pub(crate) fn remove(&self, channel: &str) {
        let mut state = self.state.lock();
        state.read.remove(channel);
        if let Some(mailbox) = state.boxes.get_mut(channel) {
            mailbox.unread.clear();
            if mailbox.waiting == 0 {
                state.boxes.remove(channel);
            }
        }
    }

    /// Drops everything unread but keeps those who wait.
    pub(crate) fn clear(&self) {
        self.state.lock().boxes.values_mut().for_each(|mailbox| mailbox.unread.clear());
    }

    /// Ends every receive, now and later, with [`Error::Closed`].
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.boxes.values().for_each(|mailbox| mailbox.arrived.notify_waiters());
    }
}

/// What a normal channel's reader should do.
#[derive(Debug, PartialEq)]
pub(crate) enum Demand {
    /// Fetch up to so many.
    Wanted(usize),
    /// Put these back.
    Left(Vec<Origin>),
}

impl Mailbox {
    /// Drops what came longer ago than the expiry; returns how many.
    fn expire(&mut self, now: Instant, expiry: Duration) -> u64 {
        let is_old = |unread: &&Unread| now.duration_since(unread.since) > expiry;
        let old = self.unread.iter().take_while(is_old).count();
        self.unread.drain(..old);
        old as u64
    }

    fn give_back(&mut self, host: usize) -> Vec<Origin> {
        let mut left = Vec::new();
        self.unread.retain_mut(|unread| {
            let is_ours = unread.origin.as_ref().is_some_and(|origin| origin.host == host);
            left.extend(unread.origin.take_if(|_| is_ours));
            !is_ours
        });
        left
    }
}

impl Waiting<'_> {
    /// The message that this receive waited for, with which it is over; or what to wait for next. That is made under the
    /// lock, as at the beginning, so that neither a message nor the end of the layer is missed in between.
    fn take(&mut self) -> Result<Result<Message, OwnedNotified>, Error> {
        let mut state = self.mailboxes.state.lock();
        if state.is_closed {
            return Err(Error::Closed);
        }
        // It is there as long as somebody waits on it.
        let Some(mailbox) = state.boxes.get_mut(self.channel) else { return Err(Error::Closed) };
        let Some(message) = self.mailboxes.take(mailbox) else {
            return Ok(Err(Arc::clone(&mailbox.arrived).notified_owned()));
        };
        mailbox.waiting -= 1;
        state.waiting_on_specific -= usize::from(self.channel.contains('!'));
        self.is_over = true;
        drop(state);
        self.mailboxes.tell();
        Ok(Ok(message))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        {
            let mut state = self.mailboxes.state.lock();
            state.waiting_on_specific -= usize::from(self.channel.contains('!'));
            if let Some(mailbox) = state.boxes.get_mut(self.channel) {
                // An empty mailbox stays for the next receive; the sweep takes those for which none comes.
                mailbox.waiting -= 1;
            }
        }
        self.mailboxes.tell();
    }
}

#[cfg(test)]
#[path = "mailboxes_tests.rs"]
mod tests;
