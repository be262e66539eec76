//! The log's way out: lines that come in the same moment leave in one write.
//!
//! Two thousand connections that come back in a fifth of a second say four thousand lines, and a write for each would
//! cost as much as a part of the sign-in. So lines are held for a moment and written together by a thread of their own.
//! A warning is written at once, with what was held before it; memory is bounded, since who finds too much held writes
//! it out.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may be held: not to be seen by who reads along.
const HOLD: Duration = Duration::from_millis(20);
/// Held bytes beyond which whoever logs writes them out.
const MOST_BYTES: usize = 64 * 1024;

/// Lines on their way to `out`. Clones are handles of the same one.
pub(crate) struct Held<W> {
    shared: Arc<Shared<W>>,
}

struct Shared<W> {
    state: Mutex<State>,
    /// Whoever writes has this; taken before `state` is, so that lines keep their order.
    out: Mutex<W>,
    /// Told when the first line of a batch came, and at the end.
    news: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    is_over: bool,
}

impl<W> Clone for Held<W> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// Writes out what is held when it is dropped; from then on every line is written at once.
pub struct Flush(Box<dyn Fn() + Send + Sync>);

impl Drop for Flush {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl std::fmt::Debug for Flush {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flush")
    }
}

impl<W: Write + Send + 'static> Held<W> {
    /// Holds lines for `out`.
    ///
    /// # Errors
    /// Where there can be no further thread.
    pub(crate) fn new(out: W) -> io::Result<(Self, Flush)> {
        let (state, news) = (Mutex::new(State::default()), Condvar::new());
        let shared = Arc::new(Shared { state, out: Mutex::new(out), news });
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("log".into()).spawn(move || writer.write_all_along())?;
        let last = Arc::clone(&shared);
        let flush = Flush(Box::new(move || last.end()));
        Ok((Self { shared }, flush))
    }
}

impl<W: Write> Held<W> {
    /// Takes one whole line, its end included.
    pub(crate) fn line(&self, line: &[u8]) {
        self.shared.take(line, false);
    }
}

impl<W: Write> Shared<W> {
    fn write_all_along(&self) {
        loop {
            let mut state = self.state.lock();
            while state.lines.is_empty() && !state.is_over {
                self.news.wait(&mut state);
            }
            if state.is_over {
                return;
            }
            self.news.wait_for(&mut state, HOLD);
            drop(state);
            self.write_out();
        }
    }

    fn take(&self, line: &[u8], at_once: bool) {
        let mut state = self.state.lock();
        let is_first = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        let is_due = at_once || state.is_over || state.lines.len() > MOST_BYTES;
        drop(state);
        if is_due {
            self.write_out();
        } else if is_first {
            self.news.notify_one();
        }
    }

    fn write_out(&self) {
        let mut out = self.out.lock();
        let lines = std::mem::take(&mut self.state.lock().lines);
        // A log that cannot be written must not stop the server, and there is nowhere to say it.
        let _ = out.write_all(&lines).and_then(|()| out.flush());
    }

    fn end(&self) {
        self.state.lock().is_over = true;
        self.news.notify_one();
        self.write_out();
    }
}

/// One line, given as a whole.
pub(crate) struct Line<'a, W: Write> {
    held: &'a Held<W>,
    at_once: bool,
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.held.shared.take(line, self.at_once);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Held<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line::<W> { held: self, at_once: true }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        Line::<W> { held: self, at_once: *metadata.level() <= Level::WARN }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Tells of each write.
    struct Told(Sender<String>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn held() -> (Held<Told>, Flush, Receiver<String>) {
        let (tell, told) = channel();
        let (held, flush) = Held::new(Told(tell)).unwrap();
        (held, flush, told)
    }

    fn say(held: &Held<Told>, line: &str, at_once: bool) {
        Line { held, at_once }.write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn a_line_leaves_by_itself_and_lines_of_one_moment_leave_together() {
        let (held, _flush, told) = held();
        for line in 0..1000 {
            say(&held, &format!("{line}\n"), false);
        }
        let (mut text, mut writes) = (String::new(), 0);
        while !text.ends_with("999\n") {
            text += &told.recv_timeout(Duration::from_secs(10)).unwrap();
            writes += 1;
        }
        let expected: String = (0..1000).map(|line| format!("{line}\n")).collect();
        assert_eq!(text, expected);
        assert!(writes < 500, "{writes} writes");
    }

    #[test]
    fn a_warning_leaves_at_once_behind_what_came_before_it() {
        let (held, _flush, told) = held();
        say(&held, "first\n", false);
        say(&held, "warning\n", true);
        let text: String = told.try_iter().collect();
        assert_eq!(text, "first\nwarning\n");
    }

    #[test]
    fn what_is_held_is_bounded() {
        let (held, _flush, told) = held();
        say(&held, &"x".repeat(MOST_BYTES + 1), false);
        let written: usize = told.try_iter().map(|text| text.len()).sum();
        assert_eq!(written, MOST_BYTES + 1);
    }

    #[test]
    fn the_end_writes_out_what_is_held_and_later_lines_at_once() {
        let (held, flush, told) = held();
        say(&held, "held\n", false);
        drop(flush);
        say(&held, "later\n", false);
        let text: String = told.try_iter().collect();
        assert_eq!(text, "held\nlater\n");
    }
}
