//! A stream or polls, and the commands beside them, each in a task of its own that ends with the connection. `Wire` makes it
//! look like a socket.

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Heard, Transport};
use crate::http::{Http, shown, whole};
use crate::target::Target;

/// How long a poll asks to wait.
const WAIT_MS: u64 = 4_000;
/// Commands in one request.
const TOGETHER: usize = 8;
/// Frames that wait for a client that does not listen; more wait in the network.
const HEARD: usize = 256;
/// Commands that wait for their request; a client has far fewer under way.
const SAID: usize = 1_024;

/// What there is of a connection without a socket.
#[derive(Debug)]
pub(crate) struct Requests {
    target: Target,
    transport: Transport,
    token: String,
    heard: mpsc::Receiver<Heard>,
    hear: mpsc::Sender<Heard>,
    say: mpsc::Sender<String>,
    tasks: JoinSet<()>,
}

impl Requests {
    /// Reaches the server for commands.
    pub(super) async fn connect(transport: Transport, to: &Target, token: &str) -> Result<Self> {
        let (hear, heard) = mpsc::channel(HEARD);
        let (say, said) = mpsc::channel(SAID);
        let mut tasks = JoinSet::new();
        let commands = Http::connect(to, Some(token)).await?;
        tasks.spawn(told(carry(commands, said, hear.clone()), hear.clone()));
        let (target, token) = (to.clone(), token.to_owned());
        Ok(Self { target, transport, token, heard, hear, say, tasks })
    }

    /// Opens the stream, or begins to poll, from these positions.
    pub(super) async fn begin(&mut self, resume: &Value) -> Result<()> {
        let kept = Http::connect(&self.target, Some(&self.token)).await?;
        let (resume, hear) = (resume.clone(), self.hear.clone());
        let ended = hear.clone();
        if self.transport == Transport::Stream {
            self.tasks.spawn(told(stream(kept, resume, hear), ended));
        } else {
            self.tasks.spawn(told(poll(kept, resume, hear), ended));
        }
        Ok(())
    }

    /// Queues a command.
    pub(super) fn say(&self, text: String) -> Result<()> {
        self.say.try_send(text).context("the connection is over")
    }

    /// What comes next.
    pub(super) async fn next(&mut self) -> Heard {
        self.heard.recv().await.unwrap_or(Heard::Closed(1006))
    }
}

/// Tells the end of a task, with its code where there was a goodbye.
async fn told(task: impl Future<Output = Result<u16>>, hear: mpsc::Sender<Heard>) {
    let code = task.await.unwrap_or(1006);
    // Nobody listens where the client has gone on already.
    let _ = hear.send(Heard::Closed(code)).await;
}

/// Reads a stream to its end; what is not whole there was not said.
async fn stream(mut kept: Http, resume: Value, hear: mpsc::Sender<Heard>) -> Result<u16> {
    let answer = kept.ask("/api/v1/stream", Some(&json!({"resume": resume}).to_string())).await?;
    if answer.status() != StatusCode::OK {
        let (status, body) = whole(answer).await?;
        bail!("the stream was answered with {status}: {}", shown(&body));
    }
    let mut body = answer.into_body();
    let (mut code, mut frame, mut rest) = (1006, None, BytesMut::new());
    while let Some(Ok(piece)) = body.frame().await {
        rest.extend_from_slice(piece.data_ref().map_or(&[][..], |data| &data[..]));
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end + 1);
            let line = std::str::from_utf8(&line[..end])?.trim_end_matches('\r');
            if let Some(data) = line.strip_prefix("data: ") {
                frame = Some(data.to_owned());
            } else if let Some(text) = frame.take_if(|_| line.is_empty()) {
                code = goodbye(&text).unwrap_or(code);
                hear.send(Heard::Frame(text)).await?;
            } else if line.starts_with(':') {
                hear.send(Heard::Beat).await?;
            }
        }
    }
    Ok(code)
}

/// Polls until the server says goodbye, with the positions that the answers say and no other.
async fn poll(mut kept: Http, resume: Value, hear: mpsc::Sender<Heard>) -> Result<u16> {
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
            hear.send(Heard::Frame(text)).await?;
            if let Some(code) = end {
                return Ok(code);
            }
        }
    }
}

/// Carries commands, as many together as there are.
async fn carry(
    mut kept: Http,
    mut said: mpsc::Receiver<String>,
    hear: mpsc::Sender<Heard>,
) -> Result<u16> {
    let mut texts = Vec::new();
    while said.recv_many(&mut texts, TOGETHER).await > 0 {
        let body = format!("{{\"commands\":[{}]}}", texts.join(","));
        let answer = kept.post("/api/v1/commands", &body).await?;
        let answers = answer["answers"].as_array().context("an answer without answers")?;
        ensure!(answers.len() == texts.len(), "{} answers", answers.len());
        for answer in answers.iter().filter(|answer| !answer.is_null()) {
            hear.send(Heard::Frame(answer.to_string())).await?;
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
