//! The server that is measured, in a process of its own, and its processor time.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::api::{self, Api};
use crate::plan::Plan;

const SECRET: &str = "a-secret-for-the-benchmark-only-0123456789";
const API_KEY: &str = "an-api-key-for-the-benchmark-only-0123456789";
const PATIENCE: Duration = Duration::from_secs(20);

/// A server with compression; gone with its data when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    _data: TempDir,
}

/// A person's token.
pub(crate) fn token(user: &str) -> Result<String> {
    api::token(SECRET, user)
}

impl Server {
    pub(crate) fn start(product: &Path, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let data = TempDir::new_in(folder)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let log = folder.join("server.log");
        let child = Command::new(product)
            .args(["serve", "--compression", "--port", &port.to_string(), "--data-dir"])
            .arg(data.path())
            .env("MOORLINE_JWT_SECRET", SECRET)
            .env("MOORLINE_API_KEY", API_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {}", product.display()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { address, child, _data: data };
        server.wait_until_ready(&log)?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, log: &Path) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at its start: {status}; see {}", log.display());
            }
            if self.ask("/readyz").is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the server is not ready; see {}", log.display());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn ask(&self, path: &str) -> Result<(u16, String)> {
        Api::connect(self.address, API_KEY)?.call("GET", path, "")
    }

    /// Makes people and rooms.
    pub(crate) fn make(&self, plan: &Plan) -> Result<()> {
        api::make(self.address, API_KEY, plan)
    }

    /// Frames deflated so far.
    pub(crate) fn deflations(&self) -> Result<u64> {
        let (_, metrics) = self.ask("/metrics")?;
        let name = "moorline_frames_deflated_total ";
        let count = metrics.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
        count.context("the metrics do not count deflations")
    }

    /// Processor time so far, to the nanosecond, of all threads that live.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut total = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            let ran = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
            total += ran.context("schedstat is not as known")?;
        }
        Ok(Duration::from_nanos(total))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
