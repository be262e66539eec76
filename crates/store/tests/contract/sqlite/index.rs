//! The search index beside the log: behind it after a crash, and without what was erased.

use std::fs;
use std::path::Path;

use moorline_protocol::Seq;
use moorline_store::Search;
use rusqlite::Connection;

use crate::backend::open;
use crate::durability::crash;
use crate::stage::{Stage, eventually, follow, room, user};

fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("moorline.db")).unwrap()
}

/// How many events the index has not reached.
fn unreached(db: &Connection) -> i64 {
    let count = "SELECT max(n) - (SELECT indexed FROM state) FROM events";
    db.query_row(count, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn what_a_crash_cut_off_from_the_index_is_caught_up_and_told_until_then() {
    let stage = Stage::with_group("r", &["ann"]).await;
    stage.make("quiet", moorline_protocol::RoomKind::Group, &["ann"]).await.unwrap();
    stage.send("ann", "r", "c1", "walrus one").await.unwrap();
    stage.indexed().await;
    // The index waits for more before it goes on; in this moment nothing is synced but the messages themselves.
    stage.send("ann", "r", "c2", "walrus two").await.unwrap();
    stage.send("ann", "r", "c3", "walrus three").await.unwrap();
    let crashed = crash(stage.place().folder());
    assert_eq!(unreached(&database(crashed.path())), 2, "the crash came too late");

    let (store, commits) = open(crashed.path()).unwrap();
    follow(commits);
    // Nobody can write while this is held, not even the index.
    let held = database(crashed.path());
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    let asked = Search::new("walrus", 10);
    let hits = store.search(&user("ann"), &asked).await.unwrap();
    assert_eq!((hits.hits.len(), hits.upto.get(&room("r"))), (1, Some(&Seq(2))));
    assert!(hits.behind_ms > 0 && hits.upto.len() == 1, "{hits:?}");
    assert_eq!(store.health().index_lag_rows, 2);
    let elsewhere = Search { room: Some(room("quiet")), ..asked.clone() };
    assert!(store.search(&user("ann"), &elsewhere).await.unwrap().upto.is_empty());
    held.execute_batch("ROLLBACK").unwrap();

    eventually(async || store.health().index_lag_rows == 0).await;
    let hits = store.search(&user("ann"), &asked).await.unwrap();
    assert_eq!((hits.hits.len(), hits.behind_ms, hits.upto.len()), (3, 0, 0));
    store.close().await;
    assert_eq!(unreached(&database(crashed.path())), 0);
}

/// Whether a word is in the vocabulary of the index, and whether its letters are anywhere in the file.
fn traces(folder: &Path, word: &str) -> (bool, bool) {
    let db = database(folder);
    db.execute_batch("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, search, row)").unwrap();
    let find = "SELECT count(*) FROM temp.terms WHERE term = ?1";
    let count: i64 = db.query_row(find, [word], |row| row.get(0)).unwrap();
    let bytes = fs::read(folder.join("moorline.db")).unwrap();
    (count > 0, bytes.windows(word.len()).any(|window| window == word.as_bytes()))
}

#[tokio::test]
async fn neither_an_edit_nor_a_deletion_leaves_the_old_words_in_the_file() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let edited = stage.send("ann", "r", "c1", "qqwalrus qqseal").await.unwrap();
    let deleted = stage.send("ann", "r", "c2", "qqpenguin").await.unwrap();
    for n in 0..400 {
        stage.send("ann", "r", &format!("f{n}"), &format!("filler {n}")).await.unwrap();
    }
    stage.indexed().await;
    let stage = stage.reopen().await;
    for word in ["qqwalrus", "qqseal", "qqpenguin"] {
        assert_eq!(traces(stage.place().folder(), word), (true, true), "{word}");
    }
    let late = stage.send("ann", "r", "c3", "qqherring").await.unwrap();
    stage.edit("ann", "r", "c4", edited.id, "qqseal qqotter").await.unwrap();
    stage.delete("ann", "r", "c5", deleted.id).await.unwrap();
    stage.delete("ann", "r", "c6", late.id).await.unwrap();
    stage.indexed().await;
    let stage = stage.reopen().await;
    let folder = stage.place().folder();
    for word in ["qqwalrus", "qqpenguin", "qqherring"] {
        assert_eq!(traces(folder, word), (false, false), "{word}");
    }
    for word in ["qqseal", "qqotter"] {
        assert_eq!(traces(folder, word), (true, true), "{word}");
    }
    let check = "INSERT INTO search (search, rank) VALUES ('integrity-check', 0)";
    database(folder).execute(check, []).unwrap();
}
