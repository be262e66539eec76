//! `moorline serve` as a process: started, waited for, killed, asked over HTTP.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::artifacts;
use crate::recorder::Recorder;

/// The shared secret of the tests.
pub const SECRET: &str = "the-secret-of-the-fault-tests-0123456789abcdef";
/// The API key of the tests.
pub const API_KEY: &str = "the-key-of-the-fault-tests-0123456789abcdef";
/// How long a start, an answer or an end may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where and how a server is started, again and again.
#[derive(Clone, Debug)]
pub struct Site {
    /// The data folder.
    pub data: PathBuf,
    /// The same port at every start, so that clients come back.
    pub address: SocketAddr,
    /// Further arguments of `serve`.
    pub args: Vec<String>,
    program: PathBuf,
}

/// A running server; killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The whole head as text.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("the answer is no JSON")
    }
}

impl Site {
    /// A site with a free port.
    ///
    /// # Errors
    /// If the server's program cannot be built or no port is free.
    pub fn new(data: &Path) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let program = artifacts::server()?;
        Ok(Self { data: data.to_owned(), address, args: Vec::new(), program })
    }

    /// The command that starts the server, for a layer under it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--data-dir").arg(&self.data);
        command.arg("--port").arg(self.address.port().to_string());
        command.args(&self.args);
        command.env("MOORLINE_JWT_SECRET", SECRET).env("MOORLINE_API_KEY", API_KEY);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let log = std::env::var_os("MOORLINE_TEST_LOG")
            .map(|path| std::fs::OpenOptions::new().create(true).append(true).open(path));
        match log {
            Some(Ok(file)) => command.stderr(file),
            _ => command.stderr(Stdio::null()),
        };
        command
    }

    /// Starts the server and waits until it is ready; none if it ended before.
    ///
    /// # Errors
    /// If it cannot be started or is not ready in time.
    pub async fn start_with(&self, mut command: Command) -> Result<Option<Server>> {
        let child = command.spawn().context("cannot start the server")?;
        let mut server = Server { child, address: self.address };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if server.child.try_wait()?.is_some() {
                return Ok(None);
            }
            let ready = server.request("GET", "/readyz", None, &[]).await;
            if ready.is_ok_and(|answer| answer.status == 200) {
                return Ok(Some(server));
            }
            ensure!(Instant::now() < deadline, "the server is not ready after {PATIENCE:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts the server on an ordinary disk.
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn start(&self) -> Result<Server> {
        let server = self.start_with(self.command()).await?;
        server.context("the server ended at its start")
    }
}

impl Server {
    /// The process.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the process is still there.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn gone(&mut self) -> Result<ExitStatus> {
        Ok(timeout(PATIENCE, self.child.wait()).await.context("the server does not end")??)
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// If there is no process.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// SIGTERM, and waits for the end of the drain.
    ///
    /// # Errors
    /// If the server does not end in time.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let pid = self.child.id().context("the server has ended already")?;
        let sent = Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await?;
        ensure!(sent.success(), "cannot send SIGTERM");
        self.gone().await
    }

    /// Resident memory of the process in KiB.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn resident_kib(&self) -> Result<u64> {
        let pid = self.child.id().context("the server has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let number = line.split_whitespace().nth(1).context("no number in VmRSS")?;
        Ok(number.parse()?)
    }

    /// One request on a connection of its own, as the backend with its API key.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        request(self.address, method, path, body, headers).await
    }

    /// A request of the server API that must succeed; its answer, if it has one.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let answer = self.request(method, path, body.as_ref(), &[]).await?;
        if !(200..300).contains(&answer.status) {
            bail!("{method} {path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(if answer.body.is_empty() { Value::Null } else { answer.json()? })
    }

    /// Records a room's whole log as the store has it, and returns its head.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn audit(&self, recorder: &Recorder, room: &str) -> Result<u64> {
        let mut after = 0;
        loop {
            let path = format!("/api/v1/rooms/{room}/events?after={after}&limit=1000");
            let mut page = self.api("GET", &path, None).await?;
            page["room"] = json!(room);
            let more = page["more"].as_bool().unwrap_or(false);
            after =
                page["events"].as_array().and_then(|e| e.last()?["seq"].as_u64()).unwrap_or(after);
            recorder.line(json!({"is":"audit","page":page}));
            if !more {
                return Ok(after);
            }
        }
    }
}

/// One HTTP/1.1 request on a connection of its own.
///
/// # Errors
/// If there is no answer in time.
pub async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
    headers: &[(&str, &str)],
) -> Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: Bearer {API_KEY}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    exchange(address, format!("{head}\r\n{body}").as_bytes()).await
}

/// Sends bytes as they are and reads until the server closes.
///
/// # Errors
/// If there is no complete answer in time.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Result<Answer> {
    let answer = timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(address).await?;
        let (mut reader, mut writer) = stream.split();
        let mut answer = Vec::new();
        // A server that has heard enough answers and closes: what it said is kept.
        let _ = tokio::join!(writer.write_all(bytes), reader.read_to_end(&mut answer));
        std::io::Result::Ok(answer)
    });
    parse(&answer.await.context("no answer in time")??)
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").context("no head")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    let mut body = bytes[end + 4..].to_vec();
    if head.to_lowercase().contains("transfer-encoding: chunked") {
        body = dechunk(&body);
    }
    Ok(Answer { status: status.context("no status")?, head, body })
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok();
        let size = size.and_then(|text| usize::from_str_radix(text.trim(), 16).ok()).unwrap_or(0);
        let from = end + 2;
        if size == 0 || rest.len() < from + size + 2 {
            break;
        }
        body.extend_from_slice(&rest[from..from + size]);
        rest = &rest[from + size + 2..];
    }
    body
}

/// A token for a person, good for a day.
///
/// # Errors
/// If it cannot be signed.
pub fn token(user: &str) -> Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let claims = json!({"sub": user, "name": user, "iat": now, "exp": now + 86_400});
    Ok(encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes()))?)
}
