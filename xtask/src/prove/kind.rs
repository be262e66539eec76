//! How a proof is started: as a program of `moorline-faults`, as tests of another language, or in a browser.
//!
//! `prove` has the list. Nothing here knows a proof by its name.

use anyhow::Result;

use crate::command::Command;
use crate::interop::{self, Subject};
use crate::repository::Repository;
use crate::{autobahn, install, sdk, versions};

/// The numbers that a proof runs with.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    Short,
    Full,
}

impl Form {
    pub(super) fn choose<T>(self, short: T, full: T) -> T {
        match self {
            Self::Short => short,
            Self::Full => full,
        }
    }

    /// What the proofs find in the environment.
    fn word(self) -> &'static str {
        self.choose("short", "full")
    }
}

/// How a proof is started.
pub(super) enum Kind {
    /// A program of `moorline-faults` with its arguments in both forms.
    Faults { program: &'static str, short: &'static [&'static str], full: &'static [&'static str] },
    /// The same with a planted fault: it must say that the contract is broken.
    Planted { program: &'static str, short: &'static [&'static str], full: &'static [&'static str] },
    /// The contract of the store on these versions of PostgreSQL.
    Versions { short: &'static [&'static str], full: &'static [&'static str] },
    /// The tests of `tests/interop` on one of the two subjects.
    Interop(Subject),
    /// Doctor's faults, in the full form also those that take minutes.
    Doctor,
    /// The Autobahn cases about compression, each with so many messages.
    Autobahn { short: &'static str, full: &'static str },
    /// The SDK's property tests over so many seeds.
    Seeds { short: u32, full: u32 },
    /// Files of `tests/e2e`, one after the other, since some of them measure.
    Browser(&'static [&'static str]),
    /// The same, two at a time: none of them measures anything.
    BrowserPairs(&'static [&'static str]),
}

impl Kind {
    /// Whether it needs Chromium.
    pub(super) fn is_in_a_browser(&self) -> bool {
        matches!(self, Self::Browser(_) | Self::BrowserPairs(_))
    }

    /// Runs a proof of this kind under its name.
    pub(super) fn prove(&self, repository: &Repository, name: &str, form: Form) -> Result<()> {
        match *self {
            Self::Faults { program, short, full } => {
                faults(repository, program, form.choose(short, full)).run()
            }
            Self::Planted { program, short, full } => {
                let said = faults(repository, program, form.choose(short, full)).failure()?;
                anyhow::ensure!(said.contains("BROKEN"), "the planted fault was not found");
                println!("the planted fault was found, as it must be");
                Ok(())
            }
            Self::Versions { short, full } => versions::prove(repository, form.choose(short, full)),
            Self::Interop(subject) => interop::prove(repository, subject, form.choose(1, 10)),
            Self::Doctor => doctor(repository, form),
            Self::Autobahn { short, full } => {
                autobahn::compression(repository, form.choose(short, full))
            }
            Self::Seeds { short, full } => sdk::seeds(repository, form.choose(short, full)),
            Self::Browser(files) => browser(repository, name, form, files, 1),
            Self::BrowserPairs(files) => browser(repository, name, form, files, 2),
        }
    }
}

/// The faults planted by Rust, and those by a real Django side.
fn doctor(repository: &Repository, form: Form) -> Result<()> {
    let tests = ["test", "--quiet", "-p", "moorline", "--test", "doctor", "--"];
    let which = form.choose(None, Some("--include-ignored"));
    repository.command("cargo").args(tests).args(which).run()?;
    interop::doctor(repository, form == Form::Full)
}

fn browser(
    repository: &Repository,
    name: &str,
    form: Form,
    files: &[&str],
    at_once: u8,
) -> Result<()> {
    repository
        .command_in("tests/e2e", "node")
        .args(["--test", "--test-reporter=spec"])
        .arg(format!("--test-concurrency={at_once}"))
        .args(files.iter().map(|file| format!("{file}.test.mjs")))
        .env("MOORLINE_BIN", repository.server())
        .env("MOORLINE_PROOF", form.word())
        .env("MOORLINE_PROOF_NAME", name)
        .env("PYTHON", install::python_path(repository))
        .run()
}

/// The proofs with a whole server as a process; they find the layer of the power cuts by themselves.
fn faults(repository: &Repository, program: &str, args: &[&str]) -> Command {
    repository
        .command("cargo")
        .args(["run", "--quiet", "--release", "-p", "moorline-faults", "--bin", program, "--"])
        .args(args)
        .env("MOORLINE_BIN", repository.server())
}
