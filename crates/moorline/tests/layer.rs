//! `moorline layer` over a real Redis: what is sent arrives, what lies there is shown, whoever watches leaves again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};

use moorline_test_redis::{PASSWORD, PASSWORD_IN_URL, Server};
use running::program;
use serde_json::{Value, json};

const KEY: &str = "a-key-for-what-goes-through-redis";

fn layer(redis: &Server, kind: &str, words: &[&str]) -> Command {
    let mut command = program(&[&["layer"], words].concat());
    command.env("REDIS_URL", redis.url(0)).env("MOORLINE_LAYER", kind);
    command.env("MOORLINE_LAYER_KEY", KEY);
    command
}

fn run(redis: &Server, kind: &str, words: &[&str]) -> Output {
    layer(redis, kind, words).output().unwrap()
}

fn text(output: &Output) -> String {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&said).into_owned()
}

fn inspected(redis: &Server, kind: &str) -> Value {
    let output = run(redis, kind, &["inspect", "--json"]);
    assert!(output.status.success(), "{}", text(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found["hosts"][0].clone()
}

/// A tail that is in its group already.
fn tail(redis: &Server, kind: &str, words: &[&str]) -> Child {
    let mut command = layer(redis, kind, &[&["tail", "--json"], words].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut told).unwrap();
    assert!(told.starts_with("listening"), "{told}");
    child
}

fn ended(mut child: Child) -> Value {
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    serde_json::from_str(&said).unwrap()
}

#[test]
fn what_is_sent_to_a_group_comes_to_who_watches_it_and_who_watches_leaves() {
    let redis = Server::start();
    for kind in ["core", "pubsub"] {
        let watching = tail(&redis, kind, &["--group", "room.1", "--count", "1"]);
        let before = inspected(&redis, kind);
        match kind {
            "core" => assert_eq!(before["groups"][0]["members"][0]["ghost"], false, "{before}"),
            _ => assert!(before["subscriptions"].as_array().unwrap().len() > 1, "{before}"),
        }
        let message = r#"{"type": "chat.message", "text": "héllo", "raw": {"$bytes": "AP8="}}"#;
        let sent = run(&redis, kind, &["group-send", "room.1", message]);
        assert!(sent.status.success(), "{}", text(&sent));
        let came = ended(watching);
        assert_eq!(came["message"], serde_json::from_str::<Value>(message).unwrap());
        let after = inspected(&redis, kind);
        assert_eq!((&after["groups"], &after["subscriptions"]), (&json!([]), &json!([])));
    }
}

#[test]
fn a_tail_that_is_stopped_leaves_its_group() {
    let redis = Server::start();
    let mut watching = tail(&redis, "core", &["--group", "room.1"]);
    let pid = watching.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    assert!(watching.wait().unwrap().success());
    assert_eq!(inspected(&redis, "core")["groups"], json!([]));
}

#[test]
fn a_channel_is_shown_by_its_size_and_read_only_where_that_is_wanted() {
    let redis = Server::start();
    for number in 0..3 {
        let message = format!(r#"{{"type": "x", "n": {number}}}"#);
        let sent = run(&redis, "core", &["send", "inbox", &message]);
        assert!(sent.status.success(), "{}", text(&sent));
    }
    let queue = inspected(&redis, "core")["queues"][0].clone();
    let told = ["channel", "waiting", "capacity"].map(|name| &queue[name]);
    assert_eq!(told, [&json!("inbox"), &json!(3), &json!(1500)]);
    let refused = run(&redis, "core", &["tail", "--channel", "inbox"]);
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused));
    assert!(text(&refused).contains("--take"), "{}", text(&refused));
    let taken =
        run(&redis, "core", &["tail", "--channel", "inbox", "--take", "--count", "1", "--json"]);
    let taken: Value = serde_json::from_slice(&taken.stdout).unwrap();
    assert_eq!(taken["message"]["n"], 0);
}

#[test]
fn a_message_comes_on_standard_input_too_and_what_is_none_is_refused() {
    let redis = Server::start();
    let mut command = layer(&redis, "core", &["send", "inbox", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"type": "x"}"#).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(inspected(&redis, "core")["queues"][0]["waiting"], 1);
    for words in [
        &["send", "inbox", "hello"][..],
        &["send", "in box", r#"{"type": "x"}"#],
        &["group-send", "room", r#"{"text": "x"}"#],
        &["tail"],
    ] {
        let refused = run(&redis, "core", words);
        assert_eq!(refused.status.code(), Some(2), "{words:?}: {}", text(&refused));
    }
}

#[test]
fn a_redis_that_cannot_be_used_is_told_from_one_that_is_not_there_without_a_secret() {
    let redis = Server::start();
    let wrong = format!("redis://:not-the-password@127.0.0.1:{}/0", redis.port());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = format!("redis://:not-the-password@{nobody}/0");
    for (url, code) in [(wrong, 4), (gone, 3)] {
        for words in
            [&["send", "inbox", r#"{"type": "x"}"#][..], &["inspect"], &["tail", "--group", "g"]]
        {
            let mut command = layer(&redis, "core", words);
            let refused = command.env("REDIS_URL", &url).output().unwrap();
            assert_eq!(refused.status.code(), Some(code), "{words:?}: {}", text(&refused));
            assert!(!text(&refused).contains("not-the-password"), "{}", text(&refused));
        }
    }
    let mut without = program(&["layer", "inspect"]);
    let nowhere = without.env_remove("REDIS_URL").env_remove("REDIS_URL_FILE").output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere));
}

#[test]
fn no_output_has_the_password_the_key_or_a_message_that_was_only_looked_at() {
    let redis = Server::start();
    let sent =
        run(&redis, "core", &["send", "inbox", r#"{"type": "x", "text": "a-private-text"}"#]);
    let said = [
        text(&sent),
        text(&run(&redis, "core", &["inspect"])),
        text(&run(&redis, "core", &["inspect", "--json"])),
        text(&run(&redis, "core", &["group-send", "nobody", r#"{"type": "x"}"#])),
    ];
    for said in said {
        for secret in [PASSWORD, PASSWORD_IN_URL, KEY, "a-private-text"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}
