//! What those who come from Daphne bring along: its options by the same names, over the real program, and an answer to
//! those that are none here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use running::{PATIENCE, Running, program};
use serde_json::{Value, json};
use socket2::SockRef;

fn run(words: &[&str]) -> (i32, String) {
    let output = program(words).output().unwrap();
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// A file, once it has so many lines.
fn lines_of(path: &Path, many: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.len() >= many && text.ends_with('\n') {
            return lines;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::yield_now();
    }
}

#[test]
fn a_descriptor_is_taken_over_with_and_without_systemds_variables() {
    for with_variables in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // The child has it by the same number.
        SockRef::from(&listener).set_cloexec(false).unwrap();
        let number = listener.as_raw_fd();
        let mut command = program(&["serve", "--fd", &number.to_string(), "--data-dir"]);
        command.arg(folder.path()).env_remove("LISTEN_FDS").env_remove("LISTEN_PID");
        if with_variables {
            command.env("LISTEN_FDS", (number - 2).to_string());
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        drop(listener);
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        child.kill().unwrap();
        child.wait().unwrap();
        read.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let (code, text) = run(&["serve", "--fd", "99"]);
    assert!(code == 4 && text.contains("descriptor 99"), "{text}");
}

#[tokio::test]
async fn a_socket_is_closed_after_the_time_that_was_asked_for_and_may_come_back() {
    let server = Running::start(&["--websocket_timeout", "1"]);
    let mut socket = server.socket(&[]).await.unwrap();
    assert_eq!(socket.close_code().await, 4442);
    server.socket(&[]).await.unwrap();
}

#[test]
fn a_request_that_takes_too_long_is_answered() {
    let server = Running::start(&["--http-timeout", "1"]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Its body never comes.
    let head = format!(
        "POST /api/v1/login HTTP/1.1\r\nhost: {0}\r\norigin: http://{0}\r\ncontent-type: application/json\r\n\
         content-length: 50\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("took too long to answer"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_refused() {
    // A backend that is asked, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/me", silent.local_addr().unwrap());
    let relay = "/ws/x/ group=x types=chat.message echo=chat.message";
    let words = ["--websocket-connect-timeout", "1", "--auth-url", &url, "--relay", relay];
    let server = Running::start(&words);
    let origin = server.origin();
    let headers = [("origin", origin.as_str()), ("cookie", "sessionid=1")];
    let refused = server.socket_at("/ws/x/", &headers).await.err().unwrap();
    assert!(refused.contains("503"), "{refused}");
}

#[tokio::test]
async fn a_message_on_a_relay_may_be_as_long_as_was_asked_for() {
    let relay = "/ws/x/ group=x types=chat.message echo=chat.message with_type=yes anonymous=yes";
    let open = async |more: &[&str]| {
        let words = [&["--relay", relay], more].concat();
        let server = Running::start(&words);
        let origin = server.origin();
        let socket = server.socket_at("/ws/x/", &[("origin", &origin)]).await.unwrap();
        (server, socket)
    };
    let long = json!({"message": "x".repeat(2_000)});
    let (_server, mut socket) = open(&["--websocket-max-message-size", "1000"]).await;
    socket.say(long.clone()).await;
    assert_eq!(socket.close_code().await, 1009);
    let (_server, mut socket) = open(&[]).await;
    socket.say(long.clone()).await;
    assert_eq!(socket.next("chat.message").await["message"], long["message"]);
}

#[tokio::test]
async fn the_access_log_has_a_line_a_request_and_one_at_each_end_and_no_query() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let words = ["--access-log", path.to_str().unwrap()];
    let server = Running::start(&words);
    server.get("/api/v1/session?token=hush").header("x-forwarded-for", "203.0.113.9").send();
    let first = &lines_of(&path, 1)[0];
    let (_, rest) = first.split_once(' ').unwrap();
    assert!(rest.starts_with("203.0.113.9 \"GET /api/v1/session?***\" 200 "), "{first}");
    let socket = server.socket_at("/ws?token=hush", &[]).await.unwrap();
    assert!(lines_of(&path, 2)[1].contains(" 127.0.0.1 \"GET /ws?***\" 101 "));
    drop(socket);
    let closed = &lines_of(&path, 3)[2];
    assert!(closed.contains("\"GET /ws?***\" websocket closed 1006 client "), "{closed}");
    assert!(!fs::read_to_string(&path).unwrap().contains("hush"));
}

#[tokio::test]
async fn for_programs_the_access_log_is_json_on_standard_output_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut child = program(&["serve", "--port", "0", "--log-format", "json", "--access-log", "-"])
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .stdout(fs::File::create(&path).unwrap())
        .stderr(fs::File::create(folder.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let page = ready_page(&folder.path().join("log"));
    let address = page.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"POST /api/v1/stream HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    let line: Value = serde_json::from_str(&lines_of(&path, 1)[0]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((&line["method"], &line["target"]), (&json!("POST"), &json!("/api/v1/stream")));
    assert!(line["status"].is_u64() && line["client"] == "127.0.0.1", "{line}");
}

/// The page of the line that says that all is ready.
fn ready_page(log: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(log).unwrap();
        let page = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(page) = page.filter_map(|line| line["page"].as_str().map(str::to_owned)).next()
        {
            return page;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn below_a_path_of_its_own_it_answers_with_and_without_that_path() {
    let server = Running::start(&["--root-path", "/chat/", "--server-name", "teahouse"]);
    for path in ["/chat/livez", "/livez", "/chat/api/v1/session"] {
        let answer = server.get(path).send();
        assert_eq!((answer.status, answer.header("server")), (200, Some("teahouse")), "{path}");
    }
    assert_eq!(server.get("/chatter/livez").send().status, 404);
    server.socket_at("/chat/ws", &[]).await.unwrap();
    let plain = Running::start(&[]);
    assert_eq!(plain.get("/livez").send().header("server"), None);
}

#[test]
fn what_is_no_option_here_is_refused_with_what_to_type_instead() {
    for (words, part) in [
        (&["serve", "-e", "tcp:port=8001:interface=0.0.0.0"][..], "--bind 0.0.0.0 --port 8001"),
        (&["serve", "--proxy-headers"], "--trusted-proxy"),
        (&["serve", "-b", "::1", "mysite.asgi:application"], "docs/django.md"),
    ] {
        let (code, text) = run(words);
        assert!(code == 2 && text.contains(part) && text.contains("fix:"), "{text}");
    }
    let (code, text) = run(&["serve", "--prot", "1"]);
    assert!(code == 2 && text.contains("'--port'"), "{text}");
}

#[test]
fn the_page_for_those_who_come_from_daphne_is_the_one_that_the_program_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/from-daphne.md");
    let committed = fs::read_to_string(path).unwrap_or_default();
    let (code, page) = run(&["config", "daphne"]);
    assert!(
        code == 0 && committed == page,
        "docs/from-daphne.md is not current: cargo xtask schema"
    );
}
