//! The load's connections: thousands of WebSocket clients in one thread on epoll. It polls without
//! sleeping while it measures, so that the server never pays for waking it, and counts the time in
//! which it had nothing to do. What to say and how to judge what comes is the row's `Script`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

use crate::frame;

const SCRATCH_BYTES: usize = 1 << 20;

/// Connections that may be on their way up at once while nothing is measured.
const AT_ONCE: usize = 200;

const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\n\
upgrade: websocket\r\nsec-websocket-version: 13\r\n\
sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What a row says and hears. Frames to send are appended to `out` with `say`.
pub(crate) trait Script {
    /// The connection is upgraded.
    fn opened(&mut self, conn: usize, out: &mut Vec<u8>);
    /// A text frame came.
    fn text(&mut self, conn: usize, frame: &[u8], out: &mut Vec<u8>);
    /// The server ended the connection, which no row expects.
    fn ended(&mut self, conn: usize, why: &str);
}

/// Appends a text frame.
pub(crate) fn say(out: &mut Vec<u8>, text: &[u8]) {
    frame::push_from_client(out, frame::TEXT, text);
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Phase {
    Connecting,
    Upgrading,
    Open,
    Ended,
}

struct Conn {
    stream: TcpStream,
    phase: Phase,
    rest: Vec<u8>,
    out: Vec<u8>,
    pings: u32,
}

/// All connections of the load to one server.
pub(crate) struct Swarm {
    poll: Poll,
    events: Events,
    address: SocketAddr,
    conns: Vec<Conn>,
    scratch: Vec<u8>,
    idle: Duration,
    metered_since: Instant,
}

impl Swarm {
    /// A load without connections yet.
    pub(crate) fn new(address: SocketAddr) -> Result<Swarm> {
        Ok(Swarm {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            address,
            conns: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
            idle: Duration::ZERO,
            metered_since: Instant::now(),
        })
    }

    /// Starts one more connection without waiting for it.
    pub(crate) fn connect(&mut self) -> Result<()> {
        let mut stream = TcpStream::connect(self.address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(self.conns.len()), interest)?;
        let (rest, out) = (Vec::new(), Vec::new());
        self.conns.push(Conn { stream, phase: Phase::Connecting, rest, out, pings: 0 });
        Ok(())
    }

    /// Connects until there are `wanted`, a few at a time; `ready` counts those that are done.
    pub(crate) fn grow<S: Script>(
        &mut self,
        script: &mut S,
        wanted: usize,
        ready: impl Fn(&S) -> usize,
    ) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while ready(script) < wanted {
            while self.conns.len() < wanted.min(ready(script) + AT_ONCE) {
                self.connect()?;
            }
            self.turn(script, Duration::from_millis(1))?;
            if Instant::now() > deadline {
                bail!("only {} of {wanted} connections are signed in", ready(script));
            }
        }
        Ok(())
    }

    /// Turns until `done` says so, without sleeping.
    pub(crate) fn spin<S: Script>(
        &mut self,
        script: &mut S,
        limit: Duration,
        mut done: impl FnMut(&mut S, &mut Swarm) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !done(script, self) {
            self.turn(script, Duration::ZERO)?;
            if Instant::now() > deadline {
                bail!("not done after {} s", limit.as_secs());
            }
        }
        Ok(())
    }

    /// Handles what is there, waiting at most `wait` for something.
    pub(crate) fn turn(&mut self, script: &mut impl Script, wait: Duration) -> Result<()> {
        let before = Instant::now();
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            polled => polled?,
        }
        for event in &events {
            self.ready(event, script);
        }
        if events.is_empty() {
            self.idle += before.elapsed();
        }
        self.events = events;
        Ok(())
    }

    fn ready(&mut self, event: &Event, script: &mut impl Script) {
        let index = event.token().0;
        let Some(conn) = self.conns.get_mut(index) else { return };
        if event.is_writable() && conn.phase != Phase::Ended {
            if conn.phase == Phase::Connecting {
                conn.phase = Phase::Upgrading;
                conn.out.extend_from_slice(REQUEST);
            }
            conn.flush();
        }
        if event.is_readable() {
            self.read_all(index, event.is_read_closed(), script);
        }
    }

    fn read_all(&mut self, index: usize, until_end: bool, script: &mut impl Script) {
        let conn = &mut self.conns[index];
        while conn.phase != Phase::Ended {
            let brought = frame::read_once(&mut conn.stream, &mut conn.rest, &mut self.scratch);
            conn.handle(&mut self.scratch[..brought.bytes], index, script);
            conn.flush();
            if brought.closed {
                conn.end(index, "the connection broke", script);
            }
            if !brought.maybe_more && !until_end {
                return;
            }
        }
    }

    /// Says something on a connection, at once.
    pub(crate) fn say(&mut self, index: usize, text: &[u8]) {
        let conn = &mut self.conns[index];
        say(&mut conn.out, text);
        conn.flush();
    }

    /// Writes frames that were appended by `say`, at once.
    pub(crate) fn write(&mut self, index: usize, frames: &[u8]) {
        let conn = &mut self.conns[index];
        conn.out.extend_from_slice(frames);
        conn.flush();
    }

    /// The fewest protocol pings that any connection has had.
    pub(crate) fn fewest_pings(&self) -> u32 {
        self.conns.iter().map(|conn| conn.pings).min().unwrap_or(0)
    }

    /// Cuts every connection at once, as a dying network does: by a reset, without goodbye.
    pub(crate) fn cut_all(&mut self) -> Result<()> {
        for conn in &self.conns {
            SockRef::from(&conn.stream).set_linger(Some(Duration::ZERO))?;
        }
        self.conns.clear();
        Ok(())
    }

    /// Begins to count the load's own time.
    pub(crate) fn meter(&mut self) {
        self.idle = Duration::ZERO;
        self.metered_since = Instant::now();
    }

    /// The share of its core that the load had to do something in, since `meter`.
    pub(crate) fn busy(&self) -> f64 {
        1.0 - self.idle.as_secs_f64() / self.metered_since.elapsed().as_secs_f64().max(1e-9)
    }
}

impl Conn {
    fn flush(&mut self) {
        use std::io::Write;
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(written) if written == self.out.len() => self.out.clear(),
                Ok(written) if written > 0 => drop(self.out.drain(..written)),
                // A broken connection shows itself at the next read.
                _ => return,
            }
        }
    }

    fn handle(&mut self, mut bytes: &mut [u8], index: usize, script: &mut impl Script) {
        if self.phase == Phase::Upgrading {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
                return self.rest.extend_from_slice(bytes);
            };
            if !bytes.starts_with(b"HTTP/1.1 101 ") {
                let answer = String::from_utf8_lossy(bytes).into_owned();
                return self.end(index, &answer, script);
            }
            self.phase = Phase::Open;
            script.opened(index, &mut self.out);
            bytes = &mut bytes[end + 4..];
        }
        while frame::is_whole(bytes) {
            let Some((first, payload, rest)) = frame::next(bytes) else { return };
            match first {
                frame::TEXT => script.text(index, payload, &mut self.out),
                frame::PING => {
                    self.pings += 1;
                    frame::push_from_client(&mut self.out, frame::PONG, payload);
                }
                frame::CLOSE => {
                    let why = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
                    let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
                    return self.end(index, &format!("closed with {code} {why}"), script);
                }
                _ => {}
            }
            bytes = rest;
        }
        self.rest.extend_from_slice(bytes);
    }

    fn end(&mut self, index: usize, why: &str, script: &mut impl Script) {
        if self.phase != Phase::Ended {
            self.phase = Phase::Ended;
            script.ended(index, why);
        }
    }
}
