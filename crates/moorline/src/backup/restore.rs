//! `moorline restore`: a backup into an empty store, and what that means for those who chat.

use std::process::ExitCode;

use super::args::RestoreArgs;
use super::bar::Bar;
use super::explain::explain;
use super::place::{Hold, hold, name, place};
use super::{code, told};
use crate::config::LogFormat;
use crate::failure::Failure;
use crate::logging;
use crate::settings::Environment;

/// Restores.
pub fn restore(args: &RestoreArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let _log = logging::start(LogFormat::Text, 0).ok();
    let to = place(&args.store, environment)?;
    let _held = match hold(&to)? {
        Hold::Server(failure) => return Err(failure),
        own => own,
    };
    let bar = Bar::new();
    let restored =
        moorline_store::backup::restore(&args.file, &to, &mut |progress| bar.tell(progress));
    drop(bar);
    let summary = restored.map_err(|error| explain(&error))?;
    let taken = told::moment(summary.taken_ms);
    println!("Restored `{}` into {}", args.file.display(), name(&to));
    print!("{}{}", told::sums(&summary), told::faults(&summary));
    println!("  everything that was acknowledged before {taken} is there");
    println!("  what was acknowledged after {taken} is missing, unless that was nothing");
    println!("  every room has a new epoch: clients are told by `reset` and load their rooms anew");
    Ok(code(&summary))
}
