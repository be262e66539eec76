//! A server with one route of a consumer on a channel layer, and what a browser's socket does.

#![allow(dead_code, reason = "each test program uses its part of it")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use moorline_layer::{ChannelLayer, Options};
use moorline_server::{Metrics, Route, Server, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

/// Whatever is awaited comes within this time, also on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A layer in memory on which nothing expires: that a busy machine reads a message after ten seconds is no failure.
pub(crate) fn memory(options: Options) -> ChannelLayer {
    ChannelLayer::memory(Options { expiry: 10 * SOON, ..options }).unwrap()
}

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A running server; it ends with the test.
pub(crate) struct Layered {
    pub(crate) address: SocketAddr,
    pub(crate) layer: ChannelLayer,
    pub(crate) metrics: Arc<Metrics>,
    stop: Option<oneshot::Sender<()>>,
}

impl Layered {
    pub(crate) async fn start(layer: ChannelLayer, route: Route) -> Self {
        Self::start_on(layer, route, Arc::default()).await
    }

    pub(crate) async fn start_on(layer: ChannelLayer, route: Route, metrics: Arc<Metrics>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(ServerConfig::default())
            .metrics(Arc::clone(&metrics))
            .websocket(route)
            .listen(listener);
        tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { address, layer, metrics, stop: Some(stop) }
    }

    pub(crate) async fn socket(&self, path: &str) -> Socket {
        self.try_socket(path, &[]).await.unwrap_or_else(|status| panic!("refused with {status}"))
    }

    /// A socket, or the status of the refusal.
    pub(crate) async fn try_socket(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, u16> {
        let uri = format!("ws://{}{path}", self.address);
        let mut builder = ClientBuilder::new().uri(&uri).unwrap();
        for (name, value) in headers {
            builder = builder.add_header(name.parse().unwrap(), value.parse().unwrap()).unwrap();
        }
        match timeout(SOON, builder.connect()).await.unwrap() {
            Ok((socket, _)) => Ok(socket),
            Err(tokio_websockets::Error::Upgrade(
                tokio_websockets::upgrade::Error::DidNotSwitchProtocols(status),
            )) => Err(status),
            Err(error) => panic!("no handshake: {error}"),
        }
    }

    /// The value of a counter in `/metrics`.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("moorline_{name} ")));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Waits until a counter has this value.
    pub(crate) async fn counts(&self, name: &str, wanted: u64) {
        let until = Instant::now() + SOON;
        while self.counted(name) != wanted {
            assert!(Instant::now() < until, "{name} is {}, not {wanted}", self.counted(name));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Begins the drain.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }
}

pub(crate) async fn say(socket: &mut Socket, text: &str) {
    timeout(SOON, socket.send(Message::text(text.to_owned()))).await.unwrap().unwrap();
}

/// The next text.
pub(crate) async fn hear(socket: &mut Socket) -> String {
    let message = timeout(SOON, socket.next()).await.unwrap().unwrap().unwrap();
    message.as_text().unwrap_or_else(|| panic!("{message:?} is no text")).to_owned()
}

/// Says something that comes back, and sees that it is the next thing to come.
pub(crate) async fn hears_nothing_before(socket: &mut Socket, text: &str) {
    say(socket, text).await;
    assert_eq!(hear(socket).await, text);
}

/// The code of the close that comes next.
pub(crate) async fn closed(socket: &mut Socket) -> u16 {
    let message = timeout(SOON, socket.next()).await.unwrap().unwrap().unwrap();
    u16::from(message.as_close().unwrap_or_else(|| panic!("{message:?} is no close")).0)
}

/// Closes with a code of one's own.
pub(crate) async fn close_with(socket: &mut Socket, code: u16) {
    let code = tokio_websockets::CloseCode::try_from(code).unwrap();
    let close = Message::close(Some(code), "");
    timeout(SOON, socket.send(close)).await.unwrap().unwrap();
}
