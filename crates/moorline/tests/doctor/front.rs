//! A proxy before a server, with one fault that proxies have.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// What it does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    None,
    /// Passes no upgrade on, as a proxy for HTTP/1.0 or one without the two headers.
    NoUpgrade,
    /// Ends connections on which nothing was said for so long.
    Idle(Duration),
    /// Holds answers of streams back until they end.
    Buffer,
    /// Tells the time of the next hour.
    Date,
}

/// The proxy; it ends with this.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Front {
    pub(crate) fn start(target: SocketAddr, fault: Fault) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let (tell, told) = mpsc::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target, fault));
            }
        });
        Self { address: told.recv().unwrap(), _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(mut client: TcpStream, target: SocketAddr, fault: Fault) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let Some((mut head, rest)) = head_of(&mut client).await else { return };
    let is_stream = head.contains("/api/v1/stream");
    if fault == Fault::NoUpgrade {
        let is_hop = |line: &&str| {
            !line.to_lowercase().starts_with("upgrade:")
                && !line.to_lowercase().starts_with("connection:")
        };
        head = head.split_inclusive("\r\n").filter(is_hop).collect();
    }
    let sent = [head.as_bytes(), &rest].concat();
    if server.write_all(&sent).await.is_err() {
        return;
    }
    if fault == Fault::Date {
        let Some((head, rest)) = head_of(&mut server).await else { return };
        let answer = [an_hour_on(&head).as_bytes(), &rest].concat();
        if client.write_all(&answer).await.is_err() {
            return;
        }
    }
    pass(client, server, fault, is_stream).await;
}

/// Everything up to the blank line, and what came behind it.
async fn head_of(socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Some((String::from_utf8(bytes).ok()?, rest));
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Another hour in the line of the date.
fn an_hour_on(head: &str) -> String {
    let line = |line: &str| {
        let Some((before, minutes)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("date"))
        else {
            return line.to_owned();
        };
        let (day, time) = minutes.split_at(minutes.find(':').unwrap() - 2);
        let hour: u32 = time[..2].parse().unwrap();
        format!("{before}:{day}{:02}{}", (hour + 1) % 24, &time[2..])
    };
    head.split_inclusive("\r\n").map(line).collect()
}

async fn pass(mut client: TcpStream, mut server: TcpStream, fault: Fault, is_stream: bool) {
    let (mut from_client, mut from_server) = ([0; 4096], [0; 4096]);
    let mut held = Vec::new();
    let mut last = Instant::now();
    loop {
        let limit = if let Fault::Idle(limit) = fault { limit } else { Duration::from_secs(3_600) };
        let both = async {
            tokio::select! {
                read = client.read(&mut from_client) => (true, read.unwrap_or(0)),
                read = server.read(&mut from_server) => (false, read.unwrap_or(0)),
            }
        };
        let Ok((is_client, length)) = timeout(limit.saturating_sub(last.elapsed()), both).await
        else {
            return;
        };
        last = Instant::now();
        if length == 0 {
            // What was held is worth nothing any more: the other side waits no longer.
            return;
        }
        let sent = if is_client {
            server.write_all(&from_client[..length]).await
        } else if fault == Fault::Buffer && is_stream {
            held.extend_from_slice(&from_server[..length]);
            Ok(())
        } else {
            client.write_all(&from_server[..length]).await
        };
        if sent.is_err() {
            return;
        }
    }
}
