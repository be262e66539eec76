//! The proof by power cuts: the whole server over a disk that loses what was not synced, while
//! people talk; after each cut the file is whole, and in the end nothing acknowledged is missing.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::crowd::Crowd;
use crate::power::{Disk, Plant, Power, check_integrity};
use crate::recorder::{Judgement, Recorder, judge};
use crate::server::{Server, Site};

/// Cuts of one data folder and one history.
const BATCH: u64 = 25;
/// Writes and syncs of a start and of a long talk: cuts lie between, each order of magnitude alike.
const CALLS: std::ops::Range<f64> = 1.0..3000.0;
/// A cut that does not come in this time never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// Answers that must come after a failed sync.
const GOES_ON: u64 = 40;
const PING_MS: u64 = 25_000;

/// What a run of cuts showed.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Cuts made.
    pub cuts: u64,
    /// Of these during the start of the server.
    pub at_start: u64,
    /// Cuts that met writes which were not synced.
    pub with_unsynced: u64,
    /// Commands that were acknowledged or refused.
    pub answered: u64,
    /// Reasons of the resets that clients got; none is due.
    pub resets: Vec<String>,
    /// What is wrong, one line each; empty if the proof holds.
    pub failures: Vec<String>,
    /// Of these, histories in which the checker found acknowledged commands missing.
    pub lost: u64,
}

impl Outcome {
    /// One line: what was done and what came of it.
    pub fn verdict(&self, name: &str) -> String {
        let word = if self.failures.is_empty() { "kept" } else { "BROKEN" };
        format!(
            "{name}: {word}: {} cuts ({} during the start, {} with unsynced writes), {} answered \
             commands, resets {:?}, {} failures",
            self.cuts,
            self.at_start,
            self.with_unsynced,
            self.answered,
            self.resets,
            self.failures.len()
        )
    }

    fn judged(&mut self, judgement: &Judgement) {
        if !judgement.ok {
            self.lost += u64::from(!judgement.text.starts_with("0 lost"));
            self.failures.push(judgement.text.clone());
        }
    }
}

/// Cuts the power `cuts` times on an honest disk.
///
/// # Errors
/// If the run itself fails; what the cuts broke is in the outcome.
pub async fn prove(cuts: u64, seed: u64) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut left = cuts;
    while left > 0 {
        let batch = left.min(BATCH);
        run(&mut outcome, batch, seed.wrapping_add(left), Disk::Honest).await?;
        left -= batch;
    }
    Ok(outcome)
}

/// The planted fault: the same on a disk that ignores sync, a fresh folder for each cut.
///
/// # Errors
/// If the run itself fails.
pub async fn prove_planted(cuts: u64, seed: u64) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for cut in 0..cuts {
        let before = outcome.cuts;
        let run = run(&mut outcome, 1, seed.wrapping_add(cut), Disk::IgnoresSync).await;
        match run {
            Ok(()) => {}
            // A server that does not start on what is left is a red result of its own.
            Err(error) if outcome.cuts > before => outcome.failures.push(format!("{error:#}")),
            Err(error) => return Err(error),
        }
    }
    Ok(outcome)
}

/// Failed syncs, each followed by more talk and then by a cut.
///
/// # Errors
/// If the run itself fails.
pub async fn prove_failed_sync(rounds: u64, seed: u64) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for round in 0..rounds {
        let with = if round % 2 == 0 { "EIO" } else { "ENOSPC" };
        let mut chance = StdRng::seed_from_u64(seed.wrapping_add(round));
        let at = chance.random_range(30..120);
        let disk = Disk::FailsSync { at, count: 1 + round % 3, with };
        run(&mut outcome, 1, seed.wrapping_add(round), disk).await?;
    }
    Ok(outcome)
}

/// One data folder through so many cuts, judged at its end.
async fn run(outcome: &mut Outcome, cuts: u64, seed: u64, disk: Disk) -> Result<()> {
    let plant = Plant::new()?;
    let site = Site::new(&plant.data())?;
    let recorder = Recorder::create(&plant.beside("history.jsonl"), &["power-cut"], PING_MS)?;
    let mut chance = StdRng::seed_from_u64(seed);
    recorder.line(json!({"is":"server","edge":"start"}));
    let mut server = site.start().await?;
    let mut crowd = Crowd::gather(site.address, &recorder, seed).await?;
    crowd.disperse().await;
    server.stop().await?;
    recorder.fault("power-cut", "begin");
    for _ in 0..cuts {
        let exponent = chance.random_range(CALLS.start.ln()..CALLS.end.ln());
        let cut_at = match disk {
            Disk::FailsSync { .. } => None,
            // The planted fault has to lose acknowledged sends, so they must come first.
            Disk::IgnoresSync => Some(chance.random_range(1500..CALLS.end as u64)),
            Disk::Honest => Some(exponent.exp() as u64),
        };
        let power = Power { seed: chance.random(), cut_at, disk };
        cut(&plant, &site, &recorder, &mut crowd, power, outcome).await?;
        outcome.cuts += 1;
        check_copy(&plant).with_context(|| format!("after {power:?}"))?;
    }
    let mut server = site.start().await.context("after the last cut")?;
    recorder.fault("power-cut", "end");
    crowd.conclude(&server, &recorder).await?;
    let judgement = judge(recorder.end()?)?;
    crowd.disperse().await;
    server.stop().await?;
    outcome.answered += crowd.answered();
    outcome.resets.extend(crowd.resets());
    outcome.judged(&judgement);
    let is_odd = !judgement.ok || !crowd.resets().is_empty();
    if is_odd && disk != Disk::IgnoresSync {
        outcome.failures.push(format!("kept for a look: {}", plant.keep().display()));
    }
    Ok(())
}

/// One life of the server, from its start under the layer to the cut.
async fn cut(
    plant: &Plant,
    site: &Site,
    recorder: &Recorder,
    crowd: &mut Crowd,
    power: Power,
    outcome: &mut Outcome,
) -> Result<()> {
    let mut command = site.command();
    plant.wire(&mut command, power)?;
    recorder.line(json!({"is":"server","edge":"start"}));
    if let Some(mut server) = site.start_with(command).await? {
        recorder.fault("power-cut", "end");
        let over = AtomicBool::new(false);
        let answers = Arc::clone(&crowd.answers);
        let watch = async {
            let by_itself = power.cut_at.is_some();
            let ended = wait_for_cut(plant, &mut server, by_itself, &answers).await;
            recorder.fault("power-cut", "begin");
            over.store(true, Ordering::Relaxed);
            ended
        };
        let (talked, ended) = tokio::join!(crowd.talk(&over), watch);
        talked?;
        ended?;
    } else {
        outcome.at_start += 1;
    }
    let report = plant.report();
    ensure!(report.contains("cut at call"), "the server ended without a cut: {report:?}");
    outcome.with_unsynced += u64::from(!report.contains("kept 0, torn 0, dropped 0"));
    Ok(())
}

/// Waits until the power is gone: by itself, at a call that was chosen, or made here once the
/// server has gone on for a while after a failed sync.
async fn wait_for_cut(
    plant: &Plant,
    server: &mut Server,
    by_itself: bool,
    answers: &AtomicU64,
) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let (mut enough, mut pulled) = (None, false);
    while server.is_running()? {
        ensure!(Instant::now() < deadline, "no cut in {PATIENCE:?}: {:?}", plant.report());
        let so_far = answers.load(Ordering::Relaxed);
        if !by_itself && enough.is_none() && plant.report().contains("failed with errno") {
            enough = Some(so_far + GOES_ON);
        }
        if !pulled && enough.is_some_and(|enough| so_far >= enough) {
            plant.pull()?;
            pulled = true;
        }
        sleep(Duration::from_millis(5)).await;
    }
    server.gone().await.map(drop)
}

/// Checks a copy, so that the server finds the file as the cut left it.
fn check_copy(plant: &Plant) -> Result<()> {
    let copy = plant.beside("copy");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    fs::create_dir(&copy)?;
    for file in fs::read_dir(plant.data())?.flatten() {
        let name = file.file_name();
        if name.to_string_lossy().starts_with("moorline.db") {
            fs::copy(file.path(), copy.join(name))?;
        }
    }
    let file = copy.join("moorline.db");
    if file.exists() { check_integrity(&file) } else { Ok(()) }
}
