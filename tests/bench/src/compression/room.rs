//! A room whose members all sit on one server, each on a socket with a thread that counts what comes. One of them talks.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use uuid::Uuid;

use crate::frame;

const PATIENCE: Duration = Duration::from_secs(20);
/// Messages that are under way at once.
const BURST: u64 = 8;

/// What all members have got.
#[derive(Default)]
struct Got {
    bytes: AtomicU64,
    events: AtomicU64,
    deflated: AtomicU64,
    welcomes: AtomicU64,
}

/// The members of one room.
pub(crate) struct Members {
    room: String,
    sockets: Vec<TcpStream>,
    readers: Vec<JoinHandle<()>>,
    got: Arc<Got>,
}

/// What so many messages brought to all members together.
pub(crate) struct Brought {
    pub(crate) bytes: u64,
    pub(crate) events: u64,
    pub(crate) deflated: u64,
}

impl Members {
    /// Connects everybody and waits until all are in the room's live feed.
    pub(crate) fn connect(
        address: SocketAddr,
        room: &str,
        tokens: &[String],
        offers: bool,
        text: &mut impl FnMut() -> String,
    ) -> Result<Self> {
        let mut members = Self {
            room: room.to_owned(),
            sockets: Vec::new(),
            readers: Vec::new(),
            got: Arc::default(),
        };
        for token in tokens {
            let mut socket = shake(address, offers)?;
            say(&mut socket, &json!({ "type": "hello", "token": token }))?;
            let (theirs, got) = (socket.try_clone()?, Arc::clone(&members.got));
            members.readers.push(std::thread::spawn(move || read(theirs, &got)));
            members.sockets.push(socket);
        }
        let everybody = tokens.len() as u64;
        members.wait(|got| got.welcomes.load(Ordering::Relaxed) >= everybody)?;
        // What is sent before somebody has entered the live feed comes to them from the log.
        for _ in 0..3 {
            members.talk(BURST, text)?;
        }
        Ok(members)
    }

    /// Sends so many messages, a few at a time, and waits until everybody has all of them.
    pub(crate) fn talk(
        &mut self,
        messages: u64,
        text: &mut impl FnMut() -> String,
    ) -> Result<Brought> {
        let before = self.brought();
        let everybody = self.sockets.len() as u64;
        let mut sent = 0;
        while sent < messages {
            for _ in 0..BURST.min(messages - sent) {
                let cid = Uuid::now_v7().to_string();
                let command =
                    json!({ "type": "send", "room": self.room, "cid": cid, "body": text() });
                say(&mut self.sockets[0], &command)?;
                sent += 1;
            }
            let due = before.events + sent * everybody;
            self.wait(|got| got.events.load(Ordering::Relaxed) >= due)?;
        }
        let after = self.brought();
        Ok(Brought {
            bytes: after.bytes - before.bytes,
            events: after.events - before.events,
            deflated: after.deflated - before.deflated,
        })
    }

    fn brought(&self) -> Brought {
        Brought {
            bytes: self.got.bytes.load(Ordering::Relaxed),
            events: self.got.events.load(Ordering::Relaxed),
            deflated: self.got.deflated.load(Ordering::Relaxed),
        }
    }

    fn wait(&self, is_done: impl Fn(&Got) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_done(&self.got) {
            ensure!(Instant::now() < deadline, "not everybody got everything");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for socket in &self.sockets {
            // It may have ended already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

/// A WebSocket, with an offer of compression or without.
fn shake(address: SocketAddr, offers: bool) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let offer = if offers { offer } else { "" };
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).context("the handshake's answer is no text")?;
    if !head.starts_with("HTTP/1.1 101") || head.contains("permessage-deflate") != offers {
        bail!("the handshake was answered with {head}");
    }
    Ok(socket)
}

fn say(socket: &mut TcpStream, command: &serde_json::Value) -> Result<()> {
    let mut bytes = Vec::new();
    frame::push_from_client(&mut bytes, frame::TEXT, command.to_string().as_bytes());
    Ok(socket.write_all(&bytes)?)
}

/// Counts what comes until the socket ends. Only events are compressed, so none need be inflated.
fn read(mut socket: TcpStream, got: &Got) {
    let mut bytes = Vec::new();
    let mut scratch = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = socket.read(&mut scratch) {
        got.bytes.fetch_add(count as u64, Ordering::Relaxed);
        bytes.extend_from_slice(&scratch[..count]);
        let mut taken = 0;
        while let Some((first, payload, rest)) = frame::next(&mut bytes[taken..]) {
            let left = rest.len();
            if first & 0x40 != 0 {
                got.deflated.fetch_add(1, Ordering::Relaxed);
                got.events.fetch_add(1, Ordering::Relaxed);
            } else if payload.starts_with(br#"{"type":"event""#) {
                got.events.fetch_add(1, Ordering::Relaxed);
            } else if payload.starts_with(br#"{"type":"welcome""#) {
                got.welcomes.fetch_add(1, Ordering::Relaxed);
            }
            taken = bytes.len() - left;
        }
        bytes.drain(..taken);
    }
}
