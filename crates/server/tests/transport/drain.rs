//! Stopping: everybody is told, nobody new comes in, and it ends in bounded time.

use std::time::Duration;

use futures_util::StreamExt;
use moorline_server::{Server, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::site::{SOON, Site, read_all};

#[tokio::test]
async fn a_drain_closes_every_connection_with_1012_and_ends() {
    let mut site = Site::start().await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(site.websocket("/echo").await);
    }
    site.stop();
    for socket in &mut sockets {
        let close = timeout(SOON, socket.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(u16::from(close.as_close().unwrap().0), 1012);
        while let Ok(Some(_)) = timeout(SOON, socket.next()).await {} // Answers the close.
    }
    let address = site.address;
    site.stopped().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn peers_that_do_not_answer_do_not_hold_up_the_end() {
    let config =
        ServerConfig { drain_timeout: Duration::from_millis(300), ..ServerConfig::default() };
    let site = Site::with(config).await;
    let (mut silent, _) = site.try_shake("/echo", &[]).await;
    let began = Instant::now();
    site.stopped().await;
    // The limit that the server was given ended it, not the longer one that it has by itself.
    assert!(began.elapsed() < ServerConfig::default().drain_timeout / 2);
    let mut close = [0; 4];
    timeout(SOON, silent.read_exact(&mut close)).await.unwrap().unwrap();
    assert_eq!(close[2..], 1012_u16.to_be_bytes());
}

#[tokio::test]
async fn a_request_in_work_is_answered_before_the_end() {
    let mut site = Site::start().await;
    let mut socket = site.socket().await;
    let mut idle = site.socket().await;
    socket.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    site.slow_began().await;
    site.stop();
    assert!(read_all(&mut socket).await.ends_with("at last"));
    assert_eq!(read_all(&mut idle).await, "");
    drop((socket, idle));
    site.stopped().await;
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = Server::new(ServerConfig::default()).listen(listener);
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let mut socket = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut answer = String::new();
    timeout(SOON, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with("ok\n"), "{answer}");
    drop(stop);
    timeout(SOON, running).await.unwrap().unwrap().unwrap();
}
