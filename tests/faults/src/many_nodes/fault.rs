//! What happens to Redis and to the nodes. Each fault lasts until it is seen to bite, and then ends.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use moorline_test_redis::PASSWORD;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::Stand;
use crate::cluster::{self, Node, PATIENCE};
use crate::recorder::Recorder;

/// How long a node stands still: longer than a proxy or a peer would notice at once.
const STILL: Duration = Duration::from_secs(3);

/// A node hears itself every second, and knows after three.
const SOON: Duration = Duration::from_secs(8);

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Redis is killed and comes back empty.
    RedisRestart,
    /// Redis stands still (SIGSTOP) until every node knows.
    RedisPause,
    /// One node does not reach Redis: in turn its connections are reset, or fall silent.
    CutOff,
    /// FLUSHALL.
    Flush,
    /// Redis has no memory left.
    Full,
    /// Redis has another password, and everybody is thrown out.
    Password,
    /// `kill -9` of a node.
    NodeKill,
    /// A node stands still (SIGSTOP).
    NodePause,
    /// A node drains and comes back.
    NodeRestart,
    /// All nodes end and come back with a Redis behind Sentinel, whose master is killed then.
    Failover,
}

impl Fault {
    /// All of them, in the order in which they come; the last one leaves the Redis of the others.
    pub const ALL: [Self; 10] = [
        Self::NodeRestart,
        Self::RedisRestart,
        Self::RedisPause,
        Self::CutOff,
        Self::Flush,
        Self::Full,
        Self::Password,
        Self::NodeKill,
        Self::NodePause,
        Self::Failover,
    ];

    /// Without the first, the restart of a node, which the failover has as well.
    pub const BRIEF: &[Self] = Self::ALL.split_at(1).1;

    /// Its name in the history.
    pub fn name(self) -> &'static str {
        match self {
            Self::RedisRestart => "redis-restart",
            Self::RedisPause => "redis-pause",
            Self::CutOff => "redis-cut-off",
            Self::Flush => "redis-flush",
            Self::Full => "redis-full",
            Self::Password => "redis-password",
            Self::NodeKill => "node-kill",
            Self::NodePause => "node-pause",
            Self::NodeRestart => "node-restart",
            Self::Failover => "sentinel-failover",
        }
    }

    pub(crate) async fn strike(
        self,
        stand: &mut Stand,
        round: usize,
        recorder: &Recorder,
    ) -> Result<()> {
        let victim = round % stand.nodes.len();
        match self {
            Self::RedisRestart => {
                stand.redis.kill();
                lost(stand).await?;
                stand.redis.restart();
                Ok(())
            }
            Self::RedisPause => {
                stand.redis.pause();
                let known = deaf(stand, 0..stand.nodes.len()).await;
                stand.redis.resume();
                known
            }
            Self::CutOff => cut_off(stand, victim, round).await,
            Self::Flush => flush(stand).await,
            Self::Full => fill(stand).await,
            Self::Password => change_password(stand).await,
            Self::NodeKill => {
                stand.nodes[victim].kill().await?;
                recorder.line(json!({"is":"server","edge":"start"}));
                stand.nodes[victim].begin().await
            }
            Self::NodePause => {
                stand.nodes[victim].signal("-STOP").await?;
                sleep(STILL).await;
                stand.nodes[victim].signal("-CONT").await
            }
            Self::NodeRestart => {
                stand.nodes[victim].stop().await?;
                stand.nodes[victim].begin().await
            }
            Self::Failover => fail_over(stand, round).await,
        }
    }
}

/// Until some hint more was lost.
async fn lost(stand: &Stand) -> Result<()> {
    let before = cluster::counts(&stand.nodes).await?.lost();
    lost_more_than(stand, before).await
}

async fn lost_more_than(stand: &Stand, before: u64) -> Result<()> {
    cluster::until(&stand.nodes, "a hint is lost", |counts| counts.lost() > before).await.map(drop)
}

/// Until these nodes know that the layer carries nothing, which they must soon.
async fn deaf(stand: &Stand, which: std::ops::Range<usize>) -> Result<()> {
    let began = Instant::now();
    for node in stand.nodes[which].chunks(1) {
        cluster::until(node, "the node knows that it hears nothing", |counts| !counts.is_up)
            .await?;
    }
    ensure!(began.elapsed() < SOON, "that was known only after {:?}", began.elapsed());
    Ok(())
}

async fn cut_off(stand: &mut Stand, victim: usize, round: usize) -> Result<()> {
    let wire = &stand.nodes[victim].wire;
    if round.is_multiple_of(2) {
        wire.refuse();
        wire.cut();
    } else {
        wire.stall();
    }
    let known = deaf(stand, victim..victim + 1).await;
    stand.nodes[victim].wire.resume();
    known
}

/// Again and again, since a flushed Redis is in order again as soon as a node has joined its group anew.
async fn flush(stand: &Stand) -> Result<()> {
    let before = cluster::counts(&stand.nodes).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        for _ in 0..20 {
            let () = stand.redis.query(&["FLUSHALL"]).await;
            sleep(Duration::from_millis(5)).await;
        }
        let now = cluster::counts(&stand.nodes).await?;
        if now.lost() > before.lost() || now.filled > before.filled {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no hint is lost by a flush");
    }
}

/// Junk, until there is no room, then until a node has noticed.
async fn fill(stand: &Stand) -> Result<()> {
    let mut peer = stand.redis.peer().await;
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "8mb"]).query_async(&mut peer).await?;
    let junk = "x".repeat(64 * 1024);
    let mut number = 0;
    let full = loop {
        let name = format!("junk:{number}");
        let set = redis::cmd("SET").arg(&name).arg(&junk).query_async::<()>(&mut peer).await;
        match set {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    ensure!(full.to_string().contains("maxmemory"), "Redis is not full: {full}");
    // What was refused was large; now nothing fits, however small.
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "7mb"]).query_async(&mut peer).await?;
    lost(stand).await?;
    for number in 0..number {
        let () = redis::cmd("DEL").arg(format!("junk:{number}")).query_async(&mut peer).await?;
    }
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "0"]).query_async(&mut peer).await?;
    Ok(())
}

async fn change_password(stand: &Stand) -> Result<()> {
    // Who is in stays in, and can change it back.
    let mut peer = stand.redis.peer().await;
    let () = redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", "another one"])
        .query_async(&mut peer)
        .await?;
    let thrown: u64 =
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]).query_async(&mut peer).await?;
    ensure!(thrown > 0, "nobody was thrown out");
    let known = deaf(stand, 0..stand.nodes.len()).await;
    let () =
        redis::cmd("CONFIG").arg(&["SET", "requirepass", PASSWORD]).query_async(&mut peer).await?;
    known
}

async fn move_to(node: &mut Node, redis: &str) -> Result<()> {
    node.stop().await?;
    let place = node.site.args.iter().position(|word| word == "--redis-url");
    redis.clone_into(&mut node.site.args[place.context("the node has no Redis")? + 1]);
    node.begin().await
}

async fn fail_over(stand: &mut Stand, round: usize) -> Result<()> {
    if round > 0 {
        // The fleet has one replica; in further rounds it begins anew.
        stand.fleet = crate::sentinel::Fleet::start()?;
    }
    stand.fleet.ready().await?;
    let url = stand.fleet.url();
    try_join_all(stand.nodes.iter_mut().map(|node| move_to(node, &url))).await?;
    cluster::connected(&stand.nodes).await?;
    let before = cluster::counts(&stand.nodes).await?.lost();
    stand.fleet.fail_over().await?;
    lost_more_than(stand, before).await
}
