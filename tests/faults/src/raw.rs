//! A WebSocket by hand, for what no library would send: frames broken in any way, and what the
//! server does about them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::server::token;

/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(20);
/// The mask of all frames: it has to be there, what it is makes no difference.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// A text frame.
pub const TEXT: u8 = 1;
/// A binary frame.
pub const BINARY: u8 = 2;

/// What came from the server.
#[derive(Debug, PartialEq)]
pub enum Came {
    /// A text frame, read as JSON.
    Frame(Value),
    /// A close frame with its code.
    Close(u16),
    /// The end of the connection without a close frame.
    End,
}

impl Came {
    /// The code of an `error` frame.
    pub fn error(&self) -> Option<&str> {
        match self {
            Came::Frame(frame) if frame["type"] == "error" => frame["code"].as_str(),
            _ => None,
        }
    }
}

/// A raw connection after its handshake.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The handshake's request.
pub fn handshake(address: SocketAddr, headers: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

/// The bytes of a whole, masked frame.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap_or(0)),
        middle @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(middle).unwrap_or(0).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

impl Raw {
    /// Connects and upgrades.
    ///
    /// # Errors
    /// If the server refuses; the text holds its answer.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        Self::upgrade(TcpStream::connect(address).await?, address).await
    }

    /// Connects from another address of this machine, `127.0.0.LAST`, and upgrades.
    ///
    /// # Errors
    /// If the server refuses; the text holds its answer.
    pub async fn connect_from(last: u8, address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, last], 0)))?;
        Self::upgrade(socket.connect(address).await?, address).await
    }

    async fn upgrade(mut stream: TcpStream, address: SocketAddr) -> Result<Self> {
        stream.write_all(handshake(address, "").as_bytes()).await?;
        let mut raw = Self { stream, buffer: Vec::new() };
        let head = loop {
            if let Some(end) = raw.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break raw.buffer.drain(..end + 4).collect::<Vec<_>>();
            }
            ensure!(raw.fill().await?, "the server closed during the handshake");
        };
        let head = String::from_utf8_lossy(&head);
        ensure!(head.starts_with("HTTP/1.1 101"), "{head}");
        Ok(raw)
    }

    /// Connects, says hello as a person, and waits for the welcome.
    ///
    /// # Errors
    /// If the server does not welcome.
    pub async fn welcome(address: SocketAddr, user: &str) -> Result<Self> {
        let mut raw = Self::connect(address).await?;
        raw.say(&json!({"type":"hello","token":token(user)?})).await?;
        match raw.next().await? {
            Came::Frame(frame) if frame["type"] == "welcome" => Ok(raw),
            other => bail!("not welcome: {other:?}"),
        }
    }

    /// Sends a command.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn say(&mut self, command: &Value) -> Result<()> {
        self.send(&frame(TEXT, command.to_string().as_bytes())).await
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// The next frame that is neither ping nor pong nor news of other people.
    ///
    /// # Errors
    /// If nothing comes in time.
    pub async fn next(&mut self) -> Result<Came> {
        loop {
            match self.hear().await? {
                Came::Frame(frame) if is_news(&frame) => {}
                came => return Ok(came),
            }
        }
    }

    /// The next frame that is neither ping nor pong.
    ///
    /// # Errors
    /// If nothing comes in time.
    pub async fn hear(&mut self) -> Result<Came> {
        loop {
            let came =
                timeout(PATIENCE, self.read()).await.context("the server says nothing")??;
            if let Some(came) = came {
                return Ok(came);
            }
        }
    }

    /// Sends a command and returns the next answer.
    ///
    /// # Errors
    /// If the connection is gone or nothing comes in time.
    pub async fn ask(&mut self, command: &Value) -> Result<Came> {
        self.say(command).await?;
        self.next().await
    }

    /// Sends a text that may be no command and returns the next answer.
    ///
    /// # Errors
    /// If the connection is gone or nothing comes in time.
    pub async fn ask_text(&mut self, text: &str) -> Result<Came> {
        self.send(&frame(TEXT, text.as_bytes())).await?;
        self.next().await
    }

    /// One frame; none for a ping or pong.
    async fn read(&mut self) -> Result<Option<Came>> {
        while self.buffer.len() < 2 {
            if !self.fill().await? {
                return Ok(Some(Came::End));
            }
        }
        let (opcode, short) = (self.buffer[0] & 0x0f, usize::from(self.buffer[1] & 0x7f));
        let extra = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        while self.buffer.len() < 2 + extra {
            if !self.fill().await? {
                return Ok(Some(Came::End));
            }
        }
        let long =
            self.buffer[2..2 + extra].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (from, length) = (2 + extra, if extra == 0 { short } else { long });
        while self.buffer.len() < from + length {
            if !self.fill().await? {
                return Ok(Some(Came::End));
            }
        }
        let payload: Vec<u8> = self.buffer.drain(..from + length).skip(from).collect();
        Ok(match opcode {
            TEXT => Some(Came::Frame(serde_json::from_slice(&payload)?)),
            8 => Some(Came::Close(match payload[..] {
                [high, low, ..] => u16::from_be_bytes([high, low]),
                _ => 1005,
            })),
            _ => None,
        })
    }

    /// Reads more; false at the end.
    async fn fill(&mut self) -> Result<bool> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece).await {
            Ok(0) | Err(_) => Ok(false),
            Ok(read) => {
                self.buffer.extend_from_slice(&piece[..read]);
                Ok(true)
            }
        }
    }
}

fn is_news(frame: &Value) -> bool {
    matches!(
        frame["type"].as_str(),
        Some("event" | "presence" | "receipt" | "typing" | "room" | "ping")
    )
}
