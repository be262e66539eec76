//! The Autobahn cases: several hundred ways to speak WebSocket well and badly, against the echo
//! example.
//!
//! The cases come from PyPI as `kosoku`, which runs them on Python 3; the script beside the server's
//! tests judges them.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::install;
use crate::repository::Repository;

/// Long enough for a busy machine to bind a socket.
const START: Duration = Duration::from_secs(20);

/// Messages of each case about compression in `cargo xtask test`; the suite's own number takes minutes.
const FEW_MESSAGES: &str = "10";

/// Builds the echo example and runs every case against it, those about compression with few messages.
pub(crate) fn run(repository: &Repository) -> Result<()> {
    against_echo(repository, &[], &[])?;
    compression(repository, FEW_MESSAGES)
}

/// The cases about compression, with so many messages each.
pub(crate) fn compression(repository: &Repository, messages: &str) -> Result<()> {
    against_echo(repository, &["--compression"], &[messages])
}

fn against_echo(repository: &Repository, echo: &[&str], judge: &[&str]) -> Result<()> {
    let build = ["build", "--release", "-p", "moorline-server", "--example", "echo"];
    repository.command("cargo").args(build).run()?;
    let port = free_port()?;
    let _echo = repository
        .command(repository.target("release/examples/echo"))
        .args(["--port", &port.to_string()])
        .args(echo)
        .start(&repository.target("autobahn-echo.log"))?;
    wait_for(port)?;
    repository
        .command(install::python_path(repository))
        .args(["crates/server/tests/autobahn/run.py", &port.to_string()])
        .args(judge)
        .run()
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
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
