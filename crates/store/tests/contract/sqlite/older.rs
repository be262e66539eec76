//! What verification says of a folder into which an older state was put, and of a log that must not grow while it is copied.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moorline_store::backup::{self, Place};
use tempfile::TempDir;

use crate::stage::Stage;
use crate::suite::backup::assert_faultless;

#[tokio::test]
async fn an_older_copy_in_the_place_of_the_store_is_named() {
    let mut stage = Stage::with_group("r", &["ann"]).await;
    let folder = stage.place().folder().to_owned();
    stage = stage.reopen().await;
    let older = TempDir::new().unwrap();
    stage.store.clone().close().await;
    fs::copy(folder.join("moorline.db"), older.path().join("moorline.db")).unwrap();
    let place = Place::Folder(folder.clone());
    assert_faultless(&backup::verify(&place, false, &mut |_| {}).unwrap());
    let stage = stage.reopen().await;
    stage.send("ann", "r", "c1", "lost").await.unwrap();
    stage.store.clone().close().await;
    fs::copy(older.path().join("moorline.db"), folder.join("moorline.db")).unwrap();
    let looked = backup::verify(&place, false, &mut |_| {}).unwrap();
    assert_eq!(looked.fault_count, 1, "{:?}", looked.faults);
    let said = looked.faults[0].to_string();
    assert!(said.starts_with("I14: an older state"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_small_and_sends_go_on_while_backups_are_made() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let body = "x".repeat(4_000);
    for n in 0..2_000 {
        let reply = stage.send("ann", "r", &format!("before{n}"), &body);
        if n % 500 == 499 {
            reply.await.unwrap();
        }
    }
    let (is_over, files) = (Arc::new(AtomicBool::new(false)), TempDir::new().unwrap());
    let log = stage.place().folder().join("moorline.db-wal");
    let (place, over, folder) =
        (stage.place().backup(), Arc::clone(&is_over), files.path().to_owned());
    let saving = std::thread::spawn(move || {
        let save = |n: u32| backup::save(&place, &folder.join(n.to_string()), false, &mut |_| {});
        let saved: Vec<_> = (0..2).map(save).collect();
        over.store(true, Ordering::Relaxed);
        saved
    });
    let (mut sent, mut largest) = (0_u64, 0);
    while !is_over.load(Ordering::Relaxed) {
        let replies: Vec<_> =
            (0..20).map(|n| stage.send("ann", "r", &format!("c{sent}-{n}"), &body)).collect();
        for reply in replies {
            reply.await.unwrap();
            sent += 1;
        }
        largest = largest.max(fs::metadata(&log).map_or(0, |file| file.len()));
    }
    for summary in saving.join().unwrap() {
        let summary = summary.unwrap();
        assert_faultless(&summary);
        assert!(summary.counts.messages >= 2_000, "{:?}", summary.counts);
    }
    assert!(sent >= 20, "only {sent} sends were answered");
    assert!(largest < 64 << 20, "the log grew to {} MiB", largest >> 20);
}
