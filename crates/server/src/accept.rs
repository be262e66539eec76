//! The accept loop: one task a listener. Running out of file descriptors slows it down, it neither spins nor ends.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::scope::ClientAddress;
use crate::service::{Guest, Site, serve_guest};
use crate::websocket::Socket;

/// How long to wait after a failed accept: descriptors come back as connections end.
const PAUSE: Duration = Duration::from_millis(100);
/// Unsent bytes in the kernel beyond which a socket counts as full: what waits longer stays in the outbox, where it
/// is counted and where newer state can replace it.
const NOTSENT_BYTES: u32 = 128 * 1024;
/// On Linux an accepted socket has the options of its listener, so that they need no call for each connection.
const INHERITS: bool = cfg!(target_os = "linux");

/// Where connections come from: listening sockets, bound by the caller.
#[derive(Debug)]
pub enum Listener {
    /// A TCP listener.
    Tcp(std::net::TcpListener),
    /// A Unix listener.
    Unix(std::os::unix::net::UnixListener),
}

impl From<std::net::TcpListener> for Listener {
    fn from(listener: std::net::TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<std::os::unix::net::UnixListener> for Listener {
    fn from(listener: std::os::unix::net::UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// A listener on the runtime.
pub(crate) enum Entrance {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Entrance {
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        match listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                if INHERITS {
                    set_options(&SockRef::from(&listener))?;
                }
                TcpListener::from_std(listener).map(Self::Tcp)
            }
            Listener::Unix(listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(Self::Unix)
            }
        }
    }

    async fn accept(&self) -> io::Result<(Socket, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                if !INHERITS {
                    set_options(&SockRef::from(&stream))?;
                }
                Ok((Socket::Tcp(stream), Some(peer.ip())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), None))
            }
        }
    }
}

fn set_options(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    // Not every system has it; without it the kernel merely buffers more.
    let _ = socket.set_tcp_notsent_lowat(NOTSENT_BYTES);
    Ok(())
}

/// Accepts until it is aborted.
pub(crate) async fn accept_all(
    entrance: Entrance,
    site: Arc<Site>,
    draining: watch::Receiver<bool>,
) {
    let mut told: Option<Instant> = None;
    loop {
        let (socket, peer) = match entrance.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_peers(&error) => continue,
            Err(error) => {
                let is_news = told.is_none_or(|told| told.elapsed() > Duration::from_secs(10));
                if is_news {
                    tracing::warn!(%error, "cannot accept connections for now");
                    told = Some(Instant::now());
                }
                sleep(PAUSE).await;
                continue;
            }
        };
        let client = ClientAddress { peer, forwarded: None, secure: false };
        let slot = if site.limits(&client) {
            let Some(slot) = site.unauthenticated.take() else {
                site.metrics.refused("too_many_unauthenticated");
                continue;
            };
            Some(slot)
        } else {
            None
        };
        let guest = Guest { socket, peer, slot };
        tokio::spawn(serve_guest(Arc::clone(&site), guest, draining.clone()));
    }
}

/// Whether a failed accept concerns only the peer that is gone already.
fn is_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_accepted_socket_sends_small_frames_at_once_and_buffers_little() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let entrance = Entrance::new(listener.into()).unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        let (socket, _) = entrance.accept().await.unwrap();
        let Socket::Tcp(stream) = socket else { panic!("a TCP listener gave another socket") };
        assert!(stream.nodelay().unwrap());
        let low = SockRef::from(&stream).tcp_notsent_lowat().unwrap();
        assert_eq!(low, NOTSENT_BYTES);
    }
}
