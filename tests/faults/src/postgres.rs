//! The proof by crash points on PostgreSQL: our node, one of its backends or the whole server is killed, its connections
//! are cut, it is restarted, at any moment while people talk; what was acknowledged is there, once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moorline_test_postgres::Server as Postgres;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::crowd::Crowd;
use crate::recorder::{Judgement, Recorder, judge};
use crate::server::{Server, Site};

/// Acks come again within this time after a fault.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done at a crash point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// `kill -9` of our node.
    Node,
    /// `kill -9` of one of the processes that serve it: the server throws all of them out and recovers.
    Backend,
    /// `kill -9` of the postmaster, and a start.
    Postmaster,
    /// `pg_terminate_backend` of all that serve it.
    Terminate,
    /// An ordinary restart.
    Restart,
}

const CRASHES: [Crash; 5] =
    [Crash::Node, Crash::Backend, Crash::Postmaster, Crash::Terminate, Crash::Restart];

/// What the crashes showed.
#[derive(Debug)]
pub struct Outcome {
    /// How often each was done.
    pub crashes: Vec<(Crash, u64)>,
    /// The checker's word.
    pub judgement: Judgement,
    /// Why clients were reset; none is due.
    pub resets: Vec<String>,
}

/// Goes through `points` crash points, one kind after the other.
///
/// # Errors
/// If the run itself fails.
pub async fn prove(points: u64, seed: u64) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data)?;
    let mut postgres = Postgres::start();
    let mut site = Site::new(&data)?;
    site.args = vec!["--database-url".to_owned(), postgres.url("postgres")];
    let recorder = Recorder::create(&folder.path().join("history.jsonl"), &["crash"], 25_000)?;
    let mut chance = StdRng::seed_from_u64(seed);
    let mut server = site.start().await?;
    let mut crowd = Crowd::gather(site.address, &recorder, seed).await?;
    let mut crashes: Vec<(Crash, u64)> = CRASHES.iter().map(|crash| (*crash, 0)).collect();
    for point in 0..points {
        let place = usize::try_from(point)? % crashes.len();
        let crash = crashes[place].0;
        let over = AtomicBool::new(false);
        let answers = std::sync::Arc::clone(&crowd.answers);
        let answered = || answers.load(Ordering::Relaxed);
        let (acks, delay) = (chance.random_range(1..60), chance.random_range(0..8_000));
        let crashing = async {
            let done = async {
                wait_for(&answered, answered() + acks).await?;
                sleep(Duration::from_micros(delay)).await;
                recorder.fault("crash", "begin");
                strike(crash, &mut postgres, &mut server).await?;
                if crash == Crash::Node {
                    recorder.line(json!({"is":"server","edge":"start"}));
                    server = site.start().await.context("after a kill")?;
                }
                recorder.fault("crash", "end");
                wait_for(&answered, answered() + 20).await
            }
            .await;
            over.store(true, Ordering::Relaxed);
            done
        };
        let (talked, crashed) = tokio::join!(crowd.talk(&over), crashing);
        talked?;
        crashed.with_context(|| format!("at point {point}, {crash:?}"))?;
        crashes[place].1 += 1;
    }
    crowd.conclude(&server, &recorder).await?;
    let judgement = judge(recorder.end()?)?;
    crowd.disperse().await;
    server.stop().await?;
    Ok(Outcome { crashes, judgement, resets: crowd.resets() })
}

/// Does it, and makes sure that it bit.
async fn strike(crash: Crash, postgres: &mut Postgres, server: &mut Server) -> Result<()> {
    match crash {
        Crash::Node => server.kill().await,
        Crash::Backend => {
            let backends = postgres.backends("moorline");
            let victim = backends.first().context("nobody serves the node")?.to_string();
            let killed = std::process::Command::new("kill").args(["-KILL", &victim]).status()?;
            ensure!(killed.success(), "the backend was not there");
            wait_ready(postgres).await
        }
        Crash::Postmaster => {
            postgres.kill("KILL");
            postgres.resume();
            Ok(())
        }
        Crash::Terminate => {
            let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE application_name = 'moorline'";
            let cut = postgres.psql("postgres", cut).map_err(anyhow::Error::msg)?;
            ensure!(cut != "0", "nobody was cut");
            Ok(())
        }
        Crash::Restart => {
            postgres.kill("INT");
            postgres.resume();
            Ok(())
        }
    }
}

/// The server comes back by itself.
async fn wait_ready(postgres: &Postgres) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while postgres.psql("postgres", "SELECT 1").is_err() {
        ensure!(Instant::now() < deadline, "PostgreSQL does not come back");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn wait_for(answered: &impl Fn() -> u64, enough: u64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while answered() < enough {
        ensure!(Instant::now() < deadline, "no answers in {PATIENCE:?}");
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
