//! How long the other side keeps messages and memberships, as its keys tell: the time that a key has left, and the age of its
//! youngest entry, add up to what it was given.

use moorline_layer::{Probe, Trouble};

use super::survey::Survey;
use super::{ANSWER, clock, each_host, layer};
use crate::finding::Outcome;
use crate::subject::Subject;

/// Redis counts whole seconds, and clocks differ a little.
const CLOSE: f64 = 2.5;

/// Keys that are looked at.
const SOME: usize = 200;

pub(crate) async fn is_same(subject: &Subject) -> Outcome {
    if let Ok(layer) = layer(subject)
        && layer.is_pubsub
    {
        return Outcome::skipped("The Pub/Sub layer keeps nothing.");
    }
    each_host(subject, async |mut probe, host, layer| {
        let own = layer.options.expiry.as_secs_f64();
        let queues = Survey::of(&mut probe, &layer.options.prefix).await?.queues;
        let keys = queues.iter().map(|name| format!("{}{name}", layer.options.prefix));
        let found = times(&mut probe, keys).await?;
        let Some((key, other)) = found.iter().find(|(_, other)| (other - own).abs() > CLOSE) else {
            return Ok(Outcome::pass(match found.len() {
                0 => format!("{own} s; no message waits that would tell the other side's."),
                some => format!("{own} s, as in the {some} queues where messages wait."),
            }));
        };
        let other = other.round();
        Ok(Outcome::fail(
            format!("Messages in `{key}` on {host} were given {other} s; this side uses {own} s."),
            "Each side throws the other's messages away by its own rule: what one still waits for, the other has removed. With \
             encryption, older ones cannot be opened either.",
            format!("Use the same on both: --layer-expiry {other} here, or \"expiry\": {own} in the CONFIG of CHANNEL_LAYERS."),
        ))
    })
    .await
}

pub(crate) async fn of_groups_is_same(subject: &Subject) -> Outcome {
    if let Ok(layer) = layer(subject)
        && layer.is_pubsub
    {
        return Outcome::skipped("The Pub/Sub layer keeps no memberships.");
    }
    each_host(subject, async |mut probe, host, layer| {
        let own = layer.options.group_expiry.as_secs_f64();
        let groups = Survey::of(&mut probe, &layer.options.prefix).await?.groups;
        let keys = groups.iter().map(|name| format!("{}:group:{name}", layer.options.prefix));
        let found = times(&mut probe, keys).await?;
        // Where the youngest member has left, a group seems to have been given more. So the least of all tells.
        let least = found.iter().min_by(|(_, one), (_, two)| one.total_cmp(two));
        let Some((key, other)) = least.filter(|(_, other)| (other - own).abs() > CLOSE) else {
            return Ok(Outcome::pass(match found.len() {
                0 => format!("{own} s; the other side has no groups now."),
                some => format!("{own} s, as in the {some} groups of the other side."),
            }));
        };
        let other = other.round();
        Ok(Outcome::warn(
            format!("Memberships in `{key}` on {host} were given {other} s; this side uses {own} s."),
            "Who added last decides for all; a socket that is open for longer than the shorter time goes deaf.",
            format!(
                "Use the same on both: --layer-group-expiry {other} here, or \"group_expiry\": {own} in the CONFIG of CHANNEL_LAYERS."
            ),
        ))
    })
    .await
}

/// What keys were given when they were last written to, for those that end at all.
async fn times(
    probe: &mut Probe,
    keys: impl Iterator<Item = String>,
) -> Result<Vec<(String, f64)>, Trouble> {
    let mut found = Vec::new();
    for key in keys.take(SOME) {
        let Some(now) = clock(probe).await? else { break };
        let newest = probe.ask(&["ZRANGE", &key, "-1", "-1", "WITHSCORES"], ANSWER).await?;
        let left = probe.ask(&["PTTL", &key], ANSWER).await?.number().unwrap_or(-1.0);
        if let ([_, score], true) = (newest.parts(), left > 0.0)
            && let Some(score) = score.number()
        {
            found.push((key, left / 1000.0 + (now - score)));
        }
    }
    Ok(found)
}
