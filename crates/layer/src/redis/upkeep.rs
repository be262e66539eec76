//! What the core layer does unasked: memberships kept alive and restored, and a clean end.
//!
//! `Redis` starts the tasks, one of each a host, and aborts them. They change nothing but this process's own keys.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::gaps::Gap;
use crate::redis::link::backoff;
use crate::redis::memberships::Membership;
use crate::redis::{Shared, reader, scripts, unix_now};

/// Memberships added again in one go; those who join or leave a group wait for that long.
const CHUNK: usize = 500;

/// Memberships that an audit asks for.
const AUDITED: usize = 16;

/// After each reconnection of a host: everything that it may have lost is there again, then the caller is told.
pub(super) async fn restore_after_reconnections(shared: Arc<Shared>, host: usize) {
    let link = Arc::clone(shared.hosts.link(host));
    let mut epoch = link.up(0).await;
    loop {
        epoch = link.up(epoch).await;
        restore_persistently(&shared, host).await;
        shared.reporter.report(Gap::Reconnected { host: link.name().to_owned() });
    }
}

/// A Redis that is flushed, or whose data another takes the place of, forgets memberships without breaking a connection.
pub(super) async fn audit(shared: Arc<Shared>, host: usize) {
    let mut ticks = ticks_of(shared.options.audit_every);
    loop {
        ticks.tick().await;
        if has_forgotten(&shared, host).await {
            let host_name = shared.hosts.link(host).name().to_owned();
            tracing::warn!(host = host_name, "Redis has forgotten the groups, restoring them");
            restore_persistently(&shared, host).await;
            shared.reporter.tally().forgotten();
            shared.reporter.report(Gap::Forgotten { host: host_name });
        }
    }
}

/// Whether all of a few memberships are gone. If only some are, another process took them away, and that stands.
async fn has_forgotten(shared: &Shared, host: usize) -> bool {
    let some = shared.memberships.some(
        rand::random::<u32>() as usize,
        AUDITED,
        |group| shared.hosts.index_of(group) == host,
        |channel| shared.is_ours(channel),
    );
    if !shared.are_all_missing(host, &some).await {
        return false;
    }
    // They may just be on their way in or out; behind the gate none is.
    let _gate = shared.gates[host].write().await;
    let still: Vec<Membership> =
        some.into_iter().filter(|one| shared.memberships.has(one)).collect();
    shared.are_all_missing(host, &still).await
}

/// Three times in a group expiry, so that two failures in a row do no harm.
pub(super) async fn refresh(shared: Arc<Shared>, host: usize) {
    let mut ticks = ticks_of(shared.options.group_expiry / 3);
    loop {
        ticks.tick().await;
        restore_persistently(&shared, host).await;
    }
}

fn ticks_of(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn restore_persistently(shared: &Shared, host: usize) {
    let mut attempt = 0;
    while let Err(error) = restore(shared, host).await {
        if attempt == 0 {
            tracing::warn!(%error, "could not restore memberships of groups, trying on");
        }
        tokio::time::sleep(backoff(attempt, rand::random())).await;
        attempt += 1;
    }
}

/// Discards what was discarded while the host was away, and adds all memberships again.
async fn restore(shared: &Shared, host: usize) -> Result<(), crate::Error> {
    let is_here = |group: &str| shared.hosts.index_of(group) == host;
    let withdrawn = shared.memberships.take_withdrawn(is_here);
    if !withdrawn.is_empty() {
        shared.discard(host, withdrawn).await?;
    }
    let memberships = shared.memberships.list(is_here, |channel| shared.is_ours(channel));
    for chunk in memberships.chunks(CHUNK) {
        let _gate = shared.gates[host].write().await;
        let still: Vec<Membership> =
            chunk.iter().filter(|one| shared.memberships.has(one)).cloned().collect();
        if !still.is_empty() {
            shared.add_to_groups(host, &still).await?;
        }
    }
    Ok(())
}

/// The end of a layer: its own queues and memberships go, what it holds of shared queues goes back.
pub(super) async fn withdraw(shared: &Shared, names: &[String]) {
    let is_own = |channel: &str| shared.client.owns(channel);
    let ours = shared.memberships.list(|_| true, is_own);
    let left = shared.leave(ours).await;
    for (host, link) in shared.hosts.iter().enumerate() {
        let mut pipeline = redis::pipe();
        for name in names {
            let (queue, in_flight) = (shared.keys.queue(name), shared.keys.in_flight(name));
            if name.ends_with('!') {
                pipeline.cmd("DEL").arg(queue).arg(in_flight);
                continue;
            }
            let held = shared.mailboxes.give_back(name, host);
            if !held.is_empty() {
                pipeline.add_command(reader::put_back(&queue, &held));
                pipeline.cmd("EXPIRE").arg(&queue).arg(shared.expiry);
            }
        }
        if pipeline.is_empty() {
            continue;
        }
        if let Err(error) = link.commands(&pipeline).await {
            tracing::info!(%error, "left keys behind in Redis, which expire");
        }
    }
    if let Err(error) = left {
        tracing::info!(%error, "left memberships behind in Redis, which expire");
    }
}

impl Shared {
    /// Whether this process keeps a channel in its groups: its own ones, and normal ones that it reads.
    fn is_ours(&self, channel: &str) -> bool {
        self.client.owns(channel) || self.mailboxes.is_read(channel)
    }

    /// Whether Redis says that it has none of these. A host that does not answer has not said so.
    ///
    /// `ZADD XX` touches what is there and adds nothing; unlike `ZSCORE` it needs no command that Django does not use,
    /// so that every ACL allows it.
    async fn are_all_missing(&self, host: usize, some: &[Membership]) -> bool {
        if some.is_empty() {
            return false;
        }
        let (now, mut pipeline) = (scripts::score(unix_now()), redis::pipe());
        for one in some {
            let key = self.keys.group(&one.group);
            pipeline.cmd("ZADD").arg(&key).arg("XX").arg("CH").arg(&now).arg(&one.channel);
        }
        let touched = self.hosts.link(host).commands(&pipeline).await;
        touched.is_ok_and(|counts| counts.iter().all(|count| *count == Value::Int(0)))
    }
}
