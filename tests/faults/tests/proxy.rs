//! The fault proxy itself: each way of breaking a connection does what it says.
#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use moorline_faults::control::obey;
use moorline_faults::proxy::{End, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const DEADLINE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(150);

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer).await.ok();
            });
        }
    });
    address
}

async fn connected() -> (Proxy, TcpStream) {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut stream, b"hello").await, b"hello");
    (proxy, stream)
}

async fn say(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
    stream.write_all(text).await.unwrap();
    let mut answer = vec![0; text.len()];
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn a_cut_resets_the_connection_and_new_ones_are_welcome() {
    let (proxy, mut stream) = connected().await;
    proxy.cut();
    let end = timeout(DEADLINE, stream.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut next = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut next, b"again").await, b"again");
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn a_stall_is_silent_and_holds_everything_until_it_ends() {
    let (proxy, mut stream) = connected().await;
    proxy.stall();
    stream.write_all(b"held").await.unwrap();
    let mut answer = [0; 4];
    assert!(timeout(SHORT, stream.read_exact(&mut answer)).await.is_err());
    proxy.resume();
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"held");
}

#[tokio::test]
async fn a_connection_without_data_is_closed_after_the_idle_limit() {
    let (proxy, mut stream) = connected().await;
    proxy.idle(Some(SHORT));
    let began = Instant::now();
    assert_eq!(timeout(DEADLINE, stream.read(&mut [0])).await.unwrap().unwrap(), 0);
    assert!(began.elapsed() < DEADLINE / 2);
    assert_eq!(proxy.idle_cuts(), 1);
}

#[tokio::test]
async fn a_tear_passes_half_of_the_bytes_on() {
    let (proxy, mut stream) = connected().await;
    proxy.tear();
    stream.write_all(&[7; 100]).await.unwrap();
    let mut got = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut got)).await.unwrap().unwrap();
    assert_eq!(got, [7; 50]);
}

#[tokio::test]
async fn a_half_close_ends_one_way_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
    proxy.half_close(End::Server);
    assert_eq!(timeout(DEADLINE, server.read(&mut [0])).await.unwrap().unwrap(), 0);
    server.write_all(b"still here").await.unwrap();
    let mut got = [0; 10];
    timeout(DEADLINE, client.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(&got, b"still here");
}

#[tokio::test]
async fn a_delay_holds_data_back() {
    let (proxy, mut stream) = connected().await;
    proxy.delay(SHORT);
    let began = Instant::now();
    assert_eq!(say(&mut stream, b"slow").await, b"slow");
    assert!(began.elapsed() >= 2 * SHORT);
}

#[tokio::test]
async fn the_control_port_understands_its_commands_and_nothing_else() {
    let (proxy, mut stream) = connected().await;
    for command in
        ["stall", "resume", "idle 60", "idle off", "delay 0", "half client", "refuse", "resume"]
    {
        assert_eq!(obey(&proxy, command), "ok", "{command}");
    }
    for command in ["", "explode", "idle soon", "target nowhere"] {
        assert!(obey(&proxy, command).starts_with("error "), "{command}");
    }
    assert!(obey(&proxy, "stats").contains("\"accepted\":1"));
    assert_eq!(obey(&proxy, "cut"), "ok");
    assert!(timeout(DEADLINE, stream.read_to_end(&mut Vec::new())).await.is_ok());
}

#[tokio::test]
async fn a_reset_by_the_server_is_told_to_a_client_that_only_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    server.set_zero_linger().unwrap();
    drop(server);
    let mut got = Vec::new();
    let ended = timeout(DEADLINE, client.read_to_end(&mut got)).await;
    assert!(ended.is_ok() && got.is_empty(), "the client was told nothing");
}
