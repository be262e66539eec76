//! What is measured: two nodes, their PostgreSQL and their Redis, and the processor time that they use.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use moorline_test_postgres::Server as Postgres;
use moorline_test_redis::Server as Redis;
use tempfile::TempDir;

use crate::api::{self, Api};
use crate::plan::Plan;

const SECRET: &str = "a-secret-for-the-benchmark-only-0123456789";
const API_KEY: &str = "an-api-key-for-the-benchmark-only-0123456789";
const PATIENCE: Duration = Duration::from_secs(20);

/// All of it; gone when it is dropped.
pub(crate) struct Site {
    nodes: [Node; 2],
    redis: Redis,
    _postgres: Postgres,
    _folder: TempDir,
}

struct Node {
    address: SocketAddr,
    child: Child,
    /// The node's notes about its store.
    _data: TempDir,
}

impl Site {
    pub(crate) fn start(product: &Path, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let own = TempDir::new_in(folder)?;
        let postgres = Postgres::start_in(own.path());
        let redis = Redis::start();
        let node = || Node::start(product, folder, &postgres.url("postgres"), &redis.url(0));
        let nodes = [node()?, node()?];
        Ok(Self { nodes, redis, _postgres: postgres, _folder: own })
    }

    pub(crate) fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].address
    }

    /// Makes people and rooms.
    pub(crate) fn make(&self, plan: &Plan) -> Result<()> {
        api::make(self.address(0), API_KEY, plan)
    }

    pub(crate) fn token(user: &str) -> Result<String> {
        api::token(SECRET, user)
    }

    /// Processor time of the second node and of Redis so far.
    pub(crate) fn cpu_beside_the_first(&self) -> Result<Duration> {
        Ok(cpu(self.nodes[1].child.id())? + cpu(self.redis.pid())?)
    }

    /// What the metrics of both nodes say of hints.
    pub(crate) async fn hints(&self) -> Result<String> {
        let mut said = Vec::new();
        for (node, name) in self.nodes.iter().zip(["first", "second"]) {
            let (status, metrics) =
                Api::connect(node.address, API_KEY)?.call("GET", "/metrics", "")?;
            ensure!(status == 200, "no metrics: {status}");
            let of_hints = metrics.lines().filter(|line| line.starts_with("moorline_hints"));
            let of_hints = of_hints.map(|line| line.trim_start_matches("moorline_hints_"));
            said.push(format!("{name}: {}", of_hints.collect::<Vec<_>>().join(", ")));
        }
        Ok(format!("hints of the {}", said.join("; of the ")))
    }
}

impl Node {
    fn start(product: &Path, folder: &Path, database: &str, redis: &str) -> Result<Self> {
        let data = TempDir::new_in(folder)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let child = Command::new(product)
            .args(["serve", "--port", &port.to_string(), "--data-dir"])
            .arg(data.path())
            .args(["--database-url", database, "--redis-url", redis])
            .env("MOORLINE_JWT_SECRET", SECRET)
            .env("MOORLINE_API_KEY", API_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("node.log"))?)
            .spawn()
            .with_context(|| format!("cannot start {}", product.display()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut node = Self { address, child, _data: data };
        node.wait_until_ready(&folder.join("node.log"))?;
        Ok(node)
    }

    fn wait_until_ready(&mut self, log: &Path) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("a node ended at its start: {status}; see {}", log.display());
            }
            let ready = Api::connect(self.address, API_KEY)
                .and_then(|mut api| api.call("GET", "/readyz", ""));
            if ready.is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "a node is not ready; see {}", log.display());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of a process, to the nanosecond, of all its threads that live.
fn cpu(pid: u32) -> Result<Duration> {
    let mut total = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let ran = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        total += ran.context("schedstat is not as known")?;
    }
    Ok(Duration::from_nanos(total))
}
