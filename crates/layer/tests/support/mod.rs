//! A real Redis for a test: on a free port, with a password, gone with the test.

#![allow(dead_code, reason = "each test program uses its part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by failing"
)]

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use moorline_layer::{Host, Message, Options};
pub(crate) use moorline_test_redis::PASSWORD;
use moorline_test_redis::Server;
use tempfile::TempDir;

/// However slow the machine is, nothing that a test waits for takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A Redis, and how the layer reaches it.
pub(crate) struct TestRedis {
    server: Server,
    pub(crate) port: u16,
}

impl TestRedis {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more arguments for `redis-server`; `FOLDER` in them is the test's own folder.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::of(Server::start_with(arguments))
    }

    pub(crate) fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        Self::of(Server::start_in(folder, arguments))
    }

    fn of(server: Server) -> Self {
        Self { port: server.port(), server }
    }

    pub(crate) fn host(&self) -> Host {
        Host::pair("127.0.0.1", self.port).with_login(None, PASSWORD)
    }

    pub(crate) fn options(&self) -> Options {
        Options { hosts: vec![self.host()], ..Options::default() }
    }
}

impl Deref for TestRedis {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for TestRedis {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
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
