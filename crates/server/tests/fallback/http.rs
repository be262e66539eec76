//! A small HTTP client: requests on one kept connection, and streams read event by event.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::people::TestServer;

/// Whatever is awaited comes within this time, also on a machine that others keep busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) head: String,
}

/// A kept connection of somebody.
pub(crate) struct Http {
    socket: BufReader<TcpStream>,
    /// The header lines of each request.
    lines: String,
}

impl Http {
    pub(crate) async fn connect(server: &TestServer, lines: &[&str]) -> Self {
        Self::at(server.address, lines).await
    }

    pub(crate) async fn at(address: SocketAddr, lines: &[&str]) -> Self {
        let socket = BufReader::new(TcpStream::connect(address).await.unwrap());
        let lines = lines.iter().map(|line| format!("{line}\r\n")).collect();
        Self { socket, lines }
    }

    /// Of one who shows a token.
    pub(crate) async fn of(server: &TestServer, user: &str) -> Self {
        let token = format!("Authorization: Bearer {}", server.token(user));
        Self::connect(server, &[&token]).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.post_text(path, &body.to_string()).await
    }

    pub(crate) async fn post_text(&mut self, path: &str, body: &str) -> Answer {
        self.begin("POST", path, body).await;
        self.answer().await
    }

    /// A `POST` without a body.
    pub(crate) async fn ask(&mut self, path: &str) -> Answer {
        self.begin("POST", path, "").await;
        self.answer().await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.begin("GET", path, "").await;
        self.answer().await
    }

    /// Sends a request whose answer is read later.
    pub(crate) async fn begin(&mut self, method: &str, path: &str, body: &str) {
        let lines = &self.lines;
        let kind = if method == "POST" { "Content-Type: application/json\r\n" } else { "" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{kind}{lines}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.socket.write_all(request.as_bytes()).await.unwrap();
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        timeout(SOON, self.socket.read_exact(&mut body)).await.unwrap().unwrap();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status, body, head }
    }

    async fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = timeout(SOON, self.socket.read_line(&mut head)).await.unwrap().unwrap();
            assert!(read > 0, "the server ended the connection after {head:?}");
        }
        head
    }

    /// Commands, each with its answer.
    pub(crate) async fn commands(&mut self, commands: Value) -> Vec<Value> {
        let answer = self.post("/api/v1/commands", json!({"commands": commands})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["answers"].as_array().unwrap().clone()
    }

    /// Opens a stream, whose head is read.
    pub(crate) async fn stream(mut self, method: &str, path: &str, body: Value) -> Stream {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        self.begin(method, path, &body).await;
        let head = self.head().await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Stream { socket: self.socket, head, comments: 0, id: None }
    }
}

/// An open stream.
pub(crate) struct Stream {
    socket: BufReader<TcpStream>,
    pub(crate) head: String,
    /// Comments that came so far.
    pub(crate) comments: usize,
    /// The last id.
    pub(crate) id: Option<String>,
}

impl Stream {
    /// Of one who shows a token, from these positions.
    pub(crate) async fn of(server: &TestServer, user: &str, body: Value) -> Self {
        Http::of(server, user).await.stream("POST", "/api/v1/stream", body).await
    }

    /// The next frame; none at the end.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        let mut data = None;
        loop {
            let mut line = String::new();
            let read = timeout(SOON, self.socket.read_line(&mut line)).await.unwrap();
            if read.unwrap_or(0) == 0 {
                return None;
            }
            match line.trim_end().split_once(':') {
                Some(("", _)) => self.comments += 1,
                Some(("data", text)) => data = Some(serde_json::from_str(text).unwrap()),
                Some(("id", id)) => self.id = Some(id.trim_start().to_owned()),
                Some(("retry", _)) => {}
                None if line.trim_end().is_empty() => {
                    if data.is_some() {
                        return data;
                    }
                }
                _ => panic!("no line of an event stream: {line:?}"),
            }
        }
    }

    /// The next frame of this type.
    pub(crate) async fn next(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear().await.unwrap_or_else(|| panic!("ended before {kind}"));
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The text of the next message.
    pub(crate) async fn message(&mut self) -> String {
        loop {
            let event = self.next("event").await;
            if event["kind"] == "message" {
                return event["body"].as_str().unwrap().to_owned();
            }
        }
    }

    /// The code of the goodbye that ends it.
    pub(crate) async fn goodbye(&mut self) -> u64 {
        let goodbye = self.next("goodbye").await;
        assert_eq!(self.hear().await, None, "a goodbye is the last thing that is said");
        goodbye["code"].as_u64().unwrap()
    }
}
