//! The program as a stranger meets it: what it says at the start, how it refuses, how it ends.
#![allow(clippy::unwrap_used, reason = "tests stop there")]

mod running;

use std::net::TcpListener;
use std::process::Output;
use std::time::{Duration, Instant};

use running::{Running, SECRET, program};
use serde_json::{Value, json};

fn run(words: &[&str]) -> Output {
    program(words).output().unwrap()
}

fn said(output: &Output) -> (i32, String) {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    (output.status.code().unwrap(), text)
}

#[test]
fn it_says_where_the_page_and_the_data_are_and_what_is_not_safe() {
    let server = Running::start(&[]);
    let said = &server.said;
    assert!(said.contains(&format!("Page        http://{}/", server.address)), "{said}");
    assert!(said.contains(server.data().to_str().unwrap()), "{said}");
    assert!(said.contains("SQLite") && said.contains("Not safe on a public address:"), "{said}");
    assert!(!said.contains('\u{1b}'), "no colours where nobody sees them");
}

#[test]
fn a_second_server_on_the_folder_is_refused_with_the_pid_of_the_first() {
    let server = Running::start(&[]);
    let data = server.data();
    let refused = run(&["serve", "--port", "0", "--data-dir", data.to_str().unwrap()]);
    let (code, text) = said(&refused);
    assert_eq!(code, 4);
    assert!(text.contains(&format!("(pid {})", server.pid())), "{text}");
    assert!(text.contains("fix: "), "{text}");
}

#[test]
fn a_taken_port_is_refused_before_any_data_is_touched() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let refused = run(&["serve", "--port", &port, "--data-dir", data.to_str().unwrap()]);
    let (code, text) = said(&refused);
    assert_eq!(code, 4);
    assert!(text.starts_with(&format!("error: Port {port} on 127.0.0.1 is taken")), "{text}");
    assert!(!data.exists());
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_to_do() {
    for words in [&["serve", "--port", "http"][..], &["serve", "--nonsense"], &["nonsense"], &[]] {
        assert_eq!(run(words).status.code(), Some(2), "{words:?}");
    }
    let wrong = program(&["serve"]).env("MOORLINE_PORT", "http").output().unwrap();
    let (code, text) = said(&wrong);
    assert_eq!(code, 2);
    assert!(text.contains("`http` from MOORLINE_PORT is not a port."), "{text}");
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

#[test]
fn a_history_that_is_clean_broken_or_missing_has_an_exit_code_each() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.jsonl");
    let (code, text) = said(&run(&["soak", "verify", missing.to_str().unwrap()]));
    assert_eq!(code, 1);
    assert!(text.contains("cannot be read"), "{text}");
    let empty = folder.path().join("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    assert_eq!(run(&["soak", "verify", empty.to_str().unwrap()]).status.code(), Some(1));
}

#[test]
fn the_version_is_told_to_people_and_to_scripts() {
    let text = String::from_utf8(run(&["version"]).stdout).unwrap();
    assert_eq!(text, format!("moorline {}\n", env!("CARGO_PKG_VERSION")));
    let json: Value = serde_json::from_slice(&run(&["version", "--json"]).stdout).unwrap();
    assert_eq!((&json["name"], &json["protocol"]), (&json!("moorline"), &json!("moorline.v1")));
}

#[test]
fn the_metrics_hold_what_store_and_hub_count() {
    let server = Running::start(&[]);
    server.sign_up("ann");
    let metrics = server.get("/metrics").send().text;
    for name in [
        "moorline_connections{",
        "moorline_store_writable 1",
        "moorline_store_commits_total ",
        "moorline_store_wal_bytes ",
        "moorline_search_lag_seconds ",
        "moorline_events_published_total ",
        "moorline_ephemeral_dropped_total ",
    ] {
        assert!(metrics.contains(name), "{name} is not in:\n{metrics}");
    }
}

#[test]
fn metrics_of_their_own_address_are_nowhere_else() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let server = Running::start(&["--metrics-bind", &free]);
    assert_eq!(server.get("/metrics").send().status, 403);
}

#[tokio::test]
async fn on_sigterm_everyone_is_told_and_what_was_acknowledged_is_there_afterwards() {
    let server = Running::start(&["--jwt-secret", SECRET, "--api-key", SECRET]);
    server.api("PUT", "/api/v1/users/ann", Some(json!({"name": "Ann"})));
    let room = json!({"id": "ops", "kind": "group", "name": "Ops", "members": ["ann"]});
    server.api("POST", "/api/v1/rooms", Some(room));
    let words = ["token", "mint", "--sub", "ann", "--jwt-secret", SECRET];
    let token = String::from_utf8(run(&words).stdout).unwrap();
    let mut ann = server.person(token.trim()).await;
    for number in 0..20 {
        let cid = format!("c{number}");
        ann.say(json!({"type": "send", "room": "ops", "cid": cid, "body": "hi"})).await;
    }
    for _ in 0..20 {
        ann.next("ack").await;
    }
    let begun = Instant::now();
    server.signal("TERM");
    let goodbye = ann.next("goodbye").await;
    assert_eq!((&goodbye["code"], &goodbye["reconnect"]), (&json!(1012), &json!(true)));
    assert!(goodbye["after_ms"].is_u64());
    assert_eq!(ann.close_code().await, 1012);
    let (status, log, folder) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(begun.elapsed() < Duration::from_secs(25), "{log}");
    let again = Running::start_in(folder, &["--api-key", SECRET]);
    let events = again.api("GET", "/api/v1/rooms/ops/events", None).json();
    assert_eq!(events["head"], 21);
}

#[test]
fn after_a_kill_the_next_start_needs_no_cleaning_up() {
    let server = Running::start(&[]);
    server.sign_up("ann");
    server.signal("KILL");
    let (_, _, folder) = server.wait();
    let again = Running::start_in(folder, &[]);
    let body = json!({"name": "ann", "password": "correct horse"});
    assert_eq!(again.post("/api/v1/login", body).send().status, 200);
}

#[test]
fn nothing_secret_is_in_the_log_however_much_it_says() {
    let server = Running::start(&["-vv", "--jwt-secret", SECRET, "--signup", "open"]);
    let cookie = server.sign_up("ann");
    server.get("/api/v1/sessions").cookie(&cookie).send();
    let body = json!({"name": "ann", "password": "hunter2hunter2"});
    server.post("/api/v1/login", body).send();
    server.log_with("signed in");
    let value = cookie.split('=').nth(1).unwrap();
    server.signal("TERM");
    let (_, log, _) = server.wait();
    for secret in [SECRET, value, "correct horse", "hunter2"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
