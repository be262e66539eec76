//! A whole server on loopback and people who speak the protocol to it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use moorline_chat::{Chat, Directory, now_ms};
use moorline_protocol::api::TokenClaims;
use moorline_protocol::{Keepalive, Limits};
use moorline_server::auth::{Authenticator, jwt};
use moorline_server::fallback::Fallbacks;
use moorline_server::session::{ChatConsumer, SessionSettings};
use moorline_server::{Metrics, OriginCheck, Origins, Pace, Route, Server, ServerConfig};
use moorline_store::{Commits, Store, StoreConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

const SECRET: &str = "a secret of the tests, long enough";
const PATIENCE: Duration = Duration::from_secs(10);

pub struct TestServer {
    pub address: SocketAddr,
    pub chat: Arc<Chat>,
    pub metrics: Arc<Metrics>,
    stop: Option<oneshot::Sender<()>>,
    running: tokio::task::JoinHandle<()>,
    _folder: TempDir,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(false).await
    }

    /// With the limits that peers on this machine are usually exempt from.
    pub async fn start_limited() -> Self {
        Self::start_with(true).await
    }

    async fn start_with(limit_loopback: bool) -> Self {
        Self::start_at(limit_loopback, Pace::default()).await
    }

    /// With other times for pings than the usual ones.
    pub async fn start_at(limit_loopback: bool, pace: Pace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::new(folder.path())).unwrap();
        Self::start_on(folder, store, SECRET, (limit_loopback, pace))
    }

    /// One of several on one database, for tokens that are signed with this secret.
    pub async fn start_in(database: &str, secret: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::new(folder.path()).in_database(database.parse().unwrap());
        let store = Store::open(config).unwrap();
        Self::start_on(folder, store, secret.unwrap_or(SECRET), (false, Pace::default()))
    }

    fn start_on(
        folder: TempDir,
        (store, commits): (Store, Commits),
        secret: &str,
        (limit_loopback, pace): (bool, Pace),
    ) -> Self {
        let metrics = Arc::new(Metrics::new());
        let (chat, _) = Chat::start(store.clone(), commits, Directory::All, None);
        let settings = Arc::new(SessionSettings {
            chat: chat.clone(),
            auth: Arc::new(Authenticator::new(store, Some(secret))),
            keepalive: Keepalive { interval_ms: 25_000, timeout_ms: 60_000 },
            limit_loopback,
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let frame_bytes = Limits::DEFAULT.frame_bytes as usize;
        let config = ServerConfig {
            limit_loopback,
            handshakes_per_second: 1_000,
            pace,
            ..ServerConfig::default()
        };
        let origins = OriginCheck::with_cookie(Origins::Own, "moorline_session");
        let fallbacks = Fallbacks::new(settings.clone(), origins);
        let route = Route::new("/ws", move |_| ChatConsumer::new(settings.clone()))
            .message_bytes(frame_bytes);
        let server = Server::new(config)
            .websocket(route)
            .routes(fallbacks.routes())
            .http(fallbacks.router())
            .metrics(Arc::clone(&metrics))
            .listen(listener);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            server.run(async { drop(stopped.await) }).await.unwrap();
        });
        Self { address, chat, metrics, stop: Some(stop), running, _folder: folder }
    }

    pub fn token(&self, user: &str) -> String {
        self.token_for(user, 3_600, &[])
    }

    pub fn token_for(&self, user: &str, seconds: u64, rooms: &[&str]) -> String {
        self.token_until(user, now_ms() / 1_000 + seconds, rooms)
    }

    /// A token that ends so many seconds from now, or ended so long ago.
    pub fn token_ending(&self, user: &str, seconds: i64) -> String {
        self.token_until(user, (now_ms() / 1_000).saturating_add_signed(seconds), &[])
    }

    fn token_until(&self, user: &str, exp: u64, rooms: &[&str]) -> String {
        let now = now_ms() / 1_000;
        let rooms = rooms.iter().map(|room| room.parse().unwrap()).collect();
        let claims = TokenClaims {
            sub: user.into(),
            exp,
            iat: Some(now),
            nbf: None,
            name: Some(user.into()),
            rooms: Some(rooms),
        };
        jwt::sign(&claims, SECRET.as_bytes()).unwrap()
    }

    /// A socket on which nothing was said yet.
    pub async fn socket(&self) -> Person {
        let uri = format!("ws://{}/ws", self.address).parse().unwrap();
        let (socket, _) = ClientBuilder::from_uri(uri).connect().await.unwrap();
        Person { socket, welcome: Value::Null, cids: 0, later: VecDeque::new() }
    }

    /// A person who has said hello and got the welcome.
    pub async fn person(&self, user: &str) -> Person {
        self.person_with(user, json!({})).await
    }

    pub async fn person_with(&self, user: &str, resume: Value) -> Person {
        let mut person = self.socket().await;
        person.say(json!({"type": "hello", "token": self.token(user), "resume": resume})).await;
        person.welcome = person.next("welcome").await;
        person
    }

    /// Two people and a group room of theirs, both caught up.
    pub async fn ann_and_bob(&self) -> (Person, Person, String) {
        let mut bob = self.person("bob").await;
        let mut ann = self.person("ann").await;
        let room = ann.create("group", &["bob"]).await;
        ann.next("room").await;
        bob.next("room").await;
        (ann, bob, room)
    }

    pub async fn drain(mut self) {
        drop(self.stop.take());
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .expect("the server ends in time")
            .unwrap();
    }

    pub fn begin_drain(&mut self) {
        drop(self.stop.take());
    }
}

pub struct Person {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub welcome: Value,
    cids: u64,
    /// Frames that came while an answer was awaited.
    later: VecDeque<Value>,
}

/// What a person hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Frame(Value),
    Closed(u16),
}

impl Person {
    pub async fn say(&mut self, frame: Value) {
        self.say_text(frame.to_string()).await;
    }

    pub async fn say_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn say_bytes(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).await.unwrap();
    }

    pub async fn hear(&mut self) -> Heard {
        match self.later.pop_front() {
            Some(frame) => Heard::Frame(frame),
            None => self.hear_new().await,
        }
    }

    async fn hear_new(&mut self) -> Heard {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("something is heard in time");
            match next {
                Some(Ok(message)) if message.is_text() => {
                    return Heard::Frame(serde_json::from_str(message.as_text().unwrap()).unwrap());
                }
                Some(Ok(message)) if message.is_close() => {
                    let code = message.as_close().map_or(1005, |(code, _)| code.into());
                    return Heard::Closed(code);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::Closed(1006),
            }
        }
    }

    /// The next frame, whatever it is.
    pub async fn next_frame(&mut self) -> Value {
        match self.hear().await {
            Heard::Frame(frame) => frame,
            Heard::Closed(code) => panic!("closed with {code}"),
        }
    }

    /// The next frame of this type; others are passed over.
    pub async fn next(&mut self, kind: &str) -> Value {
        loop {
            match self.hear().await {
                Heard::Frame(frame) if frame["type"] == kind => return frame,
                Heard::Frame(_) => {}
                Heard::Closed(code) => panic!("closed with {code} while waiting for {kind}"),
            }
        }
    }

    /// The close code, whatever comes before it.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Heard::Closed(code) = self.hear().await {
                return code;
            }
        }
    }

    /// Says a command and hears its answer; what comes before it is heard later.
    pub async fn ask(&mut self, mut command: Value) -> Value {
        self.cids += 1;
        let id = self.cids;
        command["id"] = json!(id);
        self.say(command).await;
        loop {
            match self.hear_new().await {
                Heard::Frame(frame) if frame["id"] == json!(id) => return frame,
                Heard::Frame(frame) => self.later.push_back(frame),
                Heard::Closed(code) => panic!("closed with {code} before the answer"),
            }
        }
    }

    pub fn cid(&mut self) -> String {
        self.cids += 1;
        format!("{}-{}", self.welcome["connection"].as_str().unwrap_or(""), self.cids)
    }

    pub async fn create(&mut self, kind: &str, members: &[&str]) -> String {
        let cid = self.cid();
        let name = if kind == "direct" { Value::Null } else { json!("Ops") };
        let ack = self.ask(json!({"type": "create", "cid": cid, "kind": kind, "name": name, "members": members})).await;
        ack["room"].as_str().unwrap_or_else(|| panic!("{ack}")).to_owned()
    }

    pub async fn send(&mut self, room: &str, body: &str) -> Value {
        let cid = self.cid();
        self.ask(json!({"type": "send", "room": room, "cid": cid, "body": body})).await
    }

    pub async fn message(&mut self) -> String {
        loop {
            let event = self.next("event").await;
            if event["kind"] == "message" {
                return event["body"].as_str().unwrap().to_owned();
            }
        }
    }
}

/// The position right after an event or ack.
pub fn position(of: &Value) -> Value {
    let id = of["id"].as_str().or(of["message"].as_str()).unwrap();
    json!({"epoch": of["epoch"], "seq": of["seq"], "check": &id[id.len() - 8..]})
}
