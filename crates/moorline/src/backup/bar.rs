//! The progress bar on standard error; nothing where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};
use moorline_store::backup::{Progress, Step};

/// A bar that appears with the first word about the progress, and goes with this.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template(
            "  {msg:<8} [{bar:40}] {human_pos} of {human_len}, {eta} left",
        );
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(bar)
    }

    pub(super) fn tell(&self, progress: Progress) {
        self.0.set_message(match progress.step {
            Step::Copying => "pages",
            Step::Rows => "rows",
        });
        self.0.set_length(progress.total);
        self.0.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
