//! How fast the store takes messages: rows a second and CPU a row, thread by thread, with everything in the message's
//! transaction and with search, checkpoints and read markers as they always are.
//!
//! `cargo run --release -p moorline-store --example append_rate -- [FOLDER] [SECONDS] [IN FLIGHT …]`

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a measurement, not a product")]

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use moorline_protocol::{Cid, Position, RoomId, RoomKind, Seq, UserId};
use moorline_store::{Create, Reply, Search, Send, Store, StoreConfig, Stored};
use uuid::{Builder, Uuid};

const ROOMS: usize = 500;

fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().map_or_else(|| PathBuf::from("target/append_rate"), PathBuf::from);
    let seconds = args.next().map_or(5, |text| text.parse().unwrap());
    let _ = std::fs::remove_dir_all(&folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut in_flight: Vec<usize> = args.map(|text| text.parse().unwrap()).collect();
    if in_flight.is_empty() {
        in_flight = vec![1, 100, 1_000, 3_000];
    }
    runtime.block_on(measure(folder, Duration::from_secs(seconds), &in_flight));
}

async fn measure(folder: PathBuf, time: Duration, in_flight: &[usize]) {
    let (store, commits) = Store::open(StoreConfig::new(folder)).unwrap();
    tokio::spawn(commits.answer_all());
    let rooms = people_and_rooms(&store).await;
    println!(
        "in flight   rows/s   rows a commit   CPU us a row: writer  checkpoint  readers  caller   wal MiB  index behind ms"
    );
    for in_flight in in_flight {
        row(&store, &rooms, *in_flight, time).await;
    }
    let since = Instant::now();
    while store.health().index_lag_rows > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("the index was complete {} ms after the last send", since.elapsed().as_millis());
    reads(&store, &rooms).await;
    store.close().await;
}

/// What a person who comes back asks for: who they are, their rooms, and what they missed.
async fn reads(store: &Store, rooms: &[(RoomId, UserId, UserId)]) {
    let many = |n: usize| format!("many{n}");
    for n in 0..5_000 {
        drop(store.create(Create {
            by: Some(rooms[0].1.clone()),
            id: Some(RoomId::new(many(n)).unwrap()),
            cid: Cid::new(many(n)).unwrap(),
            kind: RoomKind::Group,
            name: Some(many(n)),
            members: vec![],
            at_ms: 1,
        }));
        if n % 1_000 == 0 {
            store.flush().await.unwrap();
        }
    }
    store.flush().await.unwrap();
    println!("reads: CPU us each on the readers");
    let mut positions = Vec::new();
    for (room, ..) in rooms {
        let head = store.head(room).await.unwrap();
        positions.push(Position { epoch: head.epoch, seq: Seq(head.head.0 - 3), check: None });
    }
    each("user", rooms, async |n| drop(store.user(&rooms[n].2).await.unwrap())).await;
    each("rooms_of (1 room)", rooms, async |n| {
        drop(store.rooms_of(&rooms[n].2, None, 100).await.unwrap());
    })
    .await;
    each("resume (3 events)", rooms, async |n| {
        let (room, _, who) = &rooms[n];
        drop(store.resume(who, room, positions[n].clone(), 1_000).await.unwrap());
    })
    .await;
    let many = vec![rooms[0].clone(); 20];
    each("rooms_of (5,000 rooms)", &many, async |n| {
        drop(store.rooms_of(&many[n].1, None, 100).await.unwrap());
    })
    .await;
    each("room_ids_of (5,000 rooms)", &many, async |n| {
        drop(store.room_ids_of(&many[n].1).await.unwrap());
    })
    .await;
    each("search (common word)", &many, async |n| {
        drop(store.search(&many[n].1, &Search::new("harbour", 50)).await.unwrap());
    })
    .await;
}

async fn each(what: &str, rooms: &[(RoomId, UserId, UserId)], ask: impl AsyncFn(usize)) {
    let before = cpu();
    // All at once, as after a network came back.
    let rounds = 2_000_usize.div_ceil(rooms.len()).min(4);
    for _ in 0..rounds {
        futures_util::future::join_all((0..rooms.len()).map(|n| ask(n))).await;
    }
    let after = cpu();
    let spent = |map: &BTreeMap<String, f64>| {
        map.iter().filter(|(key, _)| key.starts_with("store-read")).map(|(_, cpu)| cpu).sum::<f64>()
    };
    println!(
        "  {what:28} {:8.1}",
        (spent(&after) - spent(&before)) * 1e6 / (rounds * rooms.len()) as f64
    );
}

async fn row(store: &Store, rooms: &[(RoomId, UserId, UserId)], in_flight: usize, time: Duration) {
    let (before, commits) = (cpu(), store.health().commits);
    let started = Instant::now();
    let mut waiting: VecDeque<Reply<Stored>> = VecDeque::new();
    let (mut rows, mut wal, mut behind) = (0_usize, 0, 0);
    while started.elapsed() < time {
        while waiting.len() < in_flight {
            waiting.push_back(send(store, rooms, rows + waiting.len()));
        }
        // Half of them are waited for at a time, so that the queue is never empty.
        for _ in 0..in_flight.div_ceil(2) {
            let Some(reply) = waiting.pop_front() else { break };
            reply.await.unwrap();
            rows += 1;
        }
        let health = store.health();
        wal = wal.max(health.wal_bytes);
        behind = behind.max(health.index_lag_ms);
    }
    for reply in waiting {
        reply.await.unwrap();
        rows += 1;
    }
    let (took, after) = (started.elapsed().as_secs_f64(), cpu());
    let us = |name: &str| {
        let spent = |map: &BTreeMap<String, f64>| {
            map.iter().filter(|(key, _)| key.starts_with(name)).map(|(_, cpu)| cpu).sum::<f64>()
        };
        (spent(&after) - spent(&before)) * 1e6 / rows as f64
    };
    println!(
        "{in_flight:9} {:8.0} {:15.1} {:21.1} {:11.1} {:8.1} {:7.1} {:9.1} {behind:16}",
        rows as f64 / took,
        rows as f64 / (store.health().commits - commits) as f64,
        us("store-write"),
        us("store-checkpoin"),
        us("store-read"),
        us("append_rate"),
        wal as f64 / f64::from(1 << 20),
    );
}

async fn people_and_rooms(store: &Store) -> Vec<(RoomId, UserId, UserId)> {
    let mut rooms = Vec::new();
    for n in 0..ROOMS {
        let (one, other) = (id(&format!("a{n}")), id(&format!("b{n}")));
        drop(store.put_user(one.clone(), format!("Person a{n}"), 1));
        drop(store.put_user(other.clone(), format!("Person b{n}"), 1));
        let created = store.create(Create {
            by: Some(one.clone()),
            id: None,
            cid: Cid::new("make").unwrap(),
            kind: RoomKind::Direct,
            name: None,
            members: vec![other.clone()],
            at_ms: 1,
        });
        rooms.push((created.await.unwrap().room, one, other));
    }
    rooms
}

fn id(text: &str) -> UserId {
    UserId::new(text).unwrap()
}

fn send(store: &Store, rooms: &[(RoomId, UserId, UserId)], n: usize) -> Reply<Stored> {
    const WORDS: [&str; 8] =
        ["the", "ship", "leaves", "harbour", "at", "dawn", "with", "everybody"];
    let (room, one, other) = &rooms[(n * 7919) % rooms.len()];
    let at_ms = 1_795_000_000_000 + n as u64 / 40;
    let cid: Uuid = Builder::from_unix_timestamp_millis(at_ms, &rand::random()).into_uuid();
    let mut body = format!("message {n}");
    while body.len() < 190 {
        body.push(' ');
        body.push_str(WORDS[rand::random::<u64>() as usize % WORDS.len()]);
        if rand::random::<u64>().is_multiple_of(4) {
            body.push_str(&format!("{}", rand::random::<u64>() % 20_000));
        }
    }
    store.send(Send {
        from: if n.is_multiple_of(2) { one.clone() } else { other.clone() },
        room: room.clone(),
        cid: Cid::new(cid.to_string()).unwrap(),
        body,
        reply_to: None,
        at_ms,
    })
}

/// CPU seconds of each thread of this process, by its name.
fn cpu() -> BTreeMap<String, f64> {
    let mut spent: BTreeMap<String, f64> = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let nanos: f64 =
            read("schedstat").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
        *spent.entry(read("comm").trim().to_owned()).or_default() += nanos / 1e9;
    }
    spent
}
