//! Looks at what one host has under a prefix: SCAN in bounded steps, and sizes and ages by pipelines. It changes nothing
//! and reads no message. Both Redis layers call it.

use std::time::Duration;

use redis::Value;

use crate::error::Error;
use crate::inspect::{Bounds, Contents, Group, Member, Queue, Subscription};
use crate::options::Options;
use crate::redis::keys::Keys;
use crate::redis::link::Link;
use crate::redis::unix_now;

/// Keys that are asked about at once.
const AT_ONCE: usize = 200;
/// Keys that one SCAN looks at.
const STEP: usize = 1_000;

const GROUP: &str = ":group:";
const PUBSUB_GROUP: &str = "__group__";
const IN_FLIGHT: &str = "$inflight";

/// What a host has.
pub(crate) async fn contents(
    link: &Link,
    options: &Options,
    bounds: Bounds,
) -> Result<Contents, Error> {
    let keys = Keys::new(&options.prefix);
    let (found, is_complete) = scan(link, &keys, bounds).await?;
    let mut contents =
        Contents { host: link.name().to_owned(), is_complete, ..Contents::default() };
    for some in found.chunks(AT_ONCE) {
        let some = sorted_sets(link, some).await?;
        let (groups, queues): (Vec<&str>, Vec<&str>) =
            some.into_iter().partition(|key| own(key, options).starts_with(GROUP));
        contents.queues.extend(sizes(link, options, &queues).await?);
        contents.groups.extend(members(link, options, &groups, bounds.members).await?);
    }
    contents.queues.retain(|queue| queue.waiting > 0);
    contents.groups.retain(|group| group.count > 0);
    contents.queues.sort_by_key(|queue| std::cmp::Reverse(queue.waiting));
    contents.groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    let (subscriptions, is_all) = subscriptions(link, options, &keys, bounds).await?;
    contents.subscriptions = subscriptions;
    contents.is_complete &= is_all;
    Ok(contents)
}

/// Keys of this layer, each once, and whether that is all of them.
async fn scan(link: &Link, keys: &Keys, bounds: Bounds) -> Result<(Vec<String>, bool), Error> {
    let (mut cursor, mut found) = ("0".to_owned(), std::collections::BTreeSet::new());
    for _ in 0..bounds.steps {
        let mut scan = redis::cmd("SCAN");
        scan.arg(&cursor).arg("MATCH").arg(keys.pattern()).arg("COUNT").arg(STEP);
        let Value::Array(parts) = link.command(&scan).await? else { break };
        let [next, page] = parts.as_slice() else { break };
        let own = texts(page).into_iter().filter(|key| keys.owns(key));
        found.extend(own);
        cursor = text(next).unwrap_or_default();
        if cursor == "0" && found.len() <= bounds.found {
            return Ok((found.into_iter().collect(), true));
        }
        if cursor == "0" || found.len() > bounds.found {
            break;
        }
    }
    Ok((found.into_iter().take(bounds.found).collect(), false))
}

/// Those of the keys that are sorted sets: a key of another program may look like one of ours.
async fn sorted_sets<'a>(link: &Link, keys: &'a [String]) -> Result<Vec<&'a str>, Error> {
    let mut pipeline = redis::pipe();
    keys.iter().for_each(|key| {
        pipeline.cmd("TYPE").arg(key);
    });
    let kinds = link.commands(&pipeline).await?;
    let is_set = |kind: &Value| text(kind).is_some_and(|kind| kind == "zset");
    let pairs = keys.iter().zip(&kinds).filter(|(_, kind)| is_set(kind));
    Ok(pairs.map(|(key, _)| key.as_str()).collect())
}

async fn sizes(link: &Link, options: &Options, keys: &[&str]) -> Result<Vec<Queue>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = redis::pipe();
    for key in keys {
        pipeline.cmd("ZCARD").arg(key);
        // The score alone would need a script; a message is short.
        pipeline.cmd("ZRANGE").arg(key).arg(0).arg(0).arg("WITHSCORES");
    }
    let replies = link.commands(&pipeline).await?;
    let queue = |(key, replies): (&&str, &[Value])| {
        let name = own(key, options);
        let channel = name.strip_suffix(IN_FLIGHT).unwrap_or(name);
        let [count, oldest] = replies else { return None };
        Some(Queue {
            channel: channel.to_owned(),
            waiting: number(count),
            capacity: options.capacity_of(channel),
            oldest: scored(oldest).first().map(|(_, age)| *age).unwrap_or_default(),
            is_in_flight: name.ends_with(IN_FLIGHT),
        })
    };
    Ok(keys.iter().zip(replies.chunks(2)).filter_map(queue).collect())
}

async fn members(
    link: &Link,
    options: &Options,
    keys: &[&str],
    most: usize,
) -> Result<Vec<Group>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = redis::pipe();
    for key in keys {
        pipeline.cmd("ZCARD").arg(key);
        // Up to -1 would be all.
        pipeline.cmd("ZRANGE").arg(key).arg(0).arg(most.max(1) - 1).arg("WITHSCORES");
    }
    let replies = link.commands(&pipeline).await?;
    let group = |(key, replies): (&&str, &[Value])| {
        let [count, oldest] = replies else { return None };
        let member = |(channel, age)| Member { channel, age, is_ghost: false };
        Some(Group {
            name: own(key, options).strip_prefix(GROUP)?.to_owned(),
            count: number(count),
            members: scored(oldest).into_iter().map(member).collect(),
        })
    };
    Ok(keys.iter().zip(replies.chunks(2)).filter_map(group).collect())
}

async fn subscriptions(
    link: &Link,
    options: &Options,
    keys: &Keys,
    bounds: Bounds,
) -> Result<(Vec<Subscription>, bool), Error> {
    let mut command = redis::cmd("PUBSUB");
    let names = texts(&link.command(command.arg("CHANNELS").arg(keys.pattern())).await?);
    let is_all = names.len() <= bounds.found;
    let mut found = Vec::new();
    for some in names.get(..bounds.found.min(names.len())).unwrap_or_default().chunks(AT_ONCE) {
        let mut command = redis::cmd("PUBSUB");
        let Value::Array(pairs) = link.command(command.arg("NUMSUB").arg(some)).await? else {
            continue;
        };
        for pair in pairs.chunks(2) {
            let [name, count] = pair else { continue };
            let Some(name) = text(name) else { continue };
            let group = own(&name, options).strip_prefix(PUBSUB_GROUP);
            found.push(Subscription {
                is_group: group.is_some(),
                name: group.unwrap_or(&name).to_owned(),
                subscribers: number(count),
            });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((found, is_all))
}

/// What follows the prefix.
fn own<'a>(key: &'a str, options: &Options) -> &'a str {
    key.strip_prefix(options.prefix.as_str()).unwrap_or(key)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

fn texts(value: &Value) -> Vec<String> {
    let Value::Array(values) = value else { return Vec::new() };
    values.iter().filter_map(text).collect()
}

fn number(value: &Value) -> u64 {
    if let Value::Int(number) = value { number.max(&0).cast_unsigned() } else { 0 }
}

/// Names with the ages that their scores, Unix seconds, say. What is no text, as a message, has none.
fn scored(value: &Value) -> Vec<(String, Duration)> {
    let Value::Array(values) = value else { return Vec::new() };
    let now = unix_now();
    let pair = |pair: &[Value]| {
        let [name, score] = pair else { return None };
        let score: f64 = text(score)?.parse().ok()?;
        let age = Duration::try_from_secs_f64((now - score).max(0.0)).unwrap_or_default();
        Some((text(name).unwrap_or_default(), age))
    };
    values.chunks(2).filter_map(pair).collect()
}
