//! Where things lie in the repository.
//!
//! Every other module asks here for a path, so that a moved folder is one change.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::Command;

/// The checked-out repository that the task works on.
pub(crate) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// Finds the repository that cargo runs this program for. Clones that share a build folder share the program, so where
    /// it was built says nothing.
    pub(crate) fn find() -> Result<Self> {
        let built = || env!("CARGO_MANIFEST_DIR").into();
        let xtask = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(built));
        let root = xtask.parent().context("xtask has no parent folder")?.to_owned();
        anyhow::ensure!(
            root.join("Cargo.toml").is_file(),
            "{} is gone: run `cargo xtask` from inside the repository",
            root.display()
        );
        Ok(Self { root })
    }

    /// A path below the root.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// The build folder, which `CARGO_TARGET_DIR` may have moved.
    pub(crate) fn target(&self, below: &str) -> PathBuf {
        match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => self.root.join(folder).join(below),
            None => self.root.join("target").join(below),
        }
    }

    /// The server as people run it: optimised, with the page inside.
    pub(crate) fn server(&self) -> PathBuf {
        match std::env::var_os("MOORLINE_BIN") {
            Some(path) => self.root.join(path),
            None => self.target("release/moorline"),
        }
    }

    /// A command that starts at the root.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        Command::new(program.as_ref()).folder(&self.root)
    }

    /// A command that starts in a folder below the root.
    pub(crate) fn command_in(&self, below: &str, program: impl AsRef<Path>) -> Command {
        Command::new(program.as_ref()).folder(&self.path(below))
    }
}
