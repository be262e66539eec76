//! A real Redis for a test: on a free port, with a password, gone with the test.

#![allow(dead_code, reason = "each test program uses its part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by failing"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use moorline_layer::{Host, Message, Options};
use tempfile::TempDir;

/// However slow the machine is, nothing that a test waits for takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The password is awkward on purpose.
pub(crate) const PASSWORD: &str = "p@ss:w/rd#1";

pub(crate) struct TestRedis {
    server: Child,
    folder: TempDir,
    pub(crate) port: u16,
    arguments: Vec<String>,
}

impl TestRedis {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more arguments for `redis-server`; `FOLDER` in them is the test's own folder.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    pub(crate) fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let place = folder.path().to_str().unwrap();
        let arguments: Vec<String> =
            arguments.iter().map(|argument| argument.replace("FOLDER", place)).collect();
        // Another process may take a port between our looking and Redis' binding it.
        for _ in 0..20 {
            let port = free_port();
            let mut server = launch(folder.path(), port, &arguments);
            if is_ready(&mut server, port) {
                return Self { server, folder, port, arguments };
            }
        }
        panic!("redis-server does not start; is it installed?");
    }

    pub(crate) fn host(&self) -> Host {
        Host::pair("127.0.0.1", self.port).with_login(None, PASSWORD)
    }

    pub(crate) fn options(&self) -> Options {
        Options { hosts: vec![self.host()], ..Options::default() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// As kill -9: nothing is saved.
    pub(crate) fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// On the same port, empty.
    pub(crate) fn restart(&mut self) {
        let started = Instant::now();
        while started.elapsed() < DEADLINE {
            self.server = launch(self.folder.path(), self.port, &self.arguments);
            if is_ready(&mut self.server, self.port) {
                return;
            }
        }
        panic!("redis-server does not come back on port {}", self.port);
    }

    /// A connection besides the layer's, to look and to meddle.
    pub(crate) async fn peer(&self) -> redis::aio::MultiplexedConnection {
        let info = redis::RedisConnectionInfo::default().set_password(PASSWORD);
        let address = redis::ConnectionAddr::Tcp("127.0.0.1".to_owned(), self.port);
        let info = redis::IntoConnectionInfo::into_connection_info(address)
            .unwrap()
            .set_redis_settings(info);
        let client = redis::Client::open(info).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    pub(crate) async fn query<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(*word);
        });
        command.query_async(&mut self.peer().await).await.unwrap()
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// A message with a number.
pub(crate) fn numbered(number: i64) -> Message {
    Message::of_type("test.message").with("n", number)
}

/// The number in a message.
pub(crate) fn number(message: &Message) -> i64 {
    message.get("n").and_then(moorline_layer::Value::as_i64).unwrap()
}

/// Waits until this says something.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "it did not happen in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
