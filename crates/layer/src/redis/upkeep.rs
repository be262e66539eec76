//! What the core layer does unasked: memberships kept alive and restored, and a clean end.
//!
//! `Redis` starts the tasks, one of each a host, and aborts them. They change nothing but this process's own keys.

use std::sync::Arc;

use crate::gaps::Gap;
use crate::redis::link::backoff;
use crate::redis::memberships::Membership;
use crate::redis::{Shared, reader};

/// Memberships added again in one go; those who join or leave a group wait for that long.
const CHUNK: usize = 500;

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

/// Three times in a group expiry, so that two failures in a row do no harm.
pub(super) async fn refresh(shared: Arc<Shared>, host: usize) {
    let period = shared.options.group_expiry / 3;
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        restore_persistently(&shared, host).await;
    }
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
}
