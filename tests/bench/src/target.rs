//! The server under measure, the product or the bare one: started as a process of its own, pinned
//! to one core, and asked for its processor time and memory.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tempfile::TempDir;

use crate::api;
use crate::plan::Plan;

const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";
const SECRET: &str = "a-secret-for-the-benchmark-only-0123456789";
const API_KEY: &str = "an-api-key-for-the-benchmark-only-0123456789";

/// Ticks of /proc/PID/stat in a second; fixed in the kernel's interface to programs.
const TICKS: f64 = 100.0;

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// `moorline serve`.
    Product,
    /// The bare server of this crate.
    Bare,
}

/// How to start it.
#[derive(Clone)]
pub(crate) struct Start {
    /// The product's program.
    pub(crate) product: PathBuf,
    /// Where data folders are made; its disk is the one that is measured.
    pub(crate) folder: PathBuf,
    /// Seconds between protocol pings.
    pub(crate) ping_interval: u64,
    /// A library to load first, which makes syncs slow.
    pub(crate) preload: Option<PathBuf>,
}

/// A running server. Dropping it ends the process and deletes its data.
pub(crate) struct Server {
    /// Which one it is.
    pub(crate) target: Target,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
    data: TempDir,
}

/// Pins this process, before it starts any thread.
pub(crate) fn pin_load() -> Result<()> {
    let pid = std::process::id().to_string();
    let done = Command::new("taskset")
        .args(["-cp", LOAD_CORE, &pid])
        .stdout(Stdio::null())
        .status()
        .context("cannot run taskset, which util-linux brings")?;
    if !done.success() {
        bail!("cannot pin the load to core {LOAD_CORE}: the benchmark needs two cores");
    }
    Ok(())
}

impl Server {
    /// Starts a server with an empty data folder and waits until it answers.
    pub(crate) fn start(target: Target, start: &Start) -> Result<Server> {
        std::fs::create_dir_all(&start.folder)?;
        let data = TempDir::new_in(&start.folder)?;
        let port = free_port()?;
        let mut server = Server {
            target,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            child: command(target, start, data.path(), port)?.spawn().context("cannot start")?,
            data,
        };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// Ends it and starts it again on the same data.
    pub(crate) fn restart(&mut self, start: &Start) -> Result<()> {
        self.stop();
        let port = self.address.port();
        self.child = command(self.target, start, self.data.path(), port)?.spawn()?;
        self.wait_until_it_answers()
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the {:?} server ended at its start: {status}", self.target);
            }
            if Instant::now() > deadline {
                bail!("the {:?} server does not answer", self.target);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn stop(&mut self) {
        // It may have ended already; then there is nothing to end and nothing to wait for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Makes the people and rooms of a plan; the bare server learns them from each hello.
    pub(crate) fn make(&self, plan: &Plan) -> Result<()> {
        match self.target {
            Target::Product => api::make(self.address, API_KEY, plan),
            Target::Bare => Ok(()),
        }
    }

    /// The hello of each person. To the bare server it says the rooms and how many bytes to
    /// answer with as well.
    pub(crate) fn hellos(&self, plan: &Plan, reply: usize) -> Result<Vec<Vec<u8>>> {
        let hello = |person| self.hello(plan, person, &json!({}), reply);
        (0..plan.people.len()).map(hello).collect()
    }

    /// One person's hello with positions to resume from.
    pub(crate) fn hello(
        &self,
        plan: &Plan,
        person: usize,
        resume: &serde_json::Value,
        reply: usize,
    ) -> Result<Vec<u8>> {
        let user = &plan.people[person].user;
        let token = api::token(SECRET, user)?;
        let bare = match self.target {
            Target::Product => String::new(),
            Target::Bare => {
                format!(r#""user":"{user}","rooms":"{}","reply":{reply},"#, plan.rooms_of(person))
            }
        };
        Ok(format!(r#"{{"type":"hello",{bare}"token":"{token}","resume":{resume}}}"#).into_bytes())
    }

    /// Processor time of the whole process so far, user and system, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        cpu_ticks(&stat).map(|ticks| ticks as f64 / TICKS).context("/proc/PID/stat is not as known")
    }

    /// Processor time that neither the server nor the load has used so far, of all cores: whoever
    /// else works on the machine disturbs the figures.
    pub(crate) fn cpu_of_others(&self) -> Result<f64> {
        let machine = std::fs::read_to_string("/proc/stat")?;
        let busy = machine_ticks(&machine).context("/proc/stat is not as known")? as f64 / TICKS;
        let own = std::fs::read_to_string("/proc/self/stat")?;
        let own = cpu_ticks(&own).context("/proc/PID/stat is not as known")? as f64 / TICKS;
        Ok(busy - own - self.cpu()?)
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let value = line.and_then(|line| line.split_whitespace().next());
        value.and_then(|value| value.parse().ok()).context("/proc/PID/status is not as known")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn command(target: Target, start: &Start, data: &Path, port: u16) -> Result<Command> {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE]);
    let port = port.to_string();
    let interval = start.ping_interval.to_string();
    match target {
        Target::Bare => {
            command.arg(std::env::current_exe()?).args(["bare", "--port", &port]);
        }
        Target::Product => {
            command.arg(&start.product).args(["serve", "--port", &port, "--data-dir"]);
            command.arg(data).env("MOORLINE_JWT_SECRET", SECRET).env("MOORLINE_API_KEY", API_KEY);
        }
    }
    command.args(["--ping-interval", &interval]);
    if let Some(library) = &start.preload {
        command.env("LD_PRELOAD", library);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    if target == Target::Product {
        // Kept beside the data folders: what a failed run leaves to read.
        command.stderr(std::fs::File::create(start.folder.join("server.log"))?);
    }
    Ok(command)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// User and system ticks of a line of /proc/PID/stat, whose second field is a name in brackets.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// Ticks of all cores in which anything ran, this machine's host included.
fn machine_ticks(stat: &str) -> Option<u64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _waiting, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    Some(user + nice + system + irq + softirq + steal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_user_and_system_whatever_the_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 130 0 0 20 0 3 0 100 0";
        assert_eq!(cpu_ticks(stat), Some(380));
        assert_eq!(cpu_ticks("42 nothing"), None);
    }

    #[test]
    fn a_machine_is_busy_when_it_is_neither_idle_nor_waiting() {
        let stat = "cpu  100 10 50 9999 777 1 2 3 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(machine_ticks(stat), Some(166));
        assert_eq!(machine_ticks("cpu 1 2"), None);
    }
}
