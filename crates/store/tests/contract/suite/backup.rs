//! A backup of either back end, restored into either: everything is as it was, except that positions are of a new life.

use std::path::{Path, PathBuf};

use moorline_protocol::{ResetReason, RoomKind, Seq};
use moorline_store::backup::{self, BackupError, Place, Summary};
use moorline_store::{NewAccount, NewSession, Resumed, Store, StoreConfig};
use moorline_test_postgres::Database;
use tempfile::TempDir;

use super::stage::{Stage, follow, line, room, user};

const CIDS: [&str; 4] =
    ["0193b5c8-7a11-7aaa-8bbb-0123456789ab", "c1", "fourteen-lette", "sixteen-letters-"];

/// These calls wait with a runtime of their own, which a thread of another runtime may not.
pub(crate) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// A store in which a little of everything has happened.
pub(crate) async fn lively() -> Stage {
    let stage = Stage::with(&["ann", "bob", "cem", "dan"]).await;
    stage.make("hall", RoomKind::Public, &["ann", "bob"]).await.unwrap();
    stage.make("ops", RoomKind::Group, &["bob", "ann", "cem"]).await.unwrap();
    stage.direct("ann", "bob", "d1").await.unwrap();
    for key in CIDS {
        stage.send("ann", "hall", key, &format!("words of {key}")).await.unwrap();
    }
    let first = stage.send("bob", "hall", "b1", "a NUL \0 and \u{1f6a2}").await.unwrap();
    let second = stage.send("bob", "hall", "b2", "to be deleted").await.unwrap();
    stage.edit("bob", "hall", "b3", first.id, "edited harbour").await.unwrap();
    stage.delete("bob", "hall", "b4", second.id).await.unwrap();
    stage.answer("ann", "hall", "a5", "an answer", Some(first.id)).await.unwrap();
    stage.rename("ann", "hall", "r1", "Great hall").await.unwrap();
    stage.join("dan", "hall", "j1").await.unwrap();
    stage.remove("bob", "ops", "k1", &["cem"]).await.unwrap();
    stage.read("bob", "hall", 6);
    let account = NewAccount {
        login: "Ann".to_owned(),
        name: "Ann".to_owned(),
        password_hash: "$argon2id$x".to_owned(),
        at_ms: 5,
    };
    stage.store.create_account(account).await.unwrap();
    let session = NewSession {
        token_hash: [7; 32],
        user: user("ann"),
        device: Some("Désk".to_owned()),
        at_ms: 6,
        expires_ms: 1_000_000,
    };
    stage.store.add_session(session).await.unwrap();
    stage.store.flush().await.unwrap();
    stage
}

pub(crate) fn save(from: &Place, file: &Path) -> Result<Summary, BackupError> {
    apart(|| backup::save(from, file, false, &mut |_| {}))
}

pub(crate) fn restore(file: &Path, to: &Place) -> Result<Summary, BackupError> {
    apart(|| backup::restore(file, to, &mut |_| {}))
}

pub(crate) fn assert_faultless(summary: &Summary) {
    assert_eq!(summary.fault_count, 0, "{:#?}", summary.faults);
}

fn folder_place(folder: &TempDir) -> Place {
    Place::Folder(folder.path().to_owned())
}

fn database_place(database: &Database, folder: &TempDir) -> Place {
    Place::Database(database.url().parse().unwrap(), folder.path().to_owned())
}

fn config(place: &Place) -> StoreConfig {
    match place {
        Place::Folder(folder) => StoreConfig::new(folder),
        Place::Database(url, folder) => StoreConfig::new(folder).in_database(url.clone()),
    }
}

/// What each person reads of each room, the words of each room's log without ids and epochs of their own.
async fn seen(store: &Store) -> Vec<String> {
    let mut seen = Vec::new();
    for id in ["hall", "ops"] {
        let page = store.log(&room(id), Seq(0), 1_000).await.unwrap();
        seen.extend(page.events.iter().map(|event| format!("{id} {} {}", line(event), event.id)));
        let members = store.members(&user("bob"), &room(id), None, 100).await.unwrap();
        seen.push(format!("{:?}", members.members));
    }
    let account = store.account_by_login("ann").await.unwrap().unwrap();
    seen.push(format!("{:?} {}", account.id, account.password_hash));
    seen.push(format!("{:?}", store.session([7; 32], 10).await.unwrap().unwrap()));
    seen
}

async fn check_restored(stage: &Stage, place: &Place, before: &[String]) {
    assert_faultless(&apart(|| backup::verify(place, false, &mut |_| {})).unwrap());
    let (store, commits) = Store::open(config(place)).unwrap();
    let told = follow(commits);
    assert_eq!(seen(&store).await, before);
    // A position of the life before gets a reset, on the same seq with the same event too.
    let old = stage.position("hall", 3).await;
    let resumed = store.resume(&user("ann"), &room("hall"), old, 100).await.unwrap();
    assert!(matches!(resumed, Resumed::Reset { reason: ResetReason::Epoch, .. }), "{resumed:?}");
    let restored = Stage::of(store, told, stage);
    for key in CIDS {
        let (was, is) = (
            stage.send("ann", "hall", key, &format!("words of {key}")).await.unwrap(),
            restored.send("ann", "hall", key, &format!("words of {key}")).await.unwrap(),
        );
        assert_eq!((was.seq, was.id), (is.seq, is.id), "{key} was stored twice");
    }
    restored.indexed().await;
    assert_eq!(restored.find("ann", "harbour").await.len(), 1);
    assert!(restored.find("ann", "deleted").await.is_empty());
    // New rows do not collide with those that came.
    restored.store.put_user(user("eve"), "Eve".to_owned(), 9).await.unwrap();
    restored.make("new", RoomKind::Group, &["eve", "ann"]).await.unwrap();
    let head = restored.store.head(&room("hall")).await.unwrap().head;
    assert_eq!(restored.send("bob", "hall", "new1", "new").await.unwrap().seq.0, head.0 + 1);
    restored.store.close().await;
    assert_faultless(&apart(|| backup::verify(place, false, &mut |_| {})).unwrap());
}

#[tokio::test]
async fn a_backup_restores_into_either_store_and_is_all_there() {
    let stage = lively().await;
    let before = seen(&stage.store).await;
    let files = TempDir::new().unwrap();
    let file = files.path().join("chat.moorline");
    let saved = save(&stage.place().backup(), &file).unwrap();
    assert_faultless(&saved);
    let counts = saved.counts;
    assert_eq!((counts.people, counts.rooms, counts.accounts, counts.sessions), (5, 3, 1, 1));
    assert_faultless(&apart(|| backup::verify_file(&file, &mut |_| {})).unwrap());
    let (folder, beside, database) =
        (TempDir::new().unwrap(), TempDir::new().unwrap(), Database::new());
    for place in [folder_place(&folder), database_place(&database, &beside)] {
        assert_faultless(&restore(&file, &place).unwrap());
        let again = restore(&file, &place).map(|_| ()).unwrap_err();
        assert!(matches!(again, BackupError::NotEmpty(_)), "{again:?}");
        check_restored(&stage, &place, &before).await;
    }
    assert!(!folder.path().join("restore.part").exists());
    let left: Vec<PathBuf> =
        std::fs::read_dir(files.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(left, [file], "a backup leaves nothing but its file");
}

#[tokio::test]
async fn a_backup_never_writes_over_a_file() {
    let stage = Stage::new();
    let files = TempDir::new().unwrap();
    let file = files.path().join("chat.moorline");
    std::fs::write(&file, "mine").unwrap();
    let refused = save(&stage.place().backup(), &file).map(|_| ()).unwrap_err();
    assert!(matches!(refused, BackupError::Exists(_)), "{refused:?}");
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

#[tokio::test]
async fn a_damaged_backup_leaves_the_target_as_it_was() {
    let stage = lively().await;
    let files = TempDir::new().unwrap();
    let file = files.path().join("chat.moorline");
    save(&stage.place().backup(), &file).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let cut = files.path().join("cut.moorline");
    std::fs::write(&cut, &whole[..whole.len() - 20]).unwrap();
    let (folder, beside, database) =
        (TempDir::new().unwrap(), TempDir::new().unwrap(), Database::new());
    for place in [folder_place(&folder), database_place(&database, &beside)] {
        let refused = restore(&cut, &place).map(|_| ()).unwrap_err();
        assert!(matches!(refused, BackupError::Damaged { .. }), "{refused:?}");
        // The same target takes a whole one.
        restore(&file, &place).unwrap();
    }
}

#[tokio::test]
async fn where_there_is_no_store_nothing_is_saved() {
    let (folder, beside, database) =
        (TempDir::new().unwrap(), TempDir::new().unwrap(), Database::new());
    let file = beside.path().join("chat.moorline");
    for place in [folder_place(&folder), database_place(&database, &beside)] {
        let refused = save(&place, &file).map(|_| ()).unwrap_err();
        assert!(matches!(refused, BackupError::NoStore(_)), "{refused:?}");
        assert!(!file.exists() && !beside.path().join("chat.moorline.part").exists());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
