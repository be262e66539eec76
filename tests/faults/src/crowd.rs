//! A few people who talk in two rooms without end: the traffic of the fault proofs.
//!
//! Ann owns a group with everybody and has a direct room with bob; now and then somebody edits or
//! deletes, ann renames the group and takes the guest in and out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::client::{Client, client};
use crate::recorder::Recorder;
use crate::server::Server;
use moorline_load::wire::Transport;

/// Everybody, the owner first and the guest last.
const PEOPLE: [&str; 5] = ["ann", "bob", "cem", "dan", "guest"];
/// How long answers and events may take at the end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between attempts to connect to a server that is away.
const PAUSE: Duration = Duration::from_millis(15);
/// One in so many rounds, somebody who has several transports changes to another.
const CONSTANCY: u32 = 6;
/// Commands that one person keeps in the outbox.
const EAGERNESS: usize = 12;

/// The people, their clients and their rooms.
#[derive(Debug)]
pub struct Crowd {
    /// One client a person.
    pub clients: Vec<Client>,
    /// Answers while talking, for who watches from beside.
    pub answers: Arc<AtomicU64>,
    rooms: Vec<String>,
    chance: StdRng,
    /// How people connect, each time by one of these; by a WebSocket where there is none.
    transports: Vec<Transport>,
}

impl Crowd {
    /// Connects everybody and makes the rooms.
    ///
    /// # Errors
    /// If the server does not do its part.
    pub async fn gather(address: SocketAddr, recorder: &Recorder, seed: u64) -> Result<Self> {
        Self::gather_over(&[], address, recorder, seed).await
    }

    /// The same over these transports; where there are several, people change from one to another in mid-talk.
    ///
    /// # Errors
    /// If the server does not do its part.
    pub async fn gather_over(
        transports: &[Transport],
        address: SocketAddr,
        recorder: &Recorder,
        seed: u64,
    ) -> Result<Self> {
        let transports = transports.to_vec();
        let clients = PEOPLE.iter().map(|name| client(name, address, recorder)).collect();
        let chance = StdRng::seed_from_u64(seed);
        let (answers, rooms) = (Arc::default(), Vec::new());
        let mut crowd = Self { clients, answers, rooms, chance, transports };
        for client in &mut crowd.clients {
            choose(client, &crowd.transports, &mut crowd.chance);
            client.connect().await?;
        }
        crowd
            .create(json!({"type":"create","kind":"group","name":"Hall","members":PEOPLE[1..]}))
            .await?;
        crowd.create(json!({"type":"create","kind":"direct","members":["bob"]})).await?;
        for index in 1..crowd.clients.len() {
            let room = crowd.rooms[0].clone();
            crowd.clients[index].queue(json!({"type":"send","room":room,"body":"here I am"}));
        }
        crowd.settle().await?;
        Ok(crowd)
    }

    async fn create(&mut self, frame: Value) -> Result<()> {
        let ann = &mut self.clients[0];
        ann.queue(frame);
        let deadline = Instant::now() + PATIENCE;
        while ann.unanswered() > 0 {
            ensure!(ann.step().await? && Instant::now() < deadline, "no room was made");
        }
        self.rooms.push(ann.last_room.clone().context("the ack of create names no room")?);
        Ok(())
    }

    /// The room in which everybody is.
    pub fn hall(&self) -> &str {
        &self.rooms[0]
    }

    /// Answers to all clients so far.
    pub fn answered(&self) -> u64 {
        self.clients.iter().map(|client| client.answered).sum()
    }

    /// Why clients were reset.
    pub fn resets(&self) -> Vec<String> {
        self.clients.iter().flat_map(|client| client.resets.clone()).collect()
    }

    /// Everybody talks, and comes back when the connection breaks, until `over`.
    ///
    /// # Errors
    /// If a client gets something that is no frame of the protocol.
    pub async fn talk(&mut self, over: &AtomicBool) -> Result<()> {
        let (rooms, transports) = (&self.rooms, &self.transports);
        let (chance, answers) = (&mut self.chance, &self.answers);
        let seeds: Vec<u64> = self.clients.iter().map(|_| chance.random()).collect();
        let talks = self.clients.iter_mut().zip(seeds).map(|(client, seed)| async move {
            let mut chance = StdRng::seed_from_u64(seed);
            while !over.load(Ordering::Relaxed) {
                if transports.len() > 1 && chance.random_range(0..CONSTANCY) == 0 {
                    client.abandon();
                }
                choose(client, transports, &mut chance);
                if !client.is_connected() && client.connect().await.is_err() {
                    sleep(PAUSE).await;
                    continue;
                }
                while client.unanswered() < EAGERNESS {
                    let frame = thought(client, rooms, &mut chance);
                    client.queue(frame);
                }
                let before = client.answered;
                client.step().await?;
                answers.fetch_add(client.answered - before, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
        try_join_all(talks).await.map(drop)
    }

    /// Waits until every command has its answer.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn settle(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let waits = self.clients.iter_mut().map(|client| async move {
            while client.unanswered() > 0 {
                ensure!(Instant::now() < deadline, "{} waits for answers", client.name);
                if !client.is_connected() && client.connect().await.is_err() {
                    sleep(PAUSE).await;
                }
                client.step().await?;
            }
            Ok(())
        });
        try_join_all(waits).await.map(drop)
    }

    /// Everybody disconnects in the ordinary way.
    pub async fn disperse(&mut self) {
        join_all(self.clients.iter_mut().map(Client::close)).await;
    }

    /// Ends a run: everything is answered, the guest is in again, the store's logs are in the
    /// history, and everybody who is connected has applied them to their ends.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn conclude(&mut self, server: &Server, recorder: &Recorder) -> Result<()> {
        self.settle().await?;
        let invite = json!({"type":"invite","room":self.rooms[0],"users":["guest"]});
        self.clients[0].queue(invite);
        self.settle().await?;
        let mut heads = Vec::new();
        for room in &self.rooms {
            heads.push((room.clone(), server.audit(recorder, room).await?));
        }
        let deadline = Instant::now() + PATIENCE;
        let heads = &heads;
        let waits = self.clients.iter_mut().map(|client| async move {
            let is_in = |room: &usize| *room == 0 || matches!(client.name.as_str(), "ann" | "bob");
            let mine: Vec<_> = (0..heads.len()).filter(is_in).map(|room| &heads[room]).collect();
            while mine.iter().any(|(room, head)| client.applied(room) < *head) {
                ensure!(Instant::now() < deadline, "{} never gets everything", client.name);
                if !client.is_connected() && client.connect().await.is_err() {
                    sleep(PAUSE).await;
                }
                client.step().await?;
            }
            Ok(())
        });
        try_join_all(waits).await.map(drop)
    }
}

/// Takes one of these transports for the next connection.
fn choose(client: &mut Client, transports: &[Transport], chance: &mut StdRng) {
    if let Some(last) = transports.len().checked_sub(1) {
        client.connect_over(transports[chance.random_range(0..=last)]);
    }
}

/// What a person does next.
fn thought(client: &mut Client, rooms: &[String], chance: &mut StdRng) -> Value {
    let has_direct = matches!(client.name.as_str(), "ann" | "bob");
    let room = if has_direct && chance.random_range(0..4) == 0 { &rooms[1] } else { &rooms[0] };
    let is_owner = client.name == "ann";
    let own = client.messages.len();
    match chance.random_range(0..100) {
        0..5 if own > 0 => {
            let (room, message) = &client.messages[chance.random_range(0..own)];
            let body = format!("better: {}", chance.random::<u32>());
            json!({"type":"edit","room":room,"message":message,"body":body})
        }
        5..8 if own > 0 => {
            let (room, message) = client.messages.swap_remove(chance.random_range(0..own));
            json!({"type":"delete","room":room,"message":message})
        }
        8..10 if is_owner => {
            json!({"type":"rename","room":rooms[0],"name":format!("Hall {}", chance.random::<u16>())})
        }
        10..12 if is_owner => json!({"type":"remove","room":rooms[0],"users":["guest"]}),
        12..15 if is_owner => json!({"type":"invite","room":rooms[0],"users":["guest"]}),
        _ => json!({"type":"send","room":room,"body":body(chance)}),
    }
}

/// Mostly a line, sometimes a page.
fn body(chance: &mut StdRng) -> String {
    let words = if chance.random_range(0..40) == 0 { 2000 } else { chance.random_range(1..40) };
    let word = chance.random::<u16>();
    format!("{word} ").repeat(words).trim_end().to_owned()
}
