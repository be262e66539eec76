//! What the writer does when its disk fails, lies or when a command breaks the transaction.

use moorline_protocol::{Cid, RoomId, RoomKind, Seq, UserId};
use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE};
use tempfile::TempDir;

use super::faults::{Fault, clear, plant};
use crate::{Create, Error, Holder, NewTicket, Reply, Send, Store, StoreConfig, Stored, UseTicket};

struct Stage {
    folder: TempDir,
    store: Store,
}

impl Stage {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (store, commits) = Store::open(StoreConfig::new(folder.path())).unwrap();
        tokio::spawn(commits.answer_all());
        Self::in_folder(folder, store).await
    }

    async fn in_folder(folder: TempDir, store: Store) -> Self {
        store.put_user(ann(), "Ann".to_owned(), 1).await.unwrap();
        let create = Create {
            by: Some(ann()),
            id: Some(room()),
            cid: Cid::new("make").unwrap(),
            kind: RoomKind::Group,
            name: None,
            members: vec![],
            at_ms: 1,
        };
        store.create(create).await.unwrap();
        Self { folder, store }
    }

    fn plant(&self, fault: Fault) {
        plant(self.folder.path(), fault);
    }

    fn send(&self, body: &str) -> Reply<Stored> {
        self.store.send(Send {
            from: ann(),
            room: room(),
            cid: Cid::new(format!("c-{body}")).unwrap(),
            body: body.to_owned(),
            reply_to: None,
            at_ms: 1,
        })
    }

    async fn head(&self) -> u64 {
        self.store.head(&room()).await.unwrap().head.0
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        clear(self.folder.path());
    }
}

fn ann() -> UserId {
    UserId::new("ann").unwrap()
}

fn room() -> RoomId {
    RoomId::new("r").unwrap()
}

#[tokio::test]
async fn a_failed_sync_is_settled_on_another_handle_before_the_ack() {
    let stage = Stage::new().await;
    stage.plant(Fault::CommitFails(SQLITE_IOERR_FSYNC));
    let stored = stage.send("one").await.unwrap();
    assert_eq!((stored.seq, stage.head().await), (Seq(2), 2));
    assert!(stage.store.health().last_error.is_some());
    assert!(stage.store.health().writable);
    assert_eq!(stage.send("one").await.unwrap(), stored);
}

#[tokio::test]
async fn a_commit_that_was_stored_and_reported_as_failed_is_found_and_told() {
    let folder = TempDir::new().unwrap();
    let (store, mut commits) = Store::open(StoreConfig::new(folder.path())).unwrap();
    let put = store.put_user(ann(), "Ann".to_owned(), 1);
    commits.next().await.unwrap().answer();
    put.await.unwrap();
    let create = Create {
        by: Some(ann()),
        id: Some(room()),
        cid: Cid::new("make").unwrap(),
        kind: RoomKind::Public,
        name: Some("R".to_owned()),
        members: vec![],
        at_ms: 1,
    };
    plant(folder.path(), Fault::CommitLies(SQLITE_IOERR_FSYNC));
    let created = store.create(create);
    let commit = commits.next().await.unwrap();
    assert_eq!(commit.events.len(), 1);
    assert_eq!(commit.rooms[0].head.head, Seq(1));
    commit.answer();
    assert_eq!(created.await.unwrap().seq, Seq(1));
    let stage = Stage { folder, store };
    stage.plant(Fault::CommitLies(SQLITE_IOERR_WRITE));
    let replies: Vec<_> = ["one", "two", "one"].map(|body| stage.send(body)).into();
    let mut told = Vec::new();
    while told.len() < 2 {
        let commit = commits.next().await.unwrap();
        told.extend(commit.events.iter().map(|event| event.seq.0));
        commit.answer();
    }
    tokio::spawn(commits.answer_all());
    let mut seqs = Vec::new();
    for reply in replies {
        seqs.push(reply.await.unwrap().seq.0);
    }
    assert_eq!((told, seqs, stage.head().await), (vec![2, 3], vec![2, 3, 2], 3));
}

#[tokio::test]
async fn a_ticket_used_in_a_commit_that_was_reported_as_failed_is_used_by_that_use_and_no_other() {
    let stage = Stage::new().await;
    let hash = [1; 32];
    let ticket = NewTicket {
        hash,
        user: ann(),
        session: None,
        issued_ms: 1,
        at_ms: 1,
        until_ms: 100,
        ends_ms: 200,
    };
    stage.plant(Fault::CommitLies(SQLITE_IOERR_FSYNC));
    stage.store.add_ticket(ticket).await.unwrap();
    stage.plant(Fault::CommitLies(SQLITE_IOERR_FSYNC));
    let using = |fresh| UseTicket { hash, shown: None, fresh, at_ms: 2 };
    let used = stage.store.use_ticket(using([2; 32])).await.unwrap();
    assert_eq!(used, Some(Holder { was_shown: false, ends_ms: 200 }));
    assert_eq!(stage.store.use_ticket(using([3; 32])).await.unwrap(), None);
}

#[tokio::test]
async fn while_the_disk_keeps_failing_answers_are_retryable_and_reading_goes_on() {
    let stage = Stage::new().await;
    for _ in 0..6 {
        stage.plant(Fault::CommitFails(SQLITE_IOERR_FSYNC));
    }
    for n in 0..3 {
        let error = stage.send(&format!("{n}")).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        assert_eq!(stage.head().await, 1);
        assert!(!stage.store.health().writable);
    }
    for n in 0..3 {
        assert_eq!(stage.send(&format!("{n}")).await.unwrap().seq, Seq(n + 2));
    }
    assert!(stage.store.health().writable);
}

#[tokio::test]
async fn a_full_disk_is_answered_as_such_and_the_next_send_tries_again() {
    let stage = Stage::new().await;
    stage.plant(Fault::CommitFails(SQLITE_FULL));
    assert!(matches!(stage.send("one").await, Err(Error::StorageFull { .. })));
    assert_eq!(stage.send("one").await.unwrap().seq, Seq(2));
}

#[tokio::test]
async fn a_command_that_breaks_the_transaction_fails_alone() {
    for fault in [Fault::BreaksOn("bad"), Fault::PanicsOn("bad")] {
        let stage = Stage::new().await;
        stage.plant(fault);
        let replies: Vec<_> = ["one", "bad", "two"].map(|body| stage.send(body)).into();
        let mut answers = Vec::new();
        for reply in replies {
            answers.push(reply.await.map(|stored| stored.seq.0));
        }
        assert_eq!((&answers[0], &answers[2]), (&Ok(2), &Ok(3)));
        assert!(matches!(answers[1], Err(Error::Unavailable { .. })), "{:?}", answers[1]);
        assert_eq!(stage.send("three").await.unwrap().seq, Seq(4));
    }
}

#[tokio::test]
async fn a_store_that_could_not_write_notices_by_itself_that_it_can() {
    let stage = Stage::new().await;
    for _ in 0..2 {
        stage.plant(Fault::CommitFails(SQLITE_IOERR_FSYNC));
    }
    stage.send("one").await.unwrap_err();
    assert!(!stage.store.health().writable);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !stage.store.health().writable {
        assert!(std::time::Instant::now() < deadline, "did not notice");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(stage.head().await, 1);
}

#[tokio::test]
async fn whatever_a_disk_does_each_event_is_stored_and_told_once_and_every_ack_is_true() {
    let folder = TempDir::new().unwrap();
    let (store, mut commits) = Store::open(StoreConfig::new(folder.path())).unwrap();
    let told = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let kept = std::sync::Arc::clone(&told);
    tokio::spawn(async move {
        while let Some(commit) = commits.next().await {
            kept.lock().extend(commit.events.iter().map(|event| (event.seq, event.id)));
            commit.answer();
        }
    });
    let stage = Stage::in_folder(folder, store).await;
    let codes = [SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE, SQLITE_FULL];
    let mut acknowledged = std::collections::HashMap::new();
    let mut refused = 0;
    for round in 0..120_u32 {
        for _ in 0..rand::random::<u32>() % 4 {
            let code = codes[rand::random::<u32>() as usize % codes.len()];
            let is_lie = rand::random::<bool>();
            stage.plant(if is_lie { Fault::CommitLies(code) } else { Fault::CommitFails(code) });
        }
        // Some are new, some were tried before.
        let bodies: Vec<String> =
            (0..5).map(|n| format!("{}", (round * 3 + n).saturating_sub(n * 4))).collect();
        let replies: Vec<_> = bodies.iter().map(|body| stage.send(body)).collect();
        for (body, reply) in bodies.into_iter().zip(replies) {
            match reply.await {
                Ok(stored) => {
                    let first = acknowledged.entry(body).or_insert_with(|| stored.clone());
                    assert_eq!(*first, stored);
                }
                Err(error) => {
                    assert!(error.is_retryable(), "{error:?}");
                    refused += 1;
                }
            }
        }
    }
    clear(stage.folder.path());
    stage.send("last").await.unwrap();
    assert!(refused > 0);
    let page = stage.store.log(&room(), Seq(0), 10_000).await.unwrap();
    let log: Vec<_> = page.events.iter().map(|event| (event.seq, event.id)).collect();
    assert!(log.iter().zip(1..).all(|((seq, _), wanted)| seq.0 == wanted), "holes");
    assert_eq!(*told.lock(), log);
    for stored in acknowledged.values() {
        assert_eq!(log[stored.seq.0 as usize - 1], (stored.seq, stored.id));
    }
}

#[tokio::test]
async fn a_writer_that_dies_leaves_nobody_waiting_and_ends_the_commits() {
    let folder = TempDir::new().unwrap();
    let (store, commits) = Store::open(StoreConfig::new(folder.path())).unwrap();
    let reader = tokio::spawn(commits.answer_all());
    let stage = Stage::in_folder(folder, store).await;
    stage.plant(Fault::Dies);
    let replies: Vec<_> = (0..3_000).map(|n| stage.send(&format!("{n}"))).collect();
    for reply in replies {
        assert!(matches!(reply.await, Err(Error::Unavailable { .. })));
    }
    reader.await.unwrap();
    assert!(!stage.store.health().writable);
    assert!(matches!(stage.send("late").await, Err(Error::Unavailable { .. })));
    // Reading goes on, and closing does not hang.
    assert!(stage.head().await > 1);
    stage.store.clone().close().await;
}
