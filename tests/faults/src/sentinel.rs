//! A Redis master, its replica, and a Sentinel that makes the replica master when the master is gone.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moorline_test_redis::{PASSWORD, PASSWORD_IN_URL, Server as Redis};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::cluster::PATIENCE;

const MASTER: &str = "moorings";

/// The three processes; gone with this.
pub struct Fleet {
    /// The master at the start.
    pub master: Redis,
    _replica: Redis,
    sentinel: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // It is ours alone, and there is nothing to be done if it is gone already.
        let _ = self.sentinel.kill();
        let _ = self.sentinel.wait();
    }
}

impl Fleet {
    /// Starts all three; the Sentinel needs some seconds before it knows the replica.
    ///
    /// # Errors
    /// If the Sentinel cannot be started.
    pub fn start() -> Result<Self> {
        let master = Redis::start_with(&["--masterauth", PASSWORD]);
        let of = master.port().to_string();
        let replica =
            Redis::start_with(&["--replicaof", "127.0.0.1", &of, "--masterauth", PASSWORD]);
        let folder = TempDir::with_prefix("moorline-sentinel-")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = folder.path().join("sentinel.conf");
        std::fs::write(
            &config,
            format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {MASTER} 127.0.0.1 {of} 1\n\
                 sentinel auth-pass {MASTER} {PASSWORD}\n\
                 sentinel down-after-milliseconds {MASTER} 1000\n\
                 sentinel failover-timeout {MASTER} 10000\n",
                folder.path().display()
            ),
        )?;
        let mut command = Command::new("redis-server");
        command.arg(&config).arg("--sentinel").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let sentinel = command.spawn().context("cannot start the Sentinel")?;
        Ok(Self { master, _replica: replica, sentinel, port, _folder: folder })
    }

    /// The URL for whoever asks the Sentinel for the master.
    pub fn url(&self) -> String {
        format!("redis+sentinel://:{PASSWORD_IN_URL}@127.0.0.1:{}/{MASTER}/0", self.port)
    }

    /// Waits until a failover is possible.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn ready(&self) -> Result<()> {
        self.wait("the replica is known", &["SENTINEL", "REPLICAS", MASTER], |said| {
            said.contains("master-link-status\nok")
        })
        .await
    }

    /// Kills the master and waits until the replica is master.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn fail_over(&mut self) -> Result<()> {
        let before = self.master.port().to_string();
        self.master.kill();
        let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        self.wait("there is another master", &ask, |said| {
            said.lines().nth(1).is_some_and(|port| !port.is_empty() && port != before)
        })
        .await
    }

    async fn wait(&self, what: &str, words: &[&str], is_so: impl Fn(&str) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut ask = tokio::process::Command::new("redis-cli");
            ask.args(["-p", &self.port.to_string()]).args(words);
            let said = ask.output().await.context("cannot run redis-cli")?;
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            if is_so(&said) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "still waiting until {what}: {said}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}
