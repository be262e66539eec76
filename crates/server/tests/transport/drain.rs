//! Stopping: everybody is told, nobody new comes in, and it ends in bounded time.

use std::time::Duration;

use futures_util::StreamExt;
use moorline_server::ServerConfig;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::site::{SOON, Site};

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
    assert!(began.elapsed() < Duration::from_secs(3));
    let mut close = [0; 4];
    timeout(SOON, silent.read_exact(&mut close)).await.unwrap().unwrap();
    assert_eq!(close[2..], 1012_u16.to_be_bytes());
}
