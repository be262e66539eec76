//! The operator's limits of time on one connection, with a paused clock: its age, and how long its end may take.

use std::sync::Arc;
use std::time::Duration;

use moorline_chat::{Close, Outbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Opening, Settings, Socket, Wire, drive};
use crate::connection::{Connection, Facts};
use crate::consumer::{Closed, Consumer, Incoming};
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::transport::Transport;

/// Hears everything and never comes to an end.
struct Endless;

impl Consumer for Endless {
    async fn receive(&mut self, _: Incoming, _: &Connection) -> Result<(), Close> {
        Ok(())
    }

    async fn disconnect(&mut self, _: &Closed) {
        std::future::pending::<()>().await;
    }
}

fn connect(max_age: Option<u64>, close_timeout: u64) -> (UnixStream, JoinHandle<()>) {
    let (ours, stream) = UnixStream::pair().unwrap();
    let metrics = Arc::new(Metrics::new());
    let connection = Connection::new(Arc::new(Outbox::new(1000)), None, None, Facts::for_tests());
    let registry = Arc::new(Registry::new(Arc::clone(&metrics)));
    let opening = Opening {
        socket: Socket::Unix(ours),
        unread: Vec::new(),
        wire: Wire::WebSocket { message_limit: 1000, deflates: false },
        registration: registry.register(&connection, Transport::WebSocket),
        connection,
        settings: Arc::new(Settings {
            max_age: max_age.map(Duration::from_secs),
            close_timeout: Duration::from_secs(close_timeout),
            ..Settings::usual(metrics)
        }),
    };
    (stream, tokio::spawn(drive(Endless, opening)))
}

/// Answers pings until something else comes, and says what.
async fn after_pings(stream: &mut UnixStream) -> (u8, Vec<u8>) {
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1])];
        stream.read_exact(&mut payload).await.unwrap();
        if head[0] != 0x89 {
            return (head[0], payload);
        }
        let pong = [&[0x8a, 0x80 | head[1], 0, 0, 0, 0], payload.as_slice()].concat();
        stream.write_all(&pong).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_healthy_socket_is_closed_at_the_age_that_the_operator_set() {
    let began = Instant::now();
    let (mut stream, _driver) = connect(Some(3600), 10);
    let (first, payload) = after_pings(&mut stream).await;
    assert_eq!((first, began.elapsed().as_secs()), (0x88, 3600));
    assert_eq!(payload[..2], 4442_u16.to_be_bytes(), "come back at once and go on");
}

#[tokio::test(start_paused = true)]
async fn without_such_an_age_it_stays_open() {
    let (mut stream, _driver) = connect(None, 10);
    let week = Duration::from_secs(7 * 86_400);
    assert!(tokio::time::timeout(week, after_pings(&mut stream)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_takes_too_long_is_given_up_after_the_operators_time() {
    for seconds in [3, 300] {
        let (stream, driver) = connect(None, seconds);
        drop(stream);
        let began = Instant::now();
        driver.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
}
