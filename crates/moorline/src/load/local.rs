//! A server of one's own for a run, in a temporary folder on a free port of the loopback, so that anyone can try in one
//! command. It goes with this.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use moorline_load::target::Target;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::failure::{Exit, Failure};

/// A start takes far less.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server.
pub(super) struct Local {
    child: Child,
    address: SocketAddr,
    secret: String,
    _folder: TempDir,
}

impl Local {
    /// Starts it and waits until it listens.
    pub(super) async fn start() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| failure(&error.to_string());
        let folder = TempDir::with_prefix("moorline-local-").map_err(failed)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        drop(listener);
        let secret = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let log = folder.path().join("log");
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("serve").arg("--data-dir").arg(folder.path().join("data"));
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
        // Nothing of what is set for another server counts here.
        command.env_clear().env("MOORLINE_JWT_SECRET", &secret);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let child = command.stderr(File::create(&log).map_err(failed)?).spawn().map_err(failed)?;
        let mut local = Self { child, address, secret, _folder: folder };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            let is_over = local.child.try_wait().map_err(failed)?.is_some();
            if is_over || Instant::now() > deadline {
                return Err(failure(std::fs::read_to_string(&log).unwrap_or_default().trim()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(local)
    }

    pub(super) fn target(&self) -> Target {
        self.address.into()
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}

fn failure(why: &str) -> Failure {
    let fix = "Start one yourself with `moorline serve`, and give its URL.";
    Failure::new(Exit::Failed, "The local server does not start.", fix).because(why)
}
