//! The Autobahn cases: several hundred ways to speak WebSocket well and badly, against the echo
//! example.
//!
//! The cases come from PyPI as `kosoku`, which runs them on Python 3 and exits with 1 when one of
//! them failed.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::repository::Repository;

/// Long enough for a debug build on a busy machine to bind a socket.
const START: Duration = Duration::from_secs(20);

/// Builds the echo example, runs every case against it, and leaves a report in the build folder.
pub(crate) fn run(repository: &Repository) -> Result<()> {
    let build = ["build", "--release", "-p", "moorline-server", "--example", "echo"];
    repository.command("cargo").args(build).run()?;
    let port = free_port()?;
    let _echo = repository
        .command(repository.target("release/examples/echo"))
        .args(["--port", &port.to_string()])
        .start(&repository.target("autobahn-echo.log"))?;
    wait_for(port)?;
    let report = repository.target("autobahn");
    repository
        .command(repository.target("venv/bin/kosoku"))
        .args(["--mode", "fuzzingclient", "--parallelism", "4", "--outdir"])
        .arg(&report)
        .arg(format!("ws://127.0.0.1:{port}/_echo"))
        .run()?;
    println!("report: {}", report.join("index.html").display());
    Ok(())
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Waits until something accepts on the port.
fn wait_for(port: u16) -> Result<()> {
    let deadline = Instant::now() + START;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > deadline {
            bail!("the echo example did not accept within {} s", START.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
