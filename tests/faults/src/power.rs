//! A process under the power-cut layer: how it is started and what the layer reports.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::artifacts;

/// When the power goes, and what the disk is like until then.
#[derive(Clone, Copy, Debug)]
pub struct Power {
    /// Decides what survives.
    pub seed: u64,
    /// The cut comes with this write or sync; never, if there is none.
    pub cut_at: Option<u64>,
    /// What syncs do.
    pub disk: Disk,
}

/// What syncs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// What they say.
    Honest,
    /// Nothing: the planted fault.
    IgnoresSync,
    /// So many fail, from this one on.
    FailsSync {
        /// The first one that fails.
        at: u64,
        /// How many fail.
        count: u64,
        /// `EIO` or `ENOSPC`.
        with: &'static str,
    },
}

/// The folders of one powered process: its data, and beside it what the layer needs.
#[derive(Debug)]
pub struct Plant {
    root: tempfile::TempDir,
    library: PathBuf,
}

impl Plant {
    /// Makes empty folders.
    ///
    /// # Errors
    /// If they cannot be made or the layer cannot be built.
    pub fn new() -> Result<Self> {
        let root = tempfile::tempdir().context("no temporary folder")?;
        fs::create_dir(root.path().join("data"))?;
        fs::create_dir(root.path().join("shadow"))?;
        let made =
            std::process::Command::new("mkfifo").arg(root.path().join("trigger")).status()?;
        ensure!(made.success(), "cannot make a FIFO");
        Ok(Self { root, library: artifacts::powercut()? })
    }

    /// The folder whose files lose what was not synced.
    pub fn data(&self) -> PathBuf {
        self.real("data")
    }

    /// Keeps the folders after the end, for a look at them.
    pub fn keep(self) -> PathBuf {
        self.root.keep()
    }

    /// A path beside the data.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.real(name)
    }

    fn real(&self, name: &str) -> PathBuf {
        // The layer compares names, so links in the way to the temporary folder are resolved.
        let root = self.root.path();
        root.canonicalize().unwrap_or_else(|_| root.to_owned()).join(name)
    }

    /// Puts the command under the layer.
    ///
    /// # Errors
    /// If the report of the last process cannot be cleared.
    pub fn wire(&self, command: &mut Command, power: Power) -> Result<()> {
        let report = self.beside("report");
        if report.exists() {
            fs::remove_file(&report)?;
        }
        for old in fs::read_dir(self.beside("shadow"))?.flatten() {
            fs::remove_file(old.path())?;
        }
        command.env("LD_PRELOAD", &self.library);
        command.env("POWERCUT_FOLDER", self.data());
        command.env("POWERCUT_SHADOW", self.beside("shadow"));
        command.env("POWERCUT_REPORT", report);
        command.env("POWERCUT_TRIGGER", self.beside("trigger"));
        command.env("POWERCUT_SEED", power.seed.to_string());
        if let Some(at) = power.cut_at {
            command.env("POWERCUT_AT", at.to_string());
        }
        match power.disk {
            Disk::Honest => {}
            Disk::IgnoresSync => drop(command.env("POWERCUT_MODE", "ignore-sync")),
            Disk::FailsSync { at, count, with } => {
                command.env("POWERCUT_MODE", "fail-sync");
                command.env("POWERCUT_FAIL_AT", at.to_string());
                command.env("POWERCUT_FAIL_COUNT", count.to_string());
                command.env("POWERCUT_FAIL_WITH", with);
            }
        }
        Ok(())
    }

    /// Cuts the power now.
    ///
    /// # Errors
    /// If no process listens.
    pub fn pull(&self) -> Result<()> {
        // The layer holds the reading end open from its first call on.
        let mut trigger = fs::OpenOptions::new().write(true).open(self.beside("trigger"))?;
        Ok(trigger.write_all(b"!")?)
    }

    /// What the layer reported since `wire`.
    pub fn report(&self) -> String {
        fs::read_to_string(self.beside("report")).unwrap_or_default()
    }
}

/// SQLite's own verdict on a database file.
///
/// # Errors
/// If it cannot be opened, or is damaged.
pub fn check_integrity(file: &Path) -> Result<()> {
    let database = rusqlite::Connection::open(file)?;
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(verdict == "ok", "{} fails its integrity check: {verdict}", file.display());
    Ok(())
}
