//! `moorline soak` as whoever runs an installation starts it: against a server with a planted bug, which it must find guilty,
//! and against three nodes that are restarted one after the other by a command, which it must find clean.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moorline_test_postgres::Database;
use moorline_test_redis::Server as Redis;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::cluster::{self, Node};
use crate::commands::command;
use crate::planted::{Bug, Planted};
use crate::server::{SECRET, Site};

/// Seconds; what is hidden is found twice this time after it was due.
const PING: &str = "5";
/// Nodes.
const NODES: usize = 3;

/// What `moorline soak` said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// With `--json`.
    pub json: Value,
    /// All that it said beside it.
    pub text: String,
}

impl Said {
    /// The first stretch.
    pub fn phase(&self) -> &Value {
        &self.json["phases"][0]
    }

    /// The checker's word on a promise: kept, broken or not decided.
    pub fn verdict(&self, promise: &str) -> &str {
        self.phase()["verdict"]["promises"][promise]["verdict"].as_str().unwrap_or("nothing")
    }

    /// The checker's word on all of them.
    pub fn promises(&self) -> &Value {
        &self.phase()["verdict"]["promises"]
    }

    /// Lost, doubled, out of order.
    pub fn counts(&self) -> [u64; 3] {
        ["lost", "doubled", "out_of_order"]
            .map(|name| self.phase()["verdict"][name].as_u64().unwrap_or(u64::MAX))
    }
}

/// Runs it against these nodes, with the tests' secret, to its end.
///
/// # Errors
/// If it cannot be run or prints no JSON.
pub async fn soak(nodes: &[SocketAddr], words: &[&str]) -> Result<Said> {
    let mut run = command(&["soak", "--json"])?;
    run.args(nodes.iter().map(|node| format!("http://{node}"))).args(words);
    let output = run.env("MOORLINE_JWT_SECRET", SECRET).output().await?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).with_context(|| text.clone())?;
    Ok(Said { code: output.status.code(), json, text })
}

/// A soak of a server with this bug at one of so many messages; gives also how often it struck.
///
/// # Errors
/// If the run itself fails.
pub async fn of_bug(bug: Bug, one_in: u64, words: &[&str]) -> Result<(Said, u64)> {
    let folder = tempfile::tempdir()?;
    let mut site = Site::new(&folder.path().join("data"))?;
    // What is bad need not be waited for as long as what is slow.
    let ping = if bug == Bug::Nothing { PING } else { "1" };
    site.args = ["--ping-interval", ping, "--ping-timeout", "15"].map(str::to_owned).to_vec();
    let mut server = site.start().await?;
    let planted = Planted::before(site.address, bug, one_in).await?;
    let history = folder.path().join("history.jsonl");
    let history = history.to_str().context("a folder's name")?;
    let words = [words, &["--history", history]].concat();
    let said = soak(&[planted.address()], &words).await?;
    server.stop().await?;
    Ok((said, planted.struck()))
}

/// A soak of three nodes on PostgreSQL and Redis, one of which is killed and started again whenever the command is run; gives
/// also how often that was.
///
/// # Errors
/// If the run itself fails.
pub async fn of_nodes(words: &[&str]) -> Result<(Said, usize)> {
    let (database, redis) = (Database::new(), Redis::start());
    let folder = tempfile::tempdir()?;
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        let more = ["--ping-interval", PING, "--ping-timeout", "15"];
        nodes.push(Node::start(&database, &redis, &more).await?);
    }
    cluster::connected(&nodes).await?;
    let addresses: Vec<SocketAddr> = nodes.iter().map(Node::address).collect();
    let (wanted, done) = (folder.path().join("wanted"), folder.path().join("done"));
    // As an operator's own command would: it asks for a restart, and ends once the node is back.
    let exec = format!(
        "echo x >> {0}; until [ \"$(wc -l < {0})\" -eq \"$(wc -l < {1})\" ]; do sleep 0.05; done",
        wanted.display(),
        done.display()
    );
    std::fs::write(&wanted, "")?;
    std::fs::write(&done, "")?;
    let words = [words, &["--exec", &exec]].concat();
    let soak = soak(&addresses, &words);
    let mut restarts = 0;
    let said = tokio::select! {
        said = soak => said?,
        restarted = restart(&mut nodes, &wanted, &done, &mut restarts) => return Err(restarted),
    };
    Ok((said, restarts))
}

/// Kills and starts a node, another one each time, whenever one more restart is wanted. Ends only by an error.
async fn restart(
    nodes: &mut [Node],
    wanted: &Path,
    done: &Path,
    restarts: &mut usize,
) -> anyhow::Error {
    loop {
        sleep(Duration::from_millis(20)).await;
        let asked = std::fs::read_to_string(wanted).unwrap_or_default().lines().count();
        if asked <= *restarts {
            continue;
        }
        let index = *restarts % nodes.len();
        let node = &mut nodes[index];
        let began = Instant::now();
        let restarted = async {
            node.kill().await?;
            node.begin().await?;
            *restarts += 1;
            std::fs::write(done, "x\n".repeat(*restarts))?;
            anyhow::Ok(())
        };
        if let Err(error) = restarted.await {
            return error.context(format!("after {:?}", began.elapsed()));
        }
    }
}

/// Whether it found the server guilty, as it must with a bug that struck.
///
/// # Errors
/// If the bug did not strike, or was not found.
pub fn is_guilty(bug: Bug, said: &Said, struck: u64) -> Result<()> {
    ensure!(struck > 0, "{bug:?} never struck");
    ensure!(said.code == Some(1), "{bug:?} struck {struck} times and was not found: {said:?}");
    let verdict = &said.phase()["verdict"];
    ensure!(verdict["ok"] == false, "{bug:?} was not found by the checker: {said:?}");
    let first = &verdict["violations"][0];
    ensure!(
        first["history"].as_array().is_some_and(|lines| !lines.is_empty()),
        "without its history: {first}"
    );
    Ok(())
}

/// Whether it found everything as it must be.
///
/// # Errors
/// If it did not.
pub fn is_clean(said: &Said) -> Result<()> {
    let word =
        format!("{} {} {}", said.phase()["verdict"], said.phase()["faults_found"], said.text);
    ensure!(said.code == Some(0) && said.json["ok"] == true, "not clean: {word}");
    ensure!(said.counts() == [0, 0, 0], "{word}");
    Ok(())
}
