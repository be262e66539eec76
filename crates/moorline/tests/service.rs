//! Moorline as a service: what it tells a service manager, on a real notification socket, and the unit for systemd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use running::{PATIENCE, PROGRAM, Running};

const UNIT: &str = include_str!("../../../deploy/systemd/moorline.service");

/// A service manager: the socket on which it hears, and how often the server must say that it lives.
struct Manager {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, folder }
    }

    fn start(&self, variables: &[(&str, &str)]) -> Running {
        let path = self.folder.path().join("notify");
        let variables = [&[("NOTIFY_SOCKET", path.to_str().unwrap())], variables].concat();
        Running::start_with_variables(tempfile::tempdir().unwrap(), &[], &variables)
    }

    /// The next message; none within the patience fails the test.
    fn next(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// The next message but signs of life.
    fn next_state(&self) -> String {
        std::iter::repeat_with(|| self.next()).find(|told| told.trim() != "WATCHDOG=1").unwrap()
    }
}

#[test]
fn a_service_manager_hears_when_the_server_is_ready_reloads_and_stops() {
    let manager = Manager::new();
    let server = manager.start(&[]);
    assert_eq!(manager.next().trim(), "READY=1");
    server.signal("HUP");
    let reloading = manager.next();
    let [first, since] = reloading.lines().collect::<Vec<_>>()[..] else { panic!("{reloading}") };
    assert_eq!(first, "RELOADING=1");
    assert!(since.strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(manager.next().trim(), "READY=1");
    server.signal("TERM");
    assert_eq!(manager.next().trim(), "STOPPING=1");
    assert!(server.wait().0.success());
}

#[test]
fn a_watchdog_hears_signs_of_life_until_the_server_stands_still() {
    let manager = Manager::new();
    let server = manager.start(&[("WATCHDOG_USEC", "400000")]);
    assert_eq!(manager.next_state().trim(), "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.next().trim(), "WATCHDOG=1");
    }
    // The fault: it stands still, and what it said before that is read away.
    server.signal("STOP");
    manager.socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = [0; 64];
    while manager.socket.recv(&mut bytes).is_ok() {
        assert!(Instant::now() < deadline, "it lives on");
    }
    server.signal("CONT");
    manager.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(manager.next().trim(), "WATCHDOG=1");
}

#[test]
fn a_manager_that_does_not_listen_is_no_reason_not_to_serve() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = folder.path().join("nobody");
    let variables = [("NOTIFY_SOCKET", nobody.to_str().unwrap()), ("WATCHDOG_USEC", "1000")];
    let server = Running::start_with_variables(tempfile::tempdir().unwrap(), &[], &variables);
    assert_eq!(server.get("/readyz").send().status, 200);
}

fn verified(unit: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moorline.service");
    std::fs::write(&path, unit.replace("/usr/local/bin/moorline", PROGRAM)).unwrap();
    let mut analyze = Command::new("systemd-analyze");
    let output = analyze.args(["verify", "--man=no"]).arg(&path).output();
    let output = output.expect("systemd-analyze is missing: cargo xtask test installs it");
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_unit_is_one_that_systemd_understands() {
    let (is_good, said) = verified(UNIT);
    assert!(is_good && !said.contains("moorline.service"), "{said}");
    // The check itself finds what is misspelt.
    let (_, said) = verified(&UNIT.replace("WatchdogSec=", "WatchdogSecs="));
    assert!(said.contains("WatchdogSecs"), "{said}");
}

/// The value of a line of the unit.
fn value(name: &str) -> &'static str {
    let line = UNIT.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {name} in the unit"))
}

#[test]
fn the_unit_waits_longer_than_an_end_in_order_may_take() {
    let show = running::program(&["config", "show", "--json"]).output().unwrap();
    let settings: serde_json::Value = serde_json::from_slice(&show.stdout).unwrap();
    let seconds = |name: &str| {
        let all = settings["settings"].as_array().unwrap();
        let setting = all.iter().find(|setting| setting["name"] == name).unwrap();
        setting["value"].as_str().unwrap().parse::<u64>().unwrap()
    };
    // The store may take ten more.
    let drain = seconds("drain-timeout") + seconds("application-close-timeout") + 10;
    assert!(value("TimeoutStopSec").parse::<u64>().unwrap() > drain, "{drain}");
    assert_eq!(value("Type"), "notify");
    assert!(Path::new("/bin/kill").exists() && value("ExecReload").starts_with("/bin/kill -HUP"));
}
