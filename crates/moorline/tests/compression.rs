//! `--compression` of the real server, as clients see it that read frames themselves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Instant, SystemTime};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use moorline::args::MintArgs;
use moorline::settings::Environment;
use moorline::token;
use running::{PATIENCE, Running, SECRET};
use serde_json::{Value, json};

const OFFER: &str = "permessage-deflate; client_max_window_bits";
const TAKEN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const PEOPLE: [&str; 5] = ["ann", "bob", "cem", "dan", "eve"];

/// A client that sees frames as they are on the wire.
struct Wire {
    stream: TcpStream,
    /// The extensions that the server answered.
    extensions: Option<String>,
}

/// A frame from the server.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    first: u8,
    payload: Vec<u8>,
}

impl Seen {
    fn is_deflated(&self) -> bool {
        self.first & 0x40 != 0
    }

    fn json(&self) -> Value {
        if !self.is_deflated() {
            return serde_json::from_slice(&self.payload).unwrap();
        }
        let deflated = [&self.payload[..], &[0, 0, 0xff, 0xff]].concat();
        let mut text = Vec::with_capacity(1 << 20);
        let mut stream = Decompress::new(false);
        stream.decompress_vec(&deflated, &mut text, FlushDecompress::Sync).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

impl Wire {
    fn open(server: &Running, offer: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let offer =
            offer.map_or(String::new(), |offer| format!("Sec-WebSocket-Extensions: {offer}\r\n"));
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        let line = head.lines().find_map(|line| line.strip_prefix("sec-websocket-extensions: "));
        Self { extensions: line.map(str::to_owned), stream }
    }

    /// A person who has said hello and been welcomed.
    fn person(server: &Running, name: &str, offer: Option<&str>) -> Self {
        let mut wire = Self::open(server, offer);
        let args =
            MintArgs { sub: name.into(), jwt_secret: Some(SECRET.into()), ..MintArgs::default() };
        let token = token::mint(&args, &Environment::default(), SystemTime::now()).unwrap();
        wire.say(&json!({"type": "hello", "token": token}));
        wire.next("welcome");
        wire
    }

    fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            length => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        if let 126..=65_535 = payload.len() {
            frame.truncate(1);
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).unwrap();
    }

    /// Says something, compressed where that was negotiated.
    fn say(&mut self, command: &Value) {
        let text = command.to_string();
        match self.extensions {
            Some(_) => self.send(0xc1, &deflated(text.as_bytes())),
            None => self.send(0x81, text.as_bytes()),
        }
    }

    fn read(&mut self) -> Seen {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let mut long = [0; 8];
        let bytes = match head[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        self.stream.read_exact(&mut long[8 - bytes..]).unwrap();
        let length = if bytes == 0 { u64::from(head[1]) } else { u64::from_be_bytes(long) };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        Seen { first: head[0], payload }
    }

    /// The next frame of this type.
    fn next(&mut self, kind: &str) -> Seen {
        loop {
            let seen = self.read();
            assert_ne!(seen.first, 0x88, "closed: {}", String::from_utf8_lossy(&seen.payload));
            if seen.first & 0x0f == 1 && seen.json()["type"] == kind {
                return seen;
            }
        }
    }

    /// The event with this text.
    fn event(&mut self, body: &str) -> Seen {
        loop {
            let event = self.next("event");
            if event.json()["body"] == body {
                return event;
            }
        }
    }

    /// The code with which the server closes.
    fn close_code(&mut self) -> u16 {
        loop {
            let seen = self.read();
            if seen.first == 0x88 {
                return u16::from_be_bytes([seen.payload[0], seen.payload[1]]);
            }
        }
    }
}

fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 100);
    let mut stream = Compress::new(Compression::best(), false);
    stream.compress_vec(payload, &mut out, FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
    out
}

/// A server with everybody in `ops`.
fn server(words: &[&str]) -> Running {
    let server =
        Running::start(&[&["--api-key", SECRET, "--jwt-secret", SECRET][..], words].concat());
    for person in PEOPLE {
        let path = format!("/api/v1/users/{person}");
        assert_eq!(server.api("PUT", &path, Some(json!({"name": person}))).status, 201);
    }
    let room = json!({"id": "ops", "kind": "group", "name": "ops", "members": PEOPLE});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    server
}

fn post(server: &Running, body: &str) {
    let answer = server
        .request("POST", "/api/v1/rooms/ops/messages")
        .header("authorization", &format!("Bearer {SECRET}"))
        .header("idempotency-key", &body[..20].replace(' ', "-"))
        .json(json!({"from": "ann", "body": body}))
        .send();
    assert!(answer.status < 300, "{}", answer.text);
}

fn deflations(server: &Running) -> u64 {
    let text = server.get("/metrics").send().text;
    let name = "moorline_frames_deflated_total ";
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

fn long_text(number: usize) -> String {
    format!("number {number:<20} {}", "what a day at the harbour ".repeat(40))
}

/// Posts until an event reaches all of these live and not from the log; answers that event as each of them saw it, and
/// how many events were deflated for anybody.
fn event_for_all(server: &Running, wires: &mut [Wire]) -> (Vec<Seen>, u64) {
    let deadline = Instant::now() + PATIENCE;
    let mut deflated_events = 0;
    for number in 0.. {
        let body = long_text(number);
        post(server, &body);
        let seen: Vec<Seen> = wires.iter_mut().map(|wire| wire.event(&body)).collect();
        deflated_events += u64::from(seen.iter().any(Seen::is_deflated));
        if seen.iter().all(Seen::is_deflated) {
            return (seen, deflated_events);
        }
        assert!(Instant::now() < deadline, "events are not deflated for everybody");
    }
    unreachable!()
}

#[test]
fn an_event_is_deflated_once_for_all_who_take_it_so() {
    let server = server(&["--compression"]);
    let mut wires: Vec<Wire> =
        PEOPLE[..4].iter().map(|name| Wire::person(&server, name, Some(OFFER))).collect();
    let mut plain = Wire::person(&server, "eve", None);
    assert!(wires.iter().all(|wire| wire.extensions.as_deref() == Some(TAKEN)));
    assert_eq!(plain.extensions, None);

    let (seen, deflated_events) = event_for_all(&server, &mut wires);
    assert!(seen.iter().all(|other| *other == seen[0]), "not the same bytes for all");
    assert_eq!(deflations(&server), deflated_events);
    let event = seen[0].json();
    let same = plain.event(event["body"].as_str().unwrap());
    assert_eq!((same.first, same.json()), (0x81, event.clone()));
    assert!(seen[0].payload.len() < same.payload.len() / 2, "{} bytes", seen[0].payload.len());
}

/// The answer to a search, once the index knows what is searched for.
fn found(wire: &mut Wire, query: &str) -> Seen {
    let deadline = Instant::now() + PATIENCE;
    loop {
        wire.say(&json!({"type": "search", "query": query}));
        let hits = wire.next("hits");
        if hits.json()["hits"].as_array().is_some_and(|hits| !hits.is_empty()) {
            return hits;
        }
        assert!(Instant::now() < deadline, "{query} is not found");
        std::thread::sleep(std::time::Duration::from_millis(50)); // It may send 50 commands a second.
    }
}

#[test]
fn no_frame_but_an_event_is_ever_compressed() {
    let server = server(&["--compression"]);
    let body = long_text(77).replace("number", "quay");
    post(&server, &body);
    for number in 0..4 {
        let members: Vec<&str> = PEOPLE.to_vec();
        let room = json!({"id": format!("room{number}"), "kind": "group", "name": "n".repeat(60), "members": members});
        assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    }
    let mut ann = Wire::person(&server, "ann", Some(OFFER));
    let mut again = Wire::open(&server, Some(OFFER));
    let args =
        MintArgs { sub: "bob".into(), jwt_secret: Some(SECRET.into()), ..MintArgs::default() };
    let token = token::mint(&args, &Environment::default(), SystemTime::now()).unwrap();
    again.say(&json!({"type": "hello", "token": token}));

    let mut long = vec![("welcome", again.next("welcome"))];
    for (command, answer) in
        [(json!({"type": "history", "room": "ops"}), "page"), (json!({"type": "rooms"}), "rooms")]
    {
        ann.say(&command);
        long.push((answer, ann.next(answer)));
    }
    long.push(("hits", found(&mut ann, "quay")));
    let notice = json!({"user": "ann", "name": "key", "data": "once ".repeat(300), "id": "k"});
    assert_eq!(server.api("POST", "/api/v1/notices", Some(notice)).status, 200);
    long.push(("notice", ann.next("notice")));
    for (kind, seen) in long {
        assert!(seen.payload.len() >= 512, "{kind} has {} bytes only", seen.payload.len());
        assert!(!seen.is_deflated(), "{kind} is compressed");
    }
    // The same connection does get compressed events.
    let (seen, _) = event_for_all(&server, std::slice::from_mut(&mut ann));
    assert!(seen[0].is_deflated());
}

#[test]
fn compression_is_off_unless_asked_for_and_other_offers_go_on_without() {
    let off = server(&[]);
    assert_eq!(Wire::open(&off, Some(OFFER)).extensions, None);
    let mut eve = Wire::person(&off, "eve", Some(OFFER));
    eve.send(0xc1, &deflated(b"{}"));
    assert_eq!(eve.close_code(), 1002);

    let folder = tempfile::tempdir().unwrap();
    let by_variable =
        Running::start_with_variables(folder, &[], &[("MOORLINE_COMPRESSION", "true")]);
    assert_eq!(Wire::open(&by_variable, Some(OFFER)).extensions.as_deref(), Some(TAKEN));
    let small = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12";
    assert_eq!(Wire::open(&by_variable, Some(small)).extensions, None);
}

/// Kilobytes of memory that the process has had at most.
fn peak_kb(server: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_bomb_of_64_mib_is_too_large_and_costs_no_memory() {
    let server = server(&["--compression"]);
    let mut ann = Wire::person(&server, "ann", Some(OFFER));
    let mut bomb = deflated(&vec![b' '; 1 << 20]);
    bomb.extend_from_slice(&[0, 0, 0xff, 0xff]);
    let bomb = bomb.repeat(64);
    let before = peak_kb(&server);
    ann.send(0xc1, &bomb);
    assert_eq!(ann.close_code(), 1009);
    let mut in_fragments = Wire::person(&server, "bob", Some(OFFER));
    let (left, right) = bomb.split_at(bomb.len() / 2);
    in_fragments.send(0x41, left);
    in_fragments.send(0x89, b"ping");
    in_fragments.send(0x80, right);
    let pong = Seen { first: 0x8a, payload: b"ping".to_vec() };
    while in_fragments.read() != pong {}
    assert_eq!(in_fragments.close_code(), 1009);
    let grown = peak_kb(&server) - before;
    assert!(grown < 16 * 1024, "{grown} kB more");
}

#[test]
fn broken_compression_ends_its_connection_with_1007() {
    let server = server(&["--compression"]);
    let mut ann = Wire::person(&server, "ann", Some(OFFER));
    ann.send(0xc1, &[7, 7, 7]);
    assert_eq!(ann.close_code(), 1007);
    let ended = ann.stream.read(&mut [0; 16]);
    let is_over = ended.as_ref().is_ok_and(|read| *read == 0)
        || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
    assert!(is_over);
}
