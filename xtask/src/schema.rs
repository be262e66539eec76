//! `cargo xtask schema`: the JSON Schema and the SDK's types, written from the Rust types, and the reference of all
//! settings, written from the program's options.
//!
//! The types of `moorline-protocol` are the one definition of the protocol. What is made from them
//! is committed, so that readers and the SDK need no Rust; `--check` shows that it is current.

use anyhow::{Result, bail};

use crate::files;
use crate::repository::Repository;

/// Arguments of `cargo xtask schema`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write into a temporary folder and compare it with what is committed.
    #[arg(long)]
    check: bool,
}

/// Where the example puts each part below the folder that it is given, and where that is committed.
const SCHEMA: &str = "docs/schema";
const TYPES: &str = "clients/typescript/src/protocol.generated.ts";
/// What the program itself prints; a test of the program holds it against that.
const PAGES: &[(&str, &[&str])] = &[
    ("docs/configuration.md", &["config", "reference"]),
    ("docs/from-daphne.md", &["config", "daphne"]),
];

/// Writes or checks what is generated.
pub(crate) fn run(repository: &Repository, args: &Args) -> Result<()> {
    if args.check {
        return check(repository);
    }
    write(repository, &repository.path(""))?;
    for (page, words) in PAGES {
        let program = repository.command("cargo").args(["run", "--quiet", "-p", "moorline", "--"]);
        std::fs::write(repository.path(page), program.args(*words).output()? + "\n")?;
    }
    Ok(())
}

fn write(repository: &Repository, root: &std::path::Path) -> Result<()> {
    repository
        .command("cargo")
        .args(["run", "--quiet", "-p", "moorline-protocol", "--features", "schema"])
        .args(["--example", "schema", "--"])
        .arg(root)
        .run()?;
    // The doctor's page and the schema of its report; tests of its crate compare them.
    repository
        .command("cargo")
        .args(["run", "--quiet", "-p", "moorline-doctor", "--features", "schema"])
        .args(["--example", "documents", "--"])
        .arg(root)
        .run()?;
    // The schema of what a soak prints; a test of the program compares it.
    repository
        .command("cargo")
        .args(["run", "--quiet", "-p", "moorline", "--features", "schema"])
        .args(["--example", "soak_schema", "--"])
        .arg(root)
        .run()
}

/// Fails unless the committed schema and types are what the Rust types give.
pub(crate) fn check(repository: &Repository) -> Result<()> {
    let fresh = tempfile::tempdir()?;
    write(repository, fresh.path())?;
    let mut differences = files::differences(&repository.path(SCHEMA), &fresh.path().join(SCHEMA))?;
    if std::fs::read(repository.path(TYPES)).ok() != std::fs::read(fresh.path().join(TYPES)).ok() {
        differences.push(format!("{TYPES} differs"));
    }
    if !differences.is_empty() {
        bail!("not what the Rust types give: {}", differences.join(", "));
    }
    println!("{SCHEMA} and {TYPES} are what the Rust types give");
    Ok(())
}
