//! The proof by a bad network and by ordinary restarts: people talk through a proxy that resets,
//! stalls, tears and half-closes their connections, while the server is drained and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::crowd::Crowd;
use crate::proxy::{End, Proxy};
use crate::recorder::{Judgement, Recorder, judge};
use crate::server::{Server, Site};
use moorline_load::wire::Transport;

/// The kinds of faults, each as often as the others.
const FAULTS: [&str; 7] = ["cut", "tear", "half", "stall", "refuse", "delay", "drain"];
/// How long a fault that lasts goes on.
const LASTS: Duration = Duration::from_millis(800);
/// Answers between two faults.
const CALM: u64 = 30;
const PATIENCE: Duration = Duration::from_secs(60);

/// What the faults showed.
#[derive(Debug)]
pub struct Outcome {
    /// How many faults there were.
    pub faults: u64,
    /// The checker's word.
    pub judgement: Judgement,
    /// Why clients were reset; none is due.
    pub resets: Vec<String>,
}

/// Goes `rounds` times through all kinds of faults while people talk.
///
/// # Errors
/// If the run itself fails.
pub async fn prove(rounds: u64, seed: u64) -> Result<Outcome> {
    prove_over(&[], rounds, seed).await
}

/// The same with people who connect over these transports.
///
/// # Errors
/// If the run itself fails.
pub async fn prove_over(transports: &[Transport], rounds: u64, seed: u64) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data)?;
    let site = Site::new(&data)?;
    let recorder = Recorder::create(&folder.path().join("history.jsonl"), &FAULTS, 25_000)?;
    let proxy = Proxy::start(site.address).await?;
    let server = site.start().await?;
    let mut crowd = Crowd::gather_over(transports, proxy.address(), &recorder, seed).await?;
    let over = AtomicBool::new(false);
    let answers = Arc::clone(&crowd.answers);
    let script = async {
        let mut stage = Stage { site: &site, proxy: &proxy, recorder: &recorder, server };
        let done = stage.play(rounds, seed, &answers).await;
        over.store(true, Ordering::Relaxed);
        done.map(|()| stage.server)
    };
    let (talked, played) = tokio::join!(crowd.talk(&over), script);
    talked?;
    let mut server = played?;
    crowd.conclude(&server, &recorder).await?;
    let judgement = judge(recorder.end()?)?;
    crowd.disperse().await;
    server.stop().await?;
    Ok(Outcome { faults: rounds * FAULTS.len() as u64, judgement, resets: crowd.resets() })
}

/// What the faults are done to.
struct Stage<'a> {
    site: &'a Site,
    proxy: &'a Proxy,
    recorder: &'a Recorder,
    server: Server,
}

impl Stage<'_> {
    async fn play(&mut self, rounds: u64, seed: u64, answers: &AtomicU64) -> Result<()> {
        let mut chance = StdRng::seed_from_u64(seed);
        for _ in 0..rounds {
            let mut faults = FAULTS.to_vec();
            while !faults.is_empty() {
                let fault = faults.swap_remove(chance.random_range(0..faults.len()));
                self.recorder.fault(fault, "begin");
                self.inflict(fault, &mut chance).await?;
                self.recorder.fault(fault, "end");
                more(answers, CALM).await.with_context(|| format!("after {fault}"))?;
            }
        }
        Ok(())
    }

    async fn inflict(&mut self, fault: &str, chance: &mut StdRng) -> Result<()> {
        let proxy = self.proxy;
        match fault {
            "cut" => proxy.cut(),
            "tear" => proxy.tear(),
            "half" if chance.random() => proxy.half_close(End::Client),
            "half" => proxy.half_close(End::Server),
            "stall" => {
                proxy.stall();
                sleep(LASTS).await;
                proxy.resume();
            }
            "refuse" => {
                proxy.refuse();
                proxy.cut();
                sleep(LASTS).await;
                proxy.resume();
            }
            "delay" => {
                proxy.delay(Duration::from_millis(60));
                sleep(LASTS).await;
                proxy.delay(Duration::ZERO);
            }
            _ => return self.drain().await,
        }
        Ok(())
    }

    /// SIGTERM: the server says goodbye, ends in time and well, and is started again.
    async fn drain(&mut self) -> Result<()> {
        let status = self.server.stop().await?;
        ensure!(status.success(), "the drained server ended with {status}");
        self.recorder.line(json!({"is":"server","edge":"start"}));
        self.server = self.site.start().await?;
        Ok(())
    }
}

/// Waits for so many more answers.
async fn more(answers: &AtomicU64, more: u64) -> Result<()> {
    let enough = answers.load(Ordering::Relaxed) + more;
    let deadline = Instant::now() + PATIENCE;
    while answers.load(Ordering::Relaxed) < enough {
        ensure!(Instant::now() < deadline, "no answers in {PATIENCE:?}");
        sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
