//! SIGHUP on the real program: what changes at once, what is only named, and that a mistake changes nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use running::{PATIENCE, Running, SECRET, program};
use serde_json::json;

const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn write(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("moorline.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Sends the signal and waits until the log tells so often what came of it.
fn reload(server: &Running, told: &str, times: usize) -> String {
    server.signal("HUP");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = server.log();
        if log.matches(told).count() >= times {
            return log;
        }
        assert!(Instant::now() < deadline, "{told:?} is not {times} times in: {log}");
        std::thread::yield_now();
    }
}

fn with_key(server: &Running, key: &str) -> u16 {
    let key = format!("Bearer {key}");
    server.get("/api/v1/rooms/none/events").header("authorization", &key).send().status
}

fn sign_up(server: &Running, name: &str) -> u16 {
    let body = json!({"name": name, "password": "correct horse"});
    server.post("/api/v1/signup", body).send().status
}

#[test]
fn what_can_change_changes_and_the_rest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = |key: &str, signup: &str| format!("api-key = \"{key}\"\nsignup = \"{signup}\"\n");
    let path = write(folder.path(), &text(SECRET, "closed"));
    let server = Running::start(&["--config", path.to_str().unwrap()]);
    assert_eq!((with_key(&server, SECRET), with_key(&server, OTHER)), (404, 401));
    assert_eq!(sign_up(&server, "ann"), 403);
    let more =
        "ping-interval = 20\nverbose = 1\nport = 5\norigin = [\"https://chat.example.org\"]\n";
    write(folder.path(), &format!("{}{more}", text(OTHER, "open")));
    let log = reload(&server, "settings that need a restart", 1);
    assert!(log.contains("changed: origin, signup, api-key, verbose"), "{log}");
    assert!(log.contains("to change: ping-interval"), "the port is a flag: {log}");
    assert!(!log.contains(OTHER), "{log}");
    assert_eq!((with_key(&server, SECRET), with_key(&server, OTHER)), (401, 404));
    assert_eq!(sign_up(&server, "ann"), 403, "its own page is not on the list any more");
    let body = json!({"name": "ann", "password": "correct horse"});
    let request =
        server.request("POST", "/api/v1/signup").header("origin", "https://chat.example.org");
    assert_eq!(request.json(body).send().status, 201);
}

#[test]
fn a_mistake_changes_nothing_and_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &format!("api-key = \"{SECRET}\"\nsignup = \"closed\"\n"));
    let server = Running::start(&["--config", path.to_str().unwrap()]);
    for (times, bad) in
        ["sgnup = \"open\"\n", "signup = \"all\"\n", "signup = \n"].iter().enumerate()
    {
        write(folder.path(), &format!("api-key = \"{OTHER}\"\n{bad}"));
        let log = reload(&server, "nothing has changed", times + 1);
        assert!(log.contains("moorline.toml:2:"), "{log}");
        assert_eq!((with_key(&server, SECRET), with_key(&server, OTHER)), (404, 401));
    }
    fs::remove_file(&path).unwrap();
    reload(&server, "nothing has changed", 4);
    assert_eq!((with_key(&server, SECRET), sign_up(&server, "ann")), (404, 403));
}

#[tokio::test]
async fn secrets_are_read_from_their_files_again_and_who_is_signed_in_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, SECRET).unwrap();
    let server = Running::start(&["--jwt-secret-file", file.to_str().unwrap()]);
    let token = |secret: &str| {
        let words = ["token", "mint", "--sub", "ann", "--jwt-secret", secret];
        let token = String::from_utf8(program(&words).output().unwrap().stdout).unwrap();
        token.trim().to_owned()
    };
    let mut ann = server.person(&token(SECRET)).await;
    fs::write(&file, OTHER).unwrap();
    let log = reload(&server, "settings read again", 1);
    assert!(log.contains("changed: jwt-secret"), "{log}");
    server.person(&token(OTHER)).await;
    let mut late = server.socket(&[]).await.unwrap();
    late.say(json!({"type": "hello", "token": token(SECRET)})).await;
    assert_eq!(late.close_code().await, 4401);
    ann.say(json!({"type": "rooms", "id": 1})).await;
    reload(&server, "changed: nothing", 1);
    server.signal("TERM");
    ann.next("goodbye").await;
}

#[test]
fn an_access_log_that_was_moved_away_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let server = Running::start(&["--access-log", path.to_str().unwrap()]);
    server.get("/livez").send();
    let has = |name: &str, part: &str| {
        fs::read_to_string(folder.path().join(name)).is_ok_and(|text| text.contains(part))
    };
    let wait_for = |name: &str, part: &str| {
        let deadline = Instant::now() + PATIENCE;
        while !has(name, part) {
            assert!(Instant::now() < deadline, "no {part} in {name}");
            std::thread::yield_now();
        }
    };
    wait_for("access.log", "/livez");
    fs::rename(&path, folder.path().join("old.log")).unwrap();
    reload(&server, "settings read again", 1);
    server.get("/readyz").send();
    wait_for("access.log", "/readyz");
    assert!(!has("old.log", "/readyz"));
}

/// Python has a terminal at hand: it starts the server in it, waits for its first words, and closes it.
const CLOSED_TERMINAL: &str = "
import os, pty, signal, sys
signal.alarm(60)
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
said = b''
while b'Stop with' not in said:
    said += os.read(terminal, 4096)
os.close(terminal)
print('ended with', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn a_server_ends_in_order_when_its_terminal_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = program(&["serve", "--port", "0", "--data-dir", data.to_str().unwrap()]);
    let words = server.get_args();
    let mut python = std::process::Command::new("python3");
    python.args(["-c", CLOSED_TERMINAL]).arg(server.get_program()).args(words);
    let said = String::from_utf8(python.output().unwrap().stdout).unwrap();
    assert!(said.contains("ended with 0"), "{said}");
}
