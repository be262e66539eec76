//! What stands beside Django: the package `moorline-django`, the example project, and its description as containers.
//!
//! `test` calls it. The tests are Python, beside what they test; this only starts them against the built server.

use anyhow::Result;

use crate::command::Command;
use crate::install;
use crate::repository::Repository;
use crate::test;

const PACKAGE: &str = "clients/python";
const EXAMPLE: &str = "examples/django";
const DEPLOY: &str = "tests/deploy";

/// The package's tests, against the built server, with the newest and the oldest Django that it supports.
pub(crate) fn package(repository: &Repository) -> Result<()> {
    pytest(repository, PACKAGE).run()?;
    let oldest = install::oldest_django(repository)?;
    pytest(repository, PACKAGE).env("PYTHONPATH", oldest).run()
}

/// The example with both sides, in a browser too.
pub(crate) fn example(repository: &Repository) -> Result<()> {
    pytest(repository, EXAMPLE).run()
}

/// What describes containers, compared with the program's own list of options.
pub(crate) fn deploy(repository: &Repository) -> Result<()> {
    pytest(repository, DEPLOY).run()
}

/// What a delivery and a message cost on Daphne and on Moorline; tells whether ours is within its bars.
pub(crate) fn bench(repository: &Repository, rest: &[String]) -> Result<bool> {
    install::everything(repository)?;
    test::build(repository)?;
    repository
        .command_in(EXAMPLE, install::python_path(repository))
        .arg("bench.py")
        .args(rest)
        .env("MOORLINE_BIN", repository.server())
        .succeeds()
}

/// Four at a time: they wait more than they work.
fn pytest(repository: &Repository, folder: &str) -> Command {
    repository
        .command_in(folder, install::python_path(repository))
        .args(["-m", "pytest", "-q", "-n", "4"])
        .env("MOORLINE_BIN", repository.server())
}
