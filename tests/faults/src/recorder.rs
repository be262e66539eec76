//! Writes the history of a run for `moorline soak verify`; the format stands in `docs/history.md`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::artifacts;

/// A history that is being written; clones write into the same.
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
    path: PathBuf,
}

#[derive(Debug)]
struct Inner {
    file: BufWriter<File>,
    start: Instant,
}

impl Recorder {
    /// Begins a history in a new file.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(path: &Path, faults: &[&str], ping_ms: u64) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        let inner = Inner { file: BufWriter::new(file), start: Instant::now() };
        let recorder = Self { inner: Arc::new(Mutex::new(inner)), path: path.to_owned() };
        recorder.line(json!({"is":"run","version":1,"faults":faults,"ping_ms":ping_ms}));
        Ok(recorder)
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
        let c = json!(c);
        self.write(|t| {
            format!("{{\"t\":{t},\"is\":\"{is}\",\"c\":{c},\"n\":{n},\"frame\":{frame}}}")
        });
    }

    /// Order in the file is order in time, so the time is taken under the lock.
    fn write(&self, line: impl FnOnce(u64) -> String) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let t = u64::try_from(inner.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let line = line(t);
        // A history that cannot be written has no end, and fails for that.
        let _ = writeln!(inner.file, "{line}");
    }

    /// A fault begins or ends.
    pub fn fault(&self, name: &str, edge: &str) {
        self.line(json!({"is":"fault","name":name,"edge":edge}));
    }

    /// Ends the history.
    ///
    /// # Errors
    /// If what is buffered cannot be written.
    pub fn end(&self) -> Result<&Path> {
        self.line(json!({"is":"end"}));
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.file.flush()?;
        Ok(&self.path)
    }
}

/// What the checker says of a history.
#[derive(Debug)]
pub struct Judgement {
    /// Whether the contract was kept.
    pub ok: bool,
    /// The checker's own text.
    pub text: String,
}

/// Has the server's own program judge a history.
///
/// # Errors
/// If the program cannot be run, or fails before it reaches a verdict.
pub fn judge(history: &Path) -> Result<Judgement> {
    let mut command = std::process::Command::new(artifacts::server()?);
    let output = command.args(["soak", "verify"]).arg(history).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !text.contains(" lost, ") {
        bail!("the checker gave no verdict: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Judgement { ok: output.status.success(), text })
}

impl Judgement {
    /// The first line: "0 lost, 0 doubled, 0 out of order: contract kept".
    pub fn headline(&self) -> &str {
        self.text.lines().next().unwrap_or("")
    }

    /// Whether a promise was decided and kept.
    pub fn keeps(&self, promise: &str) -> bool {
        self.text.lines().any(|line| line.starts_with(&format!("{promise} kept")))
    }
}
