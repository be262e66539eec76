//! The proof of two nodes at full rate: at 5,000 messages a second no hint is lost, and with everybody in one room next to
//! nothing is read from the store.
//!
//! It counts what the nodes themselves count, and sees to it that everything was sent, acknowledged and heard, in order.

mod people;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use moorline_test_postgres::Database;
use moorline_test_redis::Server as Redis;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::{self, Counts, Node};
use people::{Person, Share};

/// Rooms that are made at once.
const BUILDERS: usize = 8;

/// How much is said, by how many.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Rooms; the people of each are on both nodes in turn.
    pub rooms: usize,
    /// People in each.
    pub people: usize,
    /// Messages of each of them in a round; a connection may send 200 at once, and 50 a second.
    pub sends: u64,
    /// How often everybody comes again.
    pub rounds: u64,
    /// Messages a second, of all together, as far as the machine can; none: as fast as acks come.
    pub rate: Option<f64>,
}

impl Load {
    /// 5,000 messages a second, of two people in each room.
    pub const SPREAD: Self =
        Self { rooms: 125, people: 2, sends: 600, rounds: 1, rate: Some(5_000.0) };
    /// The same for the test command.
    pub const SPREAD_SHORT: Self = Self { sends: 40, ..Self::SPREAD };
    /// Everybody in one room, and nobody waits for anything but acks.
    pub const ONE_ROOM: Self = Self { rooms: 1, people: 40, sends: 200, rounds: 5, rate: None };
    /// The same for the test command.
    pub const ONE_ROOM_SHORT: Self = Self { people: 10, rounds: 1, ..Self::ONE_ROOM };

    fn messages(&self) -> u64 {
        (self.rooms * self.people) as u64 * self.sends * self.rounds
    }

    fn share(&self, person: usize) -> Share {
        let all = (self.rooms * self.people) as f64;
        let beat = self.rate.map(|rate| {
            let (every, turn) = (all / rate, person as f64 / rate);
            (Duration::from_secs_f64(every), Duration::from_secs_f64(turn))
        });
        Share { sends: self.sends, hears: self.sends * self.people as u64, beat }
    }
}

/// What is done to the nodes, so that the proof has something to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// Nothing.
    Nothing,
    /// The channels of the nodes hold so few hints that some are dropped.
    NarrowChannels,
    /// What the nodes tell each other comes much later than it should.
    SlowHints,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Messages that were sent and acknowledged; everybody in their rooms heard them.
    pub messages: u64,
    /// How often one was heard.
    pub heard: u64,
    /// Messages a second that were reached.
    pub rate: f64,
    /// What both nodes counted meanwhile.
    pub counts: Counts,
}

impl Outcome {
    /// Whether no hint was dropped or left out, though there were some.
    pub fn lost_no_hint(&self) -> bool {
        self.counts.lost() == 0 && self.counts.received > 0
    }

    /// Whether the store was read for less than one message in a hundred.
    pub fn hardly_read(&self) -> bool {
        self.counts.read * 100 < self.messages
    }

    /// All of it in a line.
    pub fn line(&self) -> String {
        let Self { messages, heard, rate, counts } = self;
        format!(
            "{messages} messages at {rate:.0} a second, heard {heard} times; {} hints sent, {} came, {} dropped, {} missed; \
             {} of the messages read from the store in {} reads",
            counts.sent, counts.received, counts.dropped, counts.missed, counts.read, counts.filled
        )
    }
}

/// Starts two nodes and lets people talk over them.
///
/// # Errors
/// If anything that was sent is not acknowledged, or not heard by everybody in its room, in order.
pub async fn prove(load: Load, planted: Planted) -> Result<Outcome> {
    let (database, redis) = (Database::new(), Redis::start());
    let more: &[&str] = match planted {
        Planted::NarrowChannels => &["--layer-capacity", "1"],
        Planted::Nothing | Planted::SlowHints => &[],
    };
    let mut nodes = Vec::new();
    for _ in 0..2 {
        // Nothing stands between a node and Redis that is not there in life.
        nodes.push(match planted {
            Planted::SlowHints => Node::start(&database, &redis, more).await?,
            _ => Node::start_directly(&database, &redis, more).await?,
        });
    }
    build(&nodes[0], load).await?;
    if planted == Planted::SlowHints {
        nodes.iter().for_each(|node| node.wire.delay(Duration::from_millis(200)));
    }
    cluster::connected(&nodes).await?;
    let (before, mut took) = (cluster::counts(&nodes).await?, Duration::ZERO);
    for _ in 0..load.rounds {
        took += talk(&nodes, load).await?;
    }
    // Each node has told of everything once it is heard again.
    cluster::connected(&nodes).await?;
    let counts = cluster::counts(&nodes).await?.since(before);
    let messages = load.messages();
    ensure!(counts.published == messages, "{messages} were sent, {} counted", counts.published);
    let rate = messages as f64 / took.as_secs_f64();
    Ok(Outcome { messages, heard: messages * load.people as u64, rate, counts })
}

/// Makes the people and rooms.
async fn build(node: &Node, load: Load) -> Result<()> {
    let server = node.server.as_ref().context("the node is down")?;
    let numbers: Vec<usize> = (0..load.rooms).collect();
    for some in numbers.chunks(BUILDERS) {
        let making = some.iter().map(|room| async move {
            let members: Vec<String> = (0..load.people).map(|n| name(*room, n)).collect();
            for member in &members {
                let path = format!("/api/v1/users/{member}");
                server.api("PUT", &path, Some(json!({"name":member}))).await?;
            }
            let body = json!({"id":format!("r{room}"),"kind":"group","name":"R","members":members});
            server.api("POST", "/api/v1/rooms", Some(body)).await
        });
        try_join_all(making).await?;
    }
    Ok(())
}

/// Everybody comes, talks, hears everything and goes; how long it took from the first send to the last ack.
async fn talk(nodes: &[Node], load: Load) -> Result<Duration> {
    let mut here = Vec::new();
    for room in 0..load.rooms {
        for n in 0..load.people {
            let node = nodes[n % nodes.len()].address();
            here.push(Person::come(node, &name(room, n), &format!("r{room}")).await?);
        }
    }
    let began = Instant::now();
    let mut talking = JoinSet::new();
    for (number, person) in here.into_iter().enumerate() {
        talking.spawn(person.talk(load.share(number)));
    }
    let mut last = began;
    while let Some(ended) = talking.join_next().await {
        last = last.max(ended??);
    }
    Ok(last - began)
}

fn name(room: usize, n: usize) -> String {
    format!("p{room}-{n}")
}
