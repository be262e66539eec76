//! The bare server: what a delivery costs when nothing but the delivery is done. One thread on
//! epoll, no locks, no JSON beyond finding the room, no timer but the pings, no store. A frame is
//! encoded once, and all frames that one read brought to a member leave in one write. It speaks
//! just enough of the protocol for the load to be the same, with the same sizes on the wire.

mod conn;
mod rooms;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::{frame, scan};
use conn::Conn;
use rooms::Rooms;

const LISTENER: Token = Token(0);
const SCRATCH_BYTES: usize = 256 * 1024;

/// The whole server; a connection's token is its place in `conns` plus one.
struct Bare {
    poll: Poll,
    listener: TcpListener,
    conns: Vec<Option<Conn>>,
    free: Vec<usize>,
    rooms: Rooms,
    scratch: Vec<u8>,
    /// Acks of the read that is being handled.
    acks: Vec<u8>,
    /// Who has something unwritten after this read.
    dirty: Vec<usize>,
}

/// Serves on a loopback port until the process is ended.
pub(crate) fn serve(port: u16, ping_interval: Duration) -> Result<()> {
    let mut listener = listen(port).with_context(|| format!("cannot listen on port {port}"))?;
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut bare = Bare {
        poll,
        listener,
        conns: Vec::new(),
        free: Vec::new(),
        rooms: Rooms::default(),
        scratch: vec![0; SCRATCH_BYTES],
        acks: Vec::new(),
        dirty: Vec::new(),
    };
    bare.run(ping_interval)
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

impl Bare {
    fn run(&mut self, ping_interval: Duration) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut next_ping = Instant::now() + ping_interval;
        loop {
            let wait = next_ping.saturating_duration_since(Instant::now());
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    token => self.ready(token.0 - 1, event),
                }
            }
            if Instant::now() >= next_ping {
                next_ping += ping_interval;
                self.ping_all();
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error).context("cannot accept"),
            };
            stream.set_nodelay(true)?;
            let place = self.free.pop().unwrap_or(self.conns.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(place + 1), interest)?;
            if place == self.conns.len() {
                self.conns.push(None);
            }
            self.conns[place] = Some(Conn::new(stream));
        }
    }

    fn ready(&mut self, place: usize, event: &Event) {
        if event.is_writable()
            && let Some(conn) = &mut self.conns[place]
        {
            conn.flush();
        }
        if event.is_readable() {
            self.read_all(place, event.is_read_closed());
        }
    }

    /// Reads until the socket is empty: a read that did not fill the buffer emptied it, unless
    /// the end of the stream is still to be seen.
    fn read_all(&mut self, place: usize, until_end: bool) {
        let mut scratch = std::mem::take(&mut self.scratch);
        while let Some(conn) = &mut self.conns[place] {
            let brought = frame::read_once(&mut conn.stream, &mut conn.rest, &mut scratch);
            let fits = self.handle(place, &mut scratch[..brought.bytes]);
            self.flush_read(place);
            if brought.closed || !fits {
                self.close(place);
                break;
            }
            if !brought.maybe_more && !until_end {
                break;
            }
        }
        self.scratch = scratch;
    }

    /// Handles the whole frames of one read; `false` ends the connection.
    fn handle(&mut self, place: usize, mut bytes: &mut [u8]) -> bool {
        let Some(conn) = &mut self.conns[place] else { return false };
        if !conn.upgraded {
            match conn.upgrade(bytes) {
                Some(used) => bytes = &mut bytes[used..],
                None => return bytes.len() < 8192,
            }
        }
        while frame::is_whole(bytes) {
            let Some((first, payload, rest)) = frame::next(bytes) else { return false };
            match first {
                frame::TEXT => self.text(place, payload),
                frame::CLOSE => return false,
                _ => {}
            }
            bytes = rest;
        }
        let Some(conn) = &mut self.conns[place] else { return false };
        conn.rest.extend_from_slice(bytes);
        bytes.len() < SCRATCH_BYTES
    }

    fn text(&mut self, place: usize, text: &[u8]) {
        let Some(conn) = &mut self.conns[place] else { return };
        if let Some(command) = text.strip_prefix(b"{\"type\":\"send\",") {
            self.rooms.send(&conn.user, command, &mut self.acks);
        } else if text.starts_with(b"{\"type\":\"hello\",") {
            conn.hello(text);
            conn.rooms = self.rooms.join(place, text);
        } else {
            // What the product reads and answers with nothing: find the room, drop it.
            self.rooms.find(scan::text(text, b"\"room\":\"").unwrap_or_default());
        }
    }

    /// Writes what one read brought: to each member once, to the sender with the acks before.
    fn flush_read(&mut self, place: usize) {
        let mut touched = self.rooms.take_touched();
        let mut own = std::mem::take(&mut self.acks);
        let one_room = touched.len() == 1;
        for &room in &touched {
            let (members, batch) = self.rooms.batch(room);
            for &member in members {
                let Some(conn) = &mut self.conns[member] else { continue };
                if member == place {
                    own.extend_from_slice(batch);
                } else if one_room {
                    conn.write(batch);
                } else {
                    conn.out.extend_from_slice(batch);
                    self.dirty.push(member);
                }
            }
        }
        if let Some(conn) = &mut self.conns[place]
            && !own.is_empty()
        {
            conn.write(&own);
        }
        for member in self.dirty.drain(..) {
            if let Some(conn) = &mut self.conns[member] {
                conn.flush();
            }
        }
        own.clear();
        self.acks = own;
        self.rooms.clear(&mut touched);
    }

    fn ping_all(&mut self) {
        let mut ping = Vec::new();
        frame::push_from_server(&mut ping, frame::PING, b"");
        for conn in self.conns.iter_mut().flatten().filter(|conn| conn.upgraded) {
            conn.write(&ping);
        }
    }

    fn close(&mut self, place: usize) {
        if let Some(mut conn) = self.conns[place].take() {
            // The socket is closed with it, and leaves epoll by that.
            let _ = self.poll.registry().deregister(&mut conn.stream);
            self.rooms.leave(place, &conn.rooms);
            self.free.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::plan::Plan;
    use crate::swarm::{Script, Swarm};
    use crate::talk::Talk;

    struct Listening(Talk);

    impl Script for Listening {
        fn opened(&mut self, conn: usize, out: &mut Vec<u8>) {
            self.0.opened(conn, out);
        }

        fn text(&mut self, conn: usize, frame: &[u8], _: &mut Vec<u8>) {
            self.0.hear(conn, frame);
        }

        fn ended(&mut self, _: usize, why: &str) {
            self.0.fail(why);
        }
    }

    fn address_of_a_server() -> SocketAddr {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::thread::spawn(move || serve(port, Duration::from_millis(50)));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "the bare server does not listen");
            std::thread::yield_now();
        }
        address
    }

    #[test]
    fn everybody_in_a_room_gets_each_message_once_and_the_pings() {
        let plan = Plan::one_room(30);
        let rooms = plan.rooms[0].id.clone();
        let hello = |n| {
            format!(r#"{{"type":"hello","user":"p{n}","rooms":"{rooms}","reply":300}}"#)
                .into_bytes()
        };
        let mut people = Listening(Talk::new(&plan, (0..30).map(hello).collect(), 200));
        let mut swarm = Swarm::new(address_of_a_server()).unwrap();
        swarm.grow(&mut people, 30, |people| people.0.ready).unwrap();
        for conn in [3, 3, 29, 0] {
            let send = people.0.next_send(conn);
            swarm.say(conn, &send);
        }
        let all = |people: &mut Listening, swarm: &mut Swarm| {
            people.0.ledger.delivered() == 120 && people.0.acked == 4 && swarm.fewest_pings() > 0
        };
        swarm.spin(&mut people, Duration::from_secs(10), all).unwrap();
        assert_eq!(people.0.ledger.verdict(4), Ok(()));
    }
}
