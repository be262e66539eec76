//! The driver on a pair of sockets with a paused clock: the test ends in milliseconds, the connection sees minutes.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use moorline_chat::{Close, Outbox};
use moorline_protocol::{CloseCode, Frame};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Opening, Settings, Socket, Wire, drive};
use crate::connection::{Connection, Facts};
use crate::consumer::{Closed, Consumer, Incoming, Side};
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::session::ChatConsumer;
use crate::transport::Transport;

/// What happened to a consumer, as a test asks for it.
#[derive(Default)]
struct Seen {
    incoming: Mutex<Vec<Incoming>>,
    closed: Mutex<Option<Closed>>,
    /// Lets a message that says "wait" end.
    go: Notify,
}

/// Does what it is told.
struct Obedient {
    seen: Arc<Seen>,
    deadline: Option<Instant>,
}

impl Consumer for Obedient {
    async fn receive(&mut self, incoming: Incoming, connection: &Connection) -> Result<(), Close> {
        self.seen.incoming.lock().push(incoming.clone());
        match incoming {
            Incoming::Text(text) if text == "panic" => panic!("as told"),
            Incoming::Text(text) if text == "wait" => self.seen.go.notified().await,
            Incoming::Text(text) if text == "steady" => {
                connection.set_application_ping(Frame::text("ping"));
            }
            Incoming::Text(text) if text == "deadline" => {
                self.deadline = Some(Instant::now() + Duration::from_secs(10));
            }
            Incoming::Text(text) if text == "close" => {
                return Err(Close::new(CloseCode::TOKEN, "as told"));
            }
            Incoming::Text(text) => connection.send_text(&text),
            Incoming::Bytes(bytes) => connection.send_bytes(&bytes),
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn on_deadline(&mut self, _: Instant, _: &Connection) -> Result<(), Close> {
        Err(Close::new(CloseCode::BAD_CLIENT, "too late"))
    }

    fn poll_progress(&mut self, _: &mut Context<'_>, _: &Connection) -> Poll<Result<(), Close>> {
        Poll::Pending
    }

    async fn disconnect(&mut self, closed: &Closed) {
        *self.seen.closed.lock() = Some(closed.clone());
    }
}

/// A client's end of a driven connection.
struct Client {
    stream: UnixStream,
    connection: Connection,
    seen: Arc<Seen>,
    metrics: Arc<Metrics>,
    driver: JoinHandle<()>,
    began: Instant,
}

impl Client {
    fn connect() -> Self {
        let (ours, stream) = UnixStream::pair().unwrap();
        let seen = Arc::new(Seen::default());
        let metrics = Arc::new(Metrics::new());
        let connection =
            Connection::new(Arc::new(Outbox::new(1000)), None, None, Facts::for_tests());
        let registry = Arc::new(Registry::new(Arc::clone(&metrics)));
        let opening = Opening {
            socket: Socket::Unix(ours),
            unread: Vec::new(),
            wire: Wire::WebSocket { message_limit: 1 << 20, deflates: false },
            registration: registry.register(&connection, Transport::WebSocket),
            connection: connection.clone(),
            settings: Arc::new(Settings::usual(Arc::clone(&metrics))),
        };
        let consumer = Obedient { seen: Arc::clone(&seen), deadline: None };
        let driver = tokio::spawn(drive(consumer, opening));
        Self { stream, connection, seen, metrics, driver, began: Instant::now() }
    }

    async fn say(&mut self, text: &str) {
        self.send(0x81, text.as_bytes()).await;
    }

    async fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next short frame: its first byte and its payload.
    async fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1])];
        self.stream.read_exact(&mut payload).await.unwrap();
        (head[0], payload)
    }

    /// Hears the next frame, which must be a close.
    async fn hear_close(&mut self) -> u16 {
        let (first, payload) = self.hear().await;
        assert_eq!(first, 0x88, "{payload:?}");
        u16::from_be_bytes([payload[0], payload[1]])
    }

    fn seconds(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    /// Waits for the end and tells how it looked from inside.
    async fn ended(self) -> Closed {
        drop(self.stream);
        self.driver.await.unwrap();
        self.seen.closed.lock().take().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_pinged_and_then_closed() {
    let mut client = Client::connect();
    assert_eq!(client.hear().await.0, 0x89);
    assert_eq!(client.seconds(), 25);
    assert_eq!(client.hear().await.0, 0x89);
    assert_eq!(client.seconds(), 50);
    assert_eq!(client.hear_close().await, 4441);
    assert_eq!(client.seconds(), 60);
    assert_eq!(client.metrics.pong_timeouts.get(), 1);
    let closed = client.ended().await;
    assert_eq!((closed.code, closed.side), (CloseCode::PING_TIMEOUT, Side::Server));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_stays_for_days() {
    let mut client = Client::connect();
    while client.seconds() < 3 * 24 * 3600 {
        let (first, payload) = client.hear().await;
        assert_eq!(first, 0x89);
        client.send(0x8a, &payload).await;
    }
    client.say("still here").await;
    assert_eq!(client.hear().await, (0x81, b"still here".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_application_pings_gets_them() {
    let mut client = Client::connect();
    client.say("steady").await;
    for round in 1..4 {
        let (first, payload) = client.hear().await;
        assert_eq!(first, 0x89);
        assert_eq!(client.hear().await, (0x81, b"ping".to_vec()));
        assert_eq!(client.seconds(), 25 * round);
        client.send(0x8a, &payload).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_consumer_hinders_neither_writes_nor_pings_nor_the_end_of_a_dead_peer() {
    let mut client = Client::connect();
    client.say("wait").await;
    while client.seen.incoming.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    client.connection.send_text("meanwhile");
    assert_eq!(client.hear().await, (0x81, b"meanwhile".to_vec()));
    assert_eq!(client.hear().await.0, 0x89);
    assert_eq!(client.hear().await.0, 0x89);
    assert_eq!(client.hear_close().await, 4441);
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_the_consumer_is_busy_waits_its_turn() {
    let mut client = Client::connect();
    client.say("wait").await;
    client.say("one").await;
    client.say("two").await;
    while client.seen.incoming.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    client.seen.go.notify_one();
    assert_eq!(client.hear().await, (0x81, b"one".to_vec()));
    assert_eq!(client.hear().await, (0x81, b"two".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_consumers_deadline_is_kept_to_the_second() {
    let mut client = Client::connect();
    client.say("deadline").await;
    assert_eq!(client.hear_close().await, 4400);
    assert_eq!(client.seconds(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_reader_without_progress_is_closed_and_others_are_not_asked() {
    let client = Client::connect();
    let big = Frame::binary(&vec![0; 4 << 20]);
    client.connection.outbox().reply(big);
    let began = client.began;
    client.driver.await.unwrap();
    let closed = client.seen.closed.lock().take().unwrap();
    assert_eq!((closed.code, closed.side), (CloseCode::SLOW_READER, Side::Server));
    assert!(began.elapsed() >= Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(90), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_reads_on_gets_everything_in_order() {
    let mut client = Client::connect();
    for number in 0..200_u8 {
        client.connection.outbox().reply(Frame::binary(&vec![number; 5000]));
        client.connection.outbox().reply(Frame::binary(&[number; 100]));
    }
    let mut expected = Vec::new();
    for number in 0..200_u8 {
        expected.extend_from_slice(Frame::binary(&vec![number; 5000]).websocket());
        expected.extend_from_slice(Frame::binary(&[number; 100]).websocket());
    }
    let mut seen = vec![0; expected.len()];
    for piece in seen.chunks_mut(777) {
        client.stream.read_exact(piece).await.unwrap();
    }
    let differs = seen.iter().zip(&expected).position(|(seen, expected)| seen != expected);
    assert_eq!(
        differs,
        None,
        "after {} s: {:?}",
        client.seconds(),
        &seen[differs.unwrap_or(0)..][..20]
    );
}

#[tokio::test(start_paused = true)]
async fn while_too_much_waits_nothing_more_is_taken_and_then_it_goes_on() {
    let mut client = Client::connect();
    client.connection.outbox().reply(Frame::binary(&vec![1; 2 << 20]));
    client.connection.outbox().reply(Frame::binary(&vec![1; 2000]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..3 {
        client.say("more").await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(client.seen.incoming.lock().is_empty());
    let mut large = vec![0; (2 << 20) + 10 + 2000 + 4];
    client.stream.read_exact(&mut large).await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.hear().await, (0x81, b"more".to_vec()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_drips_is_cut_after_ten_seconds() {
    let mut client = Client::connect();
    client.stream.write_all(&[0x81, 0xfd, 0, 0, 0, 0]).await.unwrap();
    while client.seconds() < 9 {
        client.stream.write_all(b"x").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(client.hear_close().await, 4441);
    assert_eq!(client.seconds(), 10);
    assert_eq!(client.ended().await.reason, "a message came too slowly");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_flows_slowly_arrives() {
    let mut client = Client::connect();
    let length = 60_000_u16;
    client.stream.write_all(&[0x82, 0xfe]).await.unwrap();
    client.stream.write_all(&length.to_be_bytes()).await.unwrap();
    client.stream.write_all(&[0; 4]).await.unwrap();
    for _ in 0..30 {
        client.stream.write_all(&[7; 2000]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    let mut echo = vec![0; 4 + usize::from(length)];
    client.stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(echo[..2], [0x82, 126]);
    assert!(client.seconds() >= 30);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_connection_with_a_close() {
    let mut client = Client::connect();
    client.say("panic").await;
    assert_eq!(client.hear_close().await, 1011);
    assert_eq!(client.metrics.panics.get(), 1);
    assert_eq!(client.ended().await.code, CloseCode::INTERNAL);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_closes_with_its_code_after_what_is_queued() {
    let mut client = Client::connect();
    client.say("before").await;
    client.say("close").await;
    assert_eq!(client.hear().await, (0x81, b"before".to_vec()));
    assert_eq!(client.hear_close().await, 4401);
    client.send(0x88, &4401_u16.to_be_bytes()).await;
    assert_eq!(client.stream.read(&mut [0; 1]).await.unwrap(), 0);
    let closed = client.ended().await;
    assert_eq!((closed.code, closed.side), (CloseCode::TOKEN, Side::Server));
    assert_eq!(closed.reason, "as told");
}

#[tokio::test(start_paused = true)]
async fn a_peers_close_is_answered_with_its_code() {
    let mut client = Client::connect();
    client.send(0x88, &[&3001_u16.to_be_bytes()[..], b"done"].concat()).await;
    assert_eq!(client.hear_close().await, 3001);
    let closed = client.ended().await;
    assert_eq!((closed.code, closed.side), (CloseCode(3001), Side::Client));
    assert_eq!(closed.reason, "done");
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_close_is_1006_by_the_client() {
    let client = Client::connect();
    let closed = client.ended().await;
    assert_eq!((closed.code, closed.side), (CloseCode(1006), Side::Client));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_a_close_is_left_after_seconds() {
    let mut client = Client::connect();
    client.say("close").await;
    assert_eq!(client.hear_close().await, 4401);
    client.driver.await.unwrap();
    assert_eq!(client.began.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_drain_closes_with_1012() {
    let mut client = Client::connect();
    client.connection.shared().begin_drain(Duration::from_secs(1));
    assert_eq!(client.hear_close().await, 1012);
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_told_at_once_also_after_other_news() {
    let mut client = Client::connect();
    client.say("steady").await;
    client.say("heard").await;
    assert_eq!(client.hear().await.1, b"heard");
    client.connection.shared().begin_drain(Duration::from_secs(1));
    assert_eq!(client.hear_close().await, 1012);
    assert_eq!(client.seconds(), 0);
}

/// Keeps nothing and waits for nothing.
struct Deaf;

impl Consumer for Deaf {
    async fn receive(&mut self, _: Incoming, _: &Connection) -> Result<(), Close> {
        Ok(())
    }
}

#[test]
fn a_connection_is_small() {
    fn size<C, F>(_: fn(C, Opening) -> F) -> usize {
        size_of::<F>()
    }
    let (driver, chat) = (size(drive::<Deaf>), size(drive::<ChatConsumer>));
    println!("driver {driver} bytes, with the chat consumer {chat}");
    assert!(driver <= 600, "the driver takes {driver} bytes");
    assert!(chat <= 1000, "with the chat consumer it takes {chat} bytes");
}
