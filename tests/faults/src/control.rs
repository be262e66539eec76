//! The control port of the fault proxy: one command a line, one answer a line.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::proxy::{End, Proxy};

/// Serves the control port until a client says `quit`.
///
/// # Errors
/// If the listener fails.
pub async fn serve(proxy: &Proxy, listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        // One controller at a time; a connection that breaks is no reason to end.
        if talk(proxy, stream).await.unwrap_or(false) {
            return Ok(());
        }
    }
}

/// Obeys one controller; true when it said `quit`.
async fn talk(proxy: &Proxy, mut stream: TcpStream) -> std::io::Result<bool> {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        if line.trim() == "quit" {
            writer.write_all(b"ok\n").await?;
            return Ok(true);
        }
        let answer = obey(proxy, &line);
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(false)
}

/// Carries out one command line and says `ok`, the numbers asked for, or what is wrong.
pub fn obey(proxy: &Proxy, line: &str) -> String {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("cut"), None) => proxy.cut(),
        (Some("tear"), None) => proxy.tear(),
        (Some("stall"), None) => proxy.stall(),
        (Some("refuse"), None) => proxy.refuse(),
        (Some("resume"), None) => proxy.resume(),
        (Some("half"), Some("client")) => proxy.half_close(End::Client),
        (Some("half"), Some("server")) => proxy.half_close(End::Server),
        (Some("idle"), Some("off")) => proxy.idle(None),
        (Some("idle"), Some(seconds)) => match seconds.parse().map(Duration::try_from_secs_f64) {
            Ok(Ok(limit)) => proxy.idle(Some(limit)),
            _ => return format!("error {seconds} is no number of seconds"),
        },
        (Some("delay"), Some(millis)) => match millis.parse() {
            Ok(millis) => proxy.delay(Duration::from_millis(millis)),
            Err(_) => return format!("error {millis} is no number of milliseconds"),
        },
        (Some("target"), Some(address)) => match address.parse::<SocketAddr>() {
            Ok(address) => proxy.target(address),
            Err(_) => return format!("error {address} is no address"),
        },
        (Some("stats"), None) => {
            let (accepted, open, idle_cuts) = (proxy.accepted(), proxy.open(), proxy.idle_cuts());
            let stats = json!({ "accepted": accepted, "open": open, "idle_cuts": idle_cuts });
            return stats.to_string();
        }
        _ => return format!("error unknown command {line:?}"),
    }
    "ok".to_owned()
}
