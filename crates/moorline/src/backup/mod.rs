//! `moorline backup`, `restore`, `verify` and `import`: what is asked, done by `moorline_store::backup`, said in words.

pub mod args;
mod bar;
mod explain;
mod import;
mod place;
mod restore;
mod told;
mod verify;

pub use import::import;
pub use restore::restore;
pub(crate) use told::moment;
pub use verify::verify;

use std::process::ExitCode;

use moorline_store::backup::{Place, Summary, save};

use self::args::BackupArgs;
use self::bar::Bar;
use self::explain::explain;
use self::place::{name, place};
use crate::config::LogFormat;
use crate::failure::{Exit, Failure};
use crate::logging;
use crate::settings::Environment;

/// Writes a backup. A store with faults is saved all the same; the exit code tells.
pub fn backup(args: &BackupArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let _log = logging::start(LogFormat::Text, 0).ok();
    let from = place(&args.store, environment)?;
    let bar = Bar::new();
    let saved = save(&from, &args.file, args.let_log_grow, &mut |progress| bar.tell(progress));
    drop(bar);
    let summary = saved.map_err(|error| explain(&error))?;
    println!(
        "Backup of {} in `{}`, {}",
        name(&from),
        args.file.display(),
        told::size(summary.bytes)
    );
    println!(
        "  it holds everything that was acknowledged before {}",
        told::moment(summary.taken_ms)
    );
    print!("{}{}", told::sums(&summary), told::faults(&summary));
    if matches!(from, Place::Folder(_)) {
        println!("  invitations that are out are not in it: their key stays in the data folder");
    }
    Ok(code(&summary))
}

/// A store with faults is a failed check.
fn code(summary: &Summary) -> ExitCode {
    if summary.fault_count == 0 { ExitCode::SUCCESS } else { Exit::Failed.into() }
}
