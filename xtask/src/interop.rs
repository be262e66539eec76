//! The channel layer against real Django channel layers and their comparison in speed, and the server beside Django.
//!
//! `test`, `prove` and `bench-layer` call it. The tests and the measuring are Python, in `tests/interop`; this only
//! builds the Rust side and starts them.

use anyhow::Result;

use crate::command::Command;
use crate::repository::Repository;
use crate::{install, test};

const FOLDER: &str = "tests/interop";

/// Whose channel layer the tests are run on.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    /// The Rust driver.
    Rust,
    /// Its Python twin, which proves the tests themselves.
    Python,
}

/// All interop tests with the Rust driver; what `cargo xtask test` runs.
pub(crate) fn test(repository: &Repository) -> Result<()> {
    build_both(repository)?;
    pytest(repository, Subject::Rust).run()
}

/// The same again and again, or with the twin and every planted fault.
pub(crate) fn prove(repository: &Repository, subject: Subject, rounds: usize) -> Result<()> {
    if matches!(subject, Subject::Python) {
        return pytest(repository, subject).arg("--long").run();
    }
    build_both(repository)?;
    (0..rounds).try_for_each(|_| pytest(repository, subject).arg("--long").run())
}

/// `moorline doctor` beside real Django layers; it needs no driver.
pub(crate) fn doctor(repository: &Repository, is_long: bool) -> Result<()> {
    let long = is_long.then_some("--long");
    pytest(repository, Subject::Rust).arg("test_doctor.py").args(long).run()
}

/// Measures both sides and tells whether ours is within its bars.
pub(crate) fn bench(repository: &Repository, rest: &[String]) -> Result<bool> {
    install::everything(repository)?;
    build(repository, "layer_bench")?;
    build(repository, "layer_floor")?;
    repository
        .command_in(FOLDER, install::python_path(repository))
        .args(["-m", "bench.run"])
        .arg(repository.target("release/examples/layer_bench"))
        .args(rest)
        .succeeds()
}

/// The driver of the layer, and the server, which is there already unless this step is run alone.
fn build_both(repository: &Repository) -> Result<()> {
    test::build(repository)?;
    build(repository, "layer_driver")
}

fn build(repository: &Repository, example: &str) -> Result<()> {
    let args = ["build", "--release", "-p", "moorline-layer", "--example", example];
    repository.command("cargo").args(args).run()
}

/// Four at a time: they wait more than they work.
fn pytest(repository: &Repository, subject: Subject) -> Command {
    let (name, driver) = match subject {
        Subject::Rust => ("rust", repository.target("release/examples/layer_driver")),
        Subject::Python => ("python", install::python_path(repository)),
    };
    repository
        .command_in(FOLDER, install::python_path(repository))
        .args(["-m", "pytest", "-q", "-n", "4", "--subject", name])
        .env("MOORLINE_LAYER_DRIVER", driver)
        .env("MOORLINE_BIN", repository.server())
}
