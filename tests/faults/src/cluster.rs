//! Nodes of one store, each a process behind a TCP proxy of its own to one Redis: started, killed, paused, asked what they
//! count. Used by the proofs of many nodes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moorline_test_postgres::Database;
use moorline_test_redis::{PASSWORD_IN_URL, Server as Redis};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::proxy::Proxy;
use crate::server::{Server, Site};

/// Whatever is waited for comes within this time, however slow the machine is.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A node.
pub struct Node {
    /// How it is started.
    pub site: Site,
    /// The process; none while it is down.
    pub server: Option<Server>,
    /// Its way to Redis.
    pub wire: Proxy,
    log: std::path::PathBuf,
    past: Counts,
    _data: TempDir,
}

/// What nodes count of their hints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hints that were sent.
    pub sent: u64,
    /// Hints of other nodes that came.
    pub received: u64,
    /// Hints that the layer did not take.
    pub dropped: u64,
    /// Hints that did not come.
    pub missed: u64,
    /// Messages that are malformed or forged.
    pub refused: u64,
    /// Messages of another store.
    pub foreign: u64,
    /// Holes that were filled from the store.
    pub filled: u64,
    /// Events that were read for them.
    pub read: u64,
    /// Events that were given to live feeds by the node that committed them.
    pub published: u64,
    /// Whether the layer carries hints.
    pub is_up: bool,
}

impl Counts {
    /// Hints that were lost, as far as somebody noticed.
    pub fn lost(&self) -> u64 {
        self.dropped + self.missed
    }

    fn read(metrics: &str) -> Self {
        let of = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|number| number.trim().parse::<f64>().ok())
                .map_or(0, |number| number as u64)
        };
        Self {
            sent: of("moorline_hints_sent_total"),
            received: of("moorline_hints_received_total"),
            dropped: of("moorline_hints_dropped_total"),
            missed: of("moorline_hints_missed_total"),
            refused: of("moorline_hints_refused_total"),
            foreign: of("moorline_hints_foreign_total"),
            filled: of("moorline_feed_holes_filled_total"),
            read: of("moorline_feed_events_read_total"),
            published: of("moorline_events_published_total"),
            is_up: of("moorline_layer_up") == 1,
        }
    }

    /// What was counted from then to now.
    #[must_use]
    pub fn since(self, then: Self) -> Self {
        Self {
            sent: self.sent - then.sent,
            received: self.received - then.received,
            dropped: self.dropped - then.dropped,
            missed: self.missed - then.missed,
            refused: self.refused - then.refused,
            foreign: self.foreign - then.foreign,
            filled: self.filled - then.filled,
            read: self.read - then.read,
            published: self.published - then.published,
            is_up: self.is_up,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            received: self.received + other.received,
            dropped: self.dropped + other.dropped,
            missed: self.missed + other.missed,
            refused: self.refused + other.refused,
            foreign: self.foreign + other.foreign,
            filled: self.filled + other.filled,
            read: self.read + other.read,
            published: self.published + other.published,
            is_up: self.is_up && other.is_up,
        }
    }
}

impl Node {
    /// A running node on a database and, through a proxy of its own, a Redis.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(database: &Database, redis: &Redis, more: &[&str]) -> Result<Self> {
        let wire = Proxy::start(SocketAddr::from(([127, 0, 0, 1], redis.port()))).await?;
        let to_redis = wire.address();
        Self::start_by(wire, to_redis, database, more).await
    }

    /// The same without anything between it and Redis: its proxy leads there too, but it does not use it.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start_directly(database: &Database, redis: &Redis, more: &[&str]) -> Result<Self> {
        let to_redis = SocketAddr::from(([127, 0, 0, 1], redis.port()));
        Self::start_by(Proxy::start(to_redis).await?, to_redis, database, more).await
    }

    async fn start_by(
        wire: Proxy,
        to_redis: SocketAddr,
        database: &Database,
        more: &[&str],
    ) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let redis = format!("redis://:{PASSWORD_IN_URL}@{to_redis}/0");
        let mut site = Site::new(&data.path().join("data"))?;
        let words = ["--database-url", &database.url(), "--redis-url", &redis];
        site.args = words.iter().chain(more).map(|word| (*word).to_owned()).collect();
        let log = data.path().join("log");
        let mut node = Self { site, server: None, wire, log, past: Counts::default(), _data: data };
        node.begin().await?;
        Ok(node)
    }

    /// Starts the process again.
    ///
    /// # Errors
    /// If it is not ready in time.
    pub async fn begin(&mut self) -> Result<()> {
        let mut command = self.site.command();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
        command.stderr(log);
        let started = self.site.start_with(command).await;
        let said = || std::fs::read_to_string(&self.log).unwrap_or_default();
        self.server = Some(started.with_context(said)?.with_context(said)?);
        Ok(())
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.site.address
    }

    /// The process.
    ///
    /// # Errors
    /// If it is down.
    pub fn server(&mut self) -> Result<&mut Server> {
        self.server.as_mut().context("the node is down")
    }

    /// What it has counted over all its lives.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn counts(&self) -> Result<Counts> {
        let server = self.server.as_ref().context("the node is down")?;
        let metrics = server.request("GET", "/metrics", None, &[]).await?;
        let now = Counts::read(&String::from_utf8_lossy(&metrics.body));
        Ok(Counts { is_up: now.is_up, ..self.past.plus(now) })
    }

    /// `kill -9`; what it had counted is kept.
    ///
    /// # Errors
    /// If there is no process.
    pub async fn kill(&mut self) -> Result<()> {
        self.past = self.counts().await?;
        self.server()?.kill().await?;
        self.server = None;
        Ok(())
    }

    /// An ordinary end, drain and all.
    ///
    /// # Errors
    /// If it does not end in time.
    pub async fn stop(&mut self) -> Result<()> {
        self.past = self.counts().await?;
        self.server()?.stop().await?;
        self.server = None;
        Ok(())
    }

    /// Sends a signal, such as `-STOP`.
    ///
    /// # Errors
    /// If there is no process.
    pub async fn signal(&mut self, name: &str) -> Result<()> {
        let pid = self.server()?.pid().context("the node has ended")?.to_string();
        let sent = Command::new("kill").args([name, &pid]).status().await?;
        ensure!(sent.success(), "no process {pid}");
        Ok(())
    }
}

/// What all of them have counted; up only if all are.
///
/// # Errors
/// If one does not say.
pub async fn counts(nodes: &[Node]) -> Result<Counts> {
    let mut all = Counts { is_up: true, ..Counts::default() };
    for node in nodes {
        all = all.plus(node.counts().await?);
    }
    Ok(all)
}

/// Waits until it is so of what all nodes count.
///
/// # Errors
/// If that takes too long.
pub async fn until(nodes: &[Node], what: &str, is_so: impl Fn(&Counts) -> bool) -> Result<Counts> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let counts = counts(nodes).await?;
        if is_so(&counts) {
            return Ok(counts);
        }
        ensure!(Instant::now() < deadline, "still waiting until {what}: {counts:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until every node hears the others.
///
/// # Errors
/// If that takes too long.
pub async fn connected(nodes: &[Node]) -> Result<()> {
    let mut before = Vec::new();
    for node in nodes {
        before.push(node.counts().await?.received);
    }
    for (node, before) in nodes.chunks(1).zip(before) {
        let hears = |counts: &Counts| counts.is_up && counts.received > before;
        until(node, "the node hears the others", hears).await?;
    }
    Ok(())
}
