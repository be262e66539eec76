//! A server with a planted bug: a middleman before a real one that understands the frames of its WebSockets, and now and then
//! forgets a message that it has acknowledged, hides one, stores or shows one twice, or exchanges two. `moorline soak` must find
//! it guilty. Without a bug it passes everything on, which must be found clean.

mod bugs;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, Message, ServerBuilder};

pub use self::bugs::Bug;
use self::bugs::{Connection, Shared};

/// A message that is held back for the next one to pass it goes on its way if none comes.
const HELD: Duration = Duration::from_secs(2);

/// The server with the bug; gone with this.
#[derive(Debug)]
pub struct Planted {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Planted {
    /// Stands before this server, with a bug at one of so many messages.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn before(server: SocketAddr, bug: Bug, one_in: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(bug, one_in));
        let task = tokio::spawn(listen(listener, server, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often the bug struck.
    pub fn struck(&self) -> u64 {
        self.shared.struck()
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        // The end of either side is the end of both.
        tokio::spawn(pass(client, server, Arc::clone(&shared)));
    }
}

async fn pass(client: TcpStream, server: SocketAddr, shared: Arc<Shared>) -> Result<()> {
    client.set_nodelay(true)?;
    let (_, client) = ServerBuilder::new().accept(client).await?;
    let uri = format!("ws://{server}/ws");
    let (server, _) = ClientBuilder::new().uri(&uri)?.connect().await?;
    let ((mut to_client, mut from_client), (mut to_server, mut from_server)) =
        (client.split(), server.split());
    let mut connection = Connection::new(shared);
    loop {
        let said = tokio::select! {
            // What is held back waits for a while only.
            said = timeout(HELD, from_client.next()) => match said {
                Err(_) => connection.let_go(),
                Ok(message) => {
                    let message = message.context("the client is gone")??;
                    match message.as_text() {
                        Some(text) => connection.client_says(text)?,
                        None if message.is_close() => return Ok(()),
                        None => continue,
                    }
                }
            },
            message = from_server.next() => {
                let message = message.context("the server is gone")??;
                match message.as_text() {
                    Some(text) => connection.server_says(text)?,
                    None => {
                        let is_end = message.is_close();
                        // Without the server's pings the client would take it for dead.
                        if is_end || message.is_ping() {
                            to_client.send(message).await?;
                        }
                        match is_end {
                            true => return Ok(()),
                            false => continue,
                        }
                    }
                }
            }
        };
        for text in said.up {
            to_server.send(Message::text(text)).await?;
        }
        for text in said.down {
            to_client.send(Message::text(text)).await?;
        }
    }
}
