//! What the figures were measured on, so that a table can be read later.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::figures::median;

/// Machine, kernel, compiler and disk, a line each.
pub(crate) fn facts(sync_ms: f64) -> Vec<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().next().unwrap_or_default().to_owned();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    vec![
        format!("{cores} cores of {}", model.trim_start_matches(['\t', ' ', ':'])),
        memory.split_whitespace().collect::<Vec<_>>().join(" "),
        format!("Linux {}, {}", kernel.trim(), said_by("rustc", "--version")),
        format!("one sync of an appended 4 KiB page: {sync_ms:.3} ms (median)"),
        format!("load average at the start: {}", load.trim()),
    ]
}

fn said_by(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Milliseconds that the disk under `folder` needs to make 4 KiB durable.
pub(crate) fn sync_ms(folder: &Path) -> Result<f64> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::tempfile_in(folder)?;
    let mut taken = Vec::new();
    for _ in 0..200 {
        file.write_all(&[7; 4096])?;
        let start = Instant::now();
        file.sync_data()?;
        taken.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(median(&taken))
}
