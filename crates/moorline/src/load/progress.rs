//! How far a run is, on standard error: a bar where that is a terminal, else a plain line now and then.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use moorline_load::run::Progress;

/// Between two plain lines.
const PLAIN: Duration = Duration::from_secs(10);

/// What is told, and when it was told last.
pub(super) struct Told {
    name: String,
    lasts: Duration,
    bar: Option<ProgressBar>,
    next: Duration,
    doing: &'static str,
}

impl Told {
    pub(super) fn new(name: &str, lasts: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(lasts.as_secs().max(1)));
        let style = ProgressStyle::with_template("  {prefix} [{bar:30}] {elapsed} {msg}");
        if let (Some(bar), Ok(style)) = (&bar, style) {
            bar.set_style(style.progress_chars("=> "));
            bar.set_prefix(name.to_owned());
        }
        Self { name: name.to_owned(), lasts, bar, next: PLAIN, doing: "talking" }
    }

    pub(super) fn tell(&mut self, progress: &Progress) {
        let said = words(progress);
        if let Some(bar) = &self.bar {
            bar.set_position(progress.passed.as_secs());
            bar.set_message(said);
            return;
        }
        let has_changed = self.doing != progress.doing;
        if progress.passed >= self.next || has_changed {
            let (passed, lasts) = (progress.passed.as_secs(), self.lasts.as_secs());
            eprintln!("{}: {passed} s of {lasts} s, {said}", self.name);
            self.next = progress.passed + PLAIN;
            self.doing = progress.doing;
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn words(progress: &Progress) -> String {
    let second = &progress.second;
    format!(
        "{}, {} of {} windows connected, {} messages, ack p99 {:.1} ms, delivery p99 {:.1} ms",
        progress.doing,
        second.connected,
        progress.windows,
        progress.sent,
        second.ack.p99_ms,
        second.delivery.p99_ms
    )
}
