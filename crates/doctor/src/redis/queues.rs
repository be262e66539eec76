//! Queues beside their capacity, and those that nobody reads any more.

use moorline_layer::{Probe, Trouble};

use super::survey::Survey;
use super::{ANSWER, clock, each_host, layer, some};
use crate::finding::Outcome;
use crate::subject::{Layer, Subject};

/// Queues and groups that are looked at.
const SOME: usize = 500;
/// A reader takes a message within milliseconds; after so many seconds nobody does.
const UNREAD: f64 = 4.0;
/// What a reader took and has not finished after so many seconds, it died with.
const UNFINISHED: f64 = 60.0;

pub(crate) async fn have_room(subject: &Subject) -> Outcome {
    if let Ok(layer) = layer(subject)
        && layer.is_pubsub
    {
        return Outcome::skipped("The Pub/Sub layer has no queues in Redis.");
    }
    each_host(subject, async |mut probe, host, layer| {
        let names = Survey::of(&mut probe, &layer.options.prefix).await?.queues;
        let (mut full, mut filling, mut most) = (Vec::new(), Vec::new(), 0);
        for name in names.iter().take(SOME) {
            let length = length(&mut probe, layer, name).await?;
            let capacity = layer.options.capacity_of(name);
            most = most.max(length);
            let told = || format!("{name} ({length} of {capacity})");
            if length >= capacity {
                full.push(told());
            } else if length >= capacity / 5 * 4 && length > 0 {
                filling.push(told());
            }
        }
        let why = "What is sent to a full queue is dropped without an error (group_send) or refused as ChannelFull (send).";
        let fix = "See who should read it: a worker that is down, or ghosts (ML-REDIS-014). If the load is real, raise it on both \
                   sides: --layer-capacity NUMBER, and \"capacity\" in the CONFIG of CHANNEL_LAYERS.";
        Ok(if !full.is_empty() {
            Outcome::fail(format!("Queues on {host} are full: {}.", some(&full)), why, fix)
        } else if !filling.is_empty() {
            Outcome::warn(format!("Queues on {host} are filling: {}.", some(&filling)), why, fix)
        } else {
            Outcome::pass(match names.len() {
                0 => format!("No message waits; a queue holds {}.", layer.options.capacity),
                queues => format!("{queues} queues hold messages, the longest {most} of {}.", layer.options.capacity),
            })
        })
    })
    .await
}

async fn length(probe: &mut Probe, layer: &Layer, name: &str) -> Result<usize, Trouble> {
    let key = format!("{}{name}", layer.options.prefix);
    let reply = probe.ask(&["ZCARD", &key], ANSWER).await?;
    Ok(reply.number().map_or(0, |number| number as usize))
}

pub(crate) async fn are_read(subject: &Subject) -> Outcome {
    if let Ok(layer) = layer(subject)
        && layer.is_pubsub
    {
        return Outcome::skipped(
            "The Pub/Sub layer has no members in Redis; who is gone hears nothing.",
        );
    }
    each_host(subject, async |mut probe, host, layer| {
        let survey = Survey::of(&mut probe, &layer.options.prefix).await?;
        let is_own = |name: &&String| name.ends_with('!');
        let mut dead = Vec::new();
        for name in survey.queues.iter().filter(is_own).take(SOME) {
            if age(&mut probe, layer, name).await? > UNREAD {
                dead.push(name.clone());
            }
        }
        let mut left = Vec::new();
        for name in survey.in_flight.iter().take(SOME) {
            if age(&mut probe, layer, &format!("{name}$inflight")).await? > UNFINISHED {
                left.push(name.clone());
            }
        }
        dead.extend(left.iter().filter(is_own).cloned());
        let dead = super::survey::sorted(dead);
        if dead.is_empty() && left.is_empty() {
            return Ok(Outcome::pass("Nobody is seen who has stopped reading."));
        }
        let ghosts = members(&mut probe, layer, &survey.groups, &dead).await?;
        let groups = ghosts.iter().filter(|(_, count)| *count > 0).count();
        let total: usize = ghosts.iter().map(|(_, count)| count).sum();
        Ok(Outcome::warn(
            format!(
                "On {host} {} processes do not read their queues any more; {total} members of {groups} groups are theirs. Messages \
                 that a reader died with lie in {} queues.",
                dead.len(),
                left.len()
            ),
            "They are ghosts: of consumers whose disconnect() was never called, after a crash or an exception. Each group_send still \
             writes for them until the group expiry, a day by default.",
            "Restart the process if it still runs. Ghosts go by themselves; at once: restart Django's workers, then delete the keys \
             that this names: redis-cli --scan --pattern 'PREFIXspecific.*'. If they come again and again, see ML-REDIS-007.",
        ))
    })
    .await
}

/// Seconds since the oldest message of a queue was written; 0 where there is none.
async fn age(probe: &mut Probe, layer: &Layer, name: &str) -> Result<f64, Trouble> {
    let key = format!("{}{name}", layer.options.prefix);
    let oldest = probe.ask(&["ZRANGE", &key, "0", "0", "WITHSCORES"], ANSWER).await?;
    let now = clock(probe).await?.unwrap_or_default();
    Ok(oldest
        .parts()
        .get(1)
        .and_then(moorline_layer::Reply::number)
        .map_or(0.0, |score| now - score))
}

/// For each group, how many of its members belong to these processes.
async fn members<'a>(
    probe: &mut Probe,
    layer: &Layer,
    groups: &'a [String],
    dead: &[String],
) -> Result<Vec<(&'a str, usize)>, Trouble> {
    let mut found = Vec::new();
    for group in groups.iter().take(SOME) {
        let key = format!("{}:group:{group}", layer.options.prefix);
        let reply = probe.ask(&["ZRANGE", &key, "0", "-1"], ANSWER).await?;
        let names = reply.parts().iter().filter_map(moorline_layer::Reply::text);
        let is_dead = |name: &String| dead.iter().any(|process| name.starts_with(process.as_str()));
        found.push((group.as_str(), names.filter(is_dead).count()));
    }
    Ok(found)
}
