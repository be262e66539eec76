//! The power-cut layer under a small SQLite program: what was committed with sync survives every
//! cut, and on a disk that ignores sync it does not.
#![allow(clippy::unwrap_used)]

use std::process::Stdio;

use moorline_faults::power::{Disk, Plant, Power, check_integrity};
use rusqlite::Connection;
use tokio::process::Command;

/// Runs the writer until the cut; returns the numbers it said were committed.
async fn write(plant: &Plant, power: Power) -> Vec<i64> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite_writer"));
    command.arg(plant.data().join("numbers.db")).arg("2000").stdout(Stdio::piped());
    plant.wire(&mut command, power).unwrap();
    let output = command.spawn().unwrap().wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// The committed numbers that the database has lost, and whether it is whole.
fn missing(plant: &Plant, said: &[i64]) -> Result<Vec<i64>, String> {
    let file = plant.data().join("numbers.db");
    check_integrity(&file).map_err(|error| error.to_string())?;
    if said.is_empty() {
        return Ok(Vec::new()); // The cut may have come before there was a table.
    }
    let database = Connection::open(&file).map_err(|error| error.to_string())?;
    let mut query =
        database.prepare("SELECT number FROM numbers").map_err(|error| error.to_string())?;
    let rows = query.query_map([], |row| row.get(0)).map_err(|error| error.to_string())?;
    let kept: Vec<i64> =
        rows.map(|row| row.map_err(|e| e.to_string())).collect::<Result<_, _>>()?;
    Ok(said.iter().copied().filter(|number| !kept.contains(number)).collect())
}

#[tokio::test]
async fn what_was_committed_with_sync_survives_every_cut() {
    let plant = Plant::new().unwrap();
    let (mut said, mut unsynced) = (Vec::new(), 0);
    for seed in 0..40 {
        let cut_at = Some(3 + seed * 7919 % 400);
        said.extend(write(&plant, Power { seed, cut_at, disk: Disk::Honest }).await);
        let report = plant.report();
        assert!(report.starts_with("cut at call"), "no cut with seed {seed}: {report:?}");
        unsynced += u32::from(!report.contains("kept 0, torn 0, dropped 0"));
        assert_eq!(missing(&plant, &said), Ok(Vec::new()), "seed {seed}, {report}");
    }
    assert!(said.len() > 100, "only {} commits were at stake", said.len());
    assert!(unsynced > 10, "only {unsynced} cuts met anything that was not synced");
}

#[tokio::test]
async fn on_a_disk_that_ignores_sync_committed_numbers_are_missing() {
    let mut red = 0;
    for seed in 0..10 {
        let plant = Plant::new().unwrap();
        let power = Power { seed, cut_at: Some(100 + seed * 17), disk: Disk::IgnoresSync };
        let said = write(&plant, power).await;
        red += u32::from(missing(&plant, &said) != Ok(Vec::new()));
    }
    assert!(red > 3, "the planted fault was seen {red} times of 10 only");
}

#[tokio::test]
async fn a_commit_whose_sync_failed_is_not_said_to_be_committed() {
    for with in ["EIO", "ENOSPC"] {
        let plant = Plant::new().unwrap();
        let disk = Disk::FailsSync { at: 30, count: 1, with };
        let said = write(&plant, Power { seed: 1, cut_at: None, disk }).await;
        assert!(plant.report().contains("failed with errno"), "{}", plant.report());
        assert!(said.len() < 2000, "the writer went on after a failed sync");
        assert_eq!(missing(&plant, &said), Ok(Vec::new()));
    }
}
