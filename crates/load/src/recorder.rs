//! Writes the history of a run for `moorline soak verify`; the format stands in `docs/history.md`. Clients write into it as
//! they send and hear. It never judges.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// Lines that may wait for the disk, some 20 MB: those who talk do not stand still with it.
const WAITING: usize = 65_536;
/// Between two beats there is a tenth of this; a longer pause is one of the program itself, not of any server.
const STANDSTILL: Duration = Duration::from_secs(2);
/// As histories call such a pause.
const STOOD_STILL: &str = "standstill";

/// A history that is being written; clones write into the same.
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
    path: PathBuf,
    start: Instant,
}

#[derive(Debug, Default)]
struct Inner {
    /// None where nothing is kept, and after the end.
    lines: Option<SyncSender<String>>,
    writer: Option<JoinHandle<io::Result<()>>>,
    /// The latest beat, where there are any.
    beat: Option<Instant>,
    standstills: Standstills,
}

/// How often, and how long at most, the recording program itself stood still: it was not given the processor, or the machine
/// was paused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standstills {
    /// How often.
    pub times: u64,
    /// The longest.
    pub longest: Duration,
}

impl Recorder {
    /// Begins a history in a new file.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(path: &Path, faults: &[&str], ping_ms: u64) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        let (lines, received) = sync_channel(WAITING);
        let writer = std::thread::spawn(move || write_all(file, &received));
        let inner = Inner { lines: Some(lines), writer: Some(writer), ..Inner::default() };
        let recorder = Self::of(inner, path);
        recorder.line(json!({"is":"run","version":1,"faults":faults,"ping_ms":ping_ms}));
        Ok(recorder)
    }

    /// Keeps nothing, for who only measures.
    pub fn nowhere() -> Self {
        Self::of(Inner::default(), Path::new(""))
    }

    fn of(inner: Inner, path: &Path) -> Self {
        let inner = Arc::new(Mutex::new(inner));
        Self { inner, path: path.to_owned(), start: Instant::now() }
    }

    /// Beats while this is polled, so that a pause of the whole program is told from one of the server.
    pub async fn beat_on(&self) -> std::convert::Infallible {
        loop {
            self.inner.lock().beat_at(self.start, Instant::now());
            tokio::time::sleep(STANDSTILL / 10).await;
        }
    }

    /// The pauses so far.
    pub fn standstills(&self) -> Standstills {
        self.inner.lock().standstills
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
        let now = Instant::now();
        if inner.beat.is_some() {
            inner.beat_at(self.start, now);
        }
        inner.push(|| line(micros(self.start, now)));
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
        let writer = {
            let mut inner = self.inner.lock();
            inner.lines = None;
            inner.writer.take()
        };
        let Some(writer) = writer else { return Ok(&self.path) };
        let Ok(written) = writer.join() else { bail!("the writer of the history panicked") };
        written.with_context(|| format!("cannot write the history {}", self.path.display()))?;
        Ok(&self.path)
    }
}

impl Inner {
    /// A sign of life. If the last one is too long ago, what waited meanwhile is excused from here on.
    fn beat_at(&mut self, start: Instant, now: Instant) {
        let passed = self.beat.replace(now).map_or(Duration::ZERO, |last| now - last);
        if passed < STANDSTILL {
            return;
        }
        self.standstills.times += 1;
        self.standstills.longest = self.standstills.longest.max(passed);
        let t = micros(start, now);
        for edge in ["begin", "end"] {
            self.push(|| json!({"t":t,"is":"fault","name":STOOD_STILL,"edge":edge}).to_string());
        }
    }

    fn push(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            // Nobody takes it where it could not be written, which is told at the end.
            let _ = lines.send(line());
        }
    }
}

fn micros(start: Instant, now: Instant) -> u64 {
    u64::try_from((now - start).as_micros()).unwrap_or(u64::MAX)
}

fn write_all(file: File, lines: &Receiver<String>) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.flush()
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
    fn a_pause_of_the_recording_program_is_told_before_what_comes_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(&folder.path().join("h"), &[], 5_000).unwrap();
        let earlier = Instant::now() - STANDSTILL;
        recorder.inner.lock().beat_at(recorder.start, earlier);
        recorder.frame("got", "ann", 1, r#"{"type":"pong"}"#);
        recorder.frame("got", "ann", 1, r#"{"type":"pong"}"#);
        let Standstills { times, longest } = recorder.standstills();
        assert!(times == 1 && longest >= STANDSTILL, "{longest:?}");
        let text = std::fs::read_to_string(recorder.end().unwrap()).unwrap();
        let is = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            format!("{} {}", line["is"].as_str().unwrap(), line["edge"].as_str().unwrap_or(""))
        };
        let is: Vec<String> = text.lines().map(is).collect();
        assert_eq!(is, ["run ", "fault begin", "fault end", "got ", "got ", "end "]);
    }

    #[test]
    fn without_beats_no_pause_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(&folder.path().join("h"), &[], 5_000).unwrap();
        recorder.frame("got", "ann", 1, r#"{"type":"pong"}"#);
        assert_eq!(recorder.standstills(), Standstills::default());
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
