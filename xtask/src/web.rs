//! `cargo xtask web`: builds the chat page, or shows that the committed one is what the sources give.
//!
//! The built page is committed, so that the server is built without Node.js; this is the only task
//! that writes it.

use std::path::Path;

use anyhow::{Result, bail};

use crate::files;
use crate::install;
use crate::repository::Repository;

/// The page as it is committed and built into the server.
const DIST: &str = "web/dist";

/// Arguments of `cargo xtask web`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build into a temporary folder and compare it with web/dist byte for byte.
    #[arg(long)]
    check: bool,
}

/// Builds or checks the page.
pub(crate) fn run(repository: &Repository, args: &Args) -> Result<()> {
    install::node_packages(repository, "clients/typescript")?;
    install::node_packages(repository, "web")?;
    if args.check { check(repository) } else { build(repository, &repository.path(DIST)) }
}

fn build(repository: &Repository, folder: &Path) -> Result<()> {
    repository.command_in("web", "npm").args(["run", "build"]).env("OUT_DIR", folder).run()
}

/// Fails unless a build from scratch gives the committed page.
pub(crate) fn check(repository: &Repository) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let fresh = folder.path().join("dist");
    build(repository, &fresh)?;
    let differences = files::differences(&repository.path(DIST), &fresh)?;
    if !differences.is_empty() {
        bail!("web/dist is not what the sources give: {}", differences.join(", "));
    }
    println!("web/dist is what the sources give, byte for byte");
    Ok(())
}

/// The page's own tests: types, accessibility warnings, state.
pub(crate) fn test(repository: &Repository) -> Result<()> {
    repository.command_in("web", "npm").args(["run", "check"]).run()?;
    repository.command_in("web", "npm").arg("test").run()
}
