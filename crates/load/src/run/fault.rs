//! The faults that a run brings about by itself: on its own connections, or by a command of whoever runs it. They strike in
//! turn, at even distances, each at least once.

use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::window::{Board, Order};
use super::{Plan, Struck};
use crate::http::Http;
use crate::recorder::Recorder;
use crate::target::Target;

/// How long a stalled window takes nothing. Well below the time in which answers are due.
const STALL: Duration = Duration::from_secs(3);
/// Every so many windows is hit by a fault that hits some.
const SOME: u32 = 3;
/// Orders are obeyed in this time: a window that is just connecting hears them after it.
const OBEYED: Duration = Duration::from_secs(30);
/// A command may take so long, and so long the nodes may then take to answer.
const COMMAND: Duration = Duration::from_secs(300);
const BACK: Duration = Duration::from_secs(120);
/// After the last fault.
const CALM: Duration = Duration::from_secs(6);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A third of the connections is cut without a word.
    KillConnections,
    /// A third of the windows takes nothing for three seconds.
    Stall,
    /// All connections are cut and come back at once.
    Storm,
    /// A command of the shell, after which all nodes must answer again.
    Exec(String),
}

impl Fault {
    /// Those that have a name of their own.
    pub const NAMED: [Self; 3] = [Self::KillConnections, Self::Stall, Self::Storm];

    /// As options and histories call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::KillConnections => "kill-connections",
            Self::Stall => "stall",
            Self::Storm => "storm",
            Self::Exec(_) => "exec",
        }
    }
}

/// Lets them strike until the talk is over.
pub(super) async fn play(
    plan: &Plan,
    recorder: &Recorder,
    board: &Board,
    windows: &[mpsc::Sender<Order>],
    mut stop: watch::Receiver<bool>,
) -> Result<Vec<Struck>> {
    let start = Instant::now();
    let mut struck = Vec::new();
    let mut chance = StdRng::seed_from_u64(plan.seed);
    let share = plan.lasts / (u32::try_from(plan.faults.len()).unwrap_or(u32::MAX - 1) + 1);
    let every = plan.every.min(share);
    for (round, fault) in plan.faults.iter().cycle().enumerate() {
        let due = Instant::now() + every;
        if round >= plan.faults.len() && due + every > start + plan.lasts {
            break;
        }
        if waited(due, board, &mut stop).await? {
            return Ok(struck);
        }
        let (at, before) = (start.elapsed(), board.bitten.load(Ordering::SeqCst));
        let began = Instant::now();
        recorder.fault(fault.name(), "begin");
        match fault {
            Fault::Exec(command) => exec(command, round, &plan.nodes).await?,
            Fault::Storm => order(board, windows, Order::Abandon, |_| true).await,
            Fault::KillConnections => {
                order(board, windows, Order::Abandon, some(&mut chance, windows.len())).await;
            }
            Fault::Stall => {
                order(board, windows, Order::Stall(STALL), some(&mut chance, windows.len())).await;
            }
        }
        recorder.fault(fault.name(), "end");
        let bitten = board.bitten.load(Ordering::SeqCst) - before;
        let (at, lasted) = (at.as_secs_f64(), began.elapsed().as_secs_f64());
        struck.push(Struck { name: fault.name(), at, lasted, bitten });
    }
    // The last one has a calm after it, in which it is seen that sends are acknowledged again.
    let calm = if struck.is_empty() { Duration::ZERO } else { every.min(CALM) };
    waited((start + plan.lasts).max(Instant::now() + calm), board, &mut stop).await?;
    Ok(struck)
}

/// Waits; true if the run is to stop.
async fn waited(until: Instant, board: &Board, stop: &mut watch::Receiver<bool>) -> Result<bool> {
    loop {
        if let Some(trouble) = board.trouble.lock().take() {
            bail!(trouble);
        }
        if *stop.borrow() || Instant::now() >= until {
            return Ok(*stop.borrow());
        }
        tokio::select! {
            () = sleep_until(until.min(Instant::now() + Duration::from_millis(500))) => {}
            Ok(()) = stop.changed() => {}
        }
    }
}

/// A third of the windows, at least one.
fn some(chance: &mut StdRng, windows: usize) -> impl FnMut(usize) -> bool {
    let sure = chance.random_range(0..windows);
    move |window| window == sure || chance.random_range(0..SOME) == 0
}

/// Has it done by the windows that are chosen, and waits until it is.
async fn order(
    board: &Board,
    windows: &[mpsc::Sender<Order>],
    order: Order,
    mut is_chosen: impl FnMut(usize) -> bool,
) {
    let before = board.obeyed.load(Ordering::SeqCst);
    let mut given = 0;
    for (number, window) in windows.iter().enumerate() {
        // Who has not done the last eight orders is bitten enough.
        given += usize::from(is_chosen(number) && window.try_send(order).is_ok());
    }
    let deadline = Instant::now() + OBEYED;
    while board.obeyed.load(Ordering::SeqCst) < before + given && Instant::now() < deadline {
        sleep(LOOK).await;
    }
}

/// Runs the command to its end, and waits until all nodes answer.
async fn exec(command: &str, round: usize, nodes: &[Target]) -> Result<()> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("MOORLINE_SOAK_ROUND", round.to_string());
    let output = shell.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(COMMAND, output)
        .await
        .with_context(|| format!("`{command}` did not end within {COMMAND:?}"))??;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("`{command}` ended with {}: {said}", output.status);
    }
    let deadline = Instant::now() + BACK;
    for node in nodes {
        while !answers(node).await {
            if Instant::now() > deadline {
                bail!("{node} does not answer {BACK:?} after `{command}`");
            }
            sleep(LOOK * 5).await;
        }
    }
    Ok(())
}

/// Whether a server is there and does not say that it cannot.
async fn answers(node: &Target) -> bool {
    let Ok(mut http) = Http::connect(node, None).await else { return false };
    let answer = http.ask("/api/v1/session", None).await;
    answer.is_ok_and(|answer| !answer.status().is_server_error())
}
