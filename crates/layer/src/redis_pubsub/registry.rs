//! The channels of this process and the groups they are in, and so the names to be subscribed.
//!
//! Redis Pub/Sub stores nothing: who is in a group is known only where its members are. `RedisPubSub` changes it, the
//! subscriber reads it and makes the subscriptions follow.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use indexmap::IndexMap;
use parking_lot::RwLock;

use crate::error::Error;
use crate::redis_pubsub::inbox::Inbox;

#[derive(Debug)]
pub(super) struct Registry {
    /// What the names of groups start with on the wire.
    group_prefix: String,
    /// Every message in and every receive reads it; only joins and leaves change it.
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    channels: HashMap<String, Channel>,
    /// Each group with its members, by its name on the wire.
    groups: HashMap<String, IndexMap<String, Arc<Inbox>>>,
    /// Forgotten channels on which a receive waits on: it goes on if the channel becomes known again.
    forgotten: HashMap<String, Weak<Inbox>>,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Channel {
    inbox: Arc<Inbox>,
    groups: HashSet<String>,
}

impl Registry {
    pub(super) fn new(prefix: &str) -> Self {
        Self { group_prefix: format!("{prefix}__group__"), state: RwLock::default() }
    }

    /// A group's name on the wire.
    pub(super) fn wire_name(&self, group: &str) -> String {
        format!("{}{group}", self.group_prefix)
    }

    /// Where the messages of a channel arrive, if it is known.
    pub(super) fn inbox(&self, channel: &str) -> Option<Arc<Inbox>> {
        self.state.read().channels.get(channel).map(|known| Arc::clone(&known.inbox))
    }

    /// Makes a channel known, if it is not.
    pub(super) fn add_channel(&self, channel: &str) -> Result<Arc<Inbox>, Error> {
        let mut state = self.state.write();
        if state.is_closed {
            return Err(Error::Closed);
        }
        let waited_on = state.forgotten.remove(channel).and_then(|inbox| inbox.upgrade());
        let channel = state.channels.entry(channel.to_owned()).or_insert_with(|| Channel {
            inbox: waited_on.unwrap_or_default(),
            groups: HashSet::new(),
        });
        Ok(Arc::clone(&channel.inbox))
    }

    /// Forgets a channel; returns all names on the wire that may have to be unsubscribed.
    pub(super) fn remove_channel(&self, name: &str) -> Vec<String> {
        let mut state = self.state.write();
        let Some(channel) = state.channels.remove(name) else { return Vec::new() };
        for group in &channel.groups {
            leave(&mut state.groups, group, name);
        }
        state.forget(name, channel.inbox);
        channel.groups.into_iter().chain([name.to_owned()]).collect()
    }

    /// Adds a channel to a group, by its name on the wire; false if the channel is not known here.
    pub(super) fn join(&self, group: &str, channel: &str) -> bool {
        let mut state = self.state.write();
        let Some(known) = state.channels.get_mut(channel) else { return false };
        known.groups.insert(group.to_owned());
        let inbox = Arc::clone(&known.inbox);
        state.groups.entry(group.to_owned()).or_default().insert(channel.to_owned(), inbox);
        true
    }

    /// Takes a channel out of a group, by its name on the wire.
    pub(super) fn leave(&self, group: &str, channel: &str) {
        let mut state = self.state.write();
        if let Some(known) = state.channels.get_mut(channel) {
            known.groups.remove(group);
        }
        leave(&mut state.groups, group, channel);
    }

    /// Whether a name should be subscribed.
    pub(super) fn is_wanted(&self, name: &str) -> bool {
        let state = self.state.read();
        state.channels.contains_key(name) || state.groups.contains_key(name)
    }

    /// All names that should be subscribed.
    pub(super) fn wanted(&self) -> Vec<String> {
        let state = self.state.read();
        state.channels.keys().chain(state.groups.keys()).cloned().collect()
    }

    /// Calls this with each channel that a message on this name is for. It must not come back here.
    pub(super) fn each_receiver(&self, name: &str, mut deliver: impl FnMut(&str, &Inbox)) {
        let state = self.state.read();
        // A channel may have the name of a group; it alone gets the message then.
        if let Some(channel) = state.channels.get(name) {
            return deliver(name, &channel.inbox);
        }
        let members = state.groups.get(name).into_iter().flatten();
        members.for_each(|(channel, inbox)| deliver(channel, inbox));
    }

    /// Forgets everything; returns all names that were subscribed.
    pub(super) fn clear(&self) -> Vec<String> {
        let before = self.wanted();
        let mut state = self.state.write();
        state.groups.clear();
        for (name, channel) in std::mem::take(&mut state.channels) {
            state.forget(&name, channel.inbox);
        }
        before
    }

    /// Ends every receive, now and later.
    pub(super) fn close(&self) {
        let mut state = self.state.write();
        state.is_closed = true;
        state.channels.values().for_each(|channel| channel.inbox.close());
        state.forgotten.values().filter_map(Weak::upgrade).for_each(|inbox| inbox.close());
    }
}

impl State {
    /// Drops what is unread. While somebody waits, the inbox stays findable.
    fn forget(&mut self, name: &str, inbox: Arc<Inbox>) {
        inbox.clear();
        if self.forgotten.len() == self.forgotten.capacity() {
            self.forgotten.retain(|_, inbox| inbox.strong_count() > 0);
        }
        // One is this function's own.
        if Arc::strong_count(&inbox) > 1 {
            self.forgotten.insert(name.to_owned(), Arc::downgrade(&inbox));
        }
    }
}

fn leave(groups: &mut HashMap<String, IndexMap<String, Arc<Inbox>>>, group: &str, channel: &str) {
    if let Some(members) = groups.get_mut(group) {
        members.swap_remove(channel);
        if members.is_empty() {
            groups.remove(group);
        }
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
