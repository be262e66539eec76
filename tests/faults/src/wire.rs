//! The ways in which a client is connected, behind one face: a WebSocket, an event stream, or polls, the last two with
//! commands by requests of their own. What stands above it cannot tell them apart.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

/// A connection or an answer that does not come in this time has failed; longer than a poll waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a poll asks to wait.
const WAIT_MS: u64 = 4_000;
/// Commands in one request.
const TOGETHER: usize = 8;

/// A way to be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Both ways over one socket.
    WebSocket,
    /// `POST /api/v1/stream`, and commands beside it.
    Stream,
    /// `POST /api/v1/poll`, and commands beside it.
    Poll,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::WebSocket, Self::Stream, Self::Poll];
}

/// What came.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A frame.
    Frame(String),
    /// The end, with the code that the server gave, or 1006.
    Closed(u16),
}

/// One connection.
#[derive(Debug)]
pub(crate) enum Wire {
    Socket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    Requests(Requests),
}

/// A stream or polls, and the commands beside them; each in a task that ends with this.
#[derive(Debug)]
pub(crate) struct Requests {
    address: SocketAddr,
    transport: Transport,
    token: String,
    heard: mpsc::UnboundedReceiver<Heard>,
    hear: mpsc::UnboundedSender<Heard>,
    say: mpsc::UnboundedSender<String>,
    tasks: JoinSet<()>,
}

impl Wire {
    /// Reaches the server; nothing is said yet.
    pub(crate) async fn connect(transport: Transport, to: SocketAddr, token: &str) -> Result<Self> {
        if transport == Transport::WebSocket {
            let builder = ClientBuilder::new().uri(&format!("ws://{to}/ws"))?;
            let (socket, _) =
                timeout(PATIENCE, builder.connect()).await.context("no handshake")??;
            return Ok(Self::Socket(Box::new(socket)));
        }
        let (hear, heard) = mpsc::unbounded_channel();
        let (say, said) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let commands = Kept::connect(to, token).await?;
        tasks.spawn(told(carry(commands, said, hear.clone()), hear.clone()));
        let token = token.to_owned();
        Ok(Self::Requests(Requests { address: to, transport, token, heard, hear, say, tasks }))
    }

    /// Says hello, with the positions that the client has.
    pub(crate) async fn hello(&mut self, resume: &Value, token: &str) -> Result<()> {
        match self {
            Self::Socket(_) => {
                let hello = json!({"type": "hello", "resume": resume, "token": token});
                self.send(hello.to_string()).await
            }
            Self::Requests(requests) => requests.begin(resume).await,
        }
    }

    /// Sends a command.
    pub(crate) async fn send(&mut self, text: String) -> Result<()> {
        match self {
            Self::Socket(socket) => Ok(socket.send(Message::text(text)).await?),
            Self::Requests(requests) => requests.say.send(text).context("the connection is over"),
        }
    }

    /// The next frame; none where it is no text.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        match self {
            Self::Requests(requests) => requests.heard.recv().await,
            Self::Socket(socket) => match socket.next().await {
                Some(Ok(message)) => match (message.as_close(), message.as_text()) {
                    (Some((code, _)), _) => Some(Heard::Closed(code.into())),
                    (None, text) => text.map(|text| Heard::Frame(text.to_owned())),
                },
                Some(Err(_)) | None => Some(Heard::Closed(1006)),
            },
        }
    }

    /// Whether a ping is answered on it.
    pub(crate) fn answers_pings(&self) -> bool {
        matches!(self, Self::Socket(_))
    }

    /// Ends it in the ordinary way.
    pub(crate) async fn close(self) {
        if let Self::Socket(mut socket) = self {
            // Whether the server still listens makes no difference.
            let _ = timeout(PATIENCE, socket.close()).await;
        }
    }
}

impl Requests {
    async fn begin(&mut self, resume: &Value) -> Result<()> {
        let kept = Kept::connect(self.address, &self.token).await?;
        let (resume, hear) = (resume.clone(), self.hear.clone());
        let ended = hear.clone();
        if self.transport == Transport::Stream {
            self.tasks.spawn(told(stream(kept, resume, hear), ended));
        } else {
            self.tasks.spawn(told(poll(kept, resume, hear), ended));
        }
        Ok(())
    }
}

/// Tells the end of a task, with its code where there was a goodbye.
async fn told(task: impl Future<Output = Result<u16>>, hear: mpsc::UnboundedSender<Heard>) {
    let code = task.await.unwrap_or(1006);
    // Nobody listens where the client has gone on already.
    let _ = hear.send(Heard::Closed(code));
}

/// Reads a stream to its end; what is not whole there was not said.
async fn stream(mut kept: Kept, resume: Value, hear: mpsc::UnboundedSender<Heard>) -> Result<u16> {
    kept.write("/api/v1/stream", &json!({"resume": resume}).to_string()).await?;
    let head = kept.head().await?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (mut code, mut frame) = (1006, None);
    loop {
        let mut line = String::new();
        if kept.socket.read_line(&mut line).await? == 0 {
            return Ok(code);
        }
        if let Some(data) = line.strip_prefix("data: ") {
            frame = data.strip_suffix('\n').map(str::to_owned);
        } else if let Some(text) = frame.take_if(|_| line == "\n") {
            code = goodbye(&text).unwrap_or(code);
            hear.send(Heard::Frame(text))?;
        }
    }
}

/// Polls until the server says goodbye, with the positions that the answers say and no other.
async fn poll(mut kept: Kept, resume: Value, hear: mpsc::UnboundedSender<Heard>) -> Result<u16> {
    let mut positions: Map<String, Value> = resume.as_object().cloned().unwrap_or_default();
    let mut is_first = true;
    loop {
        let body = json!({"positions": positions, "hello": is_first, "wait_ms": WAIT_MS});
        let answer = kept.post("/api/v1/poll", &body.to_string()).await?;
        is_first = false;
        for (room, position) in answer["positions"].as_object().into_iter().flatten() {
            match position {
                Value::Null => drop(positions.remove(room)),
                known => drop(positions.insert(room.clone(), known.clone())),
            }
        }
        for frame in answer["frames"].as_array().context("an answer without frames")? {
            let text = frame.to_string();
            let end = goodbye(&text);
            hear.send(Heard::Frame(text))?;
            if let Some(code) = end {
                return Ok(code);
            }
        }
    }
}

/// Carries commands, as many together as there are.
async fn carry(
    mut kept: Kept,
    mut said: mpsc::UnboundedReceiver<String>,
    hear: mpsc::UnboundedSender<Heard>,
) -> Result<u16> {
    let mut texts = Vec::new();
    while said.recv_many(&mut texts, TOGETHER).await > 0 {
        let body = format!("{{\"commands\":[{}]}}", texts.join(","));
        let answer = kept.post("/api/v1/commands", &body).await?;
        let answers = answer["answers"].as_array().context("an answer without answers")?;
        ensure!(answers.len() == texts.len(), "{} answers", answers.len());
        for answer in answers.iter().filter(|answer| !answer.is_null()) {
            hear.send(Heard::Frame(answer.to_string()))?;
        }
        texts.clear();
    }
    Ok(1000)
}

fn goodbye(text: &str) -> Option<u16> {
    let frame: Value = serde_json::from_str(text).ok()?;
    let code = frame["code"].as_u64().filter(|_| frame["type"] == "goodbye")?;
    u16::try_from(code).ok()
}

/// A connection that is kept from request to request.
struct Kept {
    address: SocketAddr,
    token: String,
    socket: BufReader<TcpStream>,
}

impl Kept {
    async fn connect(address: SocketAddr, token: &str) -> Result<Self> {
        let socket =
            timeout(PATIENCE, TcpStream::connect(address)).await.context("no server")??;
        Ok(Self { address, token: token.to_owned(), socket: BufReader::new(socket) })
    }

    async fn write(&mut self, path: &str, body: &str) -> Result<()> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        Ok(self.socket.write_all(request.as_bytes()).await?)
    }

    async fn head(&mut self) -> Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = timeout(PATIENCE, self.socket.read_line(&mut head)).await;
            ensure!(read.context("no answer")?? > 0, "the connection ended");
        }
        Ok(head)
    }

    /// One request and its answer. A connection that the server has closed meanwhile, since nothing was asked for a
    /// while, is opened again: whatever is asked here may be asked twice.
    async fn post(&mut self, path: &str, body: &str) -> Result<Value> {
        match self.attempt(path, body).await {
            Ok(answer) => Ok(answer),
            Err(error) if self.socket.buffer().is_empty() => {
                *self = Self::connect(self.address, &self.token).await.context(error)?;
                self.attempt(path, body).await
            }
            Err(error) => Err(error),
        }
    }

    async fn attempt(&mut self, path: &str, body: &str) -> Result<Value> {
        self.write(path, body).await?;
        let head = self.head().await?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.context("an answer of no length")?.parse()?];
        timeout(PATIENCE, self.socket.read_exact(&mut body)).await.context("half an answer")??;
        if !head.starts_with("HTTP/1.1 200") {
            bail!("{head}{}", String::from_utf8_lossy(&body));
        }
        Ok(serde_json::from_slice(&body)?)
    }
}
