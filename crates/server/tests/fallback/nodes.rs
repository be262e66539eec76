//! Two servers over one database behind a balancer that sends each connection to the other one: nothing has to come back to
//! the same server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use moorline_test_postgres::Database;
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::http::Http;
use crate::people::TestServer;

const MESSAGES: usize = 40;
/// Messages after which a stream is given up for a new one.
const A_STREAM: usize = 3;

/// Passes connections on, each to the server that did not get the one before.
struct Balancer {
    address: SocketAddr,
    taken: Arc<[AtomicUsize; 2]>,
}

impl Balancer {
    async fn before(servers: [SocketAddr; 2]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let counts = Arc::clone(&taken);
        tokio::spawn(async move {
            for turn in (0..2).cycle() {
                let (mut client, _) = listener.accept().await.unwrap();
                counts[turn].fetch_add(1, Ordering::Relaxed);
                let server = servers[turn];
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    // It ends when either side does, however that was.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, taken }
    }
}

/// Somebody behind the balancer, with a new connection for each request.
#[derive(Clone)]
struct Client {
    address: SocketAddr,
    token: String,
}

impl Client {
    async fn http(&self) -> Http {
        Http::at(self.address, &[&self.token]).await
    }

    /// Says something, which is acknowledged.
    async fn say(&self, room: &str, body: &str) {
        let send = json!({"type": "send", "room": room, "cid": body, "body": body});
        let answers = self.http().await.commands(json!([send])).await;
        assert_eq!(answers[0]["type"], "ack", "{answers:?}");
    }

    /// What comes by streams, a few messages each.
    async fn hear_by_streams(self, room: String, mut from: String) -> Vec<String> {
        let mut heard = Heard::default();
        while heard.texts.len() < MESSAGES {
            let path = format!("/api/v1/stream?room={room}&from={from}");
            let mut stream = self.http().await.stream("GET", &path, Value::Null).await;
            let enough = MESSAGES.min(heard.texts.len() + A_STREAM);
            while heard.texts.len() < enough {
                heard.take(&stream.next("event").await, &from);
            }
            from = stream.id.unwrap();
        }
        heard.texts
    }

    /// What comes by polls.
    async fn hear_by_polls(self, room: String, mut from: String) -> Vec<String> {
        let mut heard = Heard::default();
        while heard.texts.len() < MESSAGES {
            let path = format!("/api/v1/poll?room={room}&wait_ms=5000&from={from}");
            let page = self.http().await.get(&path).await;
            let frames = page.body["frames"].as_array().unwrap_or_else(|| panic!("{page:?}"));
            for event in frames.iter().filter(|frame| frame["type"] == "event") {
                heard.take(event, &from);
            }
            from = page.body["id"].as_str().unwrap().to_owned();
        }
        heard.texts
    }
}

/// What somebody heard of a room, as every client keeps it: what comes once more is passed over.
#[derive(Default)]
struct Heard {
    last: u64,
    texts: Vec<String>,
}

impl Heard {
    fn take(&mut self, event: &Value, from: &str) {
        let seq = event["seq"].as_u64().unwrap();
        if self.last > 0 && seq <= self.last {
            return;
        }
        assert!(
            self.last == 0 || seq == self.last + 1,
            "from {from}, {} and then {event}",
            self.last
        );
        self.last = seq;
        self.texts.push(event["body"].as_str().unwrap().to_owned());
    }
}

#[tokio::test]
async fn a_conversation_whose_every_request_meets_the_other_node_stays_whole_and_in_order() {
    let database = Database::new();
    let one = TestServer::start_in(&database.url(), None).await;
    let two = TestServer::start_in(&database.url(), None).await;
    let (ann, bob, room) = one.ann_and_bob().await;
    drop((ann, bob));
    let balancer = Balancer::before([one.address, two.address]).await;
    let client = |user| {
        let token = format!("Authorization: Bearer {}", one.token(user));
        Client { address: balancer.address, token }
    };
    let (ann, bob) = (client("ann"), client("bob"));
    let first = bob.http().await.get(&format!("/api/v1/poll?room={room}&wait_ms=0")).await;
    let from = first.body["id"].as_str().unwrap().to_owned();
    let listeners = [
        tokio::spawn(bob.clone().hear_by_streams(room.clone(), from.clone())),
        tokio::spawn(ann.clone().hear_by_polls(room.clone(), from.clone())),
        tokio::spawn(ann.clone().hear_by_streams(room.clone(), from)),
    ];
    let mut said = Vec::new();
    for number in 0..MESSAGES {
        let body = format!("message-{number}");
        // Two of one person follow each other, so that both speak to both nodes.
        if number % 4 < 2 { &ann } else { &bob }.say(&room, &body).await;
        said.push(body);
    }
    for listener in listeners {
        assert_eq!(listener.await.unwrap(), said);
    }
    let taken = balancer.taken.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert!(taken.iter().all(|count| *count > MESSAGES / 2), "{taken:?}");
}
