//! The channels of this process and the groups they are in, and so the names to be subscribed.
//!
//! Redis Pub/Sub stores nothing: who is in a group is known only where its members are. `RedisPubSub` changes it, the
//! subscriber reads it and makes the subscriptions follow.

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
use parking_lot::Mutex;

#[derive(Debug)]
pub(super) struct Registry {
    /// What the names of groups start with on the wire.
    group_prefix: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Each channel with the groups it is in.
    channels: HashMap<String, HashSet<String>>,
    /// Each group with its members, by its name on the wire.
    groups: HashMap<String, IndexSet<String>>,
}

impl Registry {
    pub(super) fn new(prefix: &str) -> Self {
        Self { group_prefix: format!("{prefix}__group__"), state: Mutex::default() }
    }

    /// A group's name on the wire.
    pub(super) fn wire_name(&self, group: &str) -> String {
        format!("{}{group}", self.group_prefix)
    }

    /// Makes a channel known; false if it was.
    pub(super) fn add_channel(&self, channel: &str) -> bool {
        let mut state = self.state.lock();
        if state.channels.contains_key(channel) {
            return false;
        }
        state.channels.insert(channel.to_owned(), HashSet::new());
        true
    }

    /// Forgets a channel; returns all names on the wire that may have to be unsubscribed.
    pub(super) fn remove_channel(&self, channel: &str) -> Vec<String> {
        let mut state = self.state.lock();
        let Some(groups) = state.channels.remove(channel) else { return Vec::new() };
        for group in &groups {
            leave(&mut state.groups, group, channel);
        }
        groups.into_iter().chain([channel.to_owned()]).collect()
    }

    /// Adds a channel to a group, by its name on the wire; false if the channel is not known here.
    pub(super) fn join(&self, group: &str, channel: &str) -> bool {
        let mut state = self.state.lock();
        let Some(groups) = state.channels.get_mut(channel) else { return false };
        groups.insert(group.to_owned());
        state.groups.entry(group.to_owned()).or_default().insert(channel.to_owned());
        true
    }

    /// Takes a channel out of a group, by its name on the wire.
    pub(super) fn leave(&self, group: &str, channel: &str) {
        let mut state = self.state.lock();
        if let Some(groups) = state.channels.get_mut(channel) {
            groups.remove(group);
        }
        leave(&mut state.groups, group, channel);
    }

    /// Whether a name should be subscribed.
    pub(super) fn is_wanted(&self, name: &str) -> bool {
        let state = self.state.lock();
        state.channels.contains_key(name) || state.groups.contains_key(name)
    }

    /// All names that should be subscribed.
    pub(super) fn wanted(&self) -> Vec<String> {
        let state = self.state.lock();
        state.channels.keys().chain(state.groups.keys()).cloned().collect()
    }

    /// Calls this with the channels that a message on this name is for. It must not come back here.
    pub(super) fn with_receivers(
        &self,
        name: &str,
        deliver: impl FnOnce(&mut dyn Iterator<Item = &str>),
    ) {
        let state = self.state.lock();
        // A channel may have the name of a group; it alone gets the message then.
        if state.channels.contains_key(name) {
            return deliver(&mut std::iter::once(name));
        }
        if let Some(members) = state.groups.get(name) {
            deliver(&mut members.iter().map(String::as_str));
        }
    }

    /// Forgets everything; returns all names that were subscribed.
    pub(super) fn clear(&self) -> Vec<String> {
        let before = self.wanted();
        *self.state.lock() = State::default();
        before
    }
}

fn leave(groups: &mut HashMap<String, IndexSet<String>>, group: &str, channel: &str) {
    if let Some(members) = groups.get_mut(group) {
        members.swap_remove(channel);
        if members.is_empty() {
            groups.remove(group);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_wanted_while_it_has_members_here() {
        let registry = Registry::new("asgi");
        let group = registry.wire_name("room 1/é");
        assert_eq!(group, "asgi__group__room 1/é");
        assert!(!registry.join(&group, "a"), "not of this process");
        assert!(registry.add_channel("a") && registry.add_channel("b"));
        assert!(registry.join(&group, "a") && registry.join(&group, "b"));
        let mut receivers = Vec::new();
        registry.with_receivers(&group, |channels| receivers.extend(channels.map(str::to_owned)));
        assert_eq!(receivers, ["a", "b"]);
        registry.leave(&group, "a");
        assert!(registry.is_wanted(&group));
        let mut gone = registry.remove_channel("b");
        gone.sort();
        assert_eq!(gone, [group.as_str(), "b"]);
        assert!(!registry.is_wanted(&group) && !registry.is_wanted("b"));
        assert_eq!(registry.wanted(), ["a"]);
        assert_eq!((registry.clear(), registry.wanted().len()), (vec!["a".to_owned()], 0));
    }
}
