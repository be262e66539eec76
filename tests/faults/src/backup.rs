//! The proof of backups: people talk, a backup is taken meanwhile, and what was acknowledged before it began is in every
//! store that it is restored into. What was acknowledged is what clients got acks for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moorline_store::StoreConfig;
use moorline_test_postgres::Database;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use uuid::Uuid;

use crate::commands::must;
use crate::raw::{Came, Raw};
use crate::seed::{HALL, PEOPLE, fill};
use crate::server::{Server, Site};

/// Sends a second, of all together.
const RATE: u64 = 200;
/// How long acks and the backup may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// What the log of a SQLite server may grow to.
pub const LOG_BOUND: u64 = 64 << 20;

/// What is proved.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Messages that are there before anybody talks.
    pub before: u64,
    /// On PostgreSQL instead of SQLite.
    pub on_postgres: bool,
    /// The planted fault: what was acknowledged after the backup was taken is asked for as well.
    pub plants_fault: bool,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Acks before the backup began, while it ran, and in all.
    pub acks: [u64; 3],
    /// How long the backup took.
    pub took: Duration,
    /// The longest wait for an ack while it ran.
    pub slowest: Duration,
    /// The largest log of the SQLite server meanwhile.
    pub largest_log: u64,
    /// The size of the backup.
    pub bytes: u64,
    /// Acknowledged before and not there afterwards.
    pub missing: Vec<String>,
    /// Acknowledged after it and, as it must be, not there: the comparison can fail.
    pub later_missing: u64,
}

/// An acknowledged message.
#[derive(Debug, Clone)]
struct Ack {
    seq: u64,
    id: String,
    sent: Instant,
    at: Instant,
}

/// What has to be there, and what came later.
struct Due {
    due: Vec<Ack>,
    later: Vec<Ack>,
}

/// Takes a backup under load, restores it into both stores, and compares.
///
/// # Errors
/// If a command or a server does not do its part.
pub async fn prove(plan: Plan) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data)?;
    let database = plan.on_postgres.then(Database::new);
    let url = database.as_ref().map(Database::url);
    let mut config = StoreConfig::new(&data);
    let mut site = Site::new(&data)?;
    if let Some(url) = &url {
        config = config.in_database(url.parse()?);
        site.args = vec!["--database-url".to_owned(), url.clone()];
    }
    fill(config, plan.before).await?;
    let mut server = site.start().await?;
    let file = folder.path().join("chat.moorline");
    let mut outcome = Outcome::default();
    let (acks, began) = back_up_under_load(&site, url.as_deref(), &file, &mut outcome).await?;
    let known = position(&site).await?;
    server.stop().await?;
    must(&["verify", text(&file)?]).await?;
    let (due, later): (Vec<Ack>, Vec<Ack>) =
        acks.into_iter().partition(|ack| ack.at < began || plan.plants_fault);
    let due = Due { due, later };
    restored_into_a_folder(folder.path(), &file, &due, &known, &mut outcome).await?;
    restored_into_a_database(folder.path(), &file, &due, &known, &mut outcome).await?;
    Ok(outcome)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

/// Everybody talks; in the middle of it the backup is taken.
async fn back_up_under_load(
    site: &Site,
    url: Option<&str>,
    file: &Path,
    outcome: &mut Outcome,
) -> Result<(Vec<Ack>, Instant)> {
    let (over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut talkers = JoinSet::new();
    for name in PEOPLE {
        let raw = Raw::welcome(site.address, name).await?;
        talkers.spawn(talk(raw, Arc::clone(&over), Arc::clone(&count)));
    }
    acked(&count, RATE).await?;
    let watch = tokio::spawn(watch_log(site.data.join("moorline.db-wal"), Arc::clone(&over)));
    let data = text(&site.data)?;
    let began = Instant::now();
    let mut words = vec!["backup", text(file)?, "--data-dir", data];
    words.extend(url.map(|url| ["--database-url", url]).into_iter().flatten());
    timeout(PATIENCE, must(&words)).await.context("the backup takes too long")??;
    let ended = Instant::now();
    let so_far = count.load(Ordering::Relaxed);
    acked(&count, so_far + RATE / 2).await?;
    over.store(true, Ordering::Relaxed);
    let mut acks = Vec::new();
    while let Some(talked) = talkers.join_next().await {
        acks.extend(talked??);
    }
    outcome.largest_log = watch.await?;
    outcome.took = ended - began;
    outcome.bytes = std::fs::metadata(file)?.len();
    let during = |ack: &&Ack| ack.at >= began && ack.at < ended;
    let waits = acks.iter().filter(during).map(|ack| ack.at - ack.sent);
    outcome.slowest = waits.max().unwrap_or_default();
    let number = |many: usize| u64::try_from(many).unwrap_or(u64::MAX);
    outcome.acks = [
        number(acks.iter().filter(|ack| ack.at < began).count()),
        number(acks.iter().filter(during).count()),
        number(acks.len()),
    ];
    Ok((acks, began))
}

/// One person's part of the load: sends at an even pace, one at a time.
async fn talk(mut raw: Raw, over: Arc<AtomicBool>, count: Arc<AtomicU64>) -> Result<Vec<Ack>> {
    let mut acks = Vec::new();
    let mut pace = interval(Duration::from_millis(1_000 * PEOPLE.len() as u64 / RATE));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while !over.load(Ordering::Relaxed) {
        pace.tick().await;
        let cid = Uuid::now_v7().to_string();
        let sent = Instant::now();
        let send = json!({"type":"send","id":1,"room":HALL,"cid":cid,"body":format!("said {cid}")});
        let answer = raw.ask(&send).await?;
        let Came::Frame(ack) = &answer else { anyhow::bail!("no ack: {answer:?}") };
        ensure!(ack["type"] == "ack", "no ack: {ack}");
        let id = ack["message"].as_str().context("an ack without its message")?.to_owned();
        let seq = ack["seq"].as_u64().context("an ack without its seq")?;
        acks.push(Ack { seq, id, sent, at: Instant::now() });
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(acks)
}

async fn acked(count: &AtomicU64, enough: u64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while count.load(Ordering::Relaxed) < enough {
        ensure!(Instant::now() < deadline, "no acks in {PATIENCE:?}");
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// The largest size of the log; 0 where there is none.
async fn watch_log(log: PathBuf, over: Arc<AtomicBool>) -> u64 {
    let mut largest = 0;
    while !over.load(Ordering::Relaxed) {
        largest = largest.max(std::fs::metadata(&log).map_or(0, |file| file.len()));
        sleep(Duration::from_millis(2)).await;
    }
    largest
}

/// Where a client that has seen everything stands in the hall.
async fn position(site: &Site) -> Result<Value> {
    let mut raw = Raw::welcome(site.address, PEOPLE[0]).await?;
    let page = raw.ask(&json!({"type":"history","id":1,"room":HALL,"limit":1})).await?;
    let Came::Frame(page) = page else { anyhow::bail!("no page: {page:?}") };
    let event = &page["events"][0];
    let id = event["id"].as_str().context("an event without an id")?;
    Ok(json!({"epoch":event["epoch"],"seq":event["seq"],"check":id[id.len() - 8..]}))
}

async fn restored_into_a_folder(
    folder: &Path,
    file: &Path,
    due: &Due,
    known: &Value,
    outcome: &mut Outcome,
) -> Result<()> {
    let data = folder.join("restored");
    must(&["restore", text(file)?, "--data-dir", text(&data)?]).await?;
    must(&["verify", "--data-dir", text(&data)?]).await?;
    compare(&Site::new(&data)?, due, known, outcome).await
}

async fn restored_into_a_database(
    folder: &Path,
    file: &Path,
    due: &Due,
    known: &Value,
    outcome: &mut Outcome,
) -> Result<()> {
    let (data, database) = (folder.join("node"), Database::new());
    let url = database.url();
    let to = ["--data-dir", text(&data)?, "--database-url", &url];
    must(&[&["restore", text(file)?], &to[..]].concat()).await?;
    must(&[&["verify"], &to[..]].concat()).await?;
    let mut site = Site::new(&data)?;
    site.args = vec!["--database-url".to_owned(), url.clone()];
    compare(&site, due, known, outcome).await
}

/// Asks the server of a restored store for everything that is due, and whether a client of the life before is told.
async fn compare(site: &Site, due: &Due, known: &Value, outcome: &mut Outcome) -> Result<()> {
    let mut server = site.start().await?;
    let lowest = due.due.iter().map(|ack| ack.seq).min().context("nothing was acknowledged")?;
    let there = log_from(&server, lowest - 1).await?;
    let is_missing = |ack: &&Ack| there.get(&ack.seq) != Some(&ack.id);
    outcome.later_missing += due.later.iter().filter(is_missing).count() as u64;
    for ack in &due.due {
        if is_missing(&ack) {
            outcome.missing.push(format!("{HALL} seq {} {}", ack.seq, ack.id));
        }
    }
    let mut raw = Raw::welcome(site.address, PEOPLE[0]).await?;
    let resume = json!({"type":"resume","positions":{HALL:known}});
    let Came::Frame(frame) = raw.ask(&resume).await? else { anyhow::bail!("no answer") };
    ensure!(frame["type"] == "reset", "a client of the life before is not told: {frame}");
    drop(raw);
    server.stop().await.map(drop)
}

/// Ids by seq, of the hall's log after this seq.
async fn log_from(server: &Server, mut after: u64) -> Result<BTreeMap<u64, String>> {
    let mut ids = BTreeMap::new();
    loop {
        let path = format!("/api/v1/rooms/{HALL}/events?after={after}&limit=1000");
        let page = server.api("GET", &path, None).await?;
        for event in page["events"].as_array().into_iter().flatten() {
            after = event["seq"].as_u64().context("an event without its seq")?;
            ids.insert(after, event["id"].as_str().unwrap_or_default().to_owned());
        }
        if page["more"] != true {
            return Ok(ids);
        }
    }
}
