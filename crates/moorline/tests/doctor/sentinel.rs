//! A Sentinel, asked by doctor: its master, another master, nobody.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use moorline_test_redis::{PASSWORD, PASSWORD_IN_URL, Server};
use tempfile::TempDir;

use crate::examined::Doctor;

struct Sentinel {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Sentinel {
    fn of(master: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\nsentinel auth-pass main {PASSWORD}\n",
            folder.path().display(),
            master.port()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&config).arg("--sentinel").stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the Sentinel does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, port, _folder: folder }
    }

    fn doctor(&self, more: &str, master: &str) -> Doctor {
        let url =
            format!("redis+sentinel://:{PASSWORD_IN_URL}@127.0.0.1:{}{more}/{master}/0", self.port);
        Doctor::default().variable("REDIS_URL", &url)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_sentinel_that_names_no_master_or_is_missing_is_told() {
    let master = Server::start();
    let sentinel = Sentinel::of(&master);
    sentinel.doctor("", "main").passes("ML-REDIS-017");
    sentinel.doctor("", "main").passes("ML-REDIS-019");
    sentinel.doctor("", "other").finds("ML-REDIS-017", "knows no master `other`", "SENTINEL");
    let (exit, found) = sentinel.doctor(",127.0.0.1:1", "main").check("ML-REDIS-017");
    assert_eq!((exit, found.status.as_str()), (0, "warn"), "{}", found.told);
}
