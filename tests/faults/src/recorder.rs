//! Histories of the fault tests, which the server's own program judges.

use std::path::Path;

use anyhow::{Result, bail};
pub use moorline_load::recorder::Recorder;

use crate::artifacts;

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
