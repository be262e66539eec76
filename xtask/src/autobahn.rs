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

/// Builds the echo example and runs every case against it.
pub(crate) fn run(repository: &Repository) -> Result<()> {
    let build = ["build", "--release", "-p", "moorline-server", "--example", "echo"];
    repository.command("cargo").args(build).run()?;
    let port = free_port()?;
    let _echo = repository
        .command(repository.target("release/examples/echo"))
        .args(["--port", &port.to_string()])
        .start(&repository.target("autobahn-echo.log"))?;
    wait_for(port)?;
    repository
        .command(install::python_path(repository))
        .args(["crates/server/tests/autobahn/run.py", &port.to_string()])
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
