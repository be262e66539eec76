//! The log of the real program at its most talkative: a line about a connection names it, the line of its end says all
//! that one asks about it, and no token and no text is ever in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

use moorline::args::MintArgs;
use moorline::settings::Environment;
use moorline::token;
use running::{PATIENCE, Running, SECRET};
use serde_json::{Value, json};

const TEXT: &str = "canary-of-a-text-5f1d";
const RELAY: &str = "/ws/chat/{room}/ group=chat_{room} types=chat.message echo=chat.message with_type=yes anonymous=yes";

fn token_of(person: &str) -> String {
    let args =
        MintArgs { sub: person.into(), jwt_secret: Some(SECRET.into()), ..MintArgs::default() };
    token::mint(&args, &Environment::default(), SystemTime::now()).unwrap()
}

fn start() -> Running {
    let words = ["-vv", "--api-key", SECRET, "--jwt-secret", SECRET];
    let server = Running::start(&[&words[..], &["--relay", RELAY]].concat());
    for person in ["ann", "bob"] {
        let path = format!("/api/v1/users/{person}");
        assert_eq!(server.api("PUT", &path, Some(json!({"name": person}))).status, 201);
    }
    let room = json!({"id": "ops", "kind": "group", "name": "Ops", "members": ["ann", "bob"]});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    server
}

fn send(cid: &str) -> Value {
    json!({"type": "send", "id": 1, "room": "ops", "cid": cid, "body": TEXT})
}

/// Says the text over every transport and hears it over every one; also what is refused.
async fn talk_over_everything(server: &Running, tokens: &[String; 2]) {
    let [ann, bob] = tokens;
    let bearer = format!("Bearer {bob}");
    let stream = Command::new("curl")
        .args(["-sN", "--max-time", "60", "-H", "content-type: application/json", "-d", "{}", "-H"])
        .arg(format!("authorization: {bearer}"))
        .arg(format!("http://{}/api/v1/stream", server.address))
        .stdout(Stdio::piped())
        .spawn();
    let mut stream = stream.expect("curl is there");
    let mut lines = BufReader::new(stream.stdout.take().unwrap()).lines();
    let mut hear = |part: &str| {
        let found = lines.by_ref().map_while(Result::ok).any(|line| line.contains(part));
        assert!(found, "the stream ended without {part}");
    };
    tokio::task::block_in_place(|| hear("\"welcome\""));
    let mut socket = server.person(ann).await;
    socket.say(send("c1")).await;
    socket.next("ack").await;
    tokio::task::block_in_place(|| hear(TEXT));
    socket.say(json!({"type": "send", "id": 2, "room": "none", "cid": "c2", "body": TEXT})).await;
    socket.next("error").await;
    socket.say(json!({"type": "search", "id": 3, "query": TEXT})).await;
    socket.next("hits").await;
    socket.say(json!({"type": TEXT, "id": 4})).await;
    socket.next("error").await;
    tokio::task::block_in_place(|| over_http(server, &bearer));
    tokio::task::block_in_place(|| hear("\"cid\":\"c3\""));
    let origin = server.origin();
    let mut page = server.socket_at("/ws/chat/lobby/", &[("origin", &origin)]).await.unwrap();
    page.say(json!({"message": TEXT})).await;
    page.next("chat.message").await;
    page.close(1000).await;
    socket.close(1000).await;
    stream.kill().unwrap();
    stream.wait().unwrap();
}

fn over_http(server: &Running, bearer: &str) {
    let post = |path: &str, body: Value| {
        server.request("POST", path).header("authorization", bearer).json(body).send()
    };
    let said = post("/api/v1/commands", json!({"commands": [send("c3"), send("c3")]}));
    assert_eq!(said.status, 200, "{}", said.text);
    let polled = post("/api/v1/poll", json!({"wait_ms": 0, "hello": true}));
    assert_eq!(polled.status, 200, "{}", polled.text);
    let ticket = post("/api/v1/tickets", json!({}));
    assert!(ticket.status < 300, "{}", ticket.text);
    let forged = format!("{bearer}x");
    let refused = server.request("POST", "/api/v1/poll").header("authorization", &forged);
    assert_eq!(refused.json(json!({})).send().status, 401);
}

/// The log once so many connections have ended.
fn log_after(server: &Running, ends: usize) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = server.log();
        if log.matches(" disconnecting").count() >= ends {
            return log;
        }
        assert!(Instant::now() < deadline, "not {ends} connections have ended: {log}");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_its_most_talkative_it_holds_no_secret_and_no_text_and_names_each_connection() {
    let server = start();
    let tokens = ["ann", "bob"].map(token_of);
    talk_over_everything(&server, &tokens).await;
    let log = tokio::task::block_in_place(|| log_after(&server, 3));
    for secret in [tokens[0].as_str(), &tokens[1], TEXT, SECRET] {
        assert!(!log.contains(secret), "`{secret}` is in the log: {log}");
    }
    // The part of a token that lets somebody in.
    let signatures = tokens.iter().filter_map(|token| token.rsplit('.').next());
    assert!(signatures.into_iter().all(|signature| !log.contains(signature)), "{log}");
    let of_connections = |line: &&str| {
        ["websocket", "session", "poll", "stream", "relay::consumer"]
            .iter()
            .any(|part| line.contains(&format!("moorline_server::{part}")))
    };
    let told: Vec<&str> = log.lines().filter(of_connections).collect();
    assert!(told.len() >= 7, "{log}");
    for line in told {
        assert!(line.contains("connection="), "no connection is named in: {line}");
    }
    for line in log.lines().filter(|line| line.contains(" disconnecting")) {
        for field in ["connection=", "code=", "side=", "reason=", "age_s="] {
            assert!(line.contains(field), "no {field} in: {line}");
        }
    }
}
