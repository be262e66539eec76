//! What the disk does: crashes, newer schemas, a full disk, a log that must not grow.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use moorline_protocol::Seq;
use moorline_store::{Error, Range, Store};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::backend::open;
use crate::stage::{Stage, cid, eventually, follow, room, user};

/// What a crash leaves, as far as a copy can show it.
pub(crate) fn crash(folder: &Path) -> TempDir {
    let crashed = TempDir::new().unwrap();
    for file in ["moorline.db", "moorline.db-wal", "moorline.generation"] {
        let _ = fs::copy(folder.join(file), crashed.path().join(file));
    }
    crashed
}

fn check_integrity(folder: &Path) {
    let db = Connection::open(folder.join("moorline.db")).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    db.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 0)", []).unwrap();
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_crash() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    for round in 0..8 {
        let replies: Vec<_> = (0..100)
            .map(|n| stage.send("ann", "r", &format!("c{round}-{n}"), &format!("{round} {n}")))
            .collect();
        let mut answers = Vec::new();
        for reply in replies {
            answers.push(reply.await.unwrap());
        }
        let crashed = crash(stage.place().folder());
        let (store, commits) = open(crashed.path()).unwrap();
        follow(commits);
        for answer in answers {
            let page = store.log(&room("r"), Seq(answer.seq.0 - 1), 1).await.unwrap();
            assert_eq!((page.events[0].id, page.epoch), (answer.id, answer.epoch));
        }
        store.close().await;
        check_integrity(crashed.path());
    }
}

#[tokio::test]
async fn a_store_dropped_without_closing_loses_nothing() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.send("ann", "r", "c1", "hi").await.unwrap();
    let crashed = crash(stage.place().folder());
    drop(stage);
    let (store, commits) = open(crashed.path()).unwrap();
    follow(commits);
    assert_eq!(store.head(&room("r")).await.unwrap().head, Seq(2));
}

#[tokio::test]
async fn what_is_queued_is_committed_before_closing() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let replies: Vec<_> =
        (0..2_500).map(|n| stage.send("ann", "r", &format!("c{n}"), "x")).collect();
    let late = stage.store.clone();
    let stage = stage.reopen().await;
    for reply in replies {
        reply.await.unwrap();
    }
    assert_eq!(stage.store.head(&room("r")).await.unwrap().head, Seq(2_501));
    let refused = late.put_user(user("bob"), "Bob".to_owned(), 1).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })));
    assert!(matches!(late.head(&room("r")).await, Err(Error::Unavailable { .. })));
    assert!(!late.health().writable);
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_a_clear_text_and_left_alone() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let folder = stage.place().folder().to_owned();
    stage.store.clone().close().await;
    let db = Connection::open(folder.join("moorline.db")).unwrap();
    db.execute(
        "INSERT INTO refinery_schema_history VALUES (9000, 'later', '2099-01-01T00:00:00Z', '1')",
        [],
    )
    .unwrap();
    drop(db);
    let before = fs::read(folder.join("moorline.db")).unwrap();
    let error = open(&folder).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 9000, .. }), "{error:?}");
    assert!(error.to_string().contains("newer Moorline"), "{error}");
    assert_eq!(fs::read(folder.join("moorline.db")).unwrap(), before);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = open(&file).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
}

#[tokio::test]
async fn the_log_stays_small_under_load() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let body = "many words for a busy day at sea ".repeat(60);
    let (mut largest, mut rows) = (0, 0);
    for round in 0..60 {
        let replies: Vec<_> =
            (0..1_000).map(|n| stage.send("ann", "r", &format!("c{round}-{n}"), &body)).collect();
        for reply in replies {
            reply.await.unwrap();
            rows += 1;
        }
        let file = fs::metadata(stage.place().folder().join("moorline.db-wal")).unwrap().len();
        largest = largest.max(file).max(stage.store.health().wal_bytes);
    }
    // Over 200 MiB went through it.
    let stored = fs::metadata(stage.place().folder().join("moorline.db")).unwrap().len();
    assert!(stored > 100 << 20, "only {stored} bytes in {rows} rows");
    assert!(largest < 64 << 20, "the log grew to {} MiB", largest >> 20);
}

#[tokio::test]
async fn a_reader_of_everything_does_not_make_the_log_grow() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let body = "x".repeat(2_000);
    let mut largest = 0;
    for round in 0..30 {
        let replies: Vec<_> =
            (0..1_000).map(|n| stage.send("ann", "r", &format!("c{round}-{n}"), &body)).collect();
        for _ in 0..20 {
            stage
                .store
                .events(&user("ann"), &room("r"), Range::After(Seq(0)), 1_000)
                .await
                .unwrap();
        }
        for reply in replies {
            reply.await.unwrap();
        }
        largest = largest
            .max(fs::metadata(stage.place().folder().join("moorline.db-wal")).unwrap().len());
    }
    assert!(largest < 64 << 20, "the log grew to {} MiB", largest >> 20);
}

#[tokio::test]
async fn search_keeps_up_with_a_load_and_is_complete_after_it() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let (mut behind, started) = (0, std::time::Instant::now());
    let mut round = 0;
    while started.elapsed() < Duration::from_secs(4) {
        round += 1;
        let replies: Vec<_> = (0..2_000)
            .map(|n| stage.send("ann", "r", &format!("c{round}-{n}"), "a ship sails at dawn"))
            .collect();
        for reply in replies {
            reply.await.unwrap();
        }
        behind = behind.max(stage.store.health().index_lag_ms);
    }
    println!("the index was at most {behind} ms behind");
    stage.indexed().await;
}

/// A disk of a few MiB. Only root can make one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new(megabytes: u32) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "moorline-test"])
            .arg(folder.path())
            .output();
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
    let mut file = fs::File::create(disk.join("ballast")).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
}

async fn try_send(store: &Store, key: &str, body: &str) -> Result<moorline_store::Stored, Error> {
    let (from, to) = (user("ann"), room("r"));
    let (cid, body, at_ms) = (cid(key), body.to_owned(), 1);
    store.send(moorline_store::Send { from, room: to, cid, body, reply_to: None, at_ms }).await
}

#[tokio::test]
async fn a_full_disk_refuses_sends_goes_on_reading_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::new(8) else { return };
    let (store, commits) = open(disk.0.path()).unwrap();
    let told = follow(commits);
    store.put_user(user("ann"), "Ann".to_owned(), 1).await.unwrap();
    let create = moorline_store::Create {
        by: Some(user("ann")),
        id: Some(room("r")),
        cid: cid("make"),
        kind: moorline_protocol::RoomKind::Group,
        name: None,
        members: vec![],
        at_ms: 1,
    };
    store.create(create).await.unwrap();
    try_send(&store, "before", "x").await.unwrap();
    fill(disk.0.path());
    let body = "y".repeat(20_000);
    let mut acknowledged = vec!["before".to_owned()];
    let mut refused = Vec::new();
    for n in 0..60 {
        let key = format!("c{n}");
        match try_send(&store, &key, &body).await {
            Ok(_) => acknowledged.push(key),
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
                refused.push((key, error));
            }
        }
    }
    assert!(
        refused.iter().any(|(_, error)| matches!(error, Error::StorageFull { .. })),
        "{:?}",
        refused.first()
    );
    assert!(!store.health().writable);
    let head = store.head(&room("r")).await.unwrap().head;
    assert_eq!(head, Seq(acknowledged.len() as u64 + 1));
    fs::remove_file(disk.0.path().join("ballast")).unwrap();
    eventually(async || try_send(&store, "after", "z").await.is_ok()).await;
    // The same cids again are stored once, now.
    for (key, _) in &refused {
        try_send(&store, key, &body).await.unwrap();
    }
    let head = store.head(&room("r")).await.unwrap().head;
    let wanted = acknowledged.len() + refused.len() + 2;
    assert_eq!(head, Seq(wanted as u64));
    assert_eq!(told.lock().events.len(), wanted);
    store.close().await;
    check_integrity(disk.0.path());
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("data");
    let (store, commits) = open(&place).unwrap();
    follow(commits);
    store.put_user(user("ann"), "Ann".to_owned(), 1).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o700);
    for file in ["moorline.db", "moorline.db-wal", "moorline.db-shm"] {
        assert_eq!(mode(&place.join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn after_closing_the_file_alone_is_the_whole_store() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.send("ann", "r", "c1", "hi").await.unwrap();
    stage.store.clone().close().await;
    let copy = TempDir::new().unwrap();
    for file in ["moorline.db", "moorline.generation"] {
        fs::copy(stage.place().folder().join(file), copy.path().join(file)).unwrap();
    }
    let (store, commits) = open(copy.path()).unwrap();
    follow(commits);
    assert_eq!(store.head(&room("r")).await.unwrap().head, Seq(2));
}

#[tokio::test]
async fn a_quiet_store_has_an_empty_log() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.send("ann", "r", "c1", "hi").await.unwrap();
    let log = stage.place().folder().join("moorline.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    eventually(async || fs::metadata(&log).unwrap().len() == 0).await;
}

#[tokio::test]
async fn no_byte_of_a_deleted_text_stays_in_the_file() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let word = "xylophonequartz";
    let message =
        stage.send("ann", "r", "c1", &format!("{word} {}", "pad ".repeat(3_000))).await.unwrap();
    stage.indexed().await;
    let second = stage.send("ann", "r", "c2", &format!("short {word}")).await.unwrap();
    stage.edit("ann", "r", "c3", message.id, &format!("{word} again")).await.unwrap();
    stage.indexed().await;
    stage.delete("ann", "r", "c4", message.id).await.unwrap();
    stage.delete("ann", "r", "c5", second.id).await.unwrap();
    let stage = stage.reopen().await;
    let folder = stage.place().folder().to_owned();
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for part in [word, "xylophone", "quartz"] {
            let found = bytes.windows(part.len()).any(|window| window == part.as_bytes());
            assert!(!found, "{part} is still there");
        }
    }
}
