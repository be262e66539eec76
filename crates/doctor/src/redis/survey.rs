//! What lies in a Redis under a prefix, by looking through its keys in small steps, and whose Pub/Sub channels there are. It
//! looks through a bounded number and says when there is more.

use moorline_layer::{Cause, Probe, Reply, Trouble};

use super::ANSWER;

/// Keys asked for at a time: a few microseconds of Redis.
const STEP: &str = "1000";
/// Steps at most: two hundred thousand keys.
const STEPS: usize = 200;

/// The beginning of the names of our own groups and keys, among nodes and of the doctor's tests.
const OURS: &str = "moorline.";

/// Keys of one prefix.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Names of groups of the core layer that others than nodes use.
    pub(super) groups: Vec<String>,
    /// Names of queues, without the prefix.
    pub(super) queues: Vec<String>,
    /// Names of queues from which somebody took a message without having finished.
    pub(super) in_flight: Vec<String>,
}

impl Survey {
    /// What lies under the prefix in the connection's database.
    pub(super) async fn of(probe: &mut Probe, prefix: &str) -> Result<Self, Trouble> {
        let mut survey = Self::default();
        for key in scan(probe, &format!("{}*", escaped(prefix))).await? {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            if let Some(group) = rest.strip_prefix(":group:") {
                if !group.starts_with(OURS) {
                    survey.groups.push(group.to_owned());
                }
            } else if let Some(name) = rest.strip_suffix("$inflight") {
                survey.in_flight.push(name.to_owned());
            } else if is_channel(rest) && !rest.starts_with(OURS) {
                survey.queues.push(rest.to_owned());
            }
        }
        Ok(survey)
    }
}

/// The prefixes under which others have groups of the core layer in the connection's database.
pub(super) async fn core_prefixes(probe: &mut Probe) -> Result<Vec<String>, Trouble> {
    let mut prefixes = Vec::new();
    for key in scan(probe, "*:group:*").await? {
        let Some((prefix, group)) = key.split_once(":group:") else { continue };
        let is_known = prefixes.iter().any(|known| known == prefix);
        if !is_known && !group.starts_with(OURS) && has_sockets(probe, &key).await? {
            prefixes.push(prefix.to_owned());
        }
    }
    Ok(sorted(prefixes))
}

/// Whether a key is a group of Channels and not something of another program that is called alike: its members are channels
/// of processes.
async fn has_sockets(probe: &mut Probe, key: &str) -> Result<bool, Trouble> {
    let reply = probe.ask(&["ZRANGE", key, "0", "0"], ANSWER).await?;
    let member = reply.parts().first().and_then(Reply::text);
    Ok(member
        .is_some_and(|name| name.split_once('!').is_some_and(|(process, _)| is_channel(process))))
}

/// Groups of the Pub/Sub layer to which others listen now, as prefix and name. Database numbers mean nothing to them.
pub(super) async fn pubsub_groups(probe: &mut Probe) -> Result<Vec<(String, String)>, Trouble> {
    let reply = probe.ask(&["PUBSUB", "CHANNELS", "*__group__*"], ANSWER).await?;
    let names = reply.parts().iter().filter_map(Reply::text);
    let pairs = names.filter_map(|name| {
        let (prefix, group) = name.split_once("__group__")?;
        Some((prefix.to_owned(), group.to_owned()))
    });
    Ok(pairs.filter(|(_, group)| !group.starts_with(OURS)).collect())
}

/// Keys that fit a pattern, as far as they are text.
async fn scan(probe: &mut Probe, pattern: &str) -> Result<Vec<String>, Trouble> {
    let (mut cursor, mut keys) = ("0".to_owned(), Vec::new());
    for _ in 0..STEPS {
        let reply = probe.ask(&["SCAN", &cursor, "MATCH", pattern, "COUNT", STEP], ANSWER).await?;
        if let Some(why) = super::denied(&reply) {
            let (host, why) = (String::new(), format!("SCAN is refused: {why}"));
            return Err(Trouble { host, cause: Cause::Refused, why });
        }
        let [next, found] = reply.parts() else { break };
        keys.extend(found.parts().iter().filter_map(Reply::text));
        cursor = next.text().unwrap_or_default();
        if cursor == "0" || cursor.is_empty() {
            break;
        }
    }
    Ok(sorted(keys))
}

pub(super) fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

/// A prefix as a pattern that fits itself alone.
pub(super) fn escaped(prefix: &str) -> String {
    let escape = |character: char| {
        let is_special = matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-');
        is_special.then_some('\\').into_iter().chain([character])
    };
    prefix.chars().flat_map(escape).collect()
}

/// Whether a name could be a channel's: other programs keep keys under the same beginning.
fn is_channel(name: &str) -> bool {
    let (first, local) = name.split_once('!').unwrap_or((name, ""));
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    !first.is_empty() && first.chars().all(is_plain) && local.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_channels_count() {
        for name in ["worker", "specific.ab12!", "chat.inbox-2"] {
            assert!(is_channel(name), "{name}");
        }
        for name in ["", ":1:session", "two words", "specific.ab!x"] {
            assert!(!is_channel(name), "{name}");
        }
        assert_eq!(escaped("a?b"), "a\\?b");
    }
}
