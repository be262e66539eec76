//! `moorline tail` over the real program: what it shows, what it hides, and that nobody waits for it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use running::{PATIENCE, Running, SECRET, program};
use serde_json::{Value, json};

fn server() -> Running {
    let server = Running::start(&["--api-key", SECRET, "--jwt-secret", SECRET]);
    for id in ["ann", "bob"] {
        server.api("PUT", &format!("/api/v1/users/{id}"), Some(json!({"name": id})));
    }
    for room in ["ops", "art"] {
        let room = json!({"id": room, "kind": "group", "name": room, "members": ["ann", "bob"]});
        assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    }
    server
}

fn post(server: &Running, room: &str, from: &str, body: &str) {
    let posted = server
        .request("POST", &format!("/api/v1/rooms/{room}/messages"))
        .header("authorization", &format!("Bearer {SECRET}"))
        .header("idempotency-key", &format!("k-{:x}", rand::random::<u64>()))
        .json(json!({"from": from, "body": body}))
        .send();
    assert_eq!(posted.status, 201, "{}", posted.text);
}

fn token(sub: &str) -> String {
    let minted =
        program(&["token", "mint", "--sub", sub, "--jwt-secret", SECRET]).output().unwrap();
    String::from_utf8(minted.stdout).unwrap().trim().to_owned()
}

/// A tail that watches already; killed when dropped.
struct Tail {
    child: Child,
    lines: Receiver<String>,
}

impl Tail {
    fn of(server: &Running, words: &[&str]) -> Self {
        let mut command: Command = program(&["tail", "--json", "--data-dir"]);
        command.arg(server.data()).args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut told = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        errors.read_line(&mut told).unwrap();
        assert!(told.starts_with("watching"), "{told}");
        let (tell, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_message_is_shown_by_its_length_and_its_text_only_when_asked_for() {
    let server = server();
    let (masked, open) = (Tail::of(&server, &[]), Tail::of(&server, &["--text"]));
    post(&server, "ops", "ann", "hush");
    let line = masked.next();
    assert_eq!(
        (&line["kind"], &line["bytes"], &line["room"]),
        (&json!("message"), &json!(4), &json!("ops"))
    );
    assert_eq!((&line["user"], line.get("text")), (&json!("ann"), None));
    assert_eq!(open.next()["text"], "hush");
}

#[test]
fn filters_leave_out_what_is_not_wanted() {
    let server = server();
    let tail = Tail::of(&server, &["--room", "art", "--user", "bob", "--kind", "message"]);
    for (room, from) in [("ops", "bob"), ("art", "ann"), ("art", "bob")] {
        post(&server, room, from, "x");
    }
    let line = tail.next();
    assert_eq!((&line["room"], &line["user"]), (&json!("art"), &json!("bob")));
}

#[tokio::test]
async fn a_connection_is_told_from_its_opening_to_its_close() {
    let server = server();
    let tail =
        Tail::of(&server, &["--kind", "connected", "--kind", "signed_in", "--kind", "closed"]);
    let mut ann = server.person(&token("ann")).await;
    let connected = tail.next();
    assert_eq!(
        (&connected["kind"], &connected["transport"]),
        (&json!("connected"), &json!("websocket"))
    );
    let signed_in = tail.next();
    assert_eq!((&signed_in["kind"], &signed_in["user"]), (&json!("signed_in"), &json!("ann")));
    assert_eq!(signed_in["connection"], connected["connection"]);
    let id = connected["connection"].as_str().unwrap();
    let kicked =
        program(&["clients", "kick", id, "--code", "4001", "--reason", "because", "--data-dir"])
            .arg(server.data())
            .output()
            .unwrap();
    assert!(kicked.status.success());
    assert_eq!(ann.close_code().await, 4001);
    let closed = tail.next();
    let told = ["kind", "user", "connection", "side", "reason"].map(|name| &closed[name]);
    assert_eq!(
        told,
        [&json!("closed"), &json!("ann"), &json!(id), &json!("server"), &json!("because")]
    );
    assert_eq!(closed["code"], 4001);
    assert!(closed["age_ms"].is_u64(), "{closed}");
}

#[test]
fn a_handshake_that_is_refused_is_told() {
    let server = server();
    let tail = Tail::of(&server, &["--kind", "refused"]);
    assert_eq!(server.get("/ws").send().status, 426);
    assert_eq!(tail.next()["code"], "invalid");
}

#[test]
fn the_end_of_the_server_ends_the_tail_and_does_not_wait_for_it() {
    let server = server();
    let mut tail = Tail::of(&server, &["--count", "2"]);
    server.signal("TERM");
    let (status, log, _folder) = server.wait();
    assert!(status.success() && !log.contains("did not end in time"), "{log}");
    assert_eq!(tail.next()["kind"], "end");
    assert!(tail.child.wait().unwrap().success());
}
