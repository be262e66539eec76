//! The verdict of a soak: what the checker says of the history, and beyond it what a run of its own must show, such as that
//! the promises at stake were decided at all.

use std::path::{Path, PathBuf};

use moorline_load::run::Outcome;

use super::Phase;
use crate::failure::{Exit, Failure};
use crate::soak::{self, Outcome as Decision, Promise};

/// A run that does not decide these has proved nothing: stored, once, dense, the same for all, applied in order, complete.
const NEEDED: [Promise; 6] =
    [Promise::I1, Promise::I2, Promise::I3, Promise::I5, Promise::I6, Promise::I7];

/// Judges a history. With `must_hold`, connections may only end by faults.
pub(super) fn judge(
    name: &str,
    history: &Path,
    outcome: Outcome,
    must_hold: bool,
) -> Result<Phase, Failure> {
    let verdict = soak::verdict(history).map_err(|error| {
        let what = format!("The history `{}` cannot be read.", history.display());
        Failure::new(Exit::Failed, what, "Is there room for it? Choose a place with --history.")
            .because(error)
    })?;
    let mut found = Vec::new();
    if !verdict.ok {
        found.push(match verdict.violations.first() {
            Some(first) => format!("{:?} is broken: {}", first.promise, first.text),
            None => "a promise is broken".to_owned(),
        });
    }
    for promise in NEEDED {
        if let Some(Decision::NotDecided { why }) = verdict.promises.get(&promise) {
            found.push(format!("{promise:?} is not decided: {why}"));
        }
    }
    let ended: u64 = outcome.closes.values().sum();
    if must_hold && ended > 0 {
        found.push(format!("{ended} connections ended by themselves; none may"));
    }
    for fault in outcome.faults.iter().filter(|fault| fault.bitten == 0 && fault.name != "exec") {
        found.push(format!("the fault {} at {:.0} s met no connection", fault.name, fault.at));
    }
    let (ok, verdict, name) = (found.is_empty(), Some(verdict), name.to_owned());
    Ok(Phase { name, ok, faults_found: found, outcome, verdict, history: None })
}

/// Where a history goes while it is made, and whether it stays.
pub(super) struct Place {
    path: PathBuf,
    is_kept: bool,
}

impl Place {
    /// The place that was asked for, else a temporary one.
    pub(super) fn choose(asked: Option<&PathBuf>) -> Self {
        match asked {
            Some(path) => Self { path: path.clone(), is_kept: true },
            None => {
                let name = format!("moorline-soak-{:016x}.jsonl", rand::random::<u64>());
                Self { path: std::env::temp_dir().join(name), is_kept: false }
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A history that shows something stays; gives where it is.
    pub(super) fn keep(&mut self) -> String {
        self.is_kept = true;
        self.path.display().to_string()
    }

    /// Whether it stays.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_kept {
            // It may not have been begun.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
