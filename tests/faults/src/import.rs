//! The proof of imports: a store with history moves from SQLite to PostgreSQL, is killed twice on the way, and is the same
//! at the end; a client goes on where it was.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moorline_test_postgres::Database;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::commands::{Rows, command, must, rows, run};
use crate::raw::{Came, Raw};
use crate::seed::{HALL, fill_folder};
use crate::server::Site;

/// How long an import may take.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// What was seen.
#[derive(Debug)]
pub struct Outcome {
    /// Rows of the original.
    pub rows: u64,
    /// Rows that were in the database when the import was killed.
    pub killed_at: Vec<u64>,
    /// How long the parts took together.
    pub took: Duration,
    /// Whether the two stores hold the same rows.
    pub is_equal: bool,
    /// Whether they would not count as equal any more once one row is changed.
    pub notices_a_change: bool,
}

/// Imports so many messages; with `plants_fault` one of them is changed afterwards.
///
/// # Errors
/// If a command or a server does not do its part.
pub async fn prove(messages: u64, plants_fault: bool) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data)?;
    fill_folder(&data, messages).await?;
    let (database, from) = (Database::new(), text(&data)?);
    let url = database.url();
    let words = ["import", "--from", from, "--to", &url];
    let (sent, known) = last_send(&data, &words).await?;
    let original = rows_of(folder.path(), "original", &["--data-dir", from]).await?;
    let started = Instant::now();
    let mut killed_at = Vec::new();
    for part in [1, 2] {
        let done = kill_import(&words, &database, original.count * part / 3).await?;
        ensure!(killed_at.last() < Some(&done), "nothing was imported in this part");
        killed_at.push(done);
        refuses_half_a_store(folder.path(), &url).await?;
    }
    must(&words).await?;
    let took = started.elapsed();
    if plants_fault {
        change_one(&database)?;
    }
    let node = folder.path().join("node");
    let to = ["--data-dir", text(&node)?, "--database-url", &url];
    must(&[&["verify"], &to[..]].concat()).await?;
    let imported = rows_of(folder.path(), "imported", &to).await?;
    goes_on(&node, &url, &sent, &known).await?;
    change_one(&database)?;
    let notices_a_change = rows_of(folder.path(), "changed", &to).await? != imported;
    let is_equal = imported == original;
    Ok(Outcome { rows: original.count, killed_at, took, is_equal, notices_a_change })
}

fn change_one(database: &Database) -> Result<()> {
    let change =
        "UPDATE moorline.events SET at = at + 1 WHERE n = (SELECT max(n) / 2 FROM moorline.events)";
    database.psql(change).map(drop).map_err(anyhow::Error::msg)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

async fn rows_of(folder: &Path, name: &str, of: &[&str]) -> Result<Rows> {
    let file = folder.join(name);
    must(&[&["backup", text(&file)?], of].concat()).await?;
    let found = rows(&file)?;
    std::fs::remove_file(&file)?;
    Ok(found)
}

/// The last send to the SQLite server with its ack, and where its sender stands; while it runs, nothing is imported.
async fn last_send(data: &Path, words: &[&str]) -> Result<((Value, Value), Value)> {
    let site = Site::new(data)?;
    let mut server = site.start().await?;
    let (code, said) = run(words).await?;
    ensure!(code == 4 && said.contains("Stop the server first"), "exit code {code}: {said}");
    let mut ann = Raw::welcome(site.address, "ann").await?;
    let send = json!({"type":"send","id":1,"room":HALL,"cid":"the-last","body":"see you there"});
    let Came::Frame(ack) = ann.ask(&send).await? else { anyhow::bail!("no ack") };
    ensure!(ack["type"] == "ack", "no ack: {ack}");
    let id = ack["message"].as_str().context("an ack without its message")?;
    let known = json!({"epoch":ack["epoch"],"seq":ack["seq"],"check":id[id.len() - 8..]});
    drop(ann);
    server.stop().await?;
    Ok(((send, ack), known))
}

/// Kills an import once it has brought in so many rows. Gives how many there are then.
async fn kill_import(words: &[&str], database: &Database, rows: u64) -> Result<u64> {
    let mut import = command(words)?.spawn()?;
    let deadline = Instant::now() + PATIENCE;
    while done(database) < rows {
        ensure!(import.try_wait()?.is_none(), "the import ended before it was killed");
        ensure!(Instant::now() < deadline, "the import does not get on");
        sleep(Duration::from_millis(10)).await;
    }
    import.kill().await?;
    Ok(done(database))
}

/// 0 before the import has begun.
fn done(database: &Database) -> u64 {
    let ask = "SELECT done FROM moorline.unfinished_import";
    database.psql(ask).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

async fn refuses_half_a_store(folder: &Path, url: &str) -> Result<()> {
    let node = folder.join("early");
    let words = ["serve", "--port", "0", "--data-dir", text(&node)?, "--database-url", url];
    let (code, said) = run(&words).await?;
    ensure!(
        code != 0 && said.contains("unfinished import"),
        "a node starts on half a store: {said}"
    );
    Ok(())
}

/// On PostgreSQL the client resumes without a reset, and its last send gets its first ack.
async fn goes_on(node: &Path, url: &str, sent: &(Value, Value), known: &Value) -> Result<()> {
    let mut site = Site::new(node)?;
    site.args = vec!["--database-url".to_owned(), url.to_owned()];
    let mut server = site.start().await?;
    let mut ann = Raw::welcome(site.address, "ann").await?;
    let (send, first) = sent;
    ann.say(&json!({"type":"resume","positions":{HALL:known}})).await?;
    let Came::Frame(answer) = ann.ask(send).await? else { anyhow::bail!("no answer") };
    ensure!(answer["type"] == "ack", "the position is not good any more: {answer}");
    for field in ["epoch", "seq", "message"] {
        ensure!(answer[field] == first[field], "another ack than the first: {answer}, {first}");
    }
    drop(ann);
    server.stop().await.map(drop)
}
