//! The names of channels and groups: which are valid, how a new one is made, what part of it is a key.
//!
//! All back ends call it. Only names that a caller gives are checked; a name that arrives in a message or a group's
//! set is taken as it is.

use crate::error::Error;

/// The longest name in characters; the peers' own check says "less than 100".
const MAX_CHARACTERS: usize = 99;

/// Accepts what every peer accepts as the name of a channel.
pub(crate) fn check_channel(name: &str) -> Result<(), Error> {
    let (before, after) = name.split_once('!').unwrap_or((name, ""));
    check("channel", name, !before.is_empty() && plain(before) && plain(after))
}

/// Accepts what every peer accepts as the name of a group.
pub(crate) fn check_group(name: &str) -> Result<(), Error> {
    check("group", name, !name.is_empty() && plain(name))
}

fn check(kind: &'static str, name: &str, is_valid: bool) -> Result<(), Error> {
    if is_valid && name.len() <= MAX_CHARACTERS {
        return Ok(());
    }
    Err(Error::InvalidName { kind, name: name.chars().take(MAX_CHARACTERS + 1).collect() })
}

fn plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// Everything up to and including the first `!`, or the whole name: what the channel shares a key by.
pub(crate) fn non_local(channel: &str) -> &str {
    channel.find('!').map_or(channel, |at| &channel[..=at])
}

/// 32 lower-case hex digits, for a client or a channel.
pub(crate) fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// The names that one layer object gives to its own channels.
#[derive(Debug)]
pub(crate) struct Client {
    id: String,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self { id: random_id() }
    }

    /// `PREFIX.CLIENT!LOCAL`, of which only the part before the local one is a key.
    pub(crate) fn new_channel(&self, prefix: &str) -> Result<String, Error> {
        let channel = format!("{prefix}.{}!{}", self.id, random_id());
        check_channel(&channel).map(|()| channel)
    }

    /// Whether this layer object made the channel, so that nobody else receives on it.
    pub(crate) fn owns(&self, channel: &str) -> bool {
        channel.split_once('!').is_some_and(|(before, _)| before.ends_with(&self.id))
    }

    /// Refuses to receive on another client's channel.
    pub(crate) fn check_receive(&self, channel: &str) -> Result<(), Error> {
        check_channel(channel)?;
        if channel.contains('!') && !self.owns(channel) {
            return Err(Error::WrongClient { channel: channel.to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_every_peer_accepts_are_valid() {
        let longest = "a".repeat(99);
        for name in ["a", "A.b-c_9", "a!", "specific.abc!def", "a!b.c-d_e", &longest] {
            assert_eq!(check_channel(name), Ok(()), "{name}");
        }
        assert_eq!(check_group("room.1"), Ok(()));
    }

    #[test]
    fn names_that_a_peer_might_refuse_are_not_valid() {
        let too_long = "a".repeat(100);
        for name in
            ["", "!a", "a!b!c", "a b", "a:b", "a/b", "a#b", "é", "a!é", "٣", "a\n", &too_long]
        {
            assert!(check_channel(name).is_err(), "{name}");
        }
        assert!(check_group("a!b").is_err());
        assert!(check_group("").is_err());
    }

    #[test]
    fn a_refused_name_is_told_cut_short() {
        let Err(Error::InvalidName { name, .. }) = check_group(&"é".repeat(5000)) else {
            panic!("a long name was accepted");
        };
        assert_eq!(name.chars().count(), 100);
    }

    #[test]
    fn the_key_of_a_channel_ends_with_the_first_exclamation_mark() {
        assert_eq!(non_local("specific.ab!cd"), "specific.ab!");
        assert_eq!(non_local("worker"), "worker");
    }

    #[test]
    fn a_new_channel_has_74_characters_and_belongs_to_its_client() {
        let (client, other) = (Client::new(), Client::new());
        let channel = client.new_channel("specific").unwrap();
        assert_eq!(channel.len(), 74);
        assert_eq!(client.check_receive(&channel), Ok(()));
        assert_eq!(other.check_receive(&channel), Err(Error::WrongClient { channel }));
        assert!(client.new_channel("a b").is_err());
    }
}
