//! Two nodes and what may become of the hints between them: all dropped, too many for their channel, forged by somebody
//! who can write to Redis, of another store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use moorline_faults::cluster::{self, Node};
use moorline_faults::raw::{Came, Raw};
use moorline_faults::rogue::Rogue;
use moorline_layer::Message;
use moorline_test_postgres::Database;
use moorline_test_redis::Server as Redis;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

/// Of the nodes, in seconds.
const PING: u64 = 2;
const TWO_PINGS: Duration = Duration::from_secs(2 * PING);

async fn two_nodes(database: &Database, redis: &Redis, more: &[&str]) -> [Node; 2] {
    let ping = PING.to_string();
    let mut words = vec!["--ping-interval", &ping, "--ping-timeout", "20"];
    words.extend(more);
    let one = Node::start(database, redis, &words).await.unwrap();
    let two = Node::start(database, redis, &words).await.unwrap();
    let nodes = [one, two];
    cluster::connected(&nodes).await.unwrap();
    nodes
}

/// A room of Ann, who is on the first node, and Bob, who is on the second.
async fn ann_and_bob(nodes: &[Node; 2]) -> (Raw, Raw) {
    let server = nodes[0].server.as_ref().unwrap();
    for name in ["ann", "bob"] {
        let path = format!("/api/v1/users/{name}");
        server.api("PUT", &path, Some(json!({"name":name}))).await.unwrap();
    }
    let room = json!({"id":"room","kind":"group","name":"Room","members":["ann","bob"]});
    server.api("POST", "/api/v1/rooms", Some(room)).await.unwrap();
    let ann = Raw::welcome(nodes[0].address(), "ann").await.unwrap();
    (ann, Raw::welcome(nodes[1].address(), "bob").await.unwrap())
}

async fn send(raw: &mut Raw, body: &str) {
    let send = json!({"type":"send","id":1,"room":"room","cid":body.replace(" ", "-"),"body":body});
    let answer = raw.ask(&send).await.unwrap();
    assert!(matches!(&answer, Came::Frame(frame) if frame["type"] == "ack"), "{answer:?}");
}

/// The next message, whoever's.
async fn message(raw: &mut Raw) -> Value {
    loop {
        match raw.hear().await.unwrap() {
            Came::Frame(frame) if frame["type"] == "event" && frame["kind"] == "message" => {
                return frame;
            }
            Came::Frame(_) => {}
            other => panic!("closed: {other:?}"),
        }
    }
}

/// Ann says so many things; Bob hears each of them, next after the last, within this time.
async fn talk(ann: &mut Raw, bob: &mut Raw, name: &str, many: usize, within: Duration) {
    for number in 0..many {
        let body = format!("{name} {number}");
        send(ann, &body).await;
        let heard = timeout(within, message(bob)).await;
        let heard = heard.unwrap_or_else(|_| panic!("{body} did not come within {within:?}"));
        assert_eq!((&heard["body"], &heard["from"]), (&json!(body), &json!("ann")));
        sleep(Duration::from_millis(150)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_hint_dropped_messages_arrive_within_two_ping_intervals() {
    let (database, redis) = (Database::new(), Redis::start());
    let nodes = two_nodes(&database, &redis, &[]).await;
    let (mut ann, mut bob) = ann_and_bob(&nodes).await;
    let () = redis.query(&["CONFIG", "SET", "maxmemory", "1"]).await;
    cluster::until(&nodes, "hints are dropped", |counts| counts.dropped > 2).await.unwrap();
    let before = cluster::counts(&nodes).await.unwrap();
    talk(&mut ann, &mut bob, "while Redis is full", 8, TWO_PINGS).await;
    let after = cluster::counts(&nodes).await.unwrap();
    assert_eq!(after.received, before.received, "a hint has come");
    assert!(after.dropped > before.dropped && after.filled > before.filled, "{before:?} {after:?}");
    for node in &nodes {
        node.wire.refuse();
        node.wire.cut();
    }
    cluster::until(&nodes[..1], "it is known", |counts| !counts.is_up).await.unwrap();
    talk(&mut ann, &mut bob, "while Redis is away", 8, TWO_PINGS).await;
    assert_eq!(cluster::counts(&nodes).await.unwrap().received, before.received);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_room_for_five_hints_everything_still_arrives_within_two_seconds() {
    const MANY: usize = 60;
    let (database, redis) = (Database::new(), Redis::start());
    let mut nodes = two_nodes(&database, &redis, &["--layer-capacity", "5"]).await;
    let (mut ann, mut bob) = ann_and_bob(&nodes).await;
    // Who stands still reads nothing, so the channel of that node is full after five hints.
    nodes[1].signal("-STOP").await.unwrap();
    for number in 0..MANY {
        send(&mut ann, &number.to_string()).await;
    }
    nodes[1].signal("-CONT").await.unwrap();
    let began = Instant::now();
    for number in 0..MANY {
        assert_eq!(message(&mut bob).await["body"], number.to_string());
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    talk(&mut ann, &mut bob, "afterwards", 3, Duration::from_secs(2)).await;
    let counts = nodes[1].counts().await.unwrap();
    assert!(counts.missed > 0, "the channel was never full: {counts:?}");
}

/// Alters, repeats, holds back, skips ahead and floods, as each message is told of.
async fn attack(rogue: &Rogue) -> anyhow::Result<()> {
    let (mut number, mut held): (u64, Vec<Message>) = (0, Vec::new());
    loop {
        let real = rogue.overhear().await?;
        number += 1;
        let as_another = rogue.forge(&real, number, |event| {
            event["seq"] = (event["seq"].as_u64().unwrap_or(0) + 1).into();
            event["from"] = "eve".into();
            event["body"] = "eve was here".into();
        })?;
        let ahead = rogue.forge(&real, number + 1_000_000, |event| {
            event["seq"] = (event["seq"].as_u64().unwrap_or(0) + 1_000).into();
        })?;
        let renumbered = real.clone().with("number", 1_000_000_000_i64);
        let vast = Message::of_type("moorline.hint").with("body", "x".repeat(3_000_000));
        held.push(real.clone());
        if held.len() == 4 {
            for old in held.drain(..).rev() {
                rogue.say(&old).await?;
            }
        }
        for message in [&as_another, &ahead, &renumbered, &real, &real, &vast] {
            rogue.say(message).await?;
        }
        for _ in 0..50 {
            rogue.say(&Message::of_type("chat.message").with("text", "hello")).await?;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_write_to_redis_can_neither_speak_as_another_nor_repeat_reorder_skip_or_flood() {
    let (database, redis) = (Database::new(), Redis::start());
    let nodes = two_nodes(&database, &redis, &[]).await;
    let (mut ann, mut bob) = ann_and_bob(&nodes).await;
    let rogue = Rogue::listen(&redis).await.unwrap();
    let attacking = tokio::spawn(async move { attack(&rogue).await });
    talk(&mut ann, &mut bob, "under attack", 24, TWO_PINGS).await;
    assert!(!attacking.is_finished(), "the attack failed: {:?}", attacking.await);
    attacking.abort();
    let seen = |counts: &cluster::Counts| counts.refused > 100;
    cluster::until(&nodes, "forgeries are counted", seen).await.unwrap();
    talk(&mut ann, &mut bob, "afterwards", 3, TWO_PINGS).await;
    // Nothing but the 27 messages was in between: neither of them heard anything else, and the log holds no more.
    let server = nodes[0].server.as_ref().unwrap();
    let page =
        server.api("GET", "/api/v1/rooms/room/events?after=0&limit=100", None).await.unwrap();
    assert_eq!(page["head"], 28, "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_on_one_redis_are_told_once_and_hear_nothing_of_each_other() {
    let (database, other, redis) = (Database::new(), Database::new(), Redis::start());
    let nodes = two_nodes(&database, &redis, &[]).await;
    let strangers = two_nodes(&other, &redis, &[]).await;
    let (mut ann, mut bob) = ann_and_bob(&nodes).await;
    let (mut their_ann, mut their_bob) = ann_and_bob(&strangers).await;
    for number in 0..6 {
        let (ours, theirs) = (format!("ours {number}"), format!("theirs {number}"));
        send(&mut ann, &ours).await;
        send(&mut their_ann, &theirs).await;
        assert_eq!(message(&mut bob).await["body"], ours);
        assert_eq!(message(&mut their_bob).await["body"], theirs);
    }
    for node in nodes.iter().chain(&strangers) {
        let counts = node.counts().await.unwrap();
        assert!(counts.foreign > 0, "{counts:?}");
        let told = node.log().matches("it is of another store").count();
        assert_eq!(told, 1, "{}", node.log());
    }
}

/// The name of the next notice.
async fn notice(raw: &mut Raw) -> String {
    loop {
        match raw.hear().await.unwrap() {
            Came::Frame(frame) if frame["type"] == "notice" => {
                return frame["name"].as_str().unwrap().to_owned();
            }
            Came::Frame(_) => {}
            other => panic!("closed: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_over_http_is_shown_on_every_node_and_once_when_another_node_gets_it_again() {
    let (database, redis) = (Database::new(), Redis::start());
    let nodes = two_nodes(&database, &redis, &[]).await;
    let (mut ann, mut bob) = ann_and_bob(&nodes).await;
    let server = |node: usize| nodes[node].server.as_ref().unwrap();
    let notify = async |node: usize, body: Value| {
        server(node).api("POST", "/api/v1/notices", Some(body)).await.unwrap()
    };
    let to_room = json!({"room":"room","name":"deploy","id":"one"});
    let shown = notify(0, to_room.clone()).await;
    assert_eq!(shown, json!({"repeated":false,"everywhere":true}));
    for raw in [&mut ann, &mut bob] {
        assert_eq!(notice(raw).await, "deploy");
    }
    assert_eq!(notify(1, to_room).await["repeated"], true);
    notify(1, json!({"user":"ann","name":"ann-only"})).await;
    assert_eq!(notice(&mut ann).await, "ann-only");
    notify(0, json!({"room":"room","name":"end"})).await;
    for raw in [&mut ann, &mut bob] {
        assert_eq!(notice(raw).await, "end");
    }
    for node in &nodes {
        node.wire.refuse();
        node.wire.cut();
    }
    cluster::until(&nodes, "it is known", |counts| !counts.is_up).await.unwrap();
    // Nobody answered the pings of those before meanwhile.
    let (mut ann, _bob) = ann_and_bob(&nodes).await;
    assert_eq!(notify(0, json!({"room":"room","name":"here"})).await["everywhere"], false);
    assert_eq!(notice(&mut ann).await, "here");
}
