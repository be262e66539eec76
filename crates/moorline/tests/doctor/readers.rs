//! Readers of the other side that break off together, as those of a Django process do whose Redis library gives up, and that
//! none of them waits when doctor looks for the first time.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use moorline_test_redis::{PASSWORD, Server};

use crate::examined::Doctor;
use crate::running::PATIENCE;

/// A connection to Redis that has logged in.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(port: u16) -> Self {
        let mut connection = Self(BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap()));
        connection.ask(&["AUTH", PASSWORD]);
        assert_eq!(connection.line().as_deref(), Some("+OK"));
        connection
    }

    fn ask(&mut self, words: &[&str]) {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// The next line; none where the time that it may take is over.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    }

    /// `CLIENT LIST`: a length, and a line a connection up to an empty one.
    fn clients(&mut self) -> Vec<String> {
        self.ask(&["CLIENT", "LIST"]);
        self.line().unwrap();
        std::iter::from_fn(|| self.line().filter(|line| !line.is_empty())).collect()
    }
}

/// Until doctor has looked once, while nobody waited.
fn until_doctor_has_looked(port: u16) {
    let (mut connection, deadline) = (Connection::open(port), Instant::now() + PATIENCE);
    let has_looked = |client: &String| {
        client.contains(" name=moorline-doctor ") && client.contains(" cmd=client|list ")
    };
    while !connection.clients().iter().any(has_looked) {
        assert!(Instant::now() < deadline, "doctor never looked");
        std::thread::yield_now();
    }
}

/// How long Redis is asked to wait, in seconds, and how long the reader waits for Redis.
type Waits = (&'static str, Duration);

/// Reads again and again, on a new connection where Redis took longer than the reader waits.
fn reads(port: u16, (asked, patience): Waits, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let mut connection = Connection::open(port);
        connection.0.get_mut().set_read_timeout(Some(patience)).unwrap();
        while !is_over.load(Ordering::Relaxed) {
            connection.ask(&["BZPOPMIN", "asgiinbox", asked]);
            if connection.line().is_none() {
                break;
            }
        }
    }
}

/// Lets doctor look at three readers who begin only after its first look.
fn examined_with_late_readers(waits: Waits, ask: impl FnOnce(&Doctor)) {
    let (server, is_over) = (Server::start(), AtomicBool::new(false));
    let doctor = Doctor::default().variable("REDIS_URL", &server.url(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                until_doctor_has_looked(server.port());
                reads(server.port(), waits, &is_over);
            });
        }
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ask(&doctor)));
        is_over.store(true, Ordering::Relaxed);
        asked.unwrap();
    });
}

#[test]
fn readers_none_of_whom_waits_at_the_first_look_are_not_passed_over() {
    // Half a second more than redis-py's five, so that on a busy machine too a look falls between the fourth and the end.
    examined_with_late_readers(("30", Duration::from_millis(5_500)), |doctor| {
        let (exit, told) = doctor.run(&["--only", "ML-REDIS-007"]);
        assert_eq!(exit, 1, "{told}");
        assert!(told.contains("were given up by their own side"), "{told}");
        assert!(told.contains("\"socket_timeout\": None"), "{told}");
    });
}

#[test]
fn readers_who_come_late_and_wait_on_are_well() {
    examined_with_late_readers(("5", Duration::from_secs(60)), |doctor| {
        let (exit, told) = doctor.run(&["--only", "ML-REDIS-007"]);
        assert!(exit == 0 && told.contains("ok   ML-REDIS-007"), "{told}");
        assert!(told.contains("wait for messages"), "{told}");
    });
}
