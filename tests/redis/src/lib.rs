//! Real Redis servers for the tests, from Debian's package `redis-server`: each on a free port of its own, with a
//! password, gone with the test. Nothing here knows Moorline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that gets no server fails by panicking"
)]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The password is awkward on purpose.
pub const PASSWORD: &str = "p@ss:w/rd#1";
/// The password as it stands in a URL.
pub const PASSWORD_IN_URL: &str = "p%40ss%3Aw%2Frd%231";

/// However slow the machine is, a server starts within this time.
const DEADLINE: Duration = Duration::from_secs(20);

/// The server. It is killed, and its files are removed, when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
}

impl Server {
    /// A running server.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more arguments for `redis-server`; `FOLDER` in them is its own folder.
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(TempDir::with_prefix("moorline-redis-").unwrap(), arguments)
    }

    /// In a folder that has something in it already.
    #[must_use]
    pub fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let place = folder.path().to_str().unwrap();
        let arguments: Vec<String> =
            arguments.iter().map(|argument| argument.replace("FOLDER", place)).collect();
        // Another process may take a port between our looking and Redis' binding it.
        for _ in 0..20 {
            let port = free_port();
            let mut child = launch(folder.path(), port, &arguments);
            if is_ready(&mut child, port) {
                return Self { child, folder, port, arguments };
            }
        }
        panic!("redis-server does not start; is it installed?");
    }

    /// On 127.0.0.1; the same after every restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process, for example to read its processor time.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its files lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The URL of one of its databases.
    #[must_use]
    pub fn url(&self, database: u8) -> String {
        format!("redis://:{PASSWORD_IN_URL}@127.0.0.1:{}/{database}", self.port)
    }

    /// As `kill -9`: nothing is saved.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// After a kill: on the same port, and empty.
    pub fn restart(&mut self) {
        let started = Instant::now();
        while started.elapsed() < DEADLINE {
            self.child = launch(self.folder.path(), self.port, &self.arguments);
            if is_ready(&mut self.child, self.port) {
                return;
            }
        }
        panic!("redis-server does not come back on port {}", self.port);
    }

    /// Stops the process in its tracks until [`resume`](Self::resume).
    pub fn pause(&self) {
        signal(self.child.id(), "-STOP");
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        signal(self.child.id(), "-CONT");
    }

    /// A connection of a test's own, to look and to meddle.
    pub async fn peer(&self) -> redis::aio::MultiplexedConnection {
        let login = redis::RedisConnectionInfo::default().set_password(PASSWORD);
        let address = redis::ConnectionAddr::Tcp("127.0.0.1".to_owned(), self.port);
        let info = redis::IntoConnectionInfo::into_connection_info(address).unwrap();
        let client = redis::Client::open(info.set_redis_settings(login)).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// The answer to one command.
    pub async fn query<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(*word);
        });
        command.query_async(&mut self.peer().await).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "no process {pid}");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn launch(folder: &Path, port: u16, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--requirepass", PASSWORD])
        .args(["--save", "", "--appendonly", "no", "--loglevel", "warning"])
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is needed for this test: apt-get install redis-server")
}

/// Whether it answers before it exits.
fn is_ready(server: &mut Child, port: u16) -> bool {
    let started = Instant::now();
    while started.elapsed() < DEADLINE {
        if server.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}
