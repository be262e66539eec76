//! `moorline migrate`: the schema of a PostgreSQL database, for those who bring it up to date before they start new nodes.

use moorline_store::{Error, Store};

use crate::args::{DatabaseArgs, MigrateCommand};
use crate::database::database;
use crate::failure::Failure;
use crate::serve::cannot_open;
use crate::settings::Environment;

/// Carries out the command and gives what to print.
pub fn run(command: &MigrateCommand, environment: &Environment) -> Result<String, Failure> {
    let (args, is_up) = match command {
        MigrateCommand::Status(args) => (args, false),
        MigrateCommand::Up(args) => (args, true),
    };
    let DatabaseArgs { database_url, database_url_file } = args;
    let url = database(database_url.as_ref(), database_url_file.as_ref(), environment)?;
    let Some(url) = url else {
        return Err(Failure::usage(
            "No PostgreSQL database is named.",
            "Give --database-url or DATABASE_URL; SQLite is brought up to date whenever it is opened.",
        ));
    };
    let steps = Store::migrations(&url, is_up).map_err(|error: Error| cannot_open(&error))?;
    let mut text = format!("{url}\n");
    for step in &steps {
        let state = if step.is_applied { "there" } else { "missing: moorline migrate up" };
        text += &format!("  {} {}: {state}\n", step.version, step.name);
    }
    Ok(text)
}
