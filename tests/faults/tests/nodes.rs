//! Three nodes, each a process, and as many writers in one room at full rate: dense, ordered, told to all, no deadlock.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, Instant};

use moorline_faults::raw::{Came, Raw};
use moorline_faults::server::{Server, Site};
use moorline_test_postgres::Database;
use serde_json::{Value, json};

const NODES: usize = 3;
/// Sends of each writer.
const EACH: usize = 400;
/// Of which so many wait for their acks at a time.
const AT_ONCE: usize = 40;
const DEADLINE: Duration = Duration::from_secs(120);

struct Node {
    server: Server,
    _data: tempfile::TempDir,
}

async fn start(database: &Database) -> Node {
    let data = tempfile::tempdir().unwrap();
    let mut site = Site::new(data.path()).unwrap();
    site.args = vec!["--database-url".to_owned(), database.url()];
    Node { server: site.start().await.unwrap(), _data: data }
}

/// What a writer was told: its acks in the order of its sends, and the seqs of all events in the order of their coming.
struct Told {
    acks: Vec<u64>,
    events: Vec<u64>,
}

fn send(writer: usize, number: usize) -> Value {
    let cid = format!("w{writer}-{number}");
    json!({"type":"send","id":number,"room":"room","cid":cid,"body":cid})
}

/// Sends everything, and reads until everybody's events are there.
async fn write(mut raw: Raw, writer: usize) -> Told {
    let mut told = Told { acks: vec![0; EACH], events: Vec::new() };
    let (mut sent, mut acknowledged) = (0, 0);
    let started = Instant::now();
    while acknowledged < EACH || told.events.len() < NODES * EACH {
        assert!(started.elapsed() < DEADLINE, "{acknowledged} acks, {} events", told.events.len());
        while sent < EACH && sent < acknowledged + AT_ONCE {
            raw.say(&send(writer, sent)).await.unwrap();
            sent += 1;
        }
        let came = raw.hear().await;
        let Ok(Came::Frame(frame)) = came else {
            let (events, last) = (told.events.len(), told.events.last());
            panic!("{acknowledged} acks, {events} events up to {last:?}, then {came:?}");
        };
        match frame["type"].as_str() {
            Some("ack") => {
                let number = usize::try_from(frame["id"].as_u64().unwrap()).unwrap();
                told.acks[number] = frame["seq"].as_u64().unwrap();
                acknowledged += 1;
            }
            Some("event") => told.events.push(frame["seq"].as_u64().unwrap()),
            Some("error") => panic!("{frame}"),
            _ => {}
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_on_three_nodes_into_one_room_leave_no_hole_keep_each_ones_order_and_never_lock_each_other_out()
 {
    let database = Database::new();
    let nodes = [start(&database).await, start(&database).await, start(&database).await];
    let people = ["w0", "w1", "w2"];
    for name in people {
        let path = format!("/api/v1/users/{name}");
        nodes[0].server.api("PUT", &path, Some(json!({"name":name}))).await.unwrap();
    }
    let room = json!({"id":"room","kind":"group","name":"Room","members":people});
    nodes[0].server.api("POST", "/api/v1/rooms", Some(room)).await.unwrap();
    // All are there before the first one writes.
    let mut welcomed = Vec::new();
    for (node, name) in nodes.iter().zip(people) {
        welcomed.push(Raw::welcome(node.server.address(), name).await.unwrap());
    }
    let spawn = |(number, raw)| tokio::spawn(write(raw, number));
    let writing: Vec<_> = welcomed.into_iter().enumerate().map(spawn).collect();
    let mut all = Vec::new();
    for writing in writing {
        let told = writing.await.unwrap();
        assert!(told.acks.is_sorted_by(|one, next| one < next), "a writer's order was lost");
        // The room's making is the first event; each writer sees every send, once, in order.
        assert_eq!(told.events, (2..=(NODES * EACH + 1) as u64).collect::<Vec<_>>());
        all.extend(told.acks);
    }
    all.sort_unstable();
    assert_eq!(all, (2..=(NODES * EACH + 1) as u64).collect::<Vec<_>>());
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(database.psql(deadlocks).unwrap(), "0");
}
