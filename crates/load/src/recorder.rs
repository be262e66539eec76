//! Writes the history of a run for `moorline soak verify`; the format stands in `docs/history.md`. Clients write into it as
//! they send and hear. It never judges.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// A history that is being written; clones write into the same.
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
    path: PathBuf,
    start: Instant,
}

#[derive(Debug)]
struct Inner {
    /// None where nothing is kept, and after the end.
    file: Option<BufWriter<File>>,
    failed: Option<io::Error>,
}

impl Recorder {
    /// Begins a history in a new file.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(path: &Path, faults: &[&str], ping_ms: u64) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        let recorder = Self::into(Some(BufWriter::new(file)), path);
        recorder.line(json!({"is":"run","version":1,"faults":faults,"ping_ms":ping_ms}));
        Ok(recorder)
    }

    /// Keeps nothing, for who only measures.
    pub fn nowhere() -> Self {
        Self::into(None, Path::new(""))
    }

    fn into(file: Option<BufWriter<File>>, path: &Path) -> Self {
        let inner = Arc::new(Mutex::new(Inner { file, failed: None }));
        Self { inner, path: path.to_owned(), start: Instant::now() }
    }

    /// Writes a line with the time of now.
    pub fn line(&self, mut line: Value) {
        self.write(|t| {
            line["t"] = json!(t);
            line.to_string()
        });
    }

    /// A frame went out or came in on connection `n` of client `c`, as it was on the wire.
    pub fn frame(&self, is: &str, c: &str, n: u64, frame: &str) {
        self.write(|t| {
            let c = json!(c);
            format!("{{\"t\":{t},\"is\":\"{is}\",\"c\":{c},\"n\":{n},\"frame\":{frame}}}")
        });
    }

    /// Order in the file is order in time, so the time is taken under the lock.
    fn write(&self, line: impl FnOnce(u64) -> String) {
        let mut inner = self.inner.lock();
        let Inner { file: Some(file), failed } = &mut *inner else { return };
        let t = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let written = writeln!(file, "{}", line(t));
        if failed.is_none() {
            *failed = written.err();
        }
    }

    /// A fault begins or ends.
    pub fn fault(&self, name: &str, edge: &str) {
        self.line(json!({"is":"fault","name":name,"edge":edge}));
    }

    /// Ends the history: what is said after it is not kept.
    ///
    /// # Errors
    /// If anything of it could not be written.
    pub fn end(&self) -> Result<&Path> {
        self.line(json!({"is":"end"}));
        let mut inner = self.inner.lock();
        let flushed = inner.file.take().map_or(Ok(()), |mut file| file.flush());
        let written = inner.failed.take().map_or(flushed, Err);
        written.with_context(|| format!("cannot write the history {}", self.path.display()))?;
        Ok(&self.path)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop there")]
mod tests {
    use super::*;

    #[test]
    fn a_history_ends_with_its_end_and_its_time_never_falls() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(&folder.path().join("h"), &["cut"], 5_000).unwrap();
        recorder.frame("got", "ann", 1, r#"{"type":"pong"}"#);
        recorder.fault("cut", "begin");
        let path = recorder.end().unwrap().to_owned();
        recorder.fault("cut", "end");
        drop(recorder);
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let is: Vec<&str> = lines.iter().map(|line| line["is"].as_str().unwrap()).collect();
        assert_eq!(is, ["run", "got", "fault", "end"]);
        assert!(lines.windows(2).all(|two| two[0]["t"].as_u64() <= two[1]["t"].as_u64()));
        assert_eq!(lines[1]["frame"]["type"], "pong");
    }

    #[test]
    fn a_history_that_could_not_be_written_is_an_error_at_its_end() {
        let full = Path::new("/dev/full");
        if full.exists() {
            let recorder = Recorder::create(full, &[], 5_000).unwrap();
            assert!(recorder.end().is_err());
        }
    }
}
