//! What describes the project to others: `cargo xtask docs` builds the site of `docs/`, its commands are typed as a stranger would,
//! and the tests of the API's documents run here too, since all need the same Python packages. The SDK's reference is made by
//! its own TypeScript.
//!
//! The site is built without asking anybody: no font, script or picture of it comes from elsewhere. A link or an anchor that
//! leads nowhere is an error.

use std::path::PathBuf;

use anyhow::Result;

use crate::install;
use crate::repository::Repository;

const API: &str = "tests/api";
const SITE: &str = "tests/docs";

/// Where the site is built.
pub(crate) fn folder(repository: &Repository) -> PathBuf {
    repository.target("docs")
}

/// Builds the site.
pub(crate) fn build(repository: &Repository) -> Result<()> {
    install::node_packages(repository, "clients/typescript")?;
    let python = install::docs_python(repository)?;
    repository
        .command(python)
        .args(["-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"])
        .arg(folder(repository))
        // It advertises another program, whose hooks differ; versions are pinned.
        .env("NO_MKDOCS_2_WARNING", "1")
        .run()?;
    println!("the documentation: {}", folder(repository).join("index.html").display());
    Ok(())
}

/// Builds the site and tries what was built: every link and anchor, nothing from elsewhere.
pub(crate) fn check(repository: &Repository) -> Result<()> {
    build(repository)?;
    let python = install::docs_python(repository)?;
    repository
        .command_in(SITE, python)
        .args(["-m", "pytest", "-q", "test_site.py"])
        .env("MOORLINE_SITE", folder(repository))
        .run()
}

/// The commands and files of the pages, typed in a copy of the repository against the built server.
pub(crate) fn commands(repository: &Repository) -> Result<()> {
    let python = install::docs_python(repository)?;
    repository
        .command_in(SITE, python)
        .args(["-m", "pytest", "-q", "-n", "4", "--ignore", "test_site.py"])
        .env("MOORLINE_BIN", repository.server())
        .run()
}

/// The documents by the validators of their specifications, and the built server held against them.
pub(crate) fn api(repository: &Repository) -> Result<()> {
    let python = install::docs_python(repository)?;
    repository
        .command_in(API, python)
        .args(["-m", "pytest", "-q", "-n", "4"])
        .env("MOORLINE_BIN", repository.server())
        .run()
}
