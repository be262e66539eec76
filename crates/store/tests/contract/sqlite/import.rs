//! Moving a store from SQLite to PostgreSQL: everything is as it was, positions included, however often it is cut.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use moorline_protocol::Seq;
use moorline_store::backup::{self, BackupError, Place, Progress, Summary};
use moorline_store::{DatabaseUrl, Resumed, Store, StoreConfig};
use moorline_test_postgres::Database;
use tempfile::TempDir;

use crate::backend::open;
use crate::stage::{Stage, follow, room, user};
use crate::suite::backup::{apart, assert_faultless, lively, save};

/// Imports until so many rows were seen, then ends as a process that is killed does: nothing is tidied up.
fn import_until(
    folder: &Path,
    url: &DatabaseUrl,
    rows: u64,
) -> Option<Result<Summary, BackupError>> {
    apart(|| {
        let seen = Cell::new(0);
        let stop = |progress: Progress| {
            seen.set(progress.done);
            assert!(progress.done < rows, "cut, as the test wants it");
        };
        catch_unwind(AssertUnwindSafe(|| backup::import(folder, url, &mut { stop }))).ok()
    })
}

/// The rows of a backup, in an order of their own.
fn rows(of: &Place) -> Vec<String> {
    let files = TempDir::new().unwrap();
    let file = files.path().join("x");
    save(of, &file).unwrap();
    let text = zstd::decode_all(std::fs::File::open(&file).unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let mut rows: Vec<String> =
        text.lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_cut_twice_equals_the_original_and_positions_stay_good() {
    let stage = lively().await;
    for n in 0..6_000 {
        let reply = stage.send("ann", "ops", &format!("n{n}"), &format!("message {n}"));
        if n % 500 == 499 {
            reply.await.unwrap();
        }
    }
    stage.store.flush().await.unwrap();
    let position = stage.position("hall", 4).await;
    let folder = stage.place().folder().to_owned();
    stage.store.clone().close().await;
    let (database, beside) = (Database::new(), TempDir::new().unwrap());
    let url: DatabaseUrl = database.url().parse().unwrap();
    let mut done = 0;
    for cut in [4_000, 9_000] {
        assert!(import_until(&folder, &url, cut).is_none(), "it was not cut");
        let so_far = database.psql("SELECT done FROM moorline.unfinished_import").unwrap();
        let so_far: u64 = so_far.parse().unwrap();
        assert!(so_far > done && so_far <= cut, "{so_far} rows after {cut}");
        done = so_far;
        // Half a store is none: no node starts on it, and nothing is read from it.
        let place = Place::Database(url.clone(), beside.path().to_owned());
        let refused = Store::open(StoreConfig::new(beside.path()).in_database(url.clone()));
        assert!(refused.map(|_| ()).unwrap_err().to_string().contains("unfinished import"));
        let refused = save(&place, &beside.path().join("x")).map(|_| ()).unwrap_err();
        assert!(matches!(refused, BackupError::Unfinished(_)), "{refused:?}");
    }
    let summary = import_until(&folder, &url, u64::MAX).unwrap().unwrap();
    assert_faultless(&summary);
    assert_eq!(summary.had, done);
    let place = Place::Database(url.clone(), beside.path().to_owned());
    assert_faultless(&apart(|| backup::verify(&place, false, &mut |_| {})).unwrap());
    assert!(rows(&Place::Folder(folder)) == rows(&place), "it differs from the original");
    let config = StoreConfig::new(beside.path()).in_database(url);
    let (store, commits) = Store::open(config).unwrap();
    follow(commits);
    let resumed = store.resume(&user("bob"), &room("hall"), position, 100).await.unwrap();
    assert!(matches!(resumed, Resumed::Events { .. }), "{resumed:?}");
    store.close().await;
}

#[tokio::test]
async fn a_store_that_was_used_meanwhile_is_not_imported_further() {
    let stage = lively().await;
    for n in 0..3_000 {
        let reply = stage.send("ann", "ops", &format!("n{n}"), "x");
        if n == 2_999 {
            reply.await.unwrap();
        }
    }
    let folder = stage.place().folder().to_owned();
    stage.store.clone().close().await;
    let database = Database::new();
    let url: DatabaseUrl = database.url().parse().unwrap();
    assert!(import_until(&folder, &url, 3_000).is_none());
    let (store, commits) = open(&folder).unwrap();
    follow(commits);
    store.close().await;
    let refused = import_until(&folder, &url, u64::MAX).unwrap().map(|_| ()).unwrap_err();
    assert!(matches!(refused, BackupError::OtherImport { .. }), "{refused:?}");
    // Another store is none of its business either.
    let other = Stage::with_group("r", &["ann"]).await;
    let folder = other.place().folder().to_owned();
    other.store.clone().close().await;
    let refused = import_until(&folder, &url, u64::MAX).unwrap().map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("another store"), "{refused:?}");
}

#[tokio::test]
async fn a_store_that_was_imported_begins_a_new_life_if_it_is_served_again() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let folder = stage.place().folder().to_owned();
    let before = stage.store.head(&room("r")).await.unwrap();
    stage.store.clone().close().await;
    let database = Database::new();
    let url: DatabaseUrl = database.url().parse().unwrap();
    import_until(&folder, &url, u64::MAX).unwrap().unwrap();
    let epoch = database.psql("SELECT epoch FROM moorline.rooms").unwrap();
    assert_eq!(epoch, before.epoch.0.cast_signed().to_string());
    let refused = import_until(&folder, &url, u64::MAX).unwrap().map(|_| ()).unwrap_err();
    assert!(matches!(refused, BackupError::NotEmpty(_)), "{refused:?}");
    let looked = backup::verify(&Place::Folder(folder.clone()), false, &mut |_| {}).unwrap();
    assert!(looked.faults.iter().any(|fault| fault.promise == "I14"), "{:?}", looked.faults);
    let (store, commits) = open(&folder).unwrap();
    follow(commits);
    let after = store.head(&room("r")).await.unwrap();
    assert_eq!((after.head, after.epoch == before.epoch), (Seq(1), false));
    store.close().await;
}

#[tokio::test]
async fn a_node_that_is_connected_to_the_database_is_no_target() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let folder = stage.place().folder().to_owned();
    stage.store.clone().close().await;
    let (database, beside) = (Database::new(), TempDir::new().unwrap());
    let url: DatabaseUrl = database.url().parse().unwrap();
    let config = StoreConfig::new(beside.path()).in_database(url.clone());
    let (store, commits) = Store::open(config).unwrap();
    follow(commits);
    store.flush().await.unwrap();
    let refused = import_until(&folder, &url, u64::MAX).unwrap().map(|_| ()).unwrap_err();
    assert!(matches!(refused, BackupError::InUse { .. }), "{refused:?}");
    store.close().await;
}
