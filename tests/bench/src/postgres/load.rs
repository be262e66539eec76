//! The load: people in 250 rooms of two send messages of about 200 bytes, many at a time, and every send is waited for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use moorline_protocol::{Cid, RoomId, RoomKind, UserId};
use moorline_store::{Create, Reply, Send, Store, Stored};
use uuid::Builder;

use crate::stores::{On, Opened, Servers};

const ROOMS: usize = 250;
/// Sends that wait for their acks: eight a room.
const IN_FLIGHT: usize = 2_000;
/// The same for one connection, which is never without work by these either.
const IN_FLIGHT_OF_ONE: usize = 100;
/// Ticks of the clock in `/proc/PID/stat` a second; fixed on Linux.
const TICKS: f64 = 100.0;

/// What one measurement gave.
pub(crate) struct Figures {
    messages: usize,
    wall: f64,
    commits: u64,
    cpu_here: f64,
    cpu_servers: f64,
}

impl Figures {
    /// Messages a second.
    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.wall
    }

    /// Microseconds of processor time a message.
    pub(crate) fn cpu_us(&self) -> f64 {
        (self.cpu_here + self.cpu_servers) * 1e6 / self.messages as f64
    }

    pub(crate) fn note(&self, what: &str) -> String {
        let us = |cpu: f64| cpu * 1e6 / self.messages as f64;
        format!(
            "{what}: {:.0} messages/s, {:.1} a commit; CPU a message {:.1} us here (load included) and {:.1} us in the \
             database's processes",
            self.rate(),
            self.messages as f64 / self.commits.max(1) as f64,
            us(self.cpu_here),
            us(self.cpu_servers),
        )
    }
}

struct Room {
    id: RoomId,
    people: [UserId; 2],
}

/// Measures one store for this long, after a quarter of it to warm up.
pub(crate) async fn measure(servers: &Servers, on: On, window: Duration) -> Result<Figures> {
    let Opened { store, commits, folder } = servers.open(on)?;
    let answering = tokio::spawn(commits.answer_all());
    let rooms = make(&store).await?;
    let mut sent = 0;
    let in_flight = match on {
        On::OneByOne | On::SlowOneByOne => IN_FLIGHT_OF_ONE,
        On::Postgres | On::SlowPostgres | On::Sqlite => IN_FLIGHT,
    };
    run(&store, &rooms, in_flight, window / 4, &mut sent).await?;
    let processes = servers.processes(on);
    let (here, there) = (cpu(&[std::process::id()])?, cpu(&processes)?);
    let (commits, started, before) = (store.health().commits, Instant::now(), sent);
    run(&store, &rooms, in_flight, window, &mut sent).await?;
    let wall = started.elapsed().as_secs_f64();
    let figures = Figures {
        messages: sent - before,
        wall,
        commits: store.health().commits - commits,
        cpu_here: cpu(&[std::process::id()])? - here,
        cpu_servers: cpu(&processes)? - there,
    };
    store.close().await;
    answering.await.context("the reader of commits failed")?;
    drop(folder);
    Ok(figures)
}

/// People and their rooms.
async fn make(store: &Store) -> Result<Vec<Room>> {
    let mut pairs = Vec::new();
    for n in 0..ROOMS {
        let people = [UserId::new(format!("a{n}"))?, UserId::new(format!("b{n}"))?];
        for person in &people {
            drop(store.put_user(person.clone(), format!("Person {person}"), 1));
        }
        pairs.push(people);
    }
    store.flush().await?;
    let mut making = Vec::new();
    for people in pairs {
        let create = Create {
            by: Some(people[0].clone()),
            id: None,
            cid: Cid::new("make")?,
            kind: RoomKind::Direct,
            name: None,
            members: vec![people[1].clone()],
            at_ms: 1,
        };
        making.push((store.create(create), people));
    }
    let mut rooms = Vec::new();
    for (created, people) in making {
        rooms.push(Room { id: created.await?.room, people });
    }
    Ok(rooms)
}

async fn run(
    store: &Store,
    rooms: &[Room],
    in_flight: usize,
    time: Duration,
    sent: &mut usize,
) -> Result<()> {
    let started = Instant::now();
    let mut waiting: VecDeque<Reply<Stored>> = VecDeque::new();
    while started.elapsed() < time {
        while waiting.len() < in_flight {
            waiting.push_back(send(store, rooms, *sent)?);
            *sent += 1;
        }
        // A few at a time, so that no queue is ever empty.
        for _ in 0..in_flight / 20 {
            let Some(reply) = waiting.pop_front() else { break };
            reply.await?;
        }
    }
    for reply in waiting {
        reply.await?;
    }
    Ok(())
}

fn send(store: &Store, rooms: &[Room], n: usize) -> Result<Reply<Stored>> {
    const WORDS: [&str; 8] =
        ["the", "ship", "leaves", "harbour", "at", "dawn", "with", "everybody"];
    let room = &rooms[n % rooms.len()];
    let at_ms = 1_795_000_000_000 + n as u64 / 40;
    let cid = Builder::from_unix_timestamp_millis(at_ms, &rand::random()).into_uuid();
    let mut body = format!("message {n}");
    while body.len() < 190 {
        let word = rand::random::<u64>();
        body = format!("{body} {} {}", WORDS[word as usize % WORDS.len()], word % 20_000);
    }
    let from = room.people[n / rooms.len() % 2].clone();
    let (room, cid) = (room.id.clone(), Cid::new(cid.to_string())?);
    Ok(store.send(Send { from, room, cid, body, reply_to: None, at_ms }))
}

/// Seconds of processor time of these processes, those that have ended and were waited for included.
fn cpu(processes: &[u32]) -> Result<f64> {
    let mut ticks = 0.0;
    for process in processes {
        // One that has just ended is in its parent's account.
        let Ok(text) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        let fields = text.rsplit(") ").next().context("no fields in stat")?;
        let fields: Vec<f64> =
            fields.split(' ').map(|field| field.parse().unwrap_or(0.0)).collect();
        ticks += fields.get(11..15).context("too few fields in stat")?.iter().sum::<f64>();
    }
    Ok(ticks / TICKS)
}
