//! Which of this process's channels are in which groups, so that nobody goes deaf.
//!
//! Redis forgets memberships: after the group expiry, with a restart, when memory is short. The core layer notes them
//! here and adds them again long before they expire and after each reconnection. Channels of other processes are
//! theirs to keep.

use indexmap::{IndexMap, IndexSet};
use parking_lot::Mutex;

/// Withdrawals that wait for a host to come back. Beyond that the group expiry has to do.
const MAX_WITHDRAWN: usize = 10_000;

/// Memberships that are looked at in a search for some; on a host that has few of very many it takes several searches.
const LOOKED_AT: usize = 10_000;

/// A channel in a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Membership {
    pub(super) group: String,
    pub(super) channel: String,
}

/// The memberships that this layer object made.
#[derive(Debug, Default)]
pub(super) struct Memberships {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    groups_of: IndexMap<String, IndexSet<String>>,
    /// Discarded here while Redis could not be told.
    withdrawn: IndexSet<Membership>,
}

impl Membership {
    pub(super) fn new(group: &str, channel: &str) -> Self {
        Self { group: group.to_owned(), channel: channel.to_owned() }
    }
}

impl Memberships {
    /// Notes one; false if it was known.
    pub(super) fn add(&self, membership: &Membership) -> bool {
        let mut state = self.state.lock();
        state.withdrawn.swap_remove(membership);
        let groups = state.groups_of.entry(membership.channel.clone()).or_default();
        groups.insert(membership.group.clone())
    }

    /// Forgets one.
    pub(super) fn remove(&self, membership: &Membership) {
        let mut state = self.state.lock();
        if let Some(groups) = state.groups_of.get_mut(&membership.channel) {
            groups.swap_remove(&membership.group);
            if groups.is_empty() {
                state.groups_of.swap_remove(&membership.channel);
            }
        }
    }

    /// Forgets a channel; returns the groups it was in.
    pub(super) fn remove_channel(&self, channel: &str) -> Vec<Membership> {
        let groups = self.state.lock().groups_of.swap_remove(channel).unwrap_or_default();
        groups.iter().map(|group| Membership::new(group, channel)).collect()
    }

    /// Notes that Redis has still to be told of a discard.
    pub(super) fn withdraw_later(&self, membership: Membership) {
        let mut state = self.state.lock();
        if state.withdrawn.len() < MAX_WITHDRAWN {
            state.withdrawn.insert(membership);
        }
    }

    /// Takes the discards that Redis has still to be told of.
    pub(super) fn take_withdrawn(&self, is_here: impl Fn(&str) -> bool) -> Vec<Membership> {
        let mut state = self.state.lock();
        let (here, elsewhere) =
            state.withdrawn.drain(..).partition(|membership| is_here(&membership.group));
        state.withdrawn = elsewhere;
        IndexSet::<Membership>::into_iter(here).collect()
    }

    /// All memberships of channels and groups for which these say yes.
    pub(super) fn list(
        &self,
        is_here: impl Fn(&str) -> bool,
        is_ours: impl Fn(&str) -> bool,
    ) -> Vec<Membership> {
        let state = self.state.lock();
        let ours = state.groups_of.iter().filter(|(channel, _)| is_ours(channel));
        ours.flat_map(|(channel, groups)| {
            let here = groups.iter().filter(|group| is_here(group));
            here.map(|group| Membership::new(group, channel)).collect::<Vec<_>>()
        })
        .collect()
    }

    /// A few of them, from a place on that may be anywhere. It costs the same however many there are.
    pub(super) fn some(
        &self,
        from: usize,
        most: usize,
        is_here: impl Fn(&str) -> bool,
        is_ours: impl Fn(&str) -> bool,
    ) -> Vec<Membership> {
        let state = self.state.lock();
        let all = &state.groups_of;
        let from = from % all.len().max(1);
        let channels = all.iter().skip(from).chain(all.iter().take(from));
        channels
            .flat_map(|(channel, groups)| groups.iter().map(move |group| (channel, group)))
            .take(LOOKED_AT)
            .filter(|(channel, group)| is_here(group) && is_ours(channel))
            .take(most)
            .map(|(channel, group)| Membership::new(group, channel))
            .collect()
    }

    /// Whether one is still there.
    pub(super) fn has(&self, membership: &Membership) -> bool {
        let state = self.state.lock();
        let groups = state.groups_of.get(&membership.channel);
        groups.is_some_and(|groups| groups.contains(&membership.group))
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        *self.state.lock() = State::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_listed_with_its_groups_until_it_leaves_them() {
        let memberships = Memberships::default();
        let [first, second] = ["a", "b"].map(|group| Membership::new(group, "c!1"));
        assert!(memberships.add(&first) && memberships.add(&second));
        assert!(!memberships.add(&first), "it was known");
        let listed = memberships.list(|group| group == "b", |_| true);
        assert_eq!(listed, std::slice::from_ref(&second));
        memberships.remove(&second);
        assert!(memberships.has(&first) && !memberships.has(&second));
        assert_eq!(memberships.remove_channel("c!1"), [first]);
        assert_eq!(memberships.list(|_| true, |_| true), []);
    }

    #[test]
    fn some_are_found_from_any_place_on_however_many_there_are() {
        let memberships = Memberships::default();
        assert_eq!(memberships.some(7, 3, |_| true, |_| true), []);
        for n in 0..100_000 {
            memberships.add(&Membership::new(&format!("g{}", n % 2), &format!("c!{n}")));
        }
        let from = |from| memberships.some(from, 3, |group| group == "g1", |_| true);
        let channels = |some: Vec<Membership>| some.into_iter().map(|one| one.channel);
        assert!(channels(from(99_998)).eq(["c!99999", "c!1", "c!3"]));
        assert_eq!(from(199_998), from(99_998));
        assert_eq!(memberships.some(0, 3, |_| true, |channel| channel == "c!10000"), []);
        assert_eq!(memberships.some(1, 3, |_| true, |channel| channel == "c!10000").len(), 1);
    }

    #[test]
    fn a_discard_waits_for_its_host_unless_the_channel_joins_again() {
        let memberships = Memberships::default();
        let [first, second] = ["a", "b"].map(|group| Membership::new(group, "c!1"));
        memberships.withdraw_later(first.clone());
        memberships.withdraw_later(second.clone());
        assert_eq!(memberships.take_withdrawn(|group| group == "b"), [second]);
        memberships.add(&first);
        assert_eq!(memberships.take_withdrawn(|_| true), []);
    }
}
