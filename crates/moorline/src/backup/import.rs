//! `moorline import`: from SQLite to PostgreSQL, for those who outgrow one machine.

use std::process::ExitCode;

use moorline_store::backup::Place;

use super::args::ImportArgs;
use super::bar::Bar;
use super::explain::explain;
use super::place::{Hold, hold};
use super::{code, told};
use crate::config::LogFormat;
use crate::database::database;
use crate::failure::{Exit, Failure};
use crate::logging;
use crate::settings::Environment;

/// Imports, or goes on with an import.
pub fn import(args: &ImportArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let _log = logging::start(LogFormat::Text, 0).ok();
    let url = database(args.to.as_ref(), args.to_file.as_ref(), environment)?.ok_or_else(|| {
        Failure::usage(
            "No PostgreSQL database is named.",
            "Give --to postgres://user:password@host/name, or a file that holds it: --to-file FILE.",
        )
    })?;
    let from = Place::Folder(args.from.clone());
    if !args.from.is_dir() {
        return Err(Failure::usage(
            format!("There is no data folder `{}`.", args.from.display()),
            "Give the folder that the server was started with: --from FOLDER.",
        ));
    }
    let _held = match hold(&from)? {
        Hold::Server(failure) => return Err(still_running(failure)),
        own => own,
    };
    let bar = Bar::new();
    let imported =
        moorline_store::backup::import(&args.from, &url, &mut |progress| bar.tell(progress));
    drop(bar);
    let summary = imported.map_err(|error| explain(&error))?;
    println!("Imported `{}` into {url}", args.from.display());
    if summary.had > 0 {
        println!("  {} rows were there from before", told::number(summary.had));
    }
    print!("{}{}", told::sums(&summary), told::faults(&summary));
    println!("  rooms keep their epochs, people their sessions: clients go on where they were");
    println!(
        "  start the server with --database-url from now on, never again on the folder alone:"
    );
    println!("  there every room would begin a new life");
    Ok(code(&summary))
}

fn still_running(failure: Failure) -> Failure {
    let fix = "Stop the server first: what it acknowledged during the import would be lost. Its clients wait, and come \
               back when it is started again with --database-url.";
    Failure { fix: fix.to_owned(), ..Failure::new(Exit::Refused, failure.what, "") }
}
