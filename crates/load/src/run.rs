//! A whole run: people gather at an installation, talk for a time while faults strike, come to rest, the rooms' logs are read
//! through the protocol, and everybody is given the time to have everything. What clients sent and saw is in the history;
//! what was measured is in the outcome. It judges nothing.

mod audit;
pub mod fault;
mod gather;
mod outcome;
mod pace;
mod window;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use self::fault::Fault;
use self::gather::Gathered;
pub use self::outcome::{Outcome, Struck};
use self::window::{Board, Stage};
use crate::client::Client;
use crate::meter::{Meter, Second};
use crate::probe::Probe;
use crate::recorder::{Recorder, Standstills};
use crate::target::Target;
use crate::tokens::Tokens;
use crate::wire::Transport;

/// After the talk, all answers come in this time, however slow the server is, or it is for the checker to say why not.
const SETTLES: Duration = Duration::from_secs(60);
/// Beyond two ping intervals, in which everybody must have everything.
const MARGIN: Duration = Duration::from_secs(5);
/// How often it is looked whether everybody is done.
const LOOK: Duration = Duration::from_millis(20);
/// Where a server does not say how often it pings.
const PING_MS: u64 = 25_000;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The nodes; who loses one goes to the next.
    pub nodes: Vec<Target>,
    /// Who vouches for the people.
    pub tokens: Tokens,
    /// Ids of the people.
    pub people: Vec<String>,
    /// Windows that each of them has open.
    pub tabs: usize,
    /// Rooms; everybody is in two of them, where there are two.
    pub rooms: usize,
    /// Messages a second, of all together.
    pub rate: f64,
    /// Bytes of a message.
    pub bytes: usize,
    /// How long they talk.
    pub lasts: Duration,
    /// How windows connect: each time by another one, where there are several.
    pub transports: Vec<Transport>,
    /// What happens meanwhile, in turn.
    pub faults: Vec<Fault>,
    /// From one fault to the next.
    pub every: Duration,
    /// Whether people also edit, delete, mark as read, and take others out of rooms and in.
    pub is_lively: bool,
    /// Where the history goes; none where nothing is to be judged.
    pub history: Option<PathBuf>,
    /// Where the server's memory and processor time are seen.
    pub probe: Probe,
    /// For the same choices again.
    pub seed: u64,
}

/// How far a run is, told once a second.
#[derive(Debug, Clone)]
pub struct Progress {
    /// What goes on, in one word.
    pub doing: &'static str,
    /// How long they have talked.
    pub passed: Duration,
    /// The last second.
    pub second: Second,
    /// Messages that were meant to be sent so far.
    pub sent: u64,
    /// All windows.
    pub windows: usize,
}

/// Does it all. `tell` hears of the progress; `stop` turning true ends the talk early, and all the rest is done as ever.
///
/// # Errors
/// If nobody can connect, a fault cannot be injected, the logs cannot be read or the history cannot be written.
pub async fn run(
    plan: &Plan,
    stop: watch::Receiver<bool>,
    mut tell: impl FnMut(&Progress),
) -> Result<Outcome> {
    let welcome = knock(plan).await?;
    let ping_ms = welcome["keepalive"]["interval_ms"].as_u64().unwrap_or(PING_MS);
    let names: Vec<&str> = plan.faults.iter().map(Fault::name).collect();
    let recorder = match &plan.history {
        Some(path) => Recorder::create(path, &names, ping_ms)?,
        None => Recorder::nowhere(),
    };
    let gathered = gather::gather(plan, &recorder).await?;
    let meter = Arc::new(Meter::start()?);
    let stage = watch::Sender::new(Stage::Talk);
    let board = Arc::new(Board::default());
    let mut stand = Stand { plan, recorder, meter, stage, board, ping_ms, struck: Vec::new() };
    stand.run(gathered, stop, &mut tell).await
}

/// A connection that nobody records: is there a server, does it take the token, and what does it say?
async fn knock(plan: &Plan) -> Result<Value> {
    let user = plan.people.first().context("nobody is there to talk")?;
    let mut welcome = Value::Null;
    for node in &plan.nodes {
        let recorder = Recorder::nowhere();
        let mut client = Client::new(user, user, node.clone(), &plan.tokens, &recorder);
        client.connect_over(*plan.transports.first().unwrap_or(&Transport::WebSocket));
        welcome =
            client.connect().await.with_context(|| format!("{node} does not let {user} in"))?;
        client.close().await;
        if welcome["user"]["id"] != user.as_str() {
            bail!("the token for {user} is one of {}", welcome["user"]["id"]);
        }
    }
    Ok(welcome)
}

/// What a run has at hand while it goes on.
struct Stand<'a> {
    plan: &'a Plan,
    recorder: Recorder,
    meter: Arc<Meter>,
    stage: watch::Sender<Stage>,
    board: Arc<Board>,
    ping_ms: u64,
    struck: Vec<Struck>,
}

impl Stand<'_> {
    async fn run(
        &mut self,
        gathered: Gathered,
        stop: watch::Receiver<bool>,
        tell: &mut impl FnMut(&Progress),
    ) -> Result<Outcome> {
        let (meter, board, plan) = (Arc::clone(&self.meter), Arc::clone(&self.board), self.plan);
        let Gathered { windows, rooms } = gathered;
        let count = windows.len();
        // A task of its own, which ends with this function: it stands still only if all of the program does.
        let (mut beats, recorder) = (JoinSet::new(), self.recorder.clone());
        beats.spawn(async move { recorder.beat_on().await });
        let doing = watch::Sender::new("talking");
        let (mut tickets, mut orders, mut talking) = (Vec::new(), Vec::new(), Vec::new());
        for window in windows {
            let (window, ticket, order) =
                window.at_work(self.stage.subscribe(), &self.meter, &self.board);
            tickets.push(ticket);
            orders.push(order);
            talking.push(tokio::spawn(window.run()));
        }
        let whole = async {
            let pacer = tokio::spawn(pace::pace(plan.rate, plan.seed, tickets, Arc::clone(&board)));
            let struck = fault::play(plan, &self.recorder, &self.board, &orders, stop).await;
            pacer.abort();
            let lasted = self.meter.elapsed();
            self.struck = struck?;
            doing.send_replace("settling");
            let unsettled = self.settle(count).await?;
            doing.send_replace("reading logs");
            let heads = self.read_logs(&rooms).await?;
            doing.send_replace("catching up");
            let behind = self.catch_up(heads, count).await?;
            anyhow::Ok((lasted, unsettled, behind))
        };
        let (lasted, unsettled, behind) = tokio::select! {
            done = whole => done?,
            () = watch_over(plan, &meter, &board, count, &doing, tell) => bail!("nobody watches"),
        };
        self.recorder.end()?;
        self.stage.send_replace(Stage::Leave);
        let mut clients = Vec::new();
        for window in talking {
            clients.push(window.await??);
        }
        let mut outcome = outcome::of(plan, &clients, &self.meter, lasted);
        outcome.faults = std::mem::take(&mut self.struck);
        outcome.skipped = board.skipped.load(Ordering::Relaxed);
        (outcome.unsettled, outcome.behind) = (unsettled, behind);
        let Standstills { times, longest } = self.recorder.standstills();
        (outcome.standstills, outcome.longest_standstill) = (times, longest.as_secs_f64());
        Ok(outcome)
    }

    /// Everything gets its answer; gives how many windows still wait.
    async fn settle(&self, count: usize) -> Result<usize> {
        self.stage.send_replace(Stage::Settle);
        self.until(count, SETTLES, |board| &board.settled).await
    }

    async fn catch_up(&self, heads: BTreeMap<String, u64>, count: usize) -> Result<usize> {
        self.stage.send_replace(Stage::CatchUp(Arc::new(heads)));
        let due = Duration::from_millis(2 * self.ping_ms) + MARGIN;
        self.until(count, due, |board| &board.caught_up).await
    }

    async fn until(
        &self,
        count: usize,
        patience: Duration,
        which: impl Fn(&Board) -> &AtomicUsize,
    ) -> Result<usize> {
        let deadline = Instant::now() + patience;
        loop {
            let done = which(&self.board).load(Ordering::SeqCst);
            if let Some(trouble) = self.board.trouble.lock().take() {
                bail!(trouble);
            }
            if done >= count || Instant::now() > deadline {
                return Ok(count.saturating_sub(done));
            }
            sleep(LOOK).await;
        }
    }

    async fn read_logs(&self, rooms: &[gather::Room]) -> Result<BTreeMap<String, u64>> {
        if self.plan.history.is_none() {
            return Ok(self.board.heads.lock().clone());
        }
        let mut heads = BTreeMap::new();
        for room in rooms {
            let head = audit::read(self.plan, &self.recorder, &room.owner, &room.id).await;
            heads.insert(room.id.clone(), head.with_context(|| format!("the log of {}", room.id))?);
        }
        Ok(heads)
    }
}

/// Once a second: what happened in it, for the plots and for whoever waits.
async fn watch_over(
    plan: &Plan,
    meter: &Meter,
    board: &Board,
    windows: usize,
    doing: &watch::Sender<&'static str>,
    tell: &mut impl FnMut(&Progress),
) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let load = plan.probe.look().await;
        let second = meter.tick(board.connected(), load);
        let (sent, passed, doing) = (meter.totals().0, meter.elapsed(), *doing.borrow());
        tell(&Progress { doing, passed, second, sent, windows });
    }
}
