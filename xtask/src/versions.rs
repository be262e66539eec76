//! The contract of the store on the PostgreSQL versions that Debian's own archive does not have.
//!
//! Called by `prove`. The programs come from npm, where they are built for Linux on x86-64 alone; elsewhere this says that
//! it shows nothing.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};

use crate::repository::Repository;

const PACKAGES: &str = "tests/postgres/versions/node_modules";

/// Runs the contract on each of these versions.
pub(crate) fn prove(repository: &Repository, versions: &[&str]) -> Result<()> {
    if cfg!(not(all(target_os = "linux", target_arch = "x86_64"))) {
        println!("skipped: npm has these programs for Linux on x86-64 alone");
        return Ok(());
    }
    versions.iter().try_for_each(|version| prove_one(repository, version))
}

fn prove_one(repository: &Repository, version: &str) -> Result<()> {
    // Where the server's own user can read it: the checkout may lie in somebody's home.
    let copy = tempfile::Builder::new().prefix("moorline-postgres-programs-").tempdir()?;
    std::fs::set_permissions(copy.path(), std::fs::Permissions::from_mode(0o755))?;
    let package = repository.path(PACKAGES).join(format!("postgres-{version}"));
    repository.command("cp").arg("-a").arg(&package).arg(copy.path().join("package")).run()?;
    let package = copy.path().join("package");
    // Links are not kept in a package; npm may or may not have made them when it was installed.
    let links = repository.command("node").arg("scripts/hydrate-symlinks.js").folder(&package);
    links.run()?;
    let programs = package.join("native/bin");
    let says = repository.command(programs.join("postgres")).arg("--version").output();
    let says = says.with_context(|| format!("PostgreSQL {version} does not start"))?;
    ensure!(says.contains(&format!(") {version}.")), "this is {says}, not {version}");
    println!("{says}");
    let nextest = repository.command("cargo").args(["nextest", "--version"]).works();
    let run: &[&str] =
        if nextest { &["nextest", "run", "--no-fail-fast"] } else { &["test", "--no-fail-fast"] };
    repository
        .command("cargo")
        .args(run)
        .args(["-p", "moorline-store", "--test", "contract-postgres"])
        .env("MOORLINE_TEST_POSTGRES", programs)
        .run()
}
