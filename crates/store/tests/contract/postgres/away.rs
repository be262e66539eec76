//! The server goes away, comes back, is full, is read-only: nothing acknowledged is lost, nobody waits for ever, and all
//! goes on by itself.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use moorline_protocol::{EventId, RoomKind, Seq};
use moorline_store::{Error, Stored};
use moorline_test_postgres::Server;
use tempfile::TempDir;

use crate::backend::Place;
use crate::stage::{Stage, eventually};

/// A send is answered within this, whatever happens: it is repeated after ten seconds.
const BOUND: Duration = Duration::from_secs(9);

async fn stage_on(server: &Server) -> Stage {
    let stage = Stage::at(Arc::new(Place::on(server)));
    for who in ["ann", "bob"] {
        stage.store.put_user(crate::stage::user(who), who.to_owned(), 1).await.unwrap();
    }
    for id in ["r", "q", "p", "o"] {
        stage.make(id, RoomKind::Group, &["ann", "bob"]).await.unwrap();
    }
    stage
}

/// Sends until it is acknowledged, as the SDK does; answers when that was on the first try.
async fn persist(stage: &Stage, to: &str, key: &str) -> Stored {
    let started = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = stage.send("ann", to, key, key).await;
        assert!(asked.elapsed() < BOUND, "an answer took {:?}", asked.elapsed());
        match answer {
            Ok(stored) => return stored,
            Err(error) => assert!(error.is_retryable(), "{error:?}"),
        }
        assert!(started.elapsed() < Duration::from_secs(60), "it does not recover");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Each of four writers sends one after the other while `disturb` runs; then everything is compared.
async fn under_load(stage: &Arc<Stage>, disturb: impl AsyncFnOnce()) -> usize {
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = ["r", "q", "p", "o"]
        .into_iter()
        .map(|to| {
            let (stage, is_over) = (Arc::clone(stage), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut acknowledged: Vec<Stored> = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let key = format!("{to}-{}", acknowledged.len());
                    acknowledged.push(persist(&stage, to, &key).await);
                }
                (to, acknowledged)
            })
        })
        .collect();
    disturb().await;
    is_over.store(true, Ordering::Relaxed);
    let mut total = 0;
    for writer in writers {
        let (to, acknowledged) = writer.await.unwrap();
        compare(stage, to, &acknowledged).await;
        total += acknowledged.len();
    }
    total
}

/// Everything acknowledged is there, once, where the acknowledgement says, without a hole, and was told once, in order.
async fn compare(stage: &Stage, to: &str, acknowledged: &[Stored]) {
    let place = crate::stage::room(to);
    let mut events = Vec::new();
    loop {
        let after = Seq(events.len() as u64);
        let page = stage.store.log(&place, after, 1_000).await.unwrap();
        events.extend(page.events);
        if !page.more {
            break;
        }
    }
    let seqs: Vec<u64> = events.iter().map(|event| event.seq.0).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert_eq!(events.len(), acknowledged.len() + 1, "in {to}");
    let by_seq: HashMap<Seq, EventId> = events.iter().map(|event| (event.seq, event.id)).collect();
    for stored in acknowledged {
        assert_eq!(by_seq.get(&stored.seq), Some(&stored.id));
    }
    let told: Vec<u64> = stage
        .told
        .lock()
        .events
        .iter()
        .filter(|event| event.room == place)
        .map(|event| event.seq.0)
        .collect();
    let mut once = told.clone();
    once.dedup();
    assert_eq!(once, seqs, "told in {to}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_at_any_moment_loses_and_doubles_nothing() {
    let server = Server::start();
    let stage = Arc::new(stage_on(&server).await);
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'moorline'";
    let mut cuts = 0;
    let total = under_load(&stage, async || {
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            cuts += server.psql("postgres", cut).unwrap().parse::<u32>().unwrap();
        }
    })
    .await;
    assert!(cuts > 40 && total > 40, "{cuts} cuts, {total} sends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_under_load_loses_nothing_that_was_acknowledged() {
    let mut server = Server::start();
    let stage = Arc::new(stage_on(&server).await);
    let total = under_load(&stage, async || {
        for signal in ["KILL", "QUIT", "INT"] {
            tokio::time::sleep(Duration::from_millis(300)).await;
            server.kill(signal);
            assert!(matches!(
                stage.send("bob", "r", "never", "x").await,
                Err(Error::Unavailable { .. })
            ));
            server.resume();
        }
    })
    .await;
    assert!(total > 20, "{total} sends");
    assert!(stage.store.health().last_error.is_some());
    eventually(async || stage.store.health().writable).await;
}

#[tokio::test]
async fn while_it_is_away_everybody_is_told_in_time_and_afterwards_all_goes_on_by_itself() {
    let mut server = Server::start();
    let stage = stage_on(&server).await;
    server.kill("INT");
    let asked = Instant::now();
    let replies: Vec<_> =
        (0..5_000).map(|n| stage.send("ann", "r", &format!("c{n}"), "x")).collect();
    for reply in replies {
        let error = reply.await.unwrap_err();
        assert!(error.retry_after().is_some(), "{error:?}");
    }
    let head = stage.store.head(&crate::stage::room("r")).await;
    assert!(matches!(head, Err(Error::Unavailable { .. })), "{head:?}");
    assert!(asked.elapsed() < BOUND, "{:?}", asked.elapsed());
    assert!(!stage.store.health().writable);
    server.resume();
    // Nobody sends, and yet it notices.
    eventually(async || stage.store.health().writable).await;
    assert_eq!(stage.send("ann", "r", "c0", "x").await.unwrap().seq, Seq(2));
}

#[tokio::test]
async fn a_database_that_is_read_only_is_told_as_such_and_can_be_read() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let database = stage.place().database();
    let name = database.psql("SELECT current_database()").unwrap();
    let turn = |word: &str| {
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = {word}");
        database.psql(&format!("BEGIN READ WRITE; {set}; COMMIT")).unwrap();
        database.psql(cut).unwrap();
    };
    turn("on");
    let error = stage.send("ann", "r", "c1", "x").await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    assert!(error.is_retryable());
    assert_eq!(stage.lines("ann", "r").await, ["1 ann +ann"]);
    turn("off");
    eventually(async || stage.send("ann", "r", "c1", "x").await.is_ok()).await;
}

/// A disk of a few MiB. Only root can make one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new(megabytes: u32) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let size = format!("size={megabytes}m");
        let mount = ["-t", "tmpfs", "-o", &size, "moorline-test"];
        let mounted = Command::new("mount").args(mount).arg(folder.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: only root can mount a small disk");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn fill(disk: &Path) {
    let mut file = std::fs::File::create(disk.join("ballast")).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
}

#[tokio::test]
async fn a_full_disk_refuses_sends_goes_on_reading_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::new(160) else { return };
    let server = Server::start_in(disk.0.path());
    let stage = stage_on(&server).await;
    let before = persist(&stage, "r", "before").await;
    fill(disk.0.path());
    let mut acknowledged = vec![before];
    let mut refused = Vec::new();
    for n in 0..400 {
        let key = format!("c{n}");
        // Not to be squeezed into nothing.
        let body: String = (0..6_000).map(|_| format!("{:032x}", rand::random::<u128>())).collect();
        match stage.send("ann", "r", &key, &body).await {
            Ok(stored) => acknowledged.push(stored),
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
                refused.push((key, body, error));
            }
        }
        if refused.len() > 3 {
            break;
        }
    }
    assert!(!refused.is_empty(), "the disk was never full");
    println!("refused as {:?}", refused[0].2);
    std::fs::remove_file(disk.0.path().join("ballast")).unwrap();
    eventually(async || stage.send("ann", "r", "after", "z").await.is_ok()).await;
    acknowledged.push(stage.send("ann", "r", "after", "z").await.unwrap());
    for (key, body, _) in &refused {
        acknowledged.push(stage.send("ann", "r", key, body).await.unwrap());
    }
    compare(&stage, "r", &acknowledged).await;
}
