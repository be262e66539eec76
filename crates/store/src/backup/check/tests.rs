//! Each fault that can be planted among the rows of a real store is found, and named with its room and seq.

use std::sync::OnceLock;

use moorline_protocol::{Cid, RoomId, RoomKind, UserId};
use tempfile::TempDir;

use super::super::row::{Row, Value};
use super::super::tables::{TABLES, find};
use super::*;
use crate::sqlite::backup::Source;
use crate::{Create, Delete, Edit, NewAccount, NewSession, Send, Store, StoreConfig, Stored};

type Rows = Vec<(usize, Row)>;

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn cid(id: &str) -> Cid {
    Cid::new(id).unwrap()
}

async fn make(store: &Store, id: &str) {
    let create = Create {
        by: Some(user("ann")),
        id: Some(RoomId::new(id).unwrap()),
        cid: cid(&format!("make-{id}")),
        kind: RoomKind::Group,
        name: Some(id.to_owned()),
        members: vec![user("bob")],
        at_ms: 2,
    };
    store.create(create).await.unwrap();
}

async fn send(store: &Store, from: &str, key: &str) -> Stored {
    let (room, body) = (RoomId::new("hall").unwrap(), format!("body of {key}"));
    let send = Send { from: user(from), room, cid: cid(key), body, reply_to: None, at_ms: 3 };
    store.send(send).await.unwrap()
}

/// Two rooms: the hall has ann and bob at 1, messages at 2 to 5, an edit of 3 at 6, a deletion of 4 at 7, a message at 8.
async fn fill(store: &Store) {
    for id in ["ann", "bob"] {
        store.put_user(user(id), id.to_owned(), 1).await.unwrap();
    }
    make(store, "hall").await;
    make(store, "ops").await;
    let mut sent = Vec::new();
    for key in ["c2", "c3", "c4", "c5"] {
        sent.push(send(store, "ann", key).await);
    }
    let hall = || RoomId::new("hall").unwrap();
    let (by, message, body) = (user("ann"), sent[1].id, "edited".to_owned());
    let edit = Edit { by: by.clone(), room: hall(), cid: cid("c6"), message, body, at_ms: 4 };
    store.edit(edit).await.unwrap();
    let message = sent[2].id;
    let delete = Delete { by, room: hall(), cid: cid("c7"), message, at_ms: 4 };
    store.delete(delete).await.unwrap();
    send(store, "bob", "c8").await;
    let (login, name) = ("ann".to_owned(), "Ann".to_owned());
    let account = NewAccount { login, name, password_hash: "x".to_owned(), at_ms: 5 };
    store.create_account(account).await.unwrap();
    let (token_hash, user) = ([1; 32], user("ann"));
    let session = NewSession { token_hash, user, device: None, at_ms: 5, expires_ms: 9 };
    store.add_session(session).await.unwrap();
}

fn rows() -> Rows {
    static ROWS: OnceLock<Rows> = OnceLock::new();
    let make = || {
        let folder = TempDir::new().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (store, mut commits) = Store::open(StoreConfig::new(folder.path())).unwrap();
            tokio::spawn(async move {
                while let Some(commit) = commits.next().await {
                    commit.answer();
                }
            });
            fill(&store).await;
            store.close().await;
        });
        let mut rows = Vec::new();
        let mut keep = |table: usize, row: &Row| {
            rows.push((table, row.clone()));
            Ok(())
        };
        Source::open(folder.path()).unwrap().rows(&mut keep).unwrap();
        rows
    };
    ROWS.get_or_init(make).clone()
}

fn judge(rows: &Rows) -> (Counts, Vec<String>) {
    let mut checker = Checker::new();
    for (table, row) in rows {
        checker.row(*table, row);
    }
    let (counts, faults) = checker.finish();
    (counts, faults.kept.iter().map(ToString::to_string).collect())
}

/// What is found once these rows were changed.
fn found(change: impl FnOnce(&mut Rows)) -> Vec<String> {
    let mut rows = rows();
    let before = rows.clone();
    change(&mut rows);
    assert_ne!(rows, before, "nothing was planted");
    judge(&rows).1
}

fn at(table: &str, column: &str) -> (usize, usize) {
    let table = find(table).unwrap();
    (table, TABLES[table].position(column).unwrap())
}

/// Whether a row is the one of this table whose column has this value.
fn is(row: &(usize, Row), table: &str, column: &str, value: &Value) -> bool {
    let (table, place) = at(table, column);
    row.0 == table && row.1[place] == *value
}

fn hall() -> i64 {
    let (table, n) = at("rooms", "n");
    let hall = rows().into_iter().find(|row| is(row, "rooms", "id", &Value::Text("hall".into())));
    hall.filter(|row| row.0 == table).unwrap().1[n].int()
}

/// Whether it is the hall's event at this seq.
fn is_event(row: &(usize, Row), seq: i64) -> bool {
    is(row, "events", "room", &Value::Int(hall())) && is(row, "events", "seq", &Value::Int(seq))
}

fn set(rows: &mut Rows, mut chosen: impl FnMut(&(usize, Row)) -> bool, column: &str, value: Value) {
    for row in rows.iter_mut().filter(|row| chosen(row)) {
        let place = TABLES[row.0].position(column).unwrap();
        row.1[place] = value.clone();
    }
}

fn set_event(seq: i64, column: &str, value: Value) -> Vec<String> {
    found(|rows| set(rows, |row| is_event(row, seq), column, value))
}

fn set_hall(column: &str, value: i64) -> Vec<String> {
    let is_hall = |row: &(usize, Row)| is(row, "rooms", "id", &Value::Text("hall".into()));
    found(|rows| set(rows, is_hall, column, Value::Int(value)))
}

fn set_cid(key: &str, column: &str, value: Value) -> Vec<String> {
    let key = Value::Text(key.to_owned());
    found(|rows| set(rows, |row| is(row, "cids", "cid", &key), column, value))
}

/// Of bob in the hall.
fn set_member(column: &str, value: i64) -> Vec<String> {
    let (_, n) = at("users", "n");
    let bob = rows().into_iter().find(|row| is(row, "users", "id", &Value::Text("bob".into())));
    let bob = bob.unwrap().1[n].clone();
    let is_his = |row: &(usize, Row)| {
        is(row, "members", "user", &bob) && is(row, "members", "room", &Value::Int(hall()))
    };
    found(|rows| set(rows, is_his, column, Value::Int(value)))
}

#[track_caller]
fn assert_found(found: &[String], wanted: &str) {
    assert!(found.iter().any(|fault| fault == wanted), "{wanted} is not in {found:#?}");
}

#[test]
fn a_store_as_it_was_written_has_no_fault_and_its_sums_are_right() {
    let (counts, faults) = judge(&rows());
    assert_eq!(faults, [""; 0]);
    let is = (counts.people, counts.rooms, counts.members, counts.events, counts.messages);
    assert_eq!(is, (3, 2, 4, 9, 5));
    assert_eq!((counts.cids, counts.accounts, counts.sessions, counts.newest_ms), (9, 1, 1, 4));
}

#[test]
fn a_hole_in_a_log_is_found() {
    let found = found(|rows| rows.retain(|row| !is_event(row, 5)));
    assert_found(&found, "I3 room hall seq 5: the event is missing");
    assert_found(&found, "I2 room hall seq 5: it was acknowledged and is not there");
}

#[test]
fn an_end_that_is_not_the_rooms_is_found() {
    assert_found(
        &set_hall("head", 10),
        "I3 room hall seq 9: the events from here to 10 are missing",
    );
    let shorter = set_hall("head", 7);
    assert_found(&shorter, "I3 room hall seq 8: the room's row says that the log ends at 7");
    assert_found(
        &shorter,
        "I2 room hall seq 8: it was acknowledged and lies behind the end of the log",
    );
}

#[test]
fn two_events_at_one_position_are_found() {
    let found = set_event(6, "seq", Value::Int(5));
    assert_found(&found, "I3 room hall seq 5: two events stand here");
    assert_found(&found, "I3 room hall seq 6: the event is missing");
}

#[test]
fn a_command_that_is_stored_twice_is_found() {
    let found = set_event(5, "cid", Value::Text("c2".to_owned()));
    assert_found(&found, "I2 room hall seq 5: the same command is stored at 2 too");
}

#[test]
fn a_first_answer_that_is_lost_or_names_something_else_is_found() {
    let key = Value::Text("c5".to_owned());
    let lost = found(|rows| rows.retain(|row| !is(row, "cids", "cid", &key)));
    assert_found(
        &lost,
        "I2 room hall seq 5: its first answer is not kept: sent again, it would be stored twice",
    );
    let other = set_cid("c5", "id", Value::Uuid(uuid::Uuid::from_u128(5)));
    assert_found(
        &other,
        "I2 room hall seq 5: another event stands where this one was acknowledged",
    );
    let beyond = set_cid("c5", "seq", Value::Int(99));
    assert_found(
        &beyond,
        "I2 room hall seq 99: it was acknowledged and lies behind the end of the log",
    );
    let nowhere = set_cid("c5", "room", Value::Int(77));
    assert_found(&nowhere, "I2: a first answer names no room: room 77, seq 5");
    let twice = found(|rows| {
        let row = rows.iter().position(|row| is(row, "cids", "cid", &key)).unwrap();
        rows.insert(row, rows[row].clone());
    });
    assert_found(&twice, "I2 room hall seq 5: a command has two first answers");
}

#[test]
fn epochs_that_are_none_are_found() {
    let none = set_hall("epoch", 0);
    let wanted = "I14 room hall: its epoch is not its own: two lives of logs cannot be told apart";
    assert_found(&none, wanted);
    let (table, _) = at("rooms", "epoch");
    let same = found(|rows| set(rows, |row| row.0 == table, "epoch", Value::Int(4)));
    assert_eq!(same.len(), 1, "{same:?}");
}

#[test]
fn sums_that_do_not_add_up_are_found() {
    let found = set_event(5, "messages", Value::Int(9));
    assert_found(&found, "sums room hall seq 5: it counts 9 messages instead of 4");
    let found = set_hall("messages", 9);
    assert_found(&found, "sums room hall: the log counts 5 messages, the room's row says 9");
    let found = set_hall("last_message", 5);
    assert_found(&found, "sums room hall: the last message is 8, the room's row says 5");
    let found = set_hall("members", 3);
    assert_found(&found, "sums room hall: it has 2 members, the row says 3");
}

#[test]
fn markers_behind_the_log_or_beside_it_are_found() {
    assert_found(
        &set_member("read", 99),
        "I15 room hall seq 99: bob has read behind the end of the log",
    );
    let found = set_member("read_messages", 1);
    assert_found(
        &found,
        "I15 room hall seq 8: bob has read 1 messages by the row and 5 by the log",
    );
    assert_found(
        &set_member("joined", 99),
        "I3 room hall seq 99: bob joined behind the end of the log",
    );
}

#[test]
fn references_to_what_is_not_there_are_found() {
    let found = set_event(6, "target", Value::Int(1));
    assert_found(&found, "I5 room hall seq 6: it changes what is not the message that it names");
    let found = set_event(3, "edited", Value::Int(5));
    assert_found(&found, "I5 room hall seq 3: the edit that it was changed by is not there");
    let found = set_event(4, "body", Value::Text("still here".to_owned()));
    assert_found(&found, "I5 room hall seq 4: it is deleted and its text is still there");
}

#[test]
fn what_is_of_nobody_is_found() {
    assert_found(
        &set_event(5, "sender", Value::Int(99)),
        "I4 room hall seq 5: it is from nobody: person 99",
    );
    for (table, what) in [("accounts", "an account"), ("sessions", "a session")] {
        let (place, _) = at(table, "user");
        let found = found(|rows| set(rows, |row| row.0 == place, "user", Value::Int(99)));
        assert_found(&found, &format!("sums: {what} of nobody: person 99"));
    }
    let found = set_member("user", 99);
    assert_found(&found, "sums: a membership of nobody: person 99");
    assert_found(&found, "sums: bob is in 1 rooms, the row says 2");
}

#[test]
fn one_id_at_two_positions_is_found() {
    let found = set_event(5, "id", Value::Uuid(uuid::Uuid::from_u128(0xabcd)));
    assert!(!found.iter().any(|fault| fault.starts_with("I5:")), "{found:?}");
    let (events, id) = at("events", "id");
    let found = self::found(|rows| {
        let first = rows.iter().find(|row| row.0 == events).unwrap().1[id].clone();
        set(rows, |row| is_event(row, 5), "id", first);
    });
    assert!(found.iter().any(|fault| fault.starts_with("I5: the id that ends in")), "{found:?}");
}

#[test]
fn a_log_whose_beginning_was_pruned_is_as_good() {
    let found = found(|rows| {
        set(
            rows,
            |row| is(row, "rooms", "id", &Value::Text("hall".into())),
            "first",
            Value::Int(5),
        );
        rows.retain(|row| !(1..5).any(|seq| is_event(row, seq)));
    });
    assert_eq!(found, ["I5 room hall seq 3: x"; 0]);
}
