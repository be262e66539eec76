//! `cargo xtask screenshots`: a picture of every view that the proof `page-views` walks through.

use anyhow::Result;

use crate::repository::Repository;
use crate::{install, test};

/// Arguments of `cargo xtask screenshots`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Take the three pictures of the README instead, into docs/pictures.
    #[arg(long)]
    readme: bool,
}

/// Takes the pictures; the views are those that the proof `page-views` walks through.
pub(crate) fn run(repository: &Repository, args: &Args) -> Result<()> {
    install::everything(repository)?;
    test::build(repository)?;
    let folder = match args.readme {
        true => repository.path("docs/pictures"),
        false => repository.target("screenshots"),
    };
    repository
        .command_in("tests/e2e", "node")
        .arg("screenshots.mjs")
        .args(args.readme.then_some("--readme"))
        .arg(&folder)
        .env("MOORLINE_BIN", repository.server())
        .run()?;
    println!("pictures: {}", folder.display());
    Ok(())
}
