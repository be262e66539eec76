//! Memory and processor time of the server, where it can be seen: by its process number on the same machine, or by the
//! standard numbers of a process in its metrics. What cannot be seen is left out, never an error.

use std::fs;

use serde::Serialize;

use crate::http::{Http, whole};
use crate::target::Target;

/// Ticks of a second in `/proc`, on every Linux of today.
const TICKS: f64 = 100.0;

/// What a server uses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Load {
    /// Memory that is in use, in bytes.
    pub memory_bytes: u64,
    /// Processor time since its start, in seconds.
    pub cpu_seconds: f64,
}

/// Where to look.
#[derive(Debug, Clone)]
pub enum Probe {
    /// Nowhere.
    Nothing,
    /// This process.
    Process(u32),
    /// `/metrics`, or whatever path the URL has.
    Metrics(Target),
}

impl Probe {
    /// What the server uses now.
    pub async fn look(&self) -> Option<Load> {
        match self {
            Self::Nothing => None,
            Self::Process(pid) => of_process(*pid),
            Self::Metrics(target) => {
                let mut http = Http::connect(target, None).await.ok()?;
                let (status, body) = whole(http.ask("", None).await.ok()?).await.ok()?;
                status.is_success().then(|| of_metrics(&String::from_utf8_lossy(&body)))?
            }
        }
    }
}

/// What a process of this machine uses; none where the system does not tell, or there is none.
pub fn of_process(pid: u32) -> Option<Load> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in brackets, which may hold anything.
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut times = after_name.split_whitespace().skip(11).map(str::parse::<f64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(Load { memory_bytes: kilobytes * 1024, cpu_seconds: ticks / TICKS })
}

fn of_metrics(text: &str) -> Option<Load> {
    // Moorline's own names begin with its name, those of others are the usual ones.
    let number = |name: &str| {
        let value = |line: &str| {
            let line = line.strip_prefix("moorline_").unwrap_or(line);
            line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<f64>().ok()
        };
        text.lines().find_map(value)
    };
    let memory_bytes = number("process_resident_memory_bytes")? as u64;
    Some(Load { memory_bytes, cpu_seconds: number("process_cpu_seconds_total")? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop there")]
mod tests {
    use super::*;

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn a_process_of_this_machine_tells_its_memory() {
        let load = Probe::Process(std::process::id()).look().await.unwrap();
        assert!(load.memory_bytes > 100_000 && load.cpu_seconds >= 0.0, "{load:?}");
        assert_eq!(Probe::Process(u32::MAX).look().await, None);
    }

    #[test]
    fn metrics_tell_it_where_they_have_it() {
        let text = "# TYPE x\nprocess_cpu_seconds_total 2.5\nprocess_resident_memory_bytes 3.1e7\n";
        let load = Some(Load { memory_bytes: 31_000_000, cpu_seconds: 2.5 });
        assert_eq!(of_metrics(text), load);
        assert_eq!(of_metrics(&text.replace("process_", "moorline_process_")), load);
        assert_eq!(of_metrics("moorline_connections 3\n"), None);
    }
}
