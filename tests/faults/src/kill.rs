//! The proof by `kill -9` just after an ack: what was acknowledged is there after the restart.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::crowd::Crowd;
use crate::recorder::{Judgement, Recorder, judge};
use crate::server::{Server, Site};

/// Acks of a life come within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the kills showed.
#[derive(Debug)]
pub struct Outcome {
    /// How often the server was killed.
    pub kills: u64,
    /// The checker's word.
    pub judgement: Judgement,
    /// Why clients were reset; none is due.
    pub resets: Vec<String>,
}

/// Kills the server `kills` times while people talk, each time just after an ack.
///
/// # Errors
/// If the run itself fails.
pub async fn prove(kills: u64, seed: u64) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data)?;
    let site = Site::new(&data)?;
    let recorder = Recorder::create(&folder.path().join("history.jsonl"), &["kill"], 25_000)?;
    let mut chance = StdRng::seed_from_u64(seed);
    let mut server = site.start().await?;
    let mut crowd = Crowd::gather(site.address, &recorder, seed).await?;
    for _ in 0..kills {
        let acks = chance.random_range(1..60);
        let over = AtomicBool::new(false);
        let answers = std::sync::Arc::clone(&crowd.answers);
        let killing = async {
            let killed = kill_after(&mut server, &answers, acks).await;
            recorder.fault("kill", "begin");
            over.store(true, Ordering::Relaxed);
            killed
        };
        let (talked, killed) = tokio::join!(crowd.talk(&over), killing);
        talked?;
        killed?;
        recorder.line(json!({"is":"server","edge":"start"}));
        server = site.start().await.context("after a kill")?;
        recorder.fault("kill", "end");
    }
    crowd.conclude(&server, &recorder).await?;
    let judgement = judge(recorder.end()?)?;
    crowd.disperse().await;
    server.stop().await?;
    Ok(Outcome { kills, judgement, resets: crowd.resets() })
}

/// Kills as soon as so many more answers have come.
async fn kill_after(server: &mut Server, answers: &AtomicU64, more: u64) -> Result<()> {
    let enough = answers.load(Ordering::Relaxed) + more;
    let deadline = Instant::now() + PATIENCE;
    while answers.load(Ordering::Relaxed) < enough {
        ensure!(Instant::now() < deadline, "no answers in {PATIENCE:?}");
        ensure!(server.is_running()?, "the server ended by itself");
        sleep(Duration::from_millis(1)).await;
    }
    server.kill().await
}
