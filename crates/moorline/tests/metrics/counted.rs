//! Counters against work of which the exact amount is known.

use std::time::SystemTime;

use moorline::args::MintArgs;
use moorline::settings::Environment;
use moorline::token;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::running::{Running, SECRET, Socket};
use crate::scrape::Scrape;
use crate::scrape_with;

const WORDS: [&str; 4] = ["--api-key", SECRET, "--jwt-secret", SECRET];

fn token_of(person: &str) -> String {
    let args =
        MintArgs { sub: person.into(), jwt_secret: Some(SECRET.into()), ..MintArgs::default() };
    token::mint(&args, &Environment::default(), SystemTime::now()).unwrap()
}

/// A server with Ann and Bob in `ops`, whose log begins with their coming.
fn start() -> Running {
    let server = Running::start(&WORDS);
    for person in ["ann", "bob"] {
        let path = format!("/api/v1/users/{person}");
        assert_eq!(server.api("PUT", &path, Some(json!({"name": person}))).status, 201);
    }
    let room = json!({"id": "ops", "kind": "group", "name": "Ops", "members": ["ann", "bob"]});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    server
}

fn scrape(server: &Running) -> Scrape {
    tokio::task::block_in_place(|| Scrape::parse(&server.get("/metrics").send().text))
}

#[track_caller]
fn assert_counts(server: &Running, expected: &[(&str, f64)]) {
    let scrape = scrape(server);
    for (series, value) in expected {
        let found = scrape.value(&format!("moorline_{series}"));
        assert!((found - value).abs() < f64::EPSILON, "{series} is {found}, not {value}");
    }
}

/// Sends a message; its event comes before the ack, which says where it stands.
async fn say(socket: &mut Socket, cid: &str) -> Value {
    socket.say(json!({"type": "send", "room": "ops", "cid": cid, "body": "hi"})).await;
    let ack = socket.next("ack").await;
    position(&ack, &ack["message"])
}

fn position(told: &Value, id: &Value) -> Value {
    let id = id.as_str().unwrap();
    json!({"epoch": told["epoch"], "seq": told["seq"], "check": &id[id.len() - 8..]})
}

/// The positions of so many messages; each socket gets every one.
async fn messages(socket: &mut Socket, count: usize) -> Vec<Value> {
    let mut positions = Vec::new();
    while positions.len() < count {
        let event = socket.next("event").await;
        if event["kind"] == "message" {
            positions.push(position(&event, &event["id"]));
        }
    }
    positions
}

async fn come_back(server: &Running, person: &str, resume: Value) -> Socket {
    let mut socket = server.socket(&[]).await.unwrap();
    socket.say(json!({"type": "hello", "token": token_of(person), "resume": resume})).await;
    socket.next("welcome").await;
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_repeated_delivered_and_closed_is_counted_exactly() {
    let server = start();
    let mut ann = come_back(&server, "ann", json!({})).await;
    let mut bob = come_back(&server, "bob", json!({})).await;
    // Whoever is told of the other's message listens.
    say(&mut ann, "a0").await;
    messages(&mut bob, 1).await;
    for number in 1..20 {
        say(&mut ann, &format!("a{number}")).await;
    }
    for _ in 0..3 {
        say(&mut ann, "a7").await;
    }
    messages(&mut bob, 19).await;
    assert_counts(
        &server,
        &[
            ("messages_accepted_total", 20.0),
            ("messages_delivered_total", 40.0),
            ("duplicates_dropped_total", 3.0),
            ("connections{transport=\"websocket\"}", 2.0),
            ("gap_detected_total", 0.0),
            ("outbound_queue_bytes", 0.0),
        ],
    );
    let told = scrape(&server);
    let commits = told.value("moorline_store_commits_total");
    let timed = told.value("moorline_store_commit_seconds_count");
    assert!(timed >= commits && commits >= 20.0, "{timed} of {commits} commits were timed");
    // Whoever was not live yet when a message was stored got it from the log, and that is not timed.
    let on_their_way = told.value("moorline_delivery_seconds_count");
    assert!((1.0..=40.0).contains(&on_their_way), "{on_their_way} deliveries were timed");
    assert!(told.value("moorline_delivery_seconds_sum") > 0.0);

    bob.close(3999).await;
    let closed = "moorline_closes_total{code=\"other\",side=\"client\"} 1\n";
    tokio::task::block_in_place(|| scrape_with(&server, closed));
    let here = "moorline_connections{transport=\"websocket\"} 1\n";
    tokio::task::block_in_place(|| scrape_with(&server, here));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_each_position_that_a_client_brings_is_counted_exactly() {
    let server = start();
    let mut ann = come_back(&server, "ann", json!({})).await;
    let mut positions = Vec::new();
    for number in 0..20 {
        positions.push(say(&mut ann, &format!("a{number}")).await);
    }
    let before = scrape(&server);
    // Four messages lie behind this position, and in memory unless the room came to life only after them.
    let mut bob = come_back(&server, "bob", json!({"ops": positions[15]})).await;
    messages(&mut bob, 4).await;
    let after = scrape(&server);
    let grown = |series: &str| after.value(series) - before.value(series);
    let of = |result: &str| grown(&format!("moorline_resumes_total{{result=\"{result}\"}}"));
    assert_eq!((of("memory") + of("store"), of("reset"), of("gone")), (1.0, 0.0, 0.0));
    assert_eq!(grown("moorline_messages_delivered_total"), 4.0);
    assert_eq!(grown("moorline_delivery_seconds_count"), 0.0, "they are not new");
    let elsewhere = json!({"epoch": "0000000000000001", "seq": 3});
    let mut lost = come_back(&server, "bob", json!({"ops": elsewhere, "nowhere": elsewhere})).await;
    lost.next("reset").await;
    lost.next("reset").await;
    assert_counts(
        &server,
        &[("resumes_total{result=\"reset\"}", 1.0), ("resumes_total{result=\"gone\"}", 1.0)],
    );

    server.signal("TERM");
    let (_, _, folder) = server.wait();
    let again = Running::start_in(folder, &WORDS);
    let mut bob = come_back(&again, "bob", json!({"ops": positions[10]})).await;
    messages(&mut bob, 9).await;
    assert_counts(
        &again,
        &[
            ("resumes_total{result=\"store\"}", 1.0),
            ("resumes_total{result=\"memory\"}", 0.0),
            ("messages_delivered_total", 9.0),
            ("messages_accepted_total", 0.0),
            ("delivery_seconds_count", 0.0),
            ("gap_detected_total", 0.0),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_a_poll_and_over_a_stream_counts_as_one_over_a_socket() {
    let server = start();
    let mut ann = come_back(&server, "ann", json!({})).await;
    let first = say(&mut ann, "a0").await;
    say(&mut ann, "a1").await;
    let bearer = format!("Bearer {}", token_of("bob"));
    let polled = tokio::task::block_in_place(|| {
        let poll = json!({"positions": {"ops": first}, "wait_ms": 20_000});
        server.request("POST", "/api/v1/poll").header("authorization", &bearer).json(poll).send()
    });
    let frames = polled.json()["frames"].as_array().cloned().unwrap_or_default();
    assert!(frames.iter().any(|frame| frame["cid"] == "a1"), "{}", polled.text);
    assert_counts(&server, &[("messages_delivered_total", 3.0)]);
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["-sN", "--max-time", "60", "-H", "content-type: application/json", "-H"]);
    curl.arg(format!("authorization: {bearer}")).arg("-d");
    curl.arg(json!({"resume": {"ops": first}}).to_string());
    curl.arg(format!("http://{}/api/v1/stream", server.address));
    let mut curl = curl.stdout(std::process::Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let lines = tokio::io::BufReader::new(curl.stdout.take().unwrap());
    let mut lines = tokio::io::AsyncBufReadExt::lines(lines);
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("\"cid\":\"a1\"") {
            break;
        }
    }
    assert_counts(
        &server,
        &[("messages_delivered_total", 4.0), ("connections{transport=\"stream\"}", 1.0)],
    );
    say(&mut ann, "a2").await;
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("\"cid\":\"a2\"") {
            break;
        }
    }
    assert_counts(&server, &[("messages_delivered_total", 6.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_that_damage_made_in_a_log_is_counted_when_it_would_be_handed_out_and_told_in_the_log()
 {
    let server = start();
    let mut ann = come_back(&server, "ann", json!({})).await;
    let mut positions = Vec::new();
    for number in 0..5 {
        positions.push(say(&mut ann, &format!("a{number}")).await);
    }
    server.signal("TERM");
    let (_, _, folder) = server.wait();
    let lost = positions[2]["seq"].as_u64().unwrap();
    let store = Connection::open(folder.path().join("data/moorline.db")).unwrap();
    assert_eq!(
        store.execute("DELETE FROM events WHERE seq = ?1", [lost.cast_signed()]).unwrap(),
        1
    );
    drop(store);
    let damaged = Running::start_in(folder, &WORDS);
    let mut bob = come_back(&damaged, "bob", json!({"ops": positions[0]})).await;
    messages(&mut bob, 3).await;
    assert_counts(&damaged, &[("gap_detected_total", 1.0)]);
    let log = damaged.log_with("the log of room ops has a hole");
    assert!(log.contains(&format!("missing={lost}")), "{log}");
}
