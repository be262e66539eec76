//! A raw client as a program without the SDK would be: hello, resume, commands with cids that are
//! sent again until answered, events applied in order, holes fetched. It records all it does.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::recorder::Recorder;
use crate::server::token;
use crate::wire::{Heard, Transport, Wire};

/// Commands under way at once.
const WINDOW: usize = 8;
/// A connection that does not come in this time has failed.
const PATIENCE: Duration = Duration::from_secs(10);
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
    /// Its name in the history and its person's id.
    pub name: String,
    address: SocketAddr,
    recorder: Recorder,
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
    /// Acks and final errors so far.
    pub answered: u64,
    /// Reasons of the resets so far, except those of a person who was taken out of a room and in.
    pub resets: Vec<String>,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(name: &str, address: SocketAddr, recorder: &Recorder) -> Self {
        Self {
            name: name.to_owned(),
            address,
            recorder: recorder.clone(),
            wire: None,
            transport: Transport::WebSocket,
            n: 0,
            numbers: 0,
            places: BTreeMap::new(),
            outbox: VecDeque::new(),
            fetching: BTreeMap::new(),
            messages: Vec::new(),
            last_room: None,
            answered: 0,
            resets: Vec::new(),
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
    pub fn go_to(&mut self, node: SocketAddr) {
        self.address = node;
    }

    /// How it connects from the next time on.
    pub fn connect_over(&mut self, transport: Transport) {
        self.transport = transport;
    }

    /// Leaves the connection as it is, without a word, as a client does that has found a better one.
    pub fn abandon(&mut self) {
        self.lost(1006);
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

    /// Says that everything of the room was read that came.
    ///
    /// # Errors
    /// Never: a failure shows as the end of the connection.
    pub async fn mark_read(&mut self, room: &str) -> Result<()> {
        let read = json!({"type":"read","room":room,"seq":self.applied(room)}).to_string();
        if self.is_connected() {
            self.recorder.frame("sent", &self.name, self.n, &read);
            self.push(read).await?;
        }
        Ok(())
    }

    /// Connects, says hello with all positions, and waits for the welcome.
    ///
    /// # Errors
    /// If the server is not there or does not welcome.
    pub async fn connect(&mut self) -> Result<()> {
        let token = token(&self.name)?;
        self.wire = Some(Wire::connect(self.transport, self.address, &token).await?);
        self.n += 1;
        self.fetching.clear();
        for draft in &mut self.outbox {
            draft.number = None;
        }
        let (c, n) = (&self.name, self.n);
        self.recorder.line(json!({"is":"open","c":c,"n":n,"user":c}));
        let resume: BTreeMap<&String, Value> =
            self.places.iter().map(|(room, place)| (room, place.position())).collect();
        let hello = json!({"type":"hello","resume":resume});
        self.recorder.frame("sent", c, n, &hello.to_string());
        let wire = self.wire.as_mut().context("not connected")?;
        if wire.hello(&hello["resume"], &token).await.is_err() {
            self.lost(1006);
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.next().await? {
                Some(frame) if frame["type"] == "welcome" => {
                    for room in frame["rooms"].as_array().into_iter().flatten() {
                        self.start(
                            room["id"].as_str(),
                            room["epoch"].as_str(),
                            room["head"].as_u64(),
                        );
                    }
                    return Ok(());
                }
                Some(_) => {}
                None if self.is_connected() => {}
                None => bail!("closed instead of welcomed"),
            }
        }
        bail!("no welcome in time")
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

    async fn push(&mut self, text: String) -> Result<()> {
        let wire = self.wire.as_mut().context("not connected")?;
        if wire.send(text).await.is_err() {
            self.lost(1006);
        }
        Ok(())
    }

    fn lost(&mut self, code: u16) {
        if self.wire.take().is_some() {
            self.recorder.line(json!({"is":"close","c":self.name,"n":self.n,"code":code}));
        }
    }

    /// The next frame; none after a moment of silence or at the end of the connection.
    async fn next(&mut self) -> Result<Option<Value>> {
        let Some(wire) = self.wire.as_mut() else { return Ok(None) };
        let text = match timeout(TICK, wire.next()).await {
            Err(_) | Ok(None) => return Ok(None),
            Ok(Some(Heard::Frame(text))) => text,
            Ok(Some(Heard::Closed(code))) => {
                self.lost(code);
                return Ok(None);
            }
        };
        self.recorder.frame("got", &self.name, self.n, &text);
        Ok(Some(serde_json::from_str(&text).context("a frame that is no JSON")?))
    }

    async fn send_due(&mut self) {
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
            // A failure shows as the end of the connection.
            let _ = self.push(text).await;
        }
    }

    async fn take(&mut self, frame: &Value) {
        match frame["type"].as_str().unwrap_or("") {
            "ack" => self.acked(frame),
            "error" => self.refused(frame),
            "event" => self.event(frame).await,
            "page" => self.page(frame),
            "reset" => self.reset(frame),
            "room" if frame["change"] == "gone" => {
                let room = frame["id"].as_str().or(frame["room"].as_str()).unwrap_or("");
                self.places.remove(room);
            }
            "room" => {
                let room = &frame["room"];
                let (id, head) = (room["id"].as_str().unwrap_or(""), room["head"].as_u64());
                self.start(Some(id), room["epoch"].as_str(), head);
                // What follows begins behind this head.
                if head > Some(self.applied(id)) {
                    self.fetch(id, self.applied(id)).await;
                }
            }
            "ping" if self.wire.as_ref().is_some_and(Wire::answers_pings) => {
                drop(self.push(json!({"type":"pong"}).to_string()).await);
            }
            _ => {}
        }
    }

    fn draft(&mut self, frame: &Value) -> Option<usize> {
        let number = frame["id"].as_u64()?;
        self.outbox.iter().position(|draft| draft.number == Some(number))
    }

    fn acked(&mut self, frame: &Value) {
        let Some(index) = self.draft(frame) else { return };
        let Some(draft) = self.outbox.remove(index) else { return };
        self.answered += 1;
        let room = frame["room"].as_str().unwrap_or("").to_owned();
        if let (Some("send"), Some(id)) = (draft.frame["type"].as_str(), frame["message"].as_str())
        {
            self.messages.push((room.clone(), id.to_owned()));
        }
        self.last_room = Some(room);
    }

    fn refused(&mut self, frame: &Value) {
        if let Some(room) = frame["id"].as_u64().and_then(|number| self.fetching.remove(&number)) {
            // The hole stays until the next event or connection.
            let _ = room;
            return;
        }
        let Some(index) = self.draft(frame) else { return };
        if frame["retry"] == true {
            let wait = frame["retry_after_ms"].as_u64().unwrap_or(1000);
            let draft = &mut self.outbox[index];
            draft.number = None;
            draft.not_before = Some(Instant::now() + Duration::from_millis(wait));
            return;
        }
        self.answered += 1;
        self.outbox.remove(index);
    }

    /// Applies an event, or fetches what is missing before it.
    async fn event(&mut self, frame: &Value) {
        let (Some(room), Some(seq)) = (frame["room"].as_str(), frame["seq"].as_u64()) else {
            return;
        };
        let known = self.places.get(room).map(|place| place.seq);
        match known {
            Some(known) if seq <= known => {}
            Some(known) if seq > known + 1 => self.fetch(room, known).await,
            _ => self.apply(frame),
        }
    }

    async fn fetch(&mut self, room: &str, after: u64) {
        if self.fetching.values().any(|fetched| fetched == room) {
            return;
        }
        self.numbers += 1;
        self.fetching.insert(self.numbers, room.to_owned());
        let ask = json!({"type":"history","id":self.numbers,"room":room,"after":after,"limit":200});
        let text = ask.to_string();
        self.recorder.frame("sent", &self.name, self.n, &text);
        // A failure shows as the end of the connection.
        let _ = self.push(text).await;
    }

    fn page(&mut self, frame: &Value) {
        if let Some(number) = frame["id"].as_u64() {
            self.fetching.remove(&number);
        }
        for event in frame["events"].as_array().into_iter().flatten() {
            let room = event["room"].as_str().unwrap_or("");
            if event["seq"].as_u64() == Some(self.applied(room) + 1) {
                self.apply(event);
            }
        }
    }

    fn apply(&mut self, event: &Value) {
        let text = |field: &str| event[field].as_str().unwrap_or("").to_owned();
        let (room, epoch, id) = (text("room"), text("epoch"), text("id"));
        let seq = event["seq"].as_u64().unwrap_or(0);
        let (c, n) = (&self.name, self.n);
        self.recorder
            .line(json!({"is":"applied","c":c,"n":n,"room":room,"epoch":epoch,"seq":seq,"id":id}));
        let check = id[id.len().saturating_sub(8)..].to_owned();
        self.places.insert(room, Place { epoch, seq, check });
    }

    /// A room is followed from its head on, if nothing of it is known yet.
    fn start(&mut self, room: Option<&str>, epoch: Option<&str>, head: Option<u64>) {
        let (Some(room), Some(epoch), Some(head)) = (room, epoch, head) else { return };
        if !self.places.contains_key(room) {
            let place = Place { epoch: epoch.to_owned(), seq: head, check: String::new() };
            self.places.insert(room.to_owned(), place);
        }
    }

    fn reset(&mut self, frame: &Value) {
        let reason = frame["reason"].as_str().unwrap_or("");
        if !matches!(reason, "gone" | "pruned") {
            self.resets.push(reason.to_owned());
        }
        let Some(room) = frame["room"].as_str() else { return };
        self.places.remove(room);
        self.start(Some(room), frame["epoch"].as_str(), frame["head"].as_u64());
    }
}
