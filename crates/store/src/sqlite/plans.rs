//! What SQLite makes of the statements of the hot paths (history, room lists, welcome, resume, search): none of them goes
//! through a whole table.

use rusqlite::Connection;
use tempfile::TempDir;

use super::events::{AT, FIND, FIND_ID};
use super::reads;
use super::schema::{Purpose, connect, migrate};

fn database() -> (TempDir, Connection) {
    let folder = TempDir::new().unwrap();
    let mut db = connect(folder.path(), Purpose::Write).unwrap();
    migrate(&mut db, folder.path()).unwrap();
    (folder, db)
}

fn plan(db: &Connection, sql: &str) -> Vec<String> {
    let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    // Parameters without a value are null, which no plan depends on.
    let mut rows = explain.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get(3).unwrap());
    }
    steps
}

/// Steps that go through a whole table. The index of search is asked for words; `state` has one row; what stands in
/// brackets or was gathered before is no table.
fn scans(steps: &[String]) -> Vec<&String> {
    let is_fine = |what: &str| {
        what.starts_with('(')
            || what == "state"
            || ["mine", "waiting"].contains(&what)
            || (what.starts_with("search VIRTUAL TABLE INDEX") && what.contains(":M"))
    };
    steps
        .iter()
        .filter(|step| step.strip_prefix("SCAN ").is_some_and(|what| !is_fine(what)))
        .collect()
}

#[test]
fn no_statement_of_the_hot_paths_goes_through_a_table() {
    let (_folder, db) = database();
    let statements = reads::statements();
    assert!(statements.len() > 14);
    for sql in statements {
        let steps = plan(&db, &sql);
        assert_eq!(scans(&steps), [""; 0], "{sql}\n{steps:#?}");
    }
}

#[test]
fn every_statement_that_reads_a_position_goes_through_the_index() {
    let (_folder, db) = database();
    let mut statements = reads::position_statements();
    statements.push(format!("SELECT e.messages FROM events e WHERE {AT}"));
    statements.extend([FIND.clone(), FIND_ID.clone()]);
    for sql in statements {
        let steps = plan(&db, &sql).join("\n");
        assert!(steps.contains("events_position"), "{sql}\n{steps}");
    }
}

#[test]
fn the_test_sees_a_statement_that_goes_through_a_table() {
    let (_folder, db) = database();
    for sql in [
        "SELECT count(*) FROM events WHERE at = ?1",
        "SELECT rowid FROM search",
        "SELECT * FROM users",
    ] {
        assert_eq!(scans(&plan(&db, sql)).len(), 1, "{sql}");
    }
}
