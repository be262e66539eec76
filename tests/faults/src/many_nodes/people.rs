//! The people of the proof of many nodes: each a task that sends when there is something to be sent, reads, marks as read,
//! and goes to another node when its own is gone. The first person of a room owns it and takes a guest in and out.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::Size;
use crate::client::{Client, client};
use crate::cluster::{Node, PATIENCE};
use crate::recorder::Recorder;

/// Between attempts to connect.
const PAUSE: Duration = Duration::from_millis(25);
/// Commands of one person that wait for their answers.
const AT_ONCE: usize = 3;
/// Handshakes at once.
const ARRIVALS: usize = 16;
/// How often more may be sent.
const TURN: Duration = Duration::from_millis(50);

/// A person.
struct Person {
    client: Client,
    rooms: Vec<usize>,
    own: Option<Own>,
    nodes: Arc<[SocketAddr]>,
    node: usize,
    chance: StdRng,
}

/// A room of one's own, and its guest, who is taken in and out.
struct Own {
    room: usize,
    guest: String,
    is_in: bool,
}

/// How much may be sent.
#[derive(Default)]
pub(crate) struct Floor {
    tickets: AtomicUsize,
    to_come: AtomicUsize,
    unanswered: AtomicUsize,
    is_over: AtomicBool,
}

/// All of them.
pub(crate) struct People {
    /// Here while they do not talk.
    here: Vec<Person>,
    talking: Vec<JoinHandle<Result<Person>>>,
    rooms: Arc<[String]>,
    floor: Arc<Floor>,
    recorder: Recorder,
}

impl Floor {
    /// Lets so many messages be sent, at a rate.
    pub(crate) fn open(self: &Arc<Self>, messages: usize, rate: usize) {
        self.to_come.fetch_add(messages, Ordering::SeqCst);
        let floor = Arc::clone(self);
        tokio::spawn(async move {
            let mut left = messages;
            while left > 0 {
                let now = portion(rate).min(left);
                floor.tickets.fetch_add(now, Ordering::SeqCst);
                floor.to_come.fetch_sub(now, Ordering::SeqCst);
                left -= now;
                sleep(TURN).await;
            }
        });
    }

    /// Lets messages be sent for as long as something takes, at least at this rate: a fault bites only what is on its way.
    pub(crate) async fn kept_open<T>(&self, rate: usize, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            if let Ok(done) = timeout(TURN, &mut work).await {
                return done;
            }
            if [&self.to_come, &self.tickets].iter().all(|left| left.load(Ordering::SeqCst) == 0) {
                self.tickets.fetch_add(portion(rate), Ordering::SeqCst);
            }
        }
    }

    fn take(&self) -> bool {
        let less = |tickets: usize| tickets.checked_sub(1);
        self.tickets.try_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }

    /// Waits until everything was sent and answered.
    pub(crate) async fn drained(&self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let left = [&self.to_come, &self.tickets, &self.unanswered]
                .map(|count| count.load(Ordering::SeqCst));
            if left == [0, 0, 0] {
                return Ok(());
            }
            let [to_come, tickets, unanswered] = left;
            ensure!(
                Instant::now() < deadline,
                "{} messages wait to be sent, {unanswered} for their answers",
                to_come + tickets
            );
            sleep(TURN).await;
        }
    }
}

/// What is sent in one turn at this rate.
fn portion(rate: usize) -> usize {
    (rate * TURN.as_millis() as usize / 1_000).max(1)
}

impl People {
    /// Connects everybody, spread over the nodes, and makes the rooms.
    pub(crate) async fn gather(
        size: Size,
        nodes: Vec<SocketAddr>,
        recorder: &Recorder,
        seed: u64,
    ) -> Result<Self> {
        let nodes: Arc<[SocketAddr]> = nodes.into();
        let mut chance = StdRng::seed_from_u64(seed);
        let mut here: Vec<Person> = (0..size.people)
            .map(|number| {
                let node = number % nodes.len();
                let client = client(&name(number), nodes[node], recorder);
                let (nodes, chance) = (nodes.clone(), StdRng::seed_from_u64(chance.random()));
                Person { client, rooms: Vec::new(), own: None, nodes, node, chance }
            })
            .collect();
        arrive(&mut here).await?;
        let mut rooms = Vec::new();
        for room in 0..size.rooms {
            let members = members(room, size);
            for member in &members {
                here[*member].rooms.push(room);
            }
            let names: Vec<String> = members.iter().map(|member| name(*member)).collect();
            let owner = &mut here[members[0]];
            owner.own = names.last().map(|guest| Own { room, guest: guest.clone(), is_in: true });
            let frame = json!({"type":"create","kind":"group","name":format!("Room {room}"),"members":&names[1..]});
            rooms.push(owner.make(frame).await?);
        }
        let mut people = Self {
            here,
            talking: Vec::new(),
            rooms: rooms.into(),
            floor: Arc::default(),
            recorder: recorder.clone(),
        };
        people.provoke_a_reset().await?;
        Ok(people)
    }

    /// One of them comes with a position of another epoch.
    async fn provoke_a_reset(&mut self) -> Result<()> {
        let (person, rooms) = (&mut self.here[0], &self.rooms);
        let room = &rooms[person.rooms[0]];
        let deadline = Instant::now() + PATIENCE;
        while person.client.resets.is_empty() {
            ensure!(Instant::now() < deadline, "a position of another epoch gets no reset");
            if person.client.applied(room) > 0 {
                person.client.close().await;
                person.client.mistake_epoch(room);
                person.client.connect().await?;
            }
            person.client.step().await?;
        }
        Ok(())
    }

    /// Lets them talk as the floor allows.
    pub(crate) fn talk(&mut self) -> Arc<Floor> {
        for person in self.here.drain(..) {
            let talk = person.talk(self.rooms.clone(), self.floor.clone());
            self.talking.push(tokio::spawn(talk));
        }
        self.floor.clone()
    }

    /// Ends a run: everything is answered, the guests are in, the logs are in the history, and everybody has everything.
    /// Who was lied to may wait in vain: then that is left to the checker.
    pub(crate) async fn conclude(&mut self, node: &Node, may_lack: bool) -> Result<()> {
        self.floor.is_over.store(true, Ordering::SeqCst);
        for talking in self.talking.drain(..) {
            self.here.push(talking.await??);
        }
        try_join_all(self.here.iter_mut().map(|person| person.finish(&self.rooms))).await?;
        let server = node.server.as_ref().context("the node is down")?;
        let mut heads = Vec::new();
        for room in self.rooms.iter() {
            heads.push(server.audit(&self.recorder, room).await?);
        }
        let (rooms, heads) = (&self.rooms, &heads);
        let patience = if may_lack { Duration::from_secs(5) } else { PATIENCE };
        let waits = self.here.iter_mut().map(|person| person.catch_up(rooms, heads, patience));
        let all = try_join_all(waits).await;
        if may_lack { Ok(()) } else { all.map(drop) }
    }

    pub(crate) fn reconnects(&self) -> u64 {
        self.here.iter().map(|person| person.client.connections().saturating_sub(1)).sum()
    }

    pub(crate) fn resets(&self) -> Vec<String> {
        self.here.iter().flat_map(|person| person.client.resets.clone()).collect()
    }
}

fn name(number: usize) -> String {
    format!("p{number}")
}

/// Every person is in two rooms, whose people are on all nodes.
fn rooms_of(person: usize, rooms: usize) -> [usize; 2] {
    [person % rooms, (person + 1 + person / rooms) % rooms]
}

/// Who is in a room, its owner first.
fn members(room: usize, size: Size) -> Vec<usize> {
    let is_in = |person: &usize| rooms_of(*person, size.rooms).contains(&room);
    let others = (0..size.people).filter(is_in).filter(|person| *person != room);
    std::iter::once(room).chain(others).collect()
}

/// Connects all of them, a few at a time.
async fn arrive(people: &mut [Person]) -> Result<()> {
    let arriving = people.iter_mut().map(|person| person.client.connect());
    stream::iter(arriving).buffer_unordered(ARRIVALS).try_collect::<Vec<_>>().await.map(drop)
}

impl Person {
    async fn make(&mut self, frame: serde_json::Value) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        self.client.queue(frame);
        while self.client.unanswered() > 0 {
            ensure!(self.client.step().await? && Instant::now() < deadline, "no room was made");
        }
        self.client.last_room.clone().context("the ack of create names no room")
    }

    async fn talk(mut self, rooms: Arc<[String]>, floor: Arc<Floor>) -> Result<Self> {
        while !floor.is_over.load(Ordering::SeqCst) {
            if !self.is_there().await {
                continue;
            }
            while self.client.unanswered() < AT_ONCE && floor.take() {
                floor.unanswered.fetch_add(1, Ordering::SeqCst);
                self.think(&rooms);
            }
            let before = self.client.answered;
            self.client.step().await?;
            let answered = usize::try_from(self.client.answered - before)?;
            floor.unanswered.fetch_sub(answered, Ordering::SeqCst);
            if answered > 0 && self.chance.random_range(0..8) == 0 {
                let room = self.rooms[self.chance.random_range(0..self.rooms.len())];
                self.client.mark_read(&rooms[room]).await;
            }
        }
        Ok(self)
    }

    /// Connected, if a node can be had; else at another one next time.
    async fn is_there(&mut self) -> bool {
        if self.client.is_connected() || self.client.connect().await.is_ok() {
            return true;
        }
        self.node = (self.node + 1) % self.nodes.len();
        self.client.go_to(self.nodes[self.node]);
        sleep(PAUSE).await;
        false
    }

    /// Queues what comes to mind.
    fn think(&mut self, rooms: &[String]) {
        let room = self.rooms[self.chance.random_range(0..self.rooms.len())];
        if let Some(Own { room, guest, is_in }) = self.own.as_mut()
            && self.chance.random_range(0..10) == 0
        {
            let kind = if *is_in { "remove" } else { "invite" };
            *is_in = !*is_in;
            self.client.queue(json!({"type":kind,"room":rooms[*room],"users":[guest]}));
            return;
        }
        let body = format!("{} says {}", self.client.name, self.chance.random::<u32>());
        self.client.queue(json!({"type":"send","room":rooms[room],"body":body}));
    }

    async fn finish(&mut self, rooms: &[String]) -> Result<()> {
        if let Some(Own { room, guest, is_in: false }) = self.own.take() {
            let invite = json!({"type":"invite","room":rooms[room],"users":[guest]});
            self.client.queue(invite);
        }
        let deadline = Instant::now() + PATIENCE;
        while self.client.unanswered() > 0 {
            ensure!(Instant::now() < deadline, "{} waits for answers", self.client.name);
            if self.is_there().await {
                self.client.step().await?;
            }
        }
        Ok(())
    }

    /// What is missing, in words.
    fn lack(&self, rooms: &[String], heads: &[u64]) -> String {
        let has = |room: &usize| {
            let (room, head) = (&rooms[*room], heads[*room]);
            format!("{} of {head} in {room}", self.client.applied(room))
        };
        let all: Vec<String> = self.rooms.iter().map(has).collect();
        let connected = if self.client.is_connected() { "connected" } else { "not connected" };
        format!("{} never gets everything: {}; {connected}", self.client.name, all.join(", "))
    }

    async fn catch_up(
        &mut self,
        rooms: &[String],
        heads: &[u64],
        patience: Duration,
    ) -> Result<()> {
        let deadline = Instant::now() + patience;
        while self.rooms.iter().any(|room| self.client.applied(&rooms[*room]) < heads[*room]) {
            ensure!(Instant::now() < deadline, "{}", self.lack(rooms, heads));
            if self.is_there().await {
                self.client.step().await?;
            }
        }
        Ok(())
    }
}
