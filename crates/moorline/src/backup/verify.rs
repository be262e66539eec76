//! `moorline verify`: whether a backup or a store keeps its promises, as far as rows can show.

use std::process::ExitCode;

use moorline_store::backup::{self, Place, Summary};

use super::args::VerifyArgs;
use super::bar::Bar;
use super::explain::explain;
use super::place::{Hold, hold, name, place};
use super::{code, told};
use crate::config::LogFormat;
use crate::failure::Failure;
use crate::logging;
use crate::settings::Environment;

/// Looks at a file, or at the store.
pub fn verify(args: &VerifyArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let _log = logging::start(LogFormat::Text, 0).ok();
    let bar = Bar::new();
    let (of, looked) = match &args.file {
        Some(file) => {
            let looked = backup::verify_file(file, &mut |progress| bar.tell(progress));
            (format!("the backup `{}`", file.display()), looked.map_err(|error| explain(&error))?)
        }
        None => look_at_store(&place(&args.store, environment)?, &bar)?,
    };
    drop(bar);
    println!(
        "Looked at {of} (from {}, schema {}, Moorline {})",
        looked.source, looked.schema, looked.program
    );
    if args.file.is_some() {
        let taken = told::moment(looked.taken_ms);
        println!("  it holds everything that was acknowledged before {taken}");
    }
    print!("{}{}", told::sums(&looked), told::faults(&looked));
    Ok(code(&looked))
}

fn look_at_store(of: &Place, bar: &Bar) -> Result<(String, Summary), Failure> {
    // A folder that is not there is not made by looking at it.
    let is_there = !matches!(of, Place::Folder(folder) if !folder.exists());
    let held = is_there.then(|| hold(of)).transpose()?;
    let is_in_use = matches!(held, Some(Hold::Server(_)));
    let looked = backup::verify(of, is_in_use, &mut |progress| bar.tell(progress));
    let looked = looked.map_err(|error| explain(&error))?;
    let what = if is_in_use { ", in use: a copy of this moment" } else { "" };
    Ok((format!("{}{what}", name(of)), looked))
}
