//! The channel layer of a single process, under the rules of the Redis one: capacity, expiry, group expiry.
//!
//! For programs that run alone and for tests. Messages pass as values, nothing is encoded, no task is started. It has a
//! mode that loses, repeats, delays and reorders messages, for tests of what stands on a layer.

mod faults;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::codec::ADDRESS;
use crate::error::Error;
use crate::gaps::Reporter;
use crate::mailboxes::Mailboxes;
use crate::memory::faults::{Dice, Fate};
use crate::names::{Client, check_channel, check_group, non_local};
use crate::options::Options;
use crate::value::Message;

pub use faults::Faults;

/// The back end; clones are the same layer.
#[derive(Debug, Clone)]
pub struct Memory {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    client: Client,
    reporter: Reporter,
    mailboxes: Mailboxes,
    state: Mutex<State>,
    dice: Option<Mutex<Dice>>,
}

#[derive(Debug, Default)]
struct State {
    /// Unread messages by channel key: one queue for all specific channels of a client.
    queues: HashMap<String, VecDeque<Queued>>,
    /// Members by group, with the time that each was added.
    groups: HashMap<String, IndexMap<String, Instant>>,
    /// Held back by the fault "reorder" until the next one on the same key has gone.
    held: HashMap<String, Queued>,
}

/// One unread message and whom it is for.
#[derive(Debug, Clone)]
struct Queued {
    names: Vec<String>,
    message: Message,
    since: Instant,
}

impl Memory {
    pub(crate) fn new(options: Options, faults: Option<Faults>) -> Self {
        let reporter = Reporter::new();
        let mailboxes = Mailboxes::new(options.capacity, options.expiry, reporter.clone());
        let dice = faults.map(|faults| Mutex::new(Dice::new(faults)));
        let (client, state) = (Client::new(), Mutex::default());
        Self { inner: Arc::new(Inner { options, client, reporter, mailboxes, state, dice }) }
    }

    pub(crate) fn reporter(&self) -> &Reporter {
        &self.inner.reporter
    }

    pub(crate) fn new_channel(&self, prefix: &str) -> Result<String, Error> {
        self.inner.client.new_channel(prefix)
    }

    pub(crate) fn send(&self, channel: &str, message: &Message) -> Result<(), Error> {
        check_channel(channel)?;
        refuse_address(message)?;
        let capacity = self.inner.options.capacity_of(channel);
        let queued = Queued::new(vec![channel.to_owned()], message.clone());
        if self.put(non_local(channel), queued, capacity) {
            return Ok(());
        }
        self.inner.reporter.over_capacity(channel, 1);
        Err(Error::ChannelFull { channel: channel.to_owned(), capacity })
    }

    pub(crate) async fn receive(&self, channel: &str) -> Result<Message, Error> {
        let inner = &self.inner;
        inner.client.check_receive(channel)?;
        inner.mailboxes.receive(channel, || self.pump(non_local(channel))).await
    }

    pub(crate) fn group_add(&self, group: &str, channel: &str) -> Result<(), Error> {
        check_group(group)?;
        check_channel(channel)?;
        let mut state = self.inner.state.lock();
        let members = state.groups.entry(group.to_owned()).or_default();
        members.insert(channel.to_owned(), Instant::now());
        Ok(())
    }

    pub(crate) fn group_discard(&self, group: &str, channel: &str) -> Result<(), Error> {
        check_group(group)?;
        check_channel(channel)?;
        let mut state = self.inner.state.lock();
        if let Some(members) = state.groups.get_mut(group) {
            members.shift_remove(channel);
            if members.is_empty() {
                state.groups.remove(group);
            }
        }
        Ok(())
    }

    pub(crate) fn group_send(&self, group: &str, message: &Message) -> Result<(), Error> {
        check_group(group)?;
        let mut message = message.clone();
        message.remove(ADDRESS);
        let mut full = 0;
        for (key, names) in self.members_by_key(group) {
            let capacity = names.first().map_or(0, |name| self.inner.options.capacity_of(name));
            let queued = Queued::new(names, message.clone());
            full += u64::from(!self.put(&key, queued, capacity));
        }
        if full > 0 {
            self.inner.reporter.over_capacity(group, full);
        }
        Ok(())
    }

    fn members_by_key(&self, group: &str) -> IndexMap<String, Vec<String>> {
        let (now, expiry) = (Instant::now(), self.inner.options.group_expiry);
        let mut by_key: IndexMap<String, Vec<String>> = IndexMap::new();
        let mut state = self.inner.state.lock();
        let Some(members) = state.groups.get_mut(group) else { return by_key };
        members.retain(|_, added| now.duration_since(*added) < expiry);
        for name in members.keys() {
            by_key.entry(non_local(name).to_owned()).or_default().push(name.clone());
        }
        if members.is_empty() {
            state.groups.remove(group);
        }
        by_key
    }

    /// Queues a message on a key and hands it on if somebody waits; false if the key is full.
    fn put(&self, key: &str, queued: Queued, capacity: usize) -> bool {
        if !self.has_room(key, capacity) {
            return false;
        }
        self.inner.reporter.tally().sent(1);
        match self.inner.dice.as_ref().map_or(Fate::Arrives, |dice| dice.lock().throw()) {
            Fate::Arrives => self.arrive(key, vec![queued]),
            Fate::Lost => {}
            Fate::Repeated => self.arrive(key, vec![queued.clone(), queued]),
            Fate::Delayed(pause) => {
                let (layer, key) = (self.clone(), key.to_owned());
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    layer.arrive(&key, vec![queued]);
                });
            }
            Fate::Overtaken(longest) => self.hold_back(key, queued, longest),
        }
        true
    }

    /// Keeps a message until the next one on its key has arrived; should none come, it arrives all the same.
    fn hold_back(&self, key: &str, queued: Queued, longest: Duration) {
        let before = self.inner.state.lock().held.insert(key.to_owned(), queued);
        self.append(key, before);
        let (layer, key) = (self.clone(), key.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(longest).await;
            layer.arrive(&key, Vec::new());
        });
    }

    fn has_room(&self, key: &str, capacity: usize) -> bool {
        let (now, expiry) = (Instant::now(), self.inner.options.expiry);
        let mut state = self.inner.state.lock();
        let Some(queue) = state.queues.get_mut(key) else { return capacity > 0 };
        let before = queue.len();
        queue.retain(|queued| now.duration_since(queued.since) <= expiry);
        self.inner.reporter.tally().expired((before - queue.len()) as u64);
        queue.len() < capacity
    }

    /// Queues these and then the one that they overtook, if there is one.
    fn arrive(&self, key: &str, queued: Vec<Queued>) {
        let overtaken =
            self.inner.dice.is_some().then(|| self.inner.state.lock().held.remove(key)).flatten();
        self.append(key, queued.into_iter().chain(overtaken));
    }

    fn append(&self, key: &str, queued: impl IntoIterator<Item = Queued>) {
        self.inner.state.lock().queues.entry(key.to_owned()).or_default().extend(queued);
        self.pump(key);
    }

    /// Moves what is queued on a key into the mailboxes, as far as somebody waits: all of a client's own queue, but of
    /// a normal channel only what is asked for.
    fn pump(&self, key: &str) {
        let (is_specific, mailboxes) = (key.ends_with('!'), &self.inner.mailboxes);
        // Held until the last is delivered: senders and receivers pump at once, and must not overtake each other between
        // the queue and the mailbox.
        let mut state = self.inner.state.lock();
        loop {
            let wanted = if is_specific {
                self.inner.client.owns(key) && mailboxes.is_specific_wanted()
            } else {
                mailboxes.is_wanted(key)
            };
            let Some(next) = wanted.then(|| self.next(&mut state, key)).flatten() else { return };
            for name in &next.names {
                mailboxes.deliver(name, next.message.clone(), None);
            }
        }
    }

    fn next(&self, state: &mut State, key: &str) -> Option<Queued> {
        let (now, expiry) = (Instant::now(), self.inner.options.expiry);
        let queue = state.queues.get_mut(key)?;
        while let Some(next) = queue.pop_front() {
            if now.duration_since(next.since) <= expiry {
                return Some(next);
            }
            self.inner.reporter.tally().expired(1);
        }
        state.queues.remove(key);
        None
    }

    pub(crate) fn close_channel(&self, channel: &str) {
        self.inner.mailboxes.remove(channel);
        self.inner.state.lock().groups.retain(|_, members| {
            members.shift_remove(channel);
            !members.is_empty()
        });
    }

    pub(crate) fn flush(&self) {
        *self.inner.state.lock() = State::default();
        self.inner.mailboxes.clear();
    }

    pub(crate) fn close(&self) {
        self.inner.mailboxes.close();
        self.inner.reporter.close();
    }
}

impl Queued {
    fn new(names: Vec<String>, message: Message) -> Self {
        Self { names, message, since: Instant::now() }
    }
}

/// The key that carries addresses is the layer's own.
pub(crate) fn refuse_address(message: &Message) -> Result<(), Error> {
    if message.get(ADDRESS).is_none() {
        return Ok(());
    }
    Err(Error::InvalidMessage(format!("it has the key `{ADDRESS}`, which the layer itself adds")))
}
