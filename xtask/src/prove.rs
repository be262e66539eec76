//! `cargo xtask prove`: the proofs that take minutes or hours, at their full numbers.
//!
//! `cargo xtask test` runs the same code with smaller numbers. Each proof has a twin with a planted
//! fault that must turn it red; the twins run inside the proof.

use anyhow::{Result, bail};

use crate::repository::Repository;
use crate::steps::{self, Step};
use crate::{install, test};

/// Arguments of `cargo xtask prove`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The proofs to run; all but the six hours if none is named.
    names: Vec<String>,
    /// Print the proofs and run none.
    #[arg(long)]
    list: bool,
    /// Use the numbers of `cargo xtask test`.
    #[arg(long)]
    short: bool,
}

/// The numbers that a proof runs with.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Short,
    Full,
}

impl Form {
    /// What the proofs find in the environment.
    fn word(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Full => "full",
        }
    }
}

/// How a proof is started.
enum Kind {
    /// A test target of `moorline-faults`.
    Faults(&'static str),
    /// Files of `tests/e2e`.
    Browser(&'static [&'static str]),
}

struct Proof {
    name: &'static str,
    about: &'static str,
    kind: Kind,
    /// Runs only when named, since it takes hours.
    only_by_name: bool,
}

const PROOFS: &[Proof] = &[
    Proof {
        name: "power-cut",
        about: "300 power cuts: every acknowledged send is there afterwards",
        kind: Kind::Faults("power_cut"),
        only_by_name: false,
    },
    Proof {
        name: "kill",
        about: "200 times kill -9 just after an ack: it is there afterwards",
        kind: Kind::Faults("kill"),
        only_by_name: false,
    },
    Proof {
        name: "two-windows",
        about: "200 messages from two windows through five kills, five cuts and a reload",
        kind: Kind::Browser(&["proxy", "two-windows"]),
        only_by_name: false,
    },
    Proof {
        name: "latency",
        about: "each message is seen in the other window within 250 ms at p99",
        kind: Kind::Browser(&["latency"]),
        only_by_name: false,
    },
    Proof {
        name: "idle-10min",
        about: "ten idle minutes behind a proxy that cuts after 60 s: no disconnect",
        kind: Kind::Browser(&["idle"]),
        only_by_name: false,
    },
    Proof {
        name: "page",
        about: "every view, state and command of the page, and that it asks nobody else",
        kind: Kind::Browser(&["page-people", "page-rooms", "page-link"]),
        only_by_name: false,
    },
    Proof {
        name: "idle",
        about: "six idle hours behind the same proxy",
        kind: Kind::Browser(&["idle"]),
        only_by_name: true,
    },
];

/// Runs the named proofs and tells whether all of them held.
pub(crate) fn run(repository: &Repository, args: &Args) -> Result<bool> {
    if args.list {
        PROOFS.iter().for_each(|proof| println!("{:<12} {}", proof.name, proof.about));
        return Ok(true);
    }
    for name in &args.names {
        if !PROOFS.iter().any(|proof| proof.name == name) {
            bail!("there is no proof `{name}`; `cargo xtask prove --list` names them");
        }
    }
    let form = if args.short { Form::Short } else { Form::Full };
    let chosen: Vec<Step> = PROOFS
        .iter()
        .filter(|proof| match args.names.is_empty() {
            true => !proof.only_by_name,
            false => args.names.iter().any(|name| name == proof.name),
        })
        .map(|proof| step(proof, form))
        .collect();
    install::everything(repository)?;
    test::build(repository)?;
    Ok(steps::run(repository, &chosen, true))
}

/// The short forms of all proofs, as steps of `cargo xtask test`.
pub(crate) fn short_steps() -> impl Iterator<Item = Step> {
    PROOFS.iter().filter(|proof| !proof.only_by_name).map(|proof| step(proof, Form::Short))
}

/// Takes the pictures; the views are those that the proof of the page walks through.
pub(crate) fn screenshots(repository: &Repository) -> Result<()> {
    install::everything(repository)?;
    test::build(repository)?;
    let folder = repository.target("screenshots");
    repository
        .command_in("tests/e2e", "node")
        .arg("screenshots.mjs")
        .arg(&folder)
        .env("MOORLINE_BIN", repository.server())
        .run()?;
    println!("pictures: {}", folder.display());
    Ok(())
}

fn step(proof: &'static Proof, form: Form) -> Step {
    let short = if form == Form::Short { " --short" } else { "" };
    Step {
        name: format!("proof-{}", proof.name),
        remedy: format!(
            "it shows that {}; see the first line above that says so is not",
            proof.about
        ),
        again: format!("cargo xtask prove {}{short}", proof.name),
        run: Box::new(move |repository| prove(repository, proof, form)),
    }
}

fn prove(repository: &Repository, proof: &Proof, form: Form) -> Result<()> {
    let command = match proof.kind {
        Kind::Faults(test) => repository
            .command("cargo")
            .args(["test", "--release", "-p", "moorline-faults", "--test", test])
            .args(["--", "--nocapture", "--test-threads=1"]),
        Kind::Browser(files) => repository
            .command_in("tests/e2e", "node")
            .args(["--test", "--test-reporter=spec", "--test-concurrency=1"])
            .args(files.iter().map(|file| format!("{file}.test.mjs"))),
    };
    command
        .env("MOORLINE_BIN", repository.server())
        .env("MOORLINE_PROOF", form.word())
        .env("MOORLINE_PROOF_NAME", proof.name)
        .run()
}
