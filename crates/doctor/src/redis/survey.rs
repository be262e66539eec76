//! What lies in a Redis under a prefix, by looking through its keys in small steps, and whose Pub/Sub channels there are. It
//! looks through a bounded number and says when there is more.

use moorline_layer::{Probe, Reply, Trouble};

use super::ANSWER;

/// Keys asked for at a time: a few microseconds of Redis.
const STEP: &str = "1000";
/// Steps at most: two hundred thousand keys.
const STEPS: usize = 200;

/// The beginning of the names of our own groups, among nodes and of the doctor's test.
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
            } else if is_channel(rest) {
                survey.queues.push(rest.to_owned());
            }
        }
        Ok(survey)
    }
}

/// The prefixes under which others have groups of the core layer in the connection's database.
pub(super) async fn core_prefixes(probe: &mut Probe) -> Result<Vec<String>, Trouble> {
    let keys = scan(probe, "*:group:*").await?;
    let theirs = keys.iter().filter_map(|key| key.split_once(":group:"));
    let theirs = theirs.filter(|(_, group)| !group.starts_with(OURS));
    Ok(sorted(theirs.map(|(prefix, _)| prefix.to_owned()).collect()))
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
