//! What the benchmarks that go in rounds share: where they run, the rounds, and the table at the end. Each has its own rows.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::facts;
use crate::report::{self, Row};

/// Where a benchmark runs.
pub(crate) struct Place {
    /// What was built beside this program.
    pub(crate) programs: PathBuf,
    /// For what it writes, on the disk that is measured.
    pub(crate) folder: PathBuf,
    /// What the figures were measured on.
    facts: Vec<String>,
}

impl Place {
    /// For the benchmark of this name; only a release build may measure.
    pub(crate) fn find(name: &str) -> Result<Self> {
        if cfg!(debug_assertions) {
            bail!("measure with --release");
        }
        let program = std::env::current_exe()?;
        let programs = program.parent().context("this program has no folder")?.to_owned();
        let folder = programs.with_file_name(name);
        let facts = facts::facts(facts::sync_ms(&folder)?);
        Ok(Self { programs, folder, facts })
    }

    /// Adds what else it was measured on.
    pub(crate) fn note(&mut self, fact: String) {
        self.facts.push(fact);
    }

    /// Prints the table, with what its columns mean, and writes it as JSON where a file is wanted. Tells whether every row
    /// reaches its bar.
    pub(crate) fn tell(&self, rows: &[Row], columns: &str, json: Option<&Path>) -> Result<bool> {
        self.facts.iter().for_each(|fact| println!("{fact}"));
        println!("\n{columns}");
        println!("{}", report::table(rows));
        if let Some(file) = json {
            let text = serde_json::to_string_pretty(&report::json(rows, &self.facts))?;
            let cannot = || format!("cannot write {}", file.display());
            std::fs::write(file, text).with_context(cannot)?;
        }
        Ok(rows.iter().all(Row::passes))
    }
}

/// So many rounds, or one in short.
pub(crate) fn rounds<T>(
    count: usize,
    is_short: bool,
    mut round: impl FnMut() -> Result<T>,
) -> Result<Vec<T>> {
    let count = if is_short { 1 } else { count.max(1) };
    let one = |number| {
        eprintln!("round {number} of {count}");
        round()
    };
    (1..=count).map(one).collect()
}
