//! Streams, polls and commands of the real program, by curl and by the page's cookie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use running::{Running, SECRET};
use serde_json::{Value, json};

fn start() -> Running {
    let server = Running::start(&["--api-key", SECRET]);
    for user in ["ann", "bob"] {
        let answer =
            server.api("PUT", &format!("/api/v1/users/{user}"), Some(json!({"name": user})));
        assert!(answer.status < 300, "{}", answer.text);
    }
    server
}

/// curl while it reads a stream; ended when dropped.
struct Curl {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Curl {
    fn read(server: &Running, words: &[&str], path: &str) -> Self {
        let mut command = Command::new("curl");
        command.args(["-sN", "--max-time", "60"]).args(words);
        command.arg(format!("http://{}{path}", server.address)).stdout(Stdio::piped());
        let mut child = command.spawn().expect("curl is there");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next frame of this type, with the id before it.
    fn next(&mut self, kind: &str) -> (String, Value) {
        let mut id = String::new();
        loop {
            let line = self.lines.next().expect("curl ended").unwrap();
            if let Some(told) = line.strip_prefix("id: ") {
                id = told.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                let frame: Value = serde_json::from_str(data).unwrap();
                if frame["type"] == kind {
                    return (id, frame);
                }
            }
        }
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn curl_reads_the_stream_and_goes_on_by_the_id() {
    let server = start();
    let cookie = server.sign_up("carl");
    let commands = json!({"commands": [{"type": "create", "id": 1, "cid": "c", "kind": "group", "name": "Ops"}]});
    let made = server.post("/api/v1/commands", commands).cookie(&cookie).send();
    assert_eq!(made.status, 200, "{}", made.text);
    let room = made.json()["answers"][0]["room"].as_str().unwrap().to_owned();
    let shown = format!("Cookie: {cookie}");
    let own = format!("Origin: {}", server.origin());
    let mut curl = Curl::read(&server, &["-H", &shown, "-H", &own], "/api/v1/stream");
    curl.next("welcome");
    let say = |text: &str, cid: &str| {
        let send = json!({"commands": [{"type": "send", "room": room, "cid": cid, "body": text}]});
        let sent = server.post("/api/v1/commands", send).cookie(&cookie).send();
        assert_eq!(sent.json()["answers"][0]["type"], "ack", "{}", sent.text);
    };
    say("one", "c1");
    let (id, event) = curl.next("event");
    assert_eq!(event["body"], "one");
    drop(curl);
    say("two", "c2");
    let last = format!("Last-Event-ID: {id}");
    let words = ["-H", &shown, "-H", &own, "-H", &last];
    let mut curl = Curl::read(&server, &words, "/api/v1/stream");
    assert_eq!(curl.next("event").1["body"], "two");
}

#[test]
fn a_sign_out_ends_the_stream_and_what_it_was_opened_with() {
    let server = start();
    let cookie = server.sign_up("dora");
    let shown = format!("Cookie: {cookie}");
    let own = format!("Origin: {}", server.origin());
    let words = ["-H", &shown, "-H", &own, "-H", "Content-Type: application/json", "-d", "{}"];
    let mut curl = Curl::read(&server, &words, "/api/v1/stream");
    curl.next("welcome");
    let out = server.post("/api/v1/logout", json!({})).cookie(&cookie).send();
    assert!(out.status < 300, "{}", out.text);
    let (_, goodbye) = curl.next("goodbye");
    assert_eq!((&goodbye["code"], &goodbye["reconnect"]), (&json!(4403), &json!(false)));
    let again = server.post("/api/v1/poll", json!({})).cookie(&cookie).send();
    assert_eq!(again.status, 401, "{}", again.text);
}

#[test]
fn a_foreign_page_gets_nothing_by_its_visitors_cookie() {
    let server = start();
    let cookie = server.sign_up("eve");
    for path in ["stream", "poll", "commands"] {
        let request = server.request("POST", &format!("/api/v1/{path}")).cookie(&cookie);
        let answer = request.header("origin", "https://evil.example").json(json!({})).send();
        assert_eq!((answer.status, answer.code()), (403, "bad_origin".to_owned()), "{path}");
    }
}
