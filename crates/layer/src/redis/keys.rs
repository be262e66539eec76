//! The names of keys in Redis.
//!
//! The core layer and nothing else makes them; they are the same as those of `channels_redis`.

use crate::names::{check_channel, check_group};

/// Keys under one prefix.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The queue of a channel, by the part of its name that is not local.
    pub(super) fn queue(&self, non_local: &str) -> String {
        format!("{}{non_local}", self.prefix)
    }

    /// What a reader took out of a queue and has not handed on yet.
    pub(super) fn in_flight(&self, non_local: &str) -> String {
        format!("{}{non_local}$inflight", self.prefix)
    }

    /// The members of a group.
    pub(super) fn group(&self, group: &str) -> String {
        format!("{}:group:{group}", self.prefix)
    }

    /// A pattern for SCAN that fits every key with this prefix, whatever characters it has.
    pub(super) fn pattern(&self) -> String {
        let mut pattern = String::new();
        for character in self.prefix.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        pattern
    }

    /// Whether a key could be of this layer: what follows the prefix is a channel, its in-flight copy, or a group.
    pub(super) fn owns(&self, key: &str) -> bool {
        let Some(rest) = key.strip_prefix(&self.prefix) else { return false };
        if let Some(group) = rest.strip_prefix(":group:") {
            return check_group(group).is_ok();
        }
        check_channel(rest.strip_suffix("$inflight").unwrap_or(rest)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_channels_redis() {
        let keys = Keys::new("asgi");
        assert_eq!(keys.queue("test_channel"), "asgitest_channel");
        assert_eq!(keys.queue("specific.ab!"), "asgispecific.ab!");
        assert_eq!(keys.in_flight("test_channel"), "asgitest_channel$inflight");
        assert_eq!(keys.group("room.1"), "asgi:group:room.1");
        assert_eq!(Keys::new("my app:é").group("a"), "my app:é:group:a");
    }

    #[test]
    fn only_keys_of_this_layer_are_its_own() {
        let keys = Keys::new("a?b");
        assert_eq!(keys.pattern(), "a\\?b*");
        for own in ["a?bworker", "a?bworker$inflight", "a?bspecific.x!", "a?b:group:room"] {
            assert!(keys.owns(own), "{own}");
        }
        for other in ["axbworker", "a?b", "a?b:1:session", "a?b:group:", "a?b worker", "worker"] {
            assert!(!keys.owns(other), "{other}");
        }
    }
}
