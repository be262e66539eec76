//! The proof that a change of transport in mid-talk loses and doubles nothing, without any fault of the network; and its
//! twin, a client that loses one event on its way from one connection to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::crowd::Crowd;
use crate::recorder::{Judgement, Recorder, judge};
use crate::server::{Server, Site};
use moorline_load::wire::Transport;

const PATIENCE: Duration = Duration::from_secs(60);

/// What the changes showed.
#[derive(Debug)]
pub struct Outcome {
    /// Connections that were made.
    pub connections: u64,
    /// The checker's word.
    pub judgement: Judgement,
    /// Why clients were reset; none is due.
    pub resets: Vec<String>,
}

/// A server on which people talk over all transports, as many times as there are seeds.
///
/// # Errors
/// If the run itself fails.
pub async fn prove(seeds: impl Iterator<Item = u64>, answers: u64) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for seed in seeds {
        outcomes.push(run(seed, answers, false).await?);
    }
    Ok(outcomes)
}

/// One run, in which the first client loses an event if `loses`.
///
/// # Errors
/// If the run itself fails.
pub async fn run(seed: u64, enough: u64, loses: bool) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data)?;
    let site = Site::new(&data)?;
    let mut server = site.start().await?;
    let recorder = Recorder::create(&folder.path().join("history.jsonl"), &[], 25_000)?;
    let mut crowd = Crowd::gather_over(&Transport::ALL, server.address(), &recorder, seed).await?;
    let over = AtomicBool::new(false);
    let answers = Arc::clone(&crowd.answers);
    let (talked, waited) = tokio::join!(crowd.talk(&over), until(&answers, enough, &over));
    talked?;
    waited?;
    crowd.settle().await?;
    if loses {
        lose_one(&mut crowd, &server).await?;
    }
    crowd.conclude(&server, &recorder).await?;
    let judgement = judge(recorder.end()?)?;
    let connections = crowd.clients.iter().map(|client| client.connections()).sum();
    crowd.disperse().await;
    server.stop().await?;
    Ok(Outcome { connections, judgement, resets: crowd.resets() })
}

async fn until(answers: &AtomicU64, enough: u64, over: &AtomicBool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while answers.load(Ordering::Relaxed) < enough && Instant::now() < deadline {
        sleep(Duration::from_millis(2)).await;
    }
    over.store(true, Ordering::Relaxed);
    ensure!(answers.load(Ordering::Relaxed) >= enough, "not enough answers in {PATIENCE:?}");
    Ok(())
}

/// Something is said while one client is between two connections, and it takes that for heard.
async fn lose_one(crowd: &mut Crowd, server: &Server) -> Result<()> {
    let room = crowd.hall().to_owned();
    let client = &mut crowd.clients[1];
    // All that was said has come, so that the next event is the one that is lost.
    let path = format!("/api/v1/rooms/{room}/events?after=0&limit=1");
    let page = server.api("GET", &path, None).await?;
    let head = page["head"].as_u64().unwrap_or_default();
    let deadline = Instant::now() + PATIENCE;
    while client.applied(&room) < head {
        ensure!(Instant::now() < deadline, "the client never gets everything");
        client.step().await?;
    }
    client.abandon();
    client.lose_one(&room);
    let body = json!({"from": "ann", "body": "for all but one"});
    let path = format!("/api/v1/rooms/{room}/messages");
    let key = [("Idempotency-Key", "the-one-that-is-lost")];
    let answer = server.request("POST", &path, Some(&body), &key).await?;
    ensure!(answer.status == 201, "{}", String::from_utf8_lossy(&answer.body));
    Ok(())
}
