//! The proof of many nodes: people talk over three of them while everything happens to Redis and to the nodes that may,
//! and every promise is kept.
//!
//! A stage is one fault with its share of the messages: it strikes while they are sent, lasts until it is seen to bite,
//! ends, and the next one begins once the nodes hear each other again.

mod fault;
mod people;

use std::time::Duration;

use anyhow::{Context, Result};
use moorline_test_postgres::Database;
use moorline_test_redis::Server as Redis;
use tokio::time::{Instant, sleep};

use crate::cluster::{self, Counts, Node, PATIENCE};
use crate::recorder::{Judgement, Recorder, judge};
use crate::rogue::Rogue;
use crate::sentinel::Fleet;
pub use fault::Fault;
use people::People;

const NODES: usize = 3;
/// Seconds: I7 is judged by it.
const PING: u64 = 5;
/// Of a stage, before its fault strikes.
const CALM: Duration = Duration::from_millis(400);

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// People; each is in two rooms.
    pub people: usize,
    /// Rooms.
    pub rooms: usize,
    /// Messages in all.
    pub messages: usize,
    /// How often each fault comes.
    pub rounds: usize,
    /// Messages a second, as far as the machine can.
    pub rate: usize,
    /// What happens.
    pub faults: &'static [Fault],
}

impl Size {
    /// For the test command, also unoptimised.
    pub const SHORT: Self =
        Self { people: 30, rooms: 6, messages: 900, rounds: 1, rate: 80, faults: Fault::BRIEF };
    /// The full numbers: somewhat more than 20,000, since who is out of a room is refused there.
    pub const FULL: Self = Self {
        people: 300,
        rooms: 50,
        messages: 21_500,
        rounds: 3,
        rate: 400,
        faults: &Fault::ALL,
    };
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// What each fault did to the hints: its name, how many were lost, how many holes were filled, over all rounds.
    pub bites: Vec<(Fault, u64, u64)>,
    /// What the nodes counted in all.
    pub counts: Counts,
    /// Connections beyond the first of each person.
    pub reconnects: u64,
    /// Reasons of resets; one is provoked.
    pub resets: Vec<String>,
    /// The checker's word.
    pub judgement: Judgement,
}

/// Where it all runs.
pub(crate) struct Stand {
    pub(crate) nodes: Vec<Node>,
    pub(crate) redis: Redis,
    pub(crate) fleet: Fleet,
    database: Database,
}

impl Stand {
    async fn start() -> Result<Self> {
        let fleet = Fleet::start()?;
        let (database, redis) = (Database::new(), Redis::start());
        let ping = PING.to_string();
        let more = ["--ping-interval", ping.as_str(), "--ping-timeout", "15"];
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            nodes.push(Node::start(&database, &redis, &more).await?);
        }
        cluster::connected(&nodes).await?;
        Ok(Self { nodes, redis, fleet, database })
    }
}

/// Goes through all faults. With the planted fault, somebody has the store's key and makes hints of what nobody sent.
///
/// # Errors
/// If the run itself fails.
pub async fn prove(size: Size, seed: u64, is_planted: bool) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let names: Vec<&str> = size.faults.iter().map(|fault| fault.name()).collect();
    let history = folder.path().join("history.jsonl");
    let recorder = Recorder::create(&history, &names, PING * 1_000)?;
    let mut stand = Stand::start().await?;
    let addresses = stand.nodes.iter().map(Node::address).collect();
    let mut people = People::gather(size, addresses, &recorder, seed).await?;
    let plant = match is_planted {
        true => Some(plant(&stand).await?),
        false => None,
    };
    let floor = people.talk();
    let mut bites: Vec<_> = size.faults.iter().map(|fault| (*fault, 0, 0)).collect();
    let stages = size.rounds * bites.len();
    for stage in 0..stages {
        let (fault, lost, filled) = &mut bites[stage / size.rounds];
        let round = stage % size.rounds;
        let began = Instant::now();
        let before = cluster::counts(&stand.nodes).await?;
        floor.open(size.messages / stages, size.rate);
        sleep(CALM).await;
        recorder.fault(fault.name(), "begin");
        let strike = fault.strike(&mut stand, round, &recorder);
        let struck = floor.kept_open(size.rate, strike).await;
        struck.with_context(|| format!("{fault:?} in round {round}"))?;
        recorder.fault(fault.name(), "end");
        floor.drained(PATIENCE).await.with_context(|| format!("after {fault:?}"))?;
        let healed = cluster::connected(&stand.nodes).await;
        healed.with_context(|| format!("after {fault:?} in round {round}"))?;
        let after = cluster::counts(&stand.nodes).await?;
        *lost += after.lost() - before.lost();
        *filled += after.filled - before.filled;
        let took = began.elapsed().as_secs_f64();
        println!("{:<18} {took:4.1} s, {lost} hints lost, {filled} holes filled", fault.name());
    }
    plant.iter().for_each(tokio::task::JoinHandle::abort);
    people.conclude(&stand.nodes[0], is_planted).await?;
    let counts = cluster::counts(&stand.nodes).await?;
    for (what, count) in [("lost", counts.lost()), ("hole", counts.filled)] {
        recorder.line(serde_json::json!({"is":"hint","what":what,"count":count}));
    }
    let judgement = judge(recorder.end()?)?;
    let (reconnects, resets) = (people.reconnects(), people.resets());
    Ok(Outcome { bites, counts, reconnects, resets, judgement })
}

/// Whenever a node tells of a message, the planted fault tells of another one, right after it.
async fn plant(stand: &Stand) -> Result<tokio::task::JoinHandle<Result<()>>> {
    let mut rogue = Rogue::listen(&stand.redis).await?;
    rogue.steal_key(&stand.database)?;
    Ok(tokio::spawn(async move {
        let mut number = 0;
        loop {
            let hint = rogue.overhear().await?;
            number += 1;
            let forged = rogue.forge(&hint, number, |event| {
                event["seq"] = (event["seq"].as_u64().unwrap_or(0) + 1).into();
                event["id"] = uuid::Uuid::now_v7().to_string().into();
                event["body"] = "nobody said this".into();
            })?;
            rogue.say(&forged).await?;
        }
    }))
}
