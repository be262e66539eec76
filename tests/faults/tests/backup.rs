//! Backups under load and imports: in short, or at full numbers with `MOORLINE_PROOF=full`, as `cargo xtask prove backup`
//! and `import` run them.
#![allow(clippy::unwrap_used)]

use moorline_faults::backup::{LOG_BOUND, Plan, prove};
use moorline_faults::{import, times};

async fn backup(on_postgres: bool) {
    let plan = Plan { before: times(2_000, 1_000_000), on_postgres, plants_fault: false };
    let outcome = prove(plan).await.unwrap();
    println!("{outcome:?}");
    assert_eq!(outcome.missing, [""; 0]);
    assert!(outcome.acks[0] >= 200 && outcome.acks[2] > outcome.acks[0], "{outcome:?}");
    // The comparison can fail: what was acknowledged after the backup is not in it.
    assert!(outcome.later_missing > 0, "{outcome:?}");
    assert!(outcome.largest_log < LOG_BOUND, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_holds_what_was_acknowledged_before_it_began() {
    backup(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgresql_under_load_does_so_too() {
    backup(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_twice_equals_the_original() {
    let outcome = import::prove(times(20_000, 1_000_000), false).await.unwrap();
    println!("{outcome:?}");
    assert!(outcome.is_equal, "{outcome:?}");
    assert!(outcome.notices_a_change, "one changed row makes no difference: {outcome:?}");
}
