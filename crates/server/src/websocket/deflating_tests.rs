//! Connections with compression on a pair of sockets: what goes out in which form, also where a socket is full.

use std::sync::Arc;

use moorline_chat::{Close, Outbox};
use moorline_protocol::Frame;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::deflate::inflate;
use super::{Opening, Settings, Socket, Wire, drive};
use crate::connection::{Connection, Facts};
use crate::consumer::{Consumer, Incoming};
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::transport::Transport;

struct Deaf;

impl Consumer for Deaf {
    async fn receive(&mut self, _: Incoming, _: &Connection) -> Result<(), Close> {
        Ok(())
    }
}

/// A connection and its client's end.
fn connect(metrics: &Arc<Metrics>, deflates: bool) -> (Connection, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let connection =
        Connection::new(Arc::new(Outbox::new(1 << 20)), None, None, Facts::for_tests());
    let registry = Arc::new(Registry::new(Arc::clone(metrics)));
    tokio::spawn(drive(
        Deaf,
        Opening {
            socket: Socket::Unix(ours),
            unread: Vec::new(),
            wire: Wire::WebSocket { message_limit: 1000, deflates },
            registration: registry.register(&connection, Transport::WebSocket),
            connection: connection.clone(),
            settings: Arc::new(Settings::usual(Arc::clone(metrics))),
        },
    ));
    (connection, theirs)
}

/// The next frame: its first byte and its payload as it came.
async fn hear(stream: &mut UnixStream) -> (u8, Vec<u8>) {
    let (first, length) = (stream.read_u8().await.unwrap(), stream.read_u8().await.unwrap());
    let length = match length {
        126 => u64::from(stream.read_u16().await.unwrap()),
        127 => stream.read_u64().await.unwrap(),
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

async fn hear_text(stream: &mut UnixStream) -> (bool, String) {
    let (first, payload) = hear(stream).await;
    let is_deflated = first & 0x40 != 0;
    let payload = if is_deflated { inflate(payload, 1 << 20).unwrap() } else { payload };
    (is_deflated, String::from_utf8(payload).unwrap())
}

fn counted(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.render();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
}

/// A text that gets shorter, and differs from others.
fn prose(number: usize, length: usize) -> String {
    let words = (0..).map(|word: usize| format!("{:x} ", (word + 7) * (number + 3) % 9973));
    let mut text = String::new();
    words.take_while(|_| true).find(|word| {
        text.push_str(word);
        text.len() >= length
    });
    text
}

#[tokio::test]
async fn one_frame_is_deflated_once_for_all_sockets_that_take_it_so() {
    let metrics = Arc::new(Metrics::new());
    let mut deflating: Vec<_> = (0..20).map(|_| connect(&metrics, true)).collect();
    let (plain, mut plain_stream) = connect(&metrics, false);
    let frame = Frame::text(&prose(1, 2000)).deflatable();
    for (connection, _) in &deflating {
        connection.outbox().reply(frame.clone());
    }
    plain.outbox().reply(frame.clone());
    let mut seen = Vec::new();
    for (_, stream) in &mut deflating {
        seen.push(hear(stream).await);
    }
    assert!(seen.iter().all(|other| *other == seen[0]), "not the same bytes for all");
    assert_eq!(seen[0].0, 0xc1);
    assert_eq!(inflate(seen[0].1.clone(), 5000).unwrap(), frame.payload());
    assert_eq!(hear(&mut plain_stream).await, (0x81, frame.payload().to_vec()));
    assert_eq!(counted(&metrics, "moorline_frames_deflated_total"), 1);
    assert_eq!(
        counted(&metrics, "moorline_deflated_from_bytes_total"),
        frame.payload().len() as u64
    );
    assert_eq!(counted(&metrics, "moorline_deflated_to_bytes_total"), seen[0].1.len() as u64);
}

#[tokio::test]
async fn frames_that_are_short_or_not_for_it_go_as_they_are() {
    let metrics = Arc::new(Metrics::new());
    let (connection, mut stream) = connect(&metrics, true);
    let long = prose(1, 2000);
    let frames = [
        (Frame::text(&long[..511]).deflatable(), false),
        (Frame::text(&long[..512]).deflatable(), true),
        (Frame::text(&long), false),
        (Frame::text(&long).deflatable(), true),
        (Frame::text(&prose(2, 131 * 1024)).deflatable(), false),
    ];
    for (frame, is_deflated) in frames {
        connection.outbox().reply(frame.clone());
        let text = std::str::from_utf8(frame.payload()).unwrap().to_owned();
        assert_eq!(hear_text(&mut stream).await, (is_deflated, text));
    }
    assert_eq!(counted(&metrics, "moorline_frames_deflated_total"), 2);
}

#[tokio::test]
async fn a_socket_that_is_full_gets_every_frame_whole_and_in_order() {
    let metrics = Arc::new(Metrics::new());
    let (connection, mut stream) = connect(&metrics, true);
    let sizes = [20_000, 600, 100, 9_000, 70_000, 3_000];
    let frames: Vec<Frame> = (0..120)
        .map(|number| Frame::text(&prose(number, sizes[number % sizes.len()])))
        .enumerate()
        .map(|(number, frame)| if number % 5 == 0 { frame } else { frame.deflatable() })
        .collect();
    for (number, frame) in frames.iter().enumerate() {
        connection.outbox().reply(frame.clone());
        if number % 10 == 0 {
            tokio::task::yield_now().await; // The driver writes some now, until the socket is full.
        }
    }
    let mut deflated = 0;
    for (number, frame) in frames.iter().enumerate() {
        let (is_deflated, text) = hear_text(&mut stream).await;
        assert_eq!(text.as_bytes(), frame.payload(), "frame {number}");
        deflated += u64::from(is_deflated);
    }
    assert!(deflated > 60, "only {deflated} were deflated");
    assert_eq!(counted(&metrics, "moorline_frames_deflated_total"), deflated);
}
