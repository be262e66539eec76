//! `moorline backup`, `restore`, `verify` and `import` as they are typed: what they say, what they refuse, what they find.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::fs;
use std::path::Path;

use moorline_test_postgres::Database;
use running::{Running, SECRET, program};
use serde_json::json;
use tempfile::TempDir;

/// Exit code, standard output, standard error.
fn run(words: &[&str]) -> (i32, String, String) {
    let output = program(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn must(words: &[&str]) -> String {
    let (code, said, error) = run(words);
    assert_eq!(code, 0, "{said}{error}");
    said
}

/// What a command that must not succeed says, with its exit code.
#[track_caller]
fn fails(words: &[&str]) -> (i32, String) {
    let (code, said, error) = run(words);
    assert_ne!(code, 0, "{said}");
    (code, format!("{said}{error}"))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server with two people and so many messages in one room.
fn talking(words: &[&str], messages: u32) -> Running {
    let server = Running::start(&[words, &["--api-key", SECRET]].concat());
    for person in ["ann", "bob"] {
        let path = format!("/api/v1/users/{person}");
        server.api("PUT", &path, Some(json!({"name": person.to_uppercase()})));
    }
    let room = json!({"id": "ops", "kind": "group", "name": "Ops", "members": ["ann", "bob"]});
    assert_eq!(server.api("POST", "/api/v1/rooms", Some(room)).status, 201);
    for n in 0..messages {
        say(&server, n);
    }
    server
}

fn say(server: &Running, n: u32) {
    let request = server
        .request("POST", "/api/v1/rooms/ops/messages")
        .header("authorization", &format!("Bearer {SECRET}"))
        .header("idempotency-key", &format!("key-{n}"));
    let answer = request.json(json!({"from": "ann", "body": format!("message {n}")})).send();
    assert_eq!(answer.status, 201, "{}", answer.text);
}

/// Stops a server and gives its folder.
fn stopped(server: Running) -> TempDir {
    server.signal("TERM");
    server.wait().2
}

#[test]
fn a_backup_of_a_running_server_restores_and_says_what_can_be_missing() {
    let server = talking(&[], 3);
    let files = TempDir::new().unwrap();
    let (file, target) = (files.path().join("chat.moorline"), files.path().join("new"));
    let said = must(&["backup", text(&file), "--data-dir", text(&server.data())]);
    assert!(said.contains("it holds everything that was acknowledged before 20"), "{said}");
    assert!(said.contains("2 people, 1 room, 2 members, 3 messages in 4 events"), "{said}");
    assert!(said.contains("no fault"), "{said}");
    let said = must(&["verify", text(&file)]);
    assert!(said.contains("from sqlite, schema"), "{said}");
    let said = must(&["verify", "--data-dir", text(&server.data())]);
    assert!(said.contains("in use: a copy of this moment"), "{said}");
    say(&server, 3);
    let said = must(&["restore", text(&file), "--data-dir", text(&target)]);
    assert!(said.contains("what was acknowledged after 20") && said.contains("`reset`"), "{said}");
    must(&["verify", "--data-dir", text(&target)]);
    let (code, said) = fails(&["restore", text(&file), "--data-dir", text(&target)]);
    assert!(code == 4 && said.contains("is not empty") && said.contains("fix: "), "{code} {said}");
    let (code, said) = fails(&["backup", text(&file), "--data-dir", text(&server.data())]);
    assert!(code == 4 && said.contains("exists already"), "{code} {said}");
    let (code, said) = fails(&["restore", text(&file), "--data-dir", text(&server.data())]);
    assert!(code == 4 && said.contains("Another Moorline server"), "{code} {said}");
}

#[test]
fn a_postgresql_store_is_saved_beside_its_node_and_restored_into_a_folder() {
    let database = Database::new();
    let server = talking(&["--database-url", &database.url()], 2);
    let files = TempDir::new().unwrap();
    let (file, target) = (files.path().join("chat.moorline"), files.path().join("new"));
    let of =
        ["--data-dir", text(&server.data()), "--database-url", &database.url()].map(str::to_owned);
    let of: Vec<&str> = of.iter().map(String::as_str).collect();
    let said = must(&[&["backup", text(&file)], &of[..]].concat());
    assert!(said.contains("Backup of postgres://") && said.contains("2 messages"), "{said}");
    must(&[&["verify"], &of[..]].concat());
    must(&["restore", text(&file), "--data-dir", text(&target)]);
    must(&["verify", "--data-dir", text(&target)]);
    let (code, said) = fails(&[&["restore", text(&file)], &of[..]].concat());
    assert!(code == 4 && said.contains("is not empty"), "{code} {said}");
}

#[test]
fn faults_in_a_store_are_named_and_end_with_an_exit_code() {
    let data = stopped(talking(&[], 5));
    let folder = data.path().join("data");
    let db = rusqlite::Connection::open(folder.join("moorline.db")).unwrap();
    db.execute("DELETE FROM events WHERE seq = 3", []).unwrap();
    db.execute("UPDATE rooms SET epoch = 0", []).unwrap();
    let faults = ["I3 room ops seq 3: the event is missing", "I14 room ops: its epoch"];
    let file = data.path().join("chat.moorline");
    for words in [
        &["verify", "--data-dir", text(&folder)][..],
        // It is saved all the same: perhaps there is no better one.
        &["backup", text(&file), "--data-dir", text(&folder)],
        &["verify", text(&file)],
    ] {
        let (code, said) = fails(words);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("FAULTS"), "{said}");
        assert!(faults.iter().all(|fault| said.contains(fault)), "{said}");
    }
}

#[test]
fn a_file_that_is_cut_or_none_is_refused_with_what_to_do() {
    let data = stopped(talking(&[], 2));
    let (folder, file) = (data.path().join("data"), data.path().join("chat.moorline"));
    must(&["backup", text(&file), "--data-dir", text(&folder)]);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    for words in [
        &["verify", text(&file)][..],
        &["restore", text(&file), "--data-dir", text(&data.path().join("new"))],
    ] {
        let (code, said) = fails(words);
        assert!(
            code == 1 && said.contains("is damaged") && said.contains("fix: "),
            "{code} {said}"
        );
    }
    assert!(!data.path().join("new/moorline.db").exists());
    let (code, said) = fails(&["verify", text(&folder.join("moorline.db"))]);
    assert!(code == 4 && said.contains("is no backup of Moorline"), "{code} {said}");
    let (code, said) = fails(&["verify", text(&data.path().join("nothing"))]);
    assert!(code == 1 && said.contains("cannot be used"), "{code} {said}");
    let (code, said) = fails(&["verify", "--data-dir", text(&data.path().join("nowhere"))]);
    assert!(code == 4 && said.contains("There is no store in"), "{code} {said}");
    assert!(!data.path().join("nowhere").exists(), "looking made a folder");
}

#[test]
fn an_import_asks_for_a_stopped_server_and_then_serves_the_same() {
    let (database, server) = (Database::new(), talking(&[], 4));
    let from = server.data();
    let words = ["import", "--from", text(&from), "--to", &database.url()].map(str::to_owned);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (code, said) = fails(&words);
    assert!(code == 4 && said.contains("Stop the server first"), "{code} {said}");
    let data = stopped(server);
    let said = must(&words);
    assert!(
        said.contains("4 messages in 5 events") && said.contains("keep their epochs"),
        "{said}"
    );
    let (code, said) = fails(&words);
    assert!(code == 4 && said.contains("is not empty"), "{code} {said}");
    let node = Running::start(&["--database-url", &database.url(), "--api-key", SECRET]);
    say(&node, 3);
    let page = node.api("GET", "/api/v1/rooms/ops/events?after=0&limit=100", None).json();
    assert_eq!(page["events"].as_array().unwrap().len(), 5, "a repeat was stored twice: {page}");
    let (code, said) = fails(&["verify", "--data-dir", text(&data.path().join("data"))]);
    assert!(code == 1 && said.contains("I14"), "{code} {said}");
}

#[test]
fn a_password_is_not_shown_by_any_of_them() {
    let files = TempDir::new().unwrap();
    let file = files.path().join("x");
    let url = "postgres://ann:s3cret@127.0.0.1:1/chat";
    for words in [
        &["backup", text(&file), "--database-url", url][..],
        &["verify", "--database-url", url],
        &["import", "--from", text(files.path()), "--to", url],
    ] {
        let (_, said) = fails(words);
        assert!(!said.contains("s3cret"), "{said}");
    }
    let (code, said) = fails(&["verify", "--database-url", url]);
    assert!(code == 3 && said.contains("postgres://ann:***@127.0.0.1:1/chat"), "{code} {said}");
}

#[test]
fn the_help_of_each_says_which_store_it_means() {
    for command in ["backup", "restore", "verify"] {
        let said = must(&[command, "--help"]);
        assert!(said.contains("--data-dir") && said.contains("MOORLINE_DATABASE_URL"), "{said}");
    }
    assert!(must(&["import", "--help"]).contains("server is stopped"));
}
