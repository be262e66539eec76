//! A raw client as a program without the SDK would be: hello, resume, commands with cids that are
//! sent again until answered, events applied in order, holes fetched. It records all it does.

mod taking;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::meter::Meter;
use crate::recorder::Recorder;
use crate::target::Target;
use crate::tokens::Tokens;
use crate::wire::{Heard, Transport, Wire};

/// Commands under way at once.
const WINDOW: usize = 8;
/// A connection that does not come in this time has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Until a `welcome` says how much silence is too much.
const SILENCE: Duration = Duration::from_secs(60);
/// How long to listen before looking at the outbox again.
const TICK: Duration = Duration::from_millis(20);

/// A durable command on its way.
#[derive(Debug)]
struct Draft {
    frame: Value,
    /// Its number on this connection, once it was sent there.
    number: Option<u64>,
    /// A retryable error asked to wait.
    not_before: Option<Instant>,
}

/// A client's place in a room.
#[derive(Clone, Debug)]
struct Place {
    epoch: String,
    seq: u64,
    check: String,
}

impl Place {
    fn position(&self) -> Value {
        let check = (!self.check.is_empty()).then_some(&self.check);
        json!({"epoch":self.epoch,"seq":self.seq,"check":check})
    }
}

/// A client over all its connections.
#[derive(Debug)]
pub struct Client {
    /// Its name in the history: one window, over all its connections.
    pub name: String,
    user: String,
    target: Target,
    tokens: Tokens,
    recorder: Recorder,
    meter: Option<Arc<Meter>>,
    wire: Option<Wire>,
    transport: Transport,
    n: u64,
    numbers: u64,
    places: BTreeMap<String, Place>,
    outbox: VecDeque<Draft>,
    /// Rooms in which a hole is being fetched.
    fetching: BTreeMap<u64, String>,
    /// Own messages, as (room, id), that were acknowledged.
    pub messages: Vec<(String, String)>,
    /// The room of the last ack.
    pub last_room: Option<String>,
    /// The highest seq of a room that was acknowledged.
    pub acked: BTreeMap<String, u64>,
    /// Acks and final errors so far.
    pub answered: u64,
    /// Reasons of the resets so far, except those of a person who was taken out of a room and in.
    pub resets: Vec<String>,
    /// Final refusals so far, by their code.
    pub refused: BTreeMap<String, u64>,
    /// Ends of connections that this client did not bring about, by their code.
    pub closes: BTreeMap<u16, u64>,
    /// What the server said last that was the answer to no command: why it closed.
    pub refusal: Option<String>,
    /// After so much silence a socket counts as dead, as `welcome` says.
    silence: Duration,
    heard_at: Instant,
}

impl Client {
    /// A window of this person that has not connected yet.
    pub fn new(name: &str, user: &str, to: Target, tokens: &Tokens, recorder: &Recorder) -> Self {
        Self {
            name: name.to_owned(),
            user: user.to_owned(),
            target: to,
            tokens: tokens.clone(),
            recorder: recorder.clone(),
            meter: None,
            wire: None,
            transport: Transport::WebSocket,
            n: 0,
            numbers: 0,
            places: BTreeMap::new(),
            outbox: VecDeque::new(),
            fetching: BTreeMap::new(),
            messages: Vec::new(),
            last_room: None,
            acked: BTreeMap::new(),
            answered: 0,
            resets: Vec::new(),
            refused: BTreeMap::new(),
            closes: BTreeMap::new(),
            refusal: None,
            silence: SILENCE,
            heard_at: Instant::now(),
        }
    }

    /// Queues a durable command; it gets its cid here, for ever.
    pub fn queue(&mut self, mut frame: Value) {
        frame["cid"] = json!(Uuid::now_v7().to_string());
        self.outbox.push_back(Draft { frame, number: None, not_before: None });
    }

    /// Commands that have no answer yet.
    pub fn unanswered(&self) -> usize {
        self.outbox.len()
    }

    /// Whether a connection is open.
    pub fn is_connected(&self) -> bool {
        self.wire.is_some()
    }

    /// The number of its connections so far.
    pub fn connections(&self) -> u64 {
        self.n
    }

    /// The seq up to which the room was applied.
    pub fn applied(&self, room: &str) -> u64 {
        self.places.get(room).map_or(0, |place| place.seq)
    }

    /// The node to connect to from now on.
    pub fn go_to(&mut self, node: impl Into<Target>) {
        self.target = node.into();
    }

    /// Lets the times of its messages be measured.
    pub fn measure(&mut self, meter: &Arc<Meter>) {
        self.meter = Some(Arc::clone(meter));
    }

    /// The person's id.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// How it connects from the next time on.
    pub fn connect_over(&mut self, transport: Transport) {
        self.transport = transport;
    }

    /// Leaves the connection as it is, without a word, as a client does that has found a better one.
    pub fn abandon(&mut self) {
        self.end(1006);
    }

    /// From its next hello on it takes the event that follows for one that it has, as a client does that loses one on
    /// its way from one connection to the next.
    pub fn lose_one(&mut self, room: &str) {
        if let Some(place) = self.places.get_mut(room) {
            place.seq += 1;
            place.check.clear();
        }
    }

    /// At its next hello it shows a position of another epoch, which must be answered by a reset.
    pub fn mistake_epoch(&mut self, room: &str) {
        if let Some(place) = self.places.get_mut(room) {
            place.epoch = "of-another-life".to_owned();
        }
    }

    /// Says that everything of the room was read that came. A failure shows as the end of the connection.
    pub async fn mark_read(&mut self, room: &str) {
        let read = json!({"type":"read","room":room,"seq":self.applied(room)}).to_string();
        if self.is_connected() {
            self.recorder.frame("sent", &self.name, self.n, &read);
            self.push(read).await;
        }
    }

    /// Connects, says hello with all positions, and waits for the welcome, which it gives.
    ///
    /// # Errors
    /// If the server is not there or does not welcome; then there is no connection.
    pub async fn connect(&mut self) -> Result<Value> {
        let token = self.tokens.token(&self.user).await?;
        self.wire = Some(Wire::connect(self.transport, &self.target, &token).await?);
        self.n += 1;
        self.refusal = None;
        self.heard_at = Instant::now();
        self.fetching.clear();
        for draft in &mut self.outbox {
            draft.number = None;
        }
        let (c, n) = (&self.name, self.n);
        self.recorder.line(json!({"is":"open","c":c,"n":n,"user":self.user}));
        let resume: BTreeMap<&String, Value> =
            self.places.iter().map(|(room, place)| (room, place.position())).collect();
        let hello = json!({"type":"hello","resume":resume});
        self.recorder.frame("sent", c, n, &hello.to_string());
        let wire = self.wire.as_mut().context("not connected")?;
        if wire.hello(&hello["resume"], &token).await.is_err() {
            self.end(1006);
        }
        let welcome = self.welcome().await;
        if welcome.is_err() {
            self.end(1006);
            self.tokens.forget(&self.user);
        }
        welcome
    }

    async fn welcome(&mut self) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.next().await? {
                Some(frame) if frame["type"] == "welcome" => {
                    let timeout = frame["keepalive"]["timeout_ms"].as_u64();
                    self.silence = timeout.map_or(SILENCE, Duration::from_millis);
                    for room in frame["rooms"].as_array().into_iter().flatten() {
                        let (id, epoch) = (room["id"].as_str(), room["epoch"].as_str());
                        self.start(id, epoch, room["head"].as_u64());
                    }
                    return Ok(frame);
                }
                Some(frame) if frame["type"] == "error" => {
                    self.refusal = frame["message"].as_str().map(str::to_owned);
                }
                Some(_) => {}
                None if self.is_connected() => {}
                None => match &self.refusal {
                    Some(why) => bail!("refused: {why}"),
                    None => bail!("closed instead of welcomed"),
                },
            }
        }
        bail!("no welcome in time")
    }

    /// Waits for what comes next, for ever without a connection; nothing is lost where the wait is given up. What it
    /// gives is for `hear`.
    pub async fn listen(&mut self) -> Heard {
        match self.wire.as_mut() {
            Some(wire) => wire.next().await,
            None => std::future::pending().await,
        }
    }

    /// Takes in what came.
    ///
    /// # Errors
    /// If the server said something that is no frame of the protocol.
    pub async fn hear(&mut self, heard: Heard) -> Result<()> {
        if let Some(frame) = self.note(heard)? {
            self.take(&frame).await;
        }
        Ok(())
    }

    /// Sends what is due and takes in what came, for a moment. False once the connection is gone.
    ///
    /// # Errors
    /// If the server says something that is no frame of the protocol.
    pub async fn step(&mut self) -> Result<bool> {
        self.send_due().await;
        let deadline = Instant::now() + TICK;
        while self.is_connected() && Instant::now() < deadline {
            let Some(frame) = self.next().await? else { break };
            self.take(&frame).await;
        }
        Ok(self.is_connected())
    }

    /// Ends the connection in the ordinary way.
    pub async fn close(&mut self) {
        if let Some(wire) = self.wire.take() {
            wire.close().await;
            self.recorder.line(json!({"is":"close","c":self.name,"n":self.n,"code":1000}));
        }
    }

    /// Gives up a socket on which the server's pings stopped to come.
    pub fn mind_silence(&mut self) {
        let is_socket = self.wire.as_ref().is_some_and(Wire::is_socket);
        if is_socket && self.heard_at.elapsed() > self.silence {
            self.lost(1006);
        }
    }

    async fn push(&mut self, text: String) {
        let Some(wire) = self.wire.as_mut() else { return };
        if wire.send(text).await.is_err() {
            self.lost(1006);
        }
    }

    /// The connection ended, and not by this client's will.
    fn lost(&mut self, code: u16) {
        if self.wire.is_some() {
            *self.closes.entry(code).or_default() += 1;
        }
        self.end(code);
    }

    fn end(&mut self, code: u16) {
        if self.wire.take().is_some() {
            self.recorder.line(json!({"is":"close","c":self.name,"n":self.n,"code":code}));
        }
    }

    /// The next frame; none after a moment of silence or at the end of the connection.
    async fn next(&mut self) -> Result<Option<Value>> {
        let Ok(heard) = timeout(TICK, self.listen()).await else { return Ok(None) };
        self.note(heard)
    }

    /// Writes down what came, and gives the frame.
    fn note(&mut self, heard: Heard) -> Result<Option<Value>> {
        self.heard_at = Instant::now();
        let text = match heard {
            Heard::Beat => return Ok(None),
            Heard::Closed(code) => {
                self.lost(code);
                return Ok(None);
            }
            Heard::Frame(text) => text,
        };
        self.recorder.frame("got", &self.name, self.n, &text);
        Ok(Some(serde_json::from_str(&text).context("a frame that is no JSON")?))
    }

    /// Sends the commands that are due, as many as may be under way.
    pub async fn send_due(&mut self) {
        let now = Instant::now();
        let waiting = self.outbox.iter().filter(|draft| draft.number.is_some()).count();
        let mut free = WINDOW.saturating_sub(waiting);
        let mut due = Vec::new();
        for draft in &mut self.outbox {
            let waits = draft.not_before.is_some_and(|moment| moment > now);
            if free == 0 || waits {
                // What waits holds back what follows: a room's messages keep their order.
                break;
            }
            if draft.number.is_none() {
                self.numbers += 1;
                draft.number = Some(self.numbers);
                draft.frame["id"] = json!(self.numbers);
                due.push(draft.frame.to_string());
                free -= 1;
            }
        }
        for text in due {
            if !self.is_connected() {
                return;
            }
            self.recorder.frame("sent", &self.name, self.n, &text);
            self.push(text).await;
        }
    }
}
