//! A TCP proxy that misbehaves on command, between any client and any server.
//!
//! Tests hold a `Proxy` and call it; the program `fault_proxy` offers the same by a control port,
//! one command a line, to tests in other languages. It forwards bytes and never looks into them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The one that connected to the proxy.
    Client,
    /// The one that the proxy connected to.
    Server,
}

/// What the proxy does with its connections at the moment.
#[derive(Clone, Debug)]
struct Mode {
    target: SocketAddr,
    /// Nothing is read and nothing written, as if a cable were pulled.
    stalled: bool,
    /// New connections are reset at once.
    refusing: bool,
    idle: Option<Duration>,
    delay: Duration,
    /// Counters: a connection obeys when one rises.
    cuts: u64,
    tears: u64,
    halves: (u64, Option<End>),
}

/// What happened so far.
#[derive(Debug, Default)]
struct Totals {
    accepted: AtomicU64,
    open: AtomicU64,
    idle_cuts: AtomicU64,
}

/// A running proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    totals: Arc<Totals>,
    accepting: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// Listens on a free port of the loopback and forwards to `target`.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        Self::bind(SocketAddr::from(([127, 0, 0, 1], 0)), target).await
    }

    /// Listens on `listen` and forwards to `target`.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(listen: SocketAddr, target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let mode = Mode {
            target,
            stalled: false,
            refusing: false,
            idle: None,
            delay: Duration::ZERO,
            cuts: 0,
            tears: 0,
            halves: (0, None),
        };
        let mode = watch::Sender::new(mode);
        let totals = Arc::new(Totals::default());
        let accepting = tokio::spawn(accept(listener, mode.clone(), Arc::clone(&totals)));
        Ok(Self { address, mode, totals, accepting })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every connection (RST both ways). New ones are welcome.
    pub fn cut(&self) {
        self.mode.send_modify(|mode| mode.cuts += 1);
    }

    /// Forwards half of the next bytes for a client, then closes: a frame is cut in its middle.
    pub fn tear(&self) {
        self.mode.send_modify(|mode| mode.tears += 1);
    }

    /// Tells one end that the other will send no more; the other way stays open.
    pub fn half_close(&self, toward: End) {
        self.mode.send_modify(|mode| mode.halves = (mode.halves.0 + 1, Some(toward)));
    }

    /// Falls silent both ways without closing anything, also to new connections.
    pub fn stall(&self) {
        self.mode.send_modify(|mode| mode.stalled = true);
    }

    /// Resets new connections at once.
    pub fn refuse(&self) {
        self.mode.send_modify(|mode| mode.refusing = true);
    }

    /// Ends `stall` and `refuse`; what was held back goes on its way.
    pub fn resume(&self) {
        self.mode.send_modify(|mode| (mode.stalled, mode.refusing) = (false, false));
    }

    /// Closes connections on which nothing passed for so long, as many a proxy does.
    pub fn idle(&self, limit: Option<Duration>) {
        self.mode.send_modify(|mode| mode.idle = limit);
    }

    /// Holds every piece of data back for so long.
    pub fn delay(&self, delay: Duration) {
        self.mode.send_modify(|mode| mode.delay = delay);
    }

    /// Sends new connections elsewhere.
    pub fn target(&self, target: SocketAddr) {
        self.mode.send_modify(|mode| mode.target = target);
    }

    /// How many connections were accepted.
    pub fn accepted(&self) -> u64 {
        self.totals.accepted.load(Ordering::Relaxed)
    }

    /// How many connections are open.
    pub fn open(&self) -> u64 {
        self.totals.open.load(Ordering::Relaxed)
    }

    /// How many connections were closed for silence.
    pub fn idle_cuts(&self) -> u64 {
        self.totals.idle_cuts.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, mode: watch::Sender<Mode>, totals: Arc<Totals>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of descriptors: the connections that close make room.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        totals.accepted.fetch_add(1, Ordering::Relaxed);
        if mode.borrow().refusing {
            reset(client);
            continue;
        }
        let (mode, totals) = (mode.subscribe(), Arc::clone(&totals));
        tokio::spawn(async move {
            totals.open.fetch_add(1, Ordering::Relaxed);
            forward(client, mode, &totals).await;
            totals.open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

fn reset(stream: TcpStream) {
    // With no time to linger, closing sends RST; if that fails, it is an ordinary close.
    let _ = stream.set_zero_linger();
    drop(stream);
}

/// How a connection ends.
enum Finish {
    Reset,
    Close,
}

async fn forward(mut client: TcpStream, mode: watch::Receiver<Mode>, totals: &Totals) {
    calm(&mut mode.clone()).await;
    let target = mode.borrow().target;
    let Ok(mut server) = TcpStream::connect(target).await else { return reset(client) };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let last = LastByte::new();
    let finish = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = Pump { from: from_client, to: to_server, toward: End::Server, last: &last };
        let down = Pump { from: from_server, to: to_client, toward: End::Client, last: &last };
        let both = async {
            // A reset of one end is told to the other at once, whatever that one is doing.
            let ended = |finish: Option<Finish>| finish.map_or(Ok(()), Err);
            let up = async { ended(up.run(mode.clone()).await) };
            let down = async { ended(down.run(mode.clone()).await) };
            tokio::try_join!(up, down).err().unwrap_or(Finish::Close)
        };
        tokio::select! {
            finish = both => finish,
            () = cut(mode.clone()) => Finish::Reset,
            () = torn(mode.clone()) => Finish::Close,
            () = idle(mode.clone(), &last) => {
                totals.idle_cuts.fetch_add(1, Ordering::Relaxed);
                Finish::Close
            }
        }
    };
    if matches!(finish, Finish::Reset) {
        reset(client);
        reset(server);
    }
}

/// Waits until the proxy is not stalled.
async fn calm(mode: &mut watch::Receiver<Mode>) {
    let _ = mode.wait_for(|mode| !mode.stalled).await;
}

async fn cut(mut mode: watch::Receiver<Mode>) {
    let before = mode.borrow().cuts;
    if mode.wait_for(|mode| mode.cuts > before).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// After a tear the pump toward the client has a moment to pass its half on.
async fn torn(mut mode: watch::Receiver<Mode>) {
    let before = mode.borrow().tears;
    if mode.wait_for(|mode| mode.tears > before).await.is_err() {
        std::future::pending::<()>().await;
    }
    // The pump itself ends the connection; this is for one on which nothing passes.
    sleep(Duration::from_secs(1)).await;
}

async fn idle(mut mode: watch::Receiver<Mode>, last: &LastByte) {
    loop {
        let Some(limit) = mode.borrow_and_update().idle else {
            if mode.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            continue;
        };
        let due = last.at() + limit;
        if due <= Instant::now() {
            return;
        }
        tokio::select! {
            () = sleep_until(due) => {}
            _ = mode.changed() => {}
        }
    }
}

/// When anything passed last, either way.
struct LastByte {
    start: Instant,
    after_ms: AtomicU64,
}

impl LastByte {
    fn new() -> Self {
        Self { start: Instant::now(), after_ms: AtomicU64::new(0) }
    }

    fn now(&self) {
        let passed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.after_ms.store(passed, Ordering::Relaxed);
    }

    fn at(&self) -> Instant {
        self.start + Duration::from_millis(self.after_ms.load(Ordering::Relaxed))
    }
}

/// One way of a connection.
struct Pump<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    toward: End,
    last: &'a LastByte,
}

impl Pump<'_> {
    /// Forwards until the end; none if this way ended as its sender wished.
    async fn run(mut self, mut mode: watch::Receiver<Mode>) -> Option<Finish> {
        let (tears, halves) = (mode.borrow().tears, mode.borrow().halves.0);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            calm(&mut mode).await;
            let read = tokio::select! {
                read = self.from.read(&mut buffer) => read,
                _ = mode.changed() => {
                    let (number, toward) = mode.borrow().halves;
                    if number > halves && toward == Some(self.toward) {
                        let _ = self.to.shutdown().await;
                        return None;
                    }
                    continue;
                }
            };
            let length = match read {
                Ok(0) => {
                    let _ = self.to.shutdown().await;
                    return None;
                }
                Ok(length) => length,
                Err(_) => return Some(Finish::Reset),
            };
            self.last.now();
            let delay = mode.borrow().delay;
            if !delay.is_zero() {
                sleep(delay).await;
            }
            calm(&mut mode).await;
            let torn = mode.borrow().tears > tears && self.toward == End::Client;
            let pass = if torn { length.div_ceil(2) } else { length };
            if self.to.write_all(&buffer[..pass]).await.is_err() {
                return Some(Finish::Reset);
            }
            if torn {
                let _ = self.to.shutdown().await;
                return None;
            }
        }
    }
}
