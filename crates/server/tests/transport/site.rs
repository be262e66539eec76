//! A server with an echo and a few spoilt consumers, and raw and typed clients for it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use http::StatusCode;
use moorline_server::{
    Accept, Close, Connection, Consumer, Incoming, Metrics, OriginCheck, Origins, Refusal, Route,
    Scope, Server, ServerConfig,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, WebSocketStream};

/// Everything that is awaited comes within this time or the test fails, also on a machine that others keep busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Says what it hears, what it was told of itself, or panics.
struct Echo {
    about: String,
    awaits_sign_in: bool,
}

impl Consumer for Echo {
    async fn connect(&mut self, scope: &Scope) -> Result<Accept, Refusal> {
        match scope.query("please").as_deref() {
            Some("refuse") => {
                let text = "Not you.";
                return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", text));
            }
            Some("panic") => panic!("as told"),
            _ => {}
        }
        self.about = format!(
            "{} {} {:?}",
            scope.parameter("room").unwrap_or("-"),
            scope.query("name").unwrap_or_default(),
            scope.client.effective(),
        );
        let accept = Accept::new().subprotocol("moorline.v1", scope);
        Ok(if self.awaits_sign_in { accept.awaiting_sign_in() } else { accept })
    }

    async fn receive(&mut self, incoming: Incoming, connection: &Connection) -> Result<(), Close> {
        match incoming {
            Incoming::Text(text) if text == "panic" => panic!("as told"),
            Incoming::Text(text) if text == "about" => connection.send_text(&self.about),
            Incoming::Text(text) if text == "sign in" => {
                connection.signed_in("ann".parse().expect("an id"));
                connection.send_text("welcome");
            }
            Incoming::Text(text) => connection.send_text(&text),
            Incoming::Bytes(bytes) => connection.send_bytes(&bytes),
        }
        Ok(())
    }
}

fn echo(awaits_sign_in: bool) -> impl Fn(&Scope) -> Echo + Send + Sync + 'static {
    move |_| Echo { about: String::new(), awaits_sign_in }
}

/// Tells that it began and answers a moment later.
async fn slow(State(began): State<Arc<Notify>>) -> &'static str {
    began.notify_one();
    tokio::time::sleep(Duration::from_millis(300)).await;
    "at last"
}

/// A running server.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Arc<Metrics>,
    slow_began: Arc<Notify>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<std::io::Result<()>>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(ServerConfig::default()).await
    }

    pub(crate) async fn with(config: ServerConfig) -> Self {
        Self::changed(config, |server| server).await
    }

    pub(crate) async fn changed(
        config: ServerConfig,
        change: impl FnOnce(Server) -> Server,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let metrics = Arc::new(Metrics::new());
        let own = OriginCheck::with_cookie(Origins::Own, "moorline_session");
        let slow_began = Arc::new(Notify::new());
        let router = Router::new()
            .route("/hello", get(async || "hello"))
            .route("/slow", get(slow))
            .route("/bytes", post(async |body: bytes::Bytes| body.len().to_string()))
            .with_state(Arc::clone(&slow_began));
        let server = change(Server::new(config))
            .metrics(Arc::clone(&metrics))
            .http(router)
            .websocket(Route::new("/echo", echo(false)).message_bytes(1000))
            .websocket(Route::new("/rooms/{room}/", echo(false)))
            .websocket(Route::new("/own", echo(false)).admission(own))
            .websocket(Route::new("/sign-in", echo(true)))
            .listen(listener);
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { address, metrics, slow_began, stop: Some(stop), running }
    }

    pub(crate) async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A WebSocket by an ordinary client library.
    pub(crate) async fn websocket(&self, path: &str) -> WebSocket {
        let uri = format!("ws://{}{path}", self.address);
        ClientBuilder::new().uri(&uri).unwrap().connect().await.unwrap().0
    }

    /// Sends these bytes and returns all that comes until the server ends the connection.
    pub(crate) async fn answer(&self, request: impl AsRef<[u8]>) -> String {
        let mut socket = self.socket().await;
        let _ = socket.write_all(request.as_ref()).await;
        read_all(&mut socket).await
    }

    /// The status of a handshake with these header lines.
    pub(crate) async fn shake(&self, path: &str, lines: &[&str]) -> u16 {
        let (_, head) = self.try_shake(path, lines).await;
        status(&head)
    }

    /// A socket after a handshake, and the head of the answer.
    pub(crate) async fn try_shake(&self, path: &str, lines: &[&str]) -> (TcpStream, String) {
        let mut socket = self.socket().await;
        socket.write_all(handshake(path, lines).as_bytes()).await.unwrap();
        let head = read_head(&mut socket).await;
        (socket, head)
    }

    /// Waits until a request for `/slow` is in work.
    pub(crate) async fn slow_began(&self) {
        timeout(SOON, self.slow_began.notified()).await.unwrap();
    }

    /// Begins the drain.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }

    /// Waits for the end of the server.
    pub(crate) async fn stopped(mut self) {
        self.stop();
        timeout(SOON, self.running).await.unwrap().unwrap().unwrap();
    }
}

pub(crate) fn handshake(path: &str, lines: &[&str]) -> String {
    let extra: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
    )
}

pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Reads up to the end of an answer's head, or to the end of the stream.
pub(crate) async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match timeout(SOON, socket.read_u8()).await.unwrap() {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Reads all until the server ends the stream or resets it.
pub(crate) async fn read_all(socket: &mut TcpStream) -> String {
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = timeout(SOON * 3, socket.read(&mut piece)).await.unwrap() {
        all.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&all).into_owned()
}
