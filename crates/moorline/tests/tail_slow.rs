//! A reader of the admin socket that takes too little: the server goes on as fast, holds no more than a bounded part of
//! what it would tell, and says how much was missed. (Who takes nothing at all for ten seconds is cut off, as any client.)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use running::{PATIENCE, Running, SECRET, program};
use serde_json::{Value, json};
use tokio_websockets::{ClientBuilder, Message};

/// Messages of each of two rounds, and the letters of each: a tail that kept all would keep 12 MB.
const MESSAGES: u64 = 4_000;
const LETTERS: usize = 1_000;
/// A sender's messages on the way.
const AT_ONCE: u64 = 50;
/// Lines that wait for a reader at the most, and what the kernel's and HTTP's buffers hold besides, generously.
const HELD: u64 = 1_024 + 600;

/// After so many acks the slow reader takes one line, which is a quarter of what it is told.
const BETWEEN_LINES: u64 = 4;

/// A tail that is read by hand.
struct Tail {
    reader: BufReader<UnixStream>,
    told: u64,
    missed: u64,
}

fn tail(server: &Running) -> Tail {
    let mut socket = UnixStream::connect(server.data().join("admin.sock")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let path = "/admin/v1/tail?kind=message&text=1";
    let request = format!("GET {path} HTTP/1.1\r\nhost: moorline\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::with_capacity(1_024, socket);
    // The answer begins at once; from here on nothing is missed unsaid.
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0);
    }
    Tail { reader, told: 0, missed: 0 }
}

impl Tail {
    /// Takes one line of what is told; the lengths of HTTP's pieces and empty lines are passed over.
    fn take(&mut self) {
        loop {
            let mut line = String::new();
            let length = self.reader.read_line(&mut line).unwrap();
            assert!(length > 0, "{} told and {} missed", self.told, self.missed);
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            match line["kind"].as_str() {
                Some("message") => self.told += 1,
                Some("dropped") => self.missed += line["lines"].as_u64().unwrap(),
                _ => continue,
            }
            return;
        }
    }
}

/// Sends so many messages as somebody who reads all that comes, and gives the time that it took.
async fn send_all(server: &Running, token: &str, mut tail: Option<&mut Tail>) -> Duration {
    let uri = format!("ws://{}/ws", server.address).parse().unwrap();
    let (mut socket, _) = ClientBuilder::from_uri(uri).connect().await.unwrap();
    let hello = json!({"type": "hello", "token": token});
    socket.send(Message::text(hello.to_string())).await.unwrap();
    let body = "𝄞".repeat(LETTERS);
    let (started, mut sent, mut acked) = (Instant::now(), 0, 0);
    while acked < MESSAGES {
        while sent < MESSAGES && sent < acked + AT_ONCE {
            sent += 1;
            let cid = format!("{:032x}", rand::random::<u128>());
            let send = json!({"type": "send", "id": sent, "room": "ops", "cid": cid, "body": body});
            socket.feed(Message::text(send.to_string())).await.unwrap();
        }
        socket.flush().await.unwrap();
        let next = tokio::time::timeout(PATIENCE, socket.next()).await;
        let frame = next.expect("the server stands still").unwrap().unwrap();
        let frame: Value = serde_json::from_str(frame.as_text().unwrap()).unwrap();
        assert_ne!(frame["type"], "error", "{frame}");
        if frame["type"] != "ack" {
            continue;
        }
        acked += 1;
        if let Some(tail) = tail.as_mut().filter(|_| acked % BETWEEN_LINES == 0) {
            tail.take();
        }
    }
    started.elapsed()
}

fn memory_bytes(server: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_too_little_slows_nobody_costs_little_and_hears_what_it_missed() {
    let server = Running::start(&["--api-key", SECRET, "--jwt-secret", SECRET]);
    server.api("PUT", "/api/v1/users/ann", Some(json!({"name": "ann"})));
    let room = json!({"id": "ops", "kind": "group", "name": "ops", "members": ["ann"]});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    let words = ["token", "mint", "--sub", "ann", "--jwt-secret", SECRET];
    let token = String::from_utf8(program(&words).output().unwrap().stdout).unwrap();
    // The same without a tail before: what caches take is taken then, and how long it lasts on this machine is known.
    let alone = send_all(&server, token.trim(), None).await;
    let before = memory_bytes(&server);
    let mut tail = tail(&server);
    let watched = send_all(&server, token.trim(), Some(&mut tail)).await;
    let grown = memory_bytes(&server).saturating_sub(before);
    // At the end it reads all that is left: nothing is missed unsaid.
    while tail.told + tail.missed < MESSAGES {
        tail.take();
    }
    let Tail { told, missed, .. } = tail;
    eprintln!("{alone:?} alone, {watched:?} watched; {grown} bytes; {told} told, {missed} missed");
    assert_eq!(told + missed, MESSAGES);
    assert!(told <= HELD + MESSAGES / BETWEEN_LINES, "{told} lines were held");
    assert!(grown < HELD * LETTERS as u64 * 4 + 3_000_000, "{grown} bytes more");
    assert!(watched < alone * 5 + Duration::from_secs(10), "{alone:?} alone, {watched:?} watched");
}
