//! `--access-log`: one line a request and one at the end of a connection, to a file or to standard output. Lines of one
//! moment are written together by a thread, so nobody who serves waits for the disk. No query, header or text is in it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use moorline_server::{AccessLog, Outcome, Visit};
use parking_lot::Mutex;
use serde_json::json;
use time::OffsetDateTime;

use crate::config::LogFormat;
use crate::failure::{Exit, Failure};
use crate::logging::{Flush, Held};

/// The word for standard output.
const STANDARD_OUTPUT: &str = "-";

/// An open access log.
pub struct AccessFile {
    path: String,
    format: LogFormat,
    lines: Held<Target>,
    /// A file that was opened anew and is written to from the next line on.
    next: Arc<Mutex<Option<File>>>,
}

struct Target {
    now: Box<dyn Write + Send>,
    next: Arc<Mutex<Option<File>>>,
}

impl AccessFile {
    /// Opens it, to be written behind what is there. Whoever ends the process drops the second, so that the last lines
    /// are written.
    ///
    /// # Errors
    /// Where the file cannot be written, or there can be no further thread.
    pub fn open(path: &str, format: LogFormat) -> Result<(Arc<Self>, Flush), Failure> {
        let now: Box<dyn Write + Send> = match path {
            STANDARD_OUTPUT => Box::new(io::stdout()),
            path => Box::new(file(path)?),
        };
        let next: Arc<Mutex<Option<File>>> = Arc::default();
        let target = Target { now, next: Arc::clone(&next) };
        let (lines, flush) = Held::new(target).map_err(|error| cannot(path, &error))?;
        Ok((Arc::new(Self { path: path.to_owned(), format, lines, next }), flush))
    }

    /// Opens the file anew, which was moved away meanwhile; the old one goes on if that fails.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn reopen(&self) -> Result<(), Failure> {
        if self.path != STANDARD_OUTPUT {
            *self.next.lock() = Some(file(&self.path)?);
        }
        Ok(())
    }
}

/// Others have no business in there: it has everyone's address.
fn file(path: &str) -> Result<File, Failure> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o640).open(path);
    opened.map_err(|error| cannot(path, &error))
}

fn cannot(path: &str, error: &io::Error) -> Failure {
    let what = format!("The access log `{path}` cannot be written.");
    let fix =
        "Check that its folder exists and that this user may write there; - is standard output.";
    Failure::new(Exit::Failed, what, fix).because(error)
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(next) = self.next.lock().take() {
            self.now = Box::new(next);
        }
        self.now.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.now.flush()
    }
}

impl AccessLog for AccessFile {
    fn write(&self, visit: &Visit, outcome: &Outcome<'_>) {
        let at = stamp(OffsetDateTime::now_utc());
        let line = match self.format {
            LogFormat::Text => text(&at, visit, outcome),
            LogFormat::Json => as_json(&at, visit, outcome),
        };
        self.lines.line(line.as_bytes());
    }
}

impl std::fmt::Debug for AccessFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessFile({})", self.path)
    }
}

fn stamp(at: OffsetDateTime) -> String {
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second, ms) = at.to_hms_milli();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

fn text(at: &str, visit: &Visit, outcome: &Outcome<'_>) -> String {
    let client = visit.client.map_or("-".to_owned(), |client| client.to_string());
    let asked = format!("{at} {client} \"{} {}\"", visit.method, visit.target);
    match outcome {
        Outcome::Answered { status, took } => {
            format!("{asked} {status} {}ms\n", took.as_millis())
        }
        Outcome::Closed { transport, closed, age } => {
            let side = closed.side.as_str();
            format!("{asked} {transport} closed {} {side} {}s\n", closed.code, age.as_secs())
        }
    }
}

fn as_json(at: &str, visit: &Visit, outcome: &Outcome<'_>) -> String {
    let (client, method) = (visit.client.map(|client| client.to_string()), visit.method.as_str());
    let target = &visit.target;
    let line = match outcome {
        Outcome::Answered { status, took } => json!({
            "at": at, "client": client, "method": method, "target": target,
            "status": status, "took_ms": took.as_millis() as u64,
        }),
        Outcome::Closed { transport, closed, age } => json!({
            "at": at, "client": client, "method": method, "target": target, "transport": transport,
            "code": closed.code.0, "side": closed.side.as_str(), "age_s": age.as_secs(),
        }),
    };
    format!("{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_logs_have_it() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_764_177_721_042_999_999).unwrap();
        assert_eq!(stamp(at), "2025-11-26T17:22:01.042Z");
    }

    #[test]
    fn a_folder_that_is_not_there_is_refused_and_a_file_is_kept() {
        let refused = AccessFile::open("/nowhere/access.log", LogFormat::Text).unwrap_err();
        assert!(refused.to_string().contains("/nowhere/access.log"), "{refused}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        std::fs::write(&path, "before\n").unwrap();
        let (log, flush) = AccessFile::open(path.to_str().unwrap(), LogFormat::Text).unwrap();
        log.lines.line(b"one\n");
        std::fs::rename(&path, folder.path().join("old.log")).unwrap();
        log.reopen().unwrap();
        log.lines.line(b"two\n");
        drop(flush);
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let whole = format!("{}{}", read("old.log"), read("access.log"));
        assert!(whole.starts_with("before\n") && whole.ends_with("one\ntwo\n"), "{whole}");
        assert!(read("access.log").ends_with("two\n"));
    }
}
