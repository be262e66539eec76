//! `moorline soak` and `moorline bench` as somebody tries them first: with a server of their own, and with what cannot work.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use running::{PATIENCE, Running, SECRET, program};
use serde_json::Value;

fn run(words: &[&str]) -> Output {
    program(words).output().unwrap()
}

fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {said}"))
}

#[test]
fn a_soak_of_a_server_of_its_own_is_clean_and_leaves_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.html");
    let history = folder.path().join("history.jsonl");
    let (report, history) = (report.to_str().unwrap(), history.to_str().unwrap());
    let words =
        ["soak", "--local", "--duration", "3s", "--people", "4", "--json", "--faults", "storm"];
    let output = run(&[&words[..], &["--report", report, "--history", history]].concat());
    let said = json(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let phase = &said["phases"][0];
    assert_eq!((&said["ok"], &phase["verdict"]["lost"]), (&true.into(), &0.into()));
    assert!(phase["outcome"]["reconnects"].as_u64().unwrap() >= 4, "{said}");
    assert!(phase["outcome"]["ack"]["count"].as_u64().unwrap() > 0, "{said}");
    let page = std::fs::read_to_string(report).unwrap();
    assert!(page.contains("every promise that was put to the test was kept"), "{page}");
    assert!(page.contains("<title>storm at"), "{page}");
    let again = run(&["soak", "verify", history]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stdout));
    assert!(!std::fs::read_to_string(history).unwrap().contains("\"token\""));
}

#[test]
fn the_mission_in_short_holds_all_connections() {
    let words = ["soak", "--local", "--scenario", "mission", "--time-scale", "0.005", "--json"];
    let output = run(&words);
    let said = json(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let phases = said["phases"].as_array().unwrap();
    let windows: Vec<_> = phases.iter().map(|phase| phase["outcome"]["windows"].as_u64()).collect();
    assert_eq!(windows, [Some(2), Some(12)]);
    assert!(phases.iter().all(|phase| phase["outcome"]["closes"] == serde_json::json!({})));
}

#[test]
fn a_benchmark_says_how_long_messages_take() {
    let words =
        ["bench", "--local", "--duration", "2s", "--people", "5", "--rooms", "1", "--rate", "10"];
    let output = run(&[&words[..], &["--json"]].concat());
    let said = json(&output);
    let outcome = &said["phases"][0]["outcome"];
    let (sent, acked) = (outcome["sent"].as_u64().unwrap(), outcome["ack"]["count"].as_u64());
    assert!(sent > 0 && acked == Some(sent), "{said}");
    assert_eq!(
        outcome["delivery"]["count"].as_u64(),
        Some(4 * sent),
        "each of four others has each"
    );
    assert!(outcome["ack"]["p50_ms"].as_f64().unwrap() > 0.0);
    assert!(outcome["ack"]["p50_ms"].as_f64() <= outcome["ack"]["max_ms"].as_f64());
    assert!(said["phases"][0]["verdict"].is_null(), "a benchmark judges nothing");
}

#[test]
fn what_cannot_be_run_says_why_and_ends_with_its_code() {
    let nobody = "http://127.0.0.1:1";
    let cases: [(&[&str], i32, &str); 6] = [
        (&["soak"], 2, "URL"),
        (&["soak", nobody], 2, "Nobody vouches"),
        (&["soak", nobody, "--token-command", "echo x"], 3, "cannot connect to http://127.0.0.1:1"),
        (&["soak", nobody, "--token-command", "false"], 1, "the token command ended with"),
        (&["soak", "--local", "--scenario", "mission", "--time-scale", "0"], 2, "--time-scale"),
        (&["bench", "--local", "--rate", "0"], 2, "--rate"),
    ];
    for (words, code, text) in cases {
        let output = run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(text), "{words:?}: {said}");
    }
}

#[test]
fn a_command_that_fails_ends_the_soak_with_what_it_said() {
    let words = ["soak", "--local", "--duration", "1s", "--exec", "echo no such unit >&2; exit 5"];
    let output = run(&words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no such unit") && said.contains("exit status: 5"), "{said}");
}

/// Events that the server has given to live feeds.
fn published(server: &Running) -> u64 {
    let metrics = server.get("/metrics").send().text;
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("moorline_events_published_total "));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn a_server_that_stands_still_is_charged_for_every_message_that_it_kept_waiting() {
    let server = Running::start(&["--jwt-secret", SECRET]);
    let url = server.origin();
    let words = ["bench", &url, "--duration", "8s", "--people", "4", "--rate", "40", "--json"];
    let bench = program(&words)
        .args(["--jwt-secret", SECRET])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while published(&server) < 30 {
        assert!(Instant::now() < deadline, "the benchmark does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    // The fault: for two of eight seconds nothing is answered.
    server.signal("STOP");
    std::thread::sleep(Duration::from_secs(2));
    server.signal("CONT");
    let said = json(&bench.wait_with_output().unwrap());
    let ack = &said["phases"][0]["outcome"]["ack"];
    // A quarter of the messages were meant to be sent then. Who waits with sending would have seen four slow ones.
    assert!(ack["p90_ms"].as_f64().unwrap() > 500.0, "{ack}");
    assert_eq!(ack["count"], said["phases"][0]["outcome"]["sent"], "none is left out: {ack}");
}
