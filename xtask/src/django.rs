//! What stands beside Django: the package `moorline-django`, tried with the newest and the oldest Django that it supports.
//!
//! `test` calls it. The tests are Python, in `clients/python/tests`; this only starts them against the built server.

use anyhow::Result;

use crate::command::Command;
use crate::install;
use crate::repository::Repository;

const PACKAGE: &str = "clients/python";

/// The package's tests, against the built server.
pub(crate) fn package(repository: &Repository) -> Result<()> {
    pytest(repository, PACKAGE).run()?;
    let oldest = install::oldest_django(repository)?;
    pytest(repository, PACKAGE).env("PYTHONPATH", oldest).run()
}

/// Four at a time: they wait more than they work.
fn pytest(repository: &Repository, folder: &str) -> Command {
    repository
        .command_in(folder, install::python_path(repository))
        .args(["-m", "pytest", "-q", "-n", "4"])
        .env("MOORLINE_BIN", repository.server())
}
