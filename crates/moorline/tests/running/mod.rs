//! The real program on loopback, and small clients for it: HTTP by hand, WebSocket by a library.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop there")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_moorline");
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub const PATIENCE: Duration = Duration::from_secs(30);

/// `moorline` with these words and no setting from outside.
pub fn program(words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("MOORLINE_") || text.starts_with("DATABASE_URL") {
            command.env_remove(name);
        }
    }
    command
}

/// A server in its own process and folder; killed when dropped.
pub struct Running {
    pub address: SocketAddr,
    pub said: String,
    child: Child,
    folder: TempDir,
}

impl Running {
    pub fn start(words: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), words)
    }

    pub fn start_in(folder: TempDir, words: &[&str]) -> Self {
        Self::start_with_variables(folder, words, &[])
    }

    pub fn start_with_variables(
        folder: TempDir,
        words: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let log = File::create(folder.path().join("stderr.log")).unwrap();
        let mut child = program(&["serve", "--port", "0", "--data-dir"])
            .arg(folder.path().join("data"))
            .args(words)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let said = until_ready(child.stdout.take().unwrap());
        let said = said.unwrap_or_else(|| panic!("{}", log_of(folder.path())));
        let line = said.lines().find(|line| line.trim_start().starts_with("Page")).unwrap();
        let address = line.split("http://").nth(1).unwrap().trim_end_matches('/').parse().unwrap();
        Self { address, said, child, folder }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn log(&self) -> String {
        log_of(self.folder.path())
    }

    /// The log, once it says this; lines of one moment are written together, a little later.
    pub fn log_with(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if log.contains(part) {
                return log;
            }
            assert!(Instant::now() < deadline, "{part} is not in the log: {log}");
            std::thread::yield_now();
        }
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for the end and gives the folder back, for the next start.
    pub fn wait(mut self) -> (ExitStatus, String, TempDir) {
        let deadline = Instant::now() + PATIENCE;
        let (done, waiting) = mpsc::channel::<()>();
        let pid = self.pid().to_string();
        let watchdog = std::thread::spawn(move || {
            let left = deadline.saturating_duration_since(Instant::now());
            if waiting.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-s", "KILL", &pid]).status();
            }
        });
        let status = self.child.wait().unwrap();
        drop(done);
        watchdog.join().unwrap();
        let log = self.log();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (status, log, folder)
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request {
            server: self,
            method: method.into(),
            path: path.into(),
            headers: vec![],
            body: None,
        }
    }

    pub fn get(&self, path: &str) -> Request<'_> {
        self.request("GET", path)
    }

    /// A JSON request of the server's own page.
    pub fn post(&self, path: &str, body: Value) -> Request<'_> {
        self.request("POST", path).header("origin", &self.origin()).json(body)
    }

    /// Makes an account and gives its cookie.
    pub fn sign_up(&self, name: &str) -> String {
        let body = json!({"name": name, "password": "correct horse"});
        let answer = self.post("/api/v1/signup", body).send();
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.cookie()
    }

    /// A request with the API key.
    pub fn api(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request =
            self.request(method, path).header("authorization", &format!("Bearer {SECRET}"));
        match body {
            Some(body) => request.json(body).send(),
            None => request.send(),
        }
    }

    pub async fn socket(&self, headers: &[(&str, &str)]) -> Result<Socket, String> {
        self.socket_at("/ws", headers).await
    }

    pub async fn socket_at(&self, path: &str, headers: &[(&str, &str)]) -> Result<Socket, String> {
        let uri = format!("ws://{}{path}", self.address).parse().unwrap();
        let mut builder = ClientBuilder::from_uri(uri);
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            builder = builder.add_header(name, value.parse().unwrap()).unwrap();
        }
        let (socket, _) = builder.connect().await.map_err(|error| error.to_string())?;
        Ok(Socket(socket))
    }

    /// A socket that has said hello with this token.
    pub async fn person(&self, token: &str) -> Socket {
        let mut socket = self.socket(&[]).await.unwrap();
        socket.say(json!({"type": "hello", "token": token})).await;
        socket.next("welcome").await;
        socket
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_of(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("stderr.log")).unwrap()
}

/// What the server says until it is ready; none if it ended before.
fn until_ready(out: impl Read + Send + 'static) -> Option<String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = String::new();
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            said.push_str(&line);
            said.push('\n');
            if line.starts_with("Stop with") {
                let _ = tell.send(said.clone());
            }
        }
    });
    told.recv_timeout(PATIENCE).ok()
}

pub struct Request<'a> {
    server: &'a Running,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    /// The line of `Set-Cookie`, if there is one.
    pub set_cookie: String,
    pub text: String,
}

impl Request<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn cookie(self, cookie: &str) -> Self {
        self.header("cookie", cookie)
    }

    pub fn json(self, body: Value) -> Self {
        self.raw("application/json", &body.to_string())
    }

    pub fn raw(self, kind: &str, body: &str) -> Self {
        let mut this = self.header("content-type", kind);
        this.body = Some(body.into());
        this
    }

    pub fn send(self) -> Answer {
        let Self { server, method, path, headers, body } = self;
        let body = body.unwrap_or_default();
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            server.address,
            body.len()
        );
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("\r\n{body}"));
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let set_cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let set_cookie = set_cookie.unwrap_or_default().into();
        Answer { status, head: head.to_ascii_lowercase(), set_cookie, text: text.into() }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The stable word of an error.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().into()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The cookie as a browser sends it back.
    pub fn cookie(&self) -> String {
        self.set_cookie.split(';').next().unwrap().into()
    }
}

pub struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Socket {
    pub async fn say(&mut self, value: Value) {
        self.0.send(Message::text(value.to_string())).await.unwrap();
    }

    /// The next frame of this type; others are passed over.
    pub async fn next(&mut self, kind: &str) -> Value {
        let found = async {
            loop {
                let message = self.0.next().await.expect("the socket ended").unwrap();
                let Some(text) = message.as_text() else { panic!("closed: {message:?}") };
                let value: Value = serde_json::from_str(text).unwrap();
                if value["type"] == kind {
                    return value;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {kind} came"))
    }

    /// Closes it with this code.
    pub async fn close(mut self, code: u16) {
        let code = tokio_websockets::CloseCode::try_from(code).unwrap();
        self.0.send(Message::close(Some(code), "")).await.unwrap();
    }

    /// The code with which the server closes.
    pub async fn close_code(&mut self) -> u16 {
        let closed = async {
            while let Some(Ok(message)) = self.0.next().await {
                if let Some((code, _)) = message.as_close() {
                    return code.into();
                }
            }
            1006
        };
        tokio::time::timeout(PATIENCE, closed).await.expect("the socket stayed open")
    }
}
