//! One window of a person, as a task: it sends when its tickets say so, hears what comes, comes back when its connection is
//! gone, does what faults order, and at the end waits until it has everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use parking_lot::Mutex;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::pace::WAITING;
use crate::client::Client;
use crate::meter::Meter;
use crate::target::Target;
use crate::wire::{Heard, Transport};

/// Commands that wait for their answers before tickets have to wait.
const AT_ONCE: usize = 16;
/// Orders that a window has not heard yet.
const ORDERS: usize = 8;
/// How long it listens before it looks at what else is due.
const TICK: Duration = Duration::from_millis(50);
/// Before a first attempt to come back, at most; doubled each time.
const BACKOFF_MS: u64 = 50;
/// Doubled so often.
const DOUBLINGS: u32 = 5;

/// How far the run is.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// Everybody talks.
    Talk,
    /// Everything is answered.
    Settle,
    /// Rooms are read up to these heads.
    CatchUp(Arc<BTreeMap<String, u64>>),
    /// It is over.
    Leave,
}

/// What a fault wants of a window.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// Its connection is cut.
    Abandon,
    /// It takes nothing and says nothing for so long.
    Stall(Duration),
}

/// What windows tell the run.
#[derive(Debug, Default)]
pub(super) struct Board {
    connected: AtomicU64,
    /// Windows without open commands.
    pub(super) settled: AtomicUsize,
    /// Windows that have everything.
    pub(super) caught_up: AtomicUsize,
    /// Orders that were done.
    pub(super) obeyed: AtomicUsize,
    /// Those that met a connection.
    pub(super) bitten: AtomicUsize,
    /// How far each room is by the acks.
    pub(super) heads: Mutex<BTreeMap<String, u64>>,
    /// Messages for which there was no room in the queue of their window.
    pub(super) skipped: AtomicU64,
    /// What ended a window.
    pub(super) trouble: Mutex<Option<String>>,
}

impl Board {
    /// Windows that are connected.
    pub(super) fn connected(&self) -> u64 {
        self.connected.load(Ordering::SeqCst)
    }
}

/// A room of one's own, and its guest, who is taken out and in.
pub(super) struct Own {
    pub(super) room: String,
    pub(super) guest: String,
    pub(super) is_in: bool,
}

/// A window before its work.
pub(super) struct Window {
    client: Client,
    rooms: Vec<String>,
    own: Option<Own>,
    chance: StdRng,
    nodes: Arc<[Target]>,
    node: usize,
    transports: Arc<[Transport]>,
    /// Of a message.
    pub(super) bytes: usize,
    /// Whether it does more than send.
    pub(super) is_lively: bool,
    attempts: u32,
}

/// A window at work.
pub(super) struct Working {
    window: Window,
    meter: Arc<Meter>,
    board: Arc<Board>,
    stage: watch::Receiver<Stage>,
    tickets: mpsc::Receiver<Instant>,
    orders: mpsc::Receiver<Order>,
    is_counted: bool,
    /// No ticket will come any more.
    is_over: bool,
    has_settled: bool,
    has_all: bool,
}

enum Next {
    Heard(Heard),
    Ticket(Instant),
    /// The tickets are over.
    LastTicket,
    Order(Order),
    Look,
}

impl Window {
    pub(super) fn new(
        client: Client,
        rooms: Vec<String>,
        own: Option<Own>,
        chance: StdRng,
    ) -> Self {
        let (nodes, transports) = (Arc::new([]), Arc::new([]));
        Self {
            client,
            rooms,
            own,
            chance,
            nodes,
            node: 0,
            transports,
            bytes: 0,
            is_lively: false,
            attempts: 0,
        }
    }

    pub(super) fn goes_to(&mut self, nodes: &Arc<[Target]>, node: usize, over: &Arc<[Transport]>) {
        (self.nodes, self.node, self.transports) = (Arc::clone(nodes), node, Arc::clone(over));
    }

    /// Gives it what it works with, and the ends of what it is told by.
    pub(super) fn at_work(
        mut self,
        stage: watch::Receiver<Stage>,
        meter: &Arc<Meter>,
        board: &Arc<Board>,
    ) -> (Working, mpsc::Sender<Instant>, mpsc::Sender<Order>) {
        let ((ticket, tickets), (order, orders)) = (mpsc::channel(WAITING), mpsc::channel(ORDERS));
        self.client.measure(meter);
        let working = Working {
            window: self,
            meter: Arc::clone(meter),
            board: Arc::clone(board),
            stage,
            tickets,
            orders,
            is_counted: false,
            is_over: false,
            has_settled: false,
            has_all: false,
        };
        (working, ticket, order)
    }

    /// Connected, if a node can be had; else at another one next time.
    async fn is_there(&mut self) -> bool {
        if self.client.is_connected() {
            return true;
        }
        if self.attempts > 0 {
            let most = BACKOFF_MS << self.attempts.min(DOUBLINGS);
            sleep(Duration::from_millis(self.chance.random_range(0..most))).await;
        }
        self.attempts += 1;
        self.client
            .connect_over(self.transports[self.chance.random_range(0..self.transports.len())]);
        if self.client.connect().await.is_ok() {
            self.attempts = 0;
            return true;
        }
        self.node = (self.node + 1) % self.nodes.len();
        self.client.go_to(self.nodes[self.node].clone());
        false
    }

    /// Queues what comes to mind: mostly a message.
    async fn think(&mut self, meant: Instant, meter: &Meter) {
        let what = if self.is_lively { self.chance.random_range(0..100) } else { 100 };
        let own = self.client.messages.len();
        if what < 4 && own > 0 {
            let (room, message) = self.client.messages[self.chance.random_range(0..own)].clone();
            let body = format!("better: {}", self.chance.random::<u32>());
            self.client.queue(json!({"type":"edit","room":room,"message":message,"body":body}));
        } else if what < 6 && own > 0 {
            let (room, message) =
                self.client.messages.swap_remove(self.chance.random_range(0..own));
            self.client.queue(json!({"type":"delete","room":room,"message":message}));
        } else if let Some(own) = self.own.as_mut().filter(|own| what < 12 || !own.is_in) {
            // Who was taken out is taken in next, so that rooms mostly have all who talk in them.
            let kind = if own.is_in { "remove" } else { "invite" };
            own.is_in = !own.is_in;
            let command = json!({"type":kind,"room":own.room,"users":[own.guest]});
            self.client.queue(command);
        } else {
            let room = self.rooms[self.chance.random_range(0..self.rooms.len())].clone();
            let body = self.text(meant, meter);
            self.client.queue(json!({"type":"send","room":room,"body":body}));
            if (12..24).contains(&what) {
                self.client.mark_read(&room).await;
            }
        }
    }

    /// A text of the size that is wanted.
    fn text(&mut self, meant: Instant, meter: &Meter) -> String {
        let mut text = meter.stamp(meant, &self.client.name);
        text.push(' ');
        while text.len() < self.bytes {
            text.push(char::from(self.chance.random_range(b'a'..=b'z')));
        }
        text
    }

    /// Takes the guest in again, so that at the end everybody is where they were.
    fn take_in(&mut self) {
        if let Some(own) = self.own.take().filter(|own| !own.is_in) {
            self.client.queue(json!({"type":"invite","room":own.room,"users":[own.guest]}));
        }
    }
}

impl Working {
    /// Works until the run is over; gives the client with all that it counted.
    pub(super) async fn run(mut self) -> Result<Client> {
        while !matches!(*self.stage.borrow(), Stage::Leave) {
            if let Err(error) = self.turn().await {
                let trouble = format!("{}: {error:#}", self.window.client.name);
                *self.board.trouble.lock() = Some(trouble);
                return Err(error);
            }
            self.count();
        }
        self.window.client.close().await;
        Ok(self.window.client)
    }

    async fn turn(&mut self) -> Result<()> {
        if !self.window.is_there().await {
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order).await;
            }
            return Ok(());
        }
        let window = &mut self.window;
        let may_send = window.client.unanswered() < AT_ONCE && !self.is_over;
        let next = tokio::select! {
            heard = window.client.listen() => Next::Heard(heard),
            ticket = self.tickets.recv(), if may_send => ticket.map_or(Next::LastTicket, Next::Ticket),
            Some(order) = self.orders.recv() => Next::Order(order),
            () = sleep(TICK) => Next::Look,
        };
        match next {
            Next::Heard(heard) => window.client.hear(heard).await?,
            Next::Ticket(meant) => window.think(meant, &self.meter).await,
            Next::LastTicket => self.is_over = true,
            Next::Order(order) => self.obey(order).await,
            Next::Look => window.client.mind_silence(),
        }
        self.window.client.send_due().await;
        Ok(())
    }

    async fn obey(&mut self, order: Order) {
        let bites = usize::from(self.window.client.is_connected());
        match order {
            Order::Abandon => self.window.client.abandon(),
            Order::Stall(lasts) => sleep(lasts).await,
        }
        self.board.bitten.fetch_add(bites, Ordering::SeqCst);
        self.board.obeyed.fetch_add(1, Ordering::SeqCst);
    }

    /// Tells, once, that everything is answered, and how far the rooms are by these answers.
    fn settle(&mut self) {
        if self.has_settled {
            let mut heads = self.board.heads.lock();
            for (room, seq) in &self.window.client.acked {
                let head = heads.entry(room.clone()).or_default();
                *head = (*head).max(*seq);
            }
            self.board.settled.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Tells what has changed.
    fn count(&mut self) {
        let client = &self.window.client;
        match (client.is_connected(), self.is_counted) {
            (true, false) => drop(self.board.connected.fetch_add(1, Ordering::SeqCst)),
            (false, true) => drop(self.board.connected.fetch_sub(1, Ordering::SeqCst)),
            _ => {}
        }
        self.is_counted = client.is_connected();
        let stage = self.stage.borrow().clone();
        if matches!(stage, Stage::Talk) || self.has_all {
            return;
        }
        if !self.has_settled {
            self.window.take_in();
            self.has_settled = self.is_over && self.window.client.unanswered() == 0;
            self.settle();
        }
        if let Stage::CatchUp(heads) = stage {
            let client = &self.window.client;
            let has = |room: &String| client.applied(room) >= heads.get(room).copied().unwrap_or(0);
            self.has_all = client.is_connected() && self.window.rooms.iter().all(has);
            self.board.caught_up.fetch_add(usize::from(self.has_all), Ordering::SeqCst);
        }
    }
}
