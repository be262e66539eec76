//! What kind of Redis it is: its commands, its clock, its policy of throwing keys away, and whether it is the master.

use std::time::Duration;

use moorline_layer::{Reply, Trouble};

use super::{ANSWER, clock, denied, each_host, info, layer, of_hosts, open, own_key, value};
use crate::finding::Outcome;
use crate::local::clock::{self as clocks, Around};
use crate::subject::Subject;

/// How long a test read waits: longer than the five seconds after which redis-py 8 gives up by default.
const WAIT_SECONDS: &str = "6";

/// Clocks closer than this are the same.
const CLOSE: f64 = 1.0;

pub(crate) async fn allows_commands(subject: &Subject) -> Outcome {
    each_host(subject, async |mut probe, host, layer| {
        let version = info(&mut probe, "server").await?;
        let version = version.as_deref().and_then(|pairs| value(pairs, "redis_version"));
        let version = version.unwrap_or("of an unknown version").to_owned();
        let major = version.split('.').next().and_then(|word| word.parse::<u32>().ok());
        if major.is_some_and(|major| major < 5) {
            return Ok(Outcome::fail(
                format!("{host} is Redis {version}."),
                "The layer, and channels_redis, need BZPOPMIN, which came with version 5.",
                "Upgrade Redis.",
            ));
        }
        let key = own_key(layer);
        let script = "return redis.call('zcard', KEYS[1])";
        let asked: [&[&str]; 4] = [
            &["ZADD", &key, "1", "a"],
            &["EXPIRE", &key, "60"],
            &["EVAL", script, "1", &key],
            &["BZPOPMIN", &key, "1"],
        ];
        for words in asked {
            if let Some(why) = denied(&probe.ask(words, ANSWER).await?) {
                let command = words.first().copied().unwrap_or_default();
                return Ok(Outcome::fail(
                    format!("{host} refuses {command}: {why}."),
                    "The layer cannot work without it.",
                    "Permit it to this user: redis-cli ACL SETUSER NAME '~*' '&*' +@sortedset +@keyspace +@pubsub \
                     +@scripting +@transaction +@connection. A replica refuses writes: see ML-REDIS-016.",
                ));
            }
        }
        Ok(Outcome::pass(format!("Redis {version}; EVAL and BZPOPMIN are permitted.")))
    })
    .await
}

pub(crate) async fn lets_wait(subject: &Subject) -> Outcome {
    if let Ok(layer) = layer(subject)
        && layer.is_pubsub
    {
        return Outcome::skipped("The Pub/Sub layer reads nothing that waits.");
    }
    each_host(subject, async |mut probe, host, layer| {
        let key = own_key(layer);
        let started = std::time::Instant::now();
        let patience = Duration::from_secs(15);
        let why = "The layer, and channels_redis, read in this way all the time; each read that is cut loses a connection, and \
                   in Django ends a consumer.";
        let fix = "Raise the time limit of what is in between (a proxy's timeout, a firewall's) above 30 s, and `timeout` in \
                   redis.conf to 0: redis-cli CONFIG SET timeout 0.";
        match probe.ask(&["BZPOPMIN", &key, WAIT_SECONDS], patience).await {
            Ok(Reply::Nothing) => Ok(Outcome::pass(format!("A read may wait for {WAIT_SECONDS} s."))),
            Ok(Reply::Refused(_)) => Ok(Outcome::skipped("The read is refused: see ML-REDIS-004 and ML-REDIS-016.")),
            Ok(other) => Ok(Outcome::fail(format!("{host} answers something else: {other:?}."), why, fix)),
            Err(trouble) => {
                let after = started.elapsed().as_secs();
                let seen = format!("The connection to {host} was ended after {after} s of waiting: {}.", trouble.why);
                Ok(Outcome::fail(seen, why, fix))
            }
        }
    })
    .await
}

pub(crate) async fn has_same_clock(subject: &Subject) -> Outcome {
    let now = subject.now;
    each_host(subject, |mut probe, host, layer| async move {
        let before = now();
        let Some(theirs) = clock(&mut probe).await? else {
            return Ok(Outcome::skipped("This user may not ask for the time."));
        };
        let ahead = Around::new(before, now()).ahead(theirs);
        let seen = clocks::told(ahead, &host.to_string());
        let why = "Messages carry their sender's time. Where clocks are apart by the expiry, each side throws the other's \
                   messages away as too old.";
        Ok(match ahead.abs() {
            far if far >= layer.options.expiry.as_secs_f64() / 2.0 => Outcome::fail(seen, why, clocks::FIX),
            far if far >= CLOSE => Outcome::warn(seen, why, clocks::FIX),
            _ => Outcome::pass("The same as this machine's."),
        })
    })
    .await
}

pub(crate) async fn keeps_keys(subject: &Subject) -> Outcome {
    each_host(subject, async |mut probe, host, _| {
        let Some(memory) = info(&mut probe, "memory").await? else {
            return Ok(Outcome::skipped("This user may not ask for INFO."));
        };
        let stats = info(&mut probe, "stats").await?.unwrap_or_default();
        let number = |pairs: &[(String, String)], name| value(pairs, name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let (limit, used) = (number(&memory, "maxmemory"), number(&memory, "used_memory"));
        let evicted = number(&stats, "evicted_keys");
        let policy = value(&memory, "maxmemory_policy").unwrap_or("noeviction");
        let throws = policy != "noeviction";
        let so_far = if evicted > 0 { format!(" {evicted} keys were thrown away so far.") } else { String::new() };
        Ok(if limit > 0 && throws {
            Outcome::fail(
                format!("{host} has a limit of {} MiB and the policy {policy}.{so_far}", limit >> 20),
                "When memory runs short, Redis throws away groups and messages, and sockets go deaf without a word.",
                "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf; keep caches in another Redis.",
            )
        } else if limit > 0 && used > limit / 10 * 9 {
            Outcome::warn(
                format!("{host} uses {} of {} MiB.", used >> 20, limit >> 20),
                "At the limit it refuses every write, while Pub/Sub goes on.",
                "redis-cli CONFIG SET maxmemory with more, or see what fills it: redis-cli --bigkeys.",
            )
        } else if throws {
            Outcome::pass(format!("No memory limit, so the policy {policy} does nothing; with a limit set noeviction too."))
        } else {
            Outcome::pass(format!("noeviction.{so_far}"))
        })
    })
    .await
}

pub(crate) async fn is_master(subject: &Subject) -> Outcome {
    of_hosts(subject, async |host, _| {
        let looked = match open(host).await {
            Ok(mut probe) => role(&mut probe, &host.to_string()).await,
            Err(trouble) if trouble.why.contains("MASTERDOWN") => {
                Ok(replica(&host.to_string(), &trouble.why))
            }
            Err(trouble) => Err(trouble),
        };
        looked.unwrap_or_else(super::login::unreached)
    })
    .await
}

async fn role(probe: &mut moorline_layer::Probe, host: &str) -> Result<Outcome, Trouble> {
    let Some(pairs) = info(probe, "replication").await? else {
        return Ok(Outcome::skipped("This user may not ask for INFO."));
    };
    if value(&pairs, "role") != Some("slave") {
        let replicas = value(&pairs, "connected_slaves").unwrap_or("0");
        return Ok(Outcome::pass(format!("It is a master, with {replicas} replicas.")));
    }
    let master = format!(
        "{}:{}",
        value(&pairs, "master_host").unwrap_or("?"),
        value(&pairs, "master_port").unwrap_or("?")
    );
    let state = match value(&pairs, "master_link_status") {
        Some("up") => format!("of {master}"),
        _ => {
            let since = value(&pairs, "master_link_down_since_seconds").unwrap_or("?");
            let since = if since == "-1" {
                "never connected".to_owned()
            } else {
                format!("lost for {since} s")
            };
            format!("of {master}, stale: its master is not reached ({since})")
        }
    };
    Ok(replica(host, &state))
}

fn replica(host: &str, state: &str) -> Outcome {
    Outcome::fail(
        format!("{host} is a replica {state}."),
        "It cannot be written to (READONLY), and what a stale one shows is old: groups are missing members, messages go nowhere.",
        "Name the master in the URL, or let Sentinels name it: redis+sentinel://HOST:26379/MASTER/0. If the master is gone for \
         good: redis-cli REPLICAOF NO ONE on the replica that is to take over.",
    )
}
