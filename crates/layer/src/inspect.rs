//! What lies in Redis under a layer's prefix, for an operator who looks: queues, groups, subscriptions. No message is read.
//!
//! [`ChannelLayer::inspect`](crate::ChannelLayer::inspect) fills it. It looks and changes nothing; every part is bounded,
//! and says when there is more.

use std::time::Duration;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Queues, groups and subscriptions that are told of, each for each host.
    pub found: usize,
    /// Members that are named of each group, the oldest first.
    pub members: usize,
    /// Steps of a thousand keys of the whole database each, of whichever program.
    pub steps: usize,
}

impl Default for Bounds {
    /// A thousand of each, a hundred members, a million keys: a second or two of a Redis that hardly notices.
    fn default() -> Self {
        Self { found: 1_000, members: 100, steps: 1_000 }
    }
}

/// What one host has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// Which host, its password masked.
    pub host: String,
    /// Queues with unread messages, the fullest first. Only the core layer has some.
    pub queues: Vec<Queue>,
    /// Groups, the largest first. Only the core layer has some.
    pub groups: Vec<Group>,
    /// Subscriptions under the prefix, which only the Pub/Sub layer makes.
    pub subscriptions: Vec<Subscription>,
    /// Whether everything was looked at.
    pub is_complete: bool,
}

/// Unread messages of a channel, or of all channels of one process.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// The channel, up to the `!` that all channels of a process share.
    pub channel: String,
    /// How many wait.
    pub waiting: u64,
    /// How many it holds.
    pub capacity: usize,
    /// How long the oldest has waited.
    pub oldest: Duration,
    /// Whether these are messages that a reader took and never said to have: it is dead, or takes them this moment.
    pub is_in_flight: bool,
}

/// The channels of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many channels are in it.
    pub count: u64,
    /// The oldest of them.
    pub members: Vec<Member>,
}

/// A channel in a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The channel.
    pub channel: String,
    /// Since when it is in the group, or was last said to be.
    pub age: Duration,
    /// Whether nobody seems to read it: it has expired, or what was sent to it lies unread.
    pub is_ghost: bool,
}

/// A name that somebody is subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The group or channel.
    pub name: String,
    /// Whether it is a group.
    pub is_group: bool,
    /// How many connections are.
    pub subscribers: u64,
}

/// What lies unread for so long is read by nobody: a reader takes a message within milliseconds.
const UNREAD: Duration = Duration::from_secs(3);

/// Marks those members whom nobody reads, once the queues of all hosts are known.
pub(crate) fn mark_ghosts(hosts: &mut [Contents], group_expiry: Duration) {
    let unread: std::collections::HashSet<String> = hosts
        .iter()
        .flat_map(|host| &host.queues)
        .filter(|queue| !queue.is_in_flight && queue.oldest >= UNREAD)
        .map(|queue| queue.channel.clone())
        .collect();
    let members = hosts.iter_mut().flat_map(|host| &mut host.groups);
    for member in members.flat_map(|group| &mut group.members) {
        let is_unread = unread.contains(crate::names::non_local(&member.channel));
        member.is_ghost = is_unread || member.age >= group_expiry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(channel: &str, seconds: u64) -> Member {
        let age = Duration::from_secs(seconds);
        Member { channel: channel.to_owned(), age, is_ghost: false }
    }

    fn queue(channel: &str, oldest: u64, is_in_flight: bool) -> Queue {
        let oldest = Duration::from_secs(oldest);
        Queue { channel: channel.to_owned(), waiting: 1, capacity: 100, oldest, is_in_flight }
    }

    #[test]
    fn a_member_that_nobody_reads_or_that_has_expired_is_a_ghost() {
        let members = ["specific.a!1", "specific.b!1", "specific.c!1", "specific.d!1"];
        let mut members: Vec<Member> = members.iter().map(|channel| member(channel, 5)).collect();
        members.push(member("specific.e!1", 90_000));
        let group = Group { name: "g".into(), count: 5, members };
        let one = Contents { groups: vec![group], ..Contents::default() };
        let queues = vec![
            queue("specific.a!", 4, false),
            queue("specific.b!", 1, false),
            queue("specific.c!", 9, true),
        ];
        let other = Contents { queues, ..Contents::default() };
        let mut hosts = [one, other];
        mark_ghosts(&mut hosts, Duration::from_secs(86_400));
        let ghosts: Vec<bool> =
            hosts[0].groups[0].members.iter().map(|member| member.is_ghost).collect();
        assert_eq!(ghosts, [true, false, false, false, true]);
    }
}
