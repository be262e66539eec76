//! The proof by crash points on PostgreSQL: our node, one of its backends or the whole server is killed, its connections
//! are cut, it is restarted, its disk is full, at any moment while people talk; what was acknowledged is there, once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moorline_test_postgres::Server as Postgres;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::crowd::Crowd;
use crate::middleman::Middleman;
use crate::recorder::{Judgement, Recorder, judge};
use crate::server::{Answer, Server, Site};
use crate::small_disk::SmallDisk;

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
    /// No room on the server's disk: sends are refused as such, reading goes on, and it recovers by itself.
    FullDisk,
}

const CRASHES: [Crash; 6] = [
    Crash::Node,
    Crash::Backend,
    Crash::Postmaster,
    Crash::Terminate,
    Crash::Restart,
    Crash::FullDisk,
];
/// Room for the server's files, and little enough that it is soon full.
const DISK_MB: u32 = 320;
/// How often the planted fault loses a commit, and how many it loses: not every commit is of messages.
const LOST_EVERY: u64 = 20;
const LOST: u64 = 5;

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

/// Where it all runs.
struct Stand {
    /// Behind the server's files, so that it is gone after them.
    postgres: Postgres,
    disk: Option<SmallDisk>,
    middleman: Option<Middleman>,
}

impl Stand {
    fn new(is_planted: bool) -> Result<Self> {
        let disk = SmallDisk::new(DISK_MB);
        let mut postgres = match &disk {
            Some(disk) => Postgres::start_in(disk.path()),
            None => Postgres::start(),
        };
        postgres.kill("INT");
        postgres.set(&["max_wal_size=64MB", "min_wal_size=32MB"]);
        postgres.resume();
        let middleman = is_planted.then(|| Middleman::before(postgres.folder())).transpose()?;
        Ok(Self { postgres, disk, middleman })
    }

    fn url(&self) -> String {
        let through = self.middleman.as_ref().map(|middleman| middleman.url("postgres"));
        through.unwrap_or_else(|| self.postgres.url("postgres"))
    }

    /// What can be done here.
    fn crashes(&self) -> Vec<(Crash, u64)> {
        let can = |crash: &Crash| *crash != Crash::FullDisk || self.disk.is_some();
        CRASHES.into_iter().filter(can).map(|crash| (crash, 0)).collect()
    }
}

/// Goes through `points` crash points, one kind after the other. With the planted fault, commits are lost between the node
/// and its server.
///
/// # Errors
/// If the run itself fails.
pub async fn prove(points: u64, seed: u64, is_planted: bool) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data)?;
    let mut stand = Stand::new(is_planted)?;
    let mut site = Site::new(&data)?;
    site.args = vec!["--database-url".to_owned(), stand.url()];
    let recorder = Recorder::create(&folder.path().join("history.jsonl"), &["crash"], 25_000)?;
    let mut chance = StdRng::seed_from_u64(seed);
    let mut server = site.start().await?;
    let mut crowd = Crowd::gather(site.address, &recorder, seed).await?;
    make_room_of_eve(&server).await?;
    stand.middleman.iter().for_each(|middleman| middleman.lie_at_every(LOST_EVERY));
    let mut crashes = stand.crashes();
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
                strike(crash, &mut stand, &mut server, point).await?;
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
    if let Some(middleman) = &stand.middleman {
        talk_until_lied(&mut crowd, middleman).await?;
    }
    conclude(crowd, server, recorder, crashes).await
}

/// On a slow machine a commit carries more, and the points are over before enough of them were lost.
async fn talk_until_lied(crowd: &mut Crowd, middleman: &Middleman) -> Result<()> {
    let over = AtomicBool::new(false);
    let lied = async {
        let lied = wait_for(&|| middleman.told(), LOST).await;
        over.store(true, Ordering::Relaxed);
        lied
    };
    let (talked, lied) = tokio::join!(crowd.talk(&over), lied);
    middleman.lie_at_every(0);
    talked?;
    lied.context("the planted fault never came")
}

async fn conclude(
    mut crowd: Crowd,
    mut server: Server,
    recorder: Recorder,
    crashes: Vec<(Crash, u64)>,
) -> Result<Outcome> {
    crowd.conclude(&server, &recorder).await?;
    let judgement = judge(recorder.end()?)?;
    crowd.disperse().await;
    server.stop().await?;
    Ok(Outcome { crashes, judgement, resets: crowd.resets() })
}

/// Does it, and makes sure that it bit.
async fn strike(crash: Crash, stand: &mut Stand, server: &mut Server, point: u64) -> Result<()> {
    let postgres = &mut stand.postgres;
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
        Crash::FullDisk => {
            let disk = stand.disk.as_ref().context("there is no small disk")?;
            fill_and_free(disk, server, point).await
        }
    }
}

/// Eve and a room of her own, which nobody else talks in.
async fn make_room_of_eve(server: &Server) -> Result<()> {
    server.api("PUT", "/api/v1/users/eve", Some(json!({"name":"Eve"}))).await?;
    let room = json!({"id":"eve","kind":"group","name":"Eve","members":["eve"]});
    server.api("POST", "/api/v1/rooms", Some(room)).await?;
    Ok(())
}

/// Eve posts a page, always the same under the same key.
async fn post(server: &Server, key: &str) -> Result<Answer> {
    let mut chance = StdRng::seed_from_u64(key.bytes().map(u64::from).sum());
    // Nothing that could be squeezed.
    let body: String = (0..200).map(|_| format!("{:016x}", chance.random::<u64>())).collect();
    let body = json!({"from":"eve","body":body});
    let headers = [("Idempotency-Key", key)];
    server.request("POST", "/api/v1/rooms/eve/messages", Some(&body), &headers).await
}

/// The disk is full until that was told, and has room again.
async fn fill_and_free(disk: &SmallDisk, server: &Server, point: u64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut number = 0;
    let refused = loop {
        disk.fill()?;
        let key = format!("full-{point}-{number}");
        let answer = post(server, &key).await?;
        if answer.status != 201 && answer.json()?["error"]["code"] == "storage_full" {
            break key;
        }
        number += u64::from(answer.status == 201);
        ensure!(Instant::now() < deadline, "the disk was never full: {}", answer.json()?);
    };
    let head = format!("/api/v1/rooms/eve/events?after={number}&limit=10");
    let page = server.request("GET", &head, None, &[]).await?;
    ensure!(page.status == 200, "reading does not go on: {}", page.status);
    disk.free()?;
    while post(server, &refused).await?.status != 201 {
        ensure!(Instant::now() < deadline, "it does not recover");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
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
