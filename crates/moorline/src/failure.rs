//! How a command ends: the exit codes, and failures that say what, why and what to do.
//! Every command returns a `Failure`; only `main` prints one. Never holds a secret.

use std::fmt;
use std::process::ExitCode;

/// The exit codes of every command, so that scripts can tell the cases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// A check failed, or the command could not do its work.
    Failed = 1,
    /// The arguments or the environment are wrong.
    Usage = 2,
    /// Something that the command needs could not be reached.
    Unreachable = 3,
    /// The command would do harm, so it was refused: a locked folder, a taken port.
    Refused = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended early, in words for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code that the process ends with.
    pub exit: Exit,
    /// What did not work, as one sentence.
    pub what: String,
    /// The cause, where it adds something.
    pub why: Option<String>,
    /// What to do about it.
    pub fix: String,
}

impl Failure {
    /// A failure with what happened and what to do.
    pub fn new(exit: Exit, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: None, fix: fix.into() }
    }

    /// A wrong argument or environment variable.
    pub fn usage(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what, fix)
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.what)?;
        if let Some(why) = &self.why {
            write!(out, "\n  why: {why}")?;
        }
        write!(out, "\n  fix: {}", self.fix)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let failure = Failure::usage("Port 8000 is taken.", "Use another.").because("in use");
        assert_eq!(failure.to_string(), "Port 8000 is taken.\n  why: in use\n  fix: Use another.");
    }
}
