//! Which store a command is about, and how it is called in what is printed.

use std::path::PathBuf;

use moorline_store::backup::Place;

use super::args::StoreArgs;
use crate::database::database;
use crate::failure::{Exit, Failure};
use crate::lock::FolderLock;
use crate::settings::Environment;

/// The store that `serve` uses with the same settings.
pub(super) fn place(args: &StoreArgs, environment: &Environment) -> Result<Place, Failure> {
    let folder = environment.pick(args.data_dir.as_ref(), "data-dir");
    let folder = folder.map_or(PathBuf::from("moorline-data"), |folder| folder.value.into());
    let (url, file) = (args.database_url.as_ref(), args.database_url_file.as_ref());
    Ok(match database(url, file, environment)? {
        Some(url) => Place::Database(url, folder),
        None => Place::Folder(folder),
    })
}

/// How people call it; a password is not shown.
pub(super) fn name(place: &Place) -> String {
    match place {
        Place::Folder(folder) => format!("the data folder `{}`", folder.display()),
        Place::Database(url, _) => url.to_string(),
    }
}

/// The data folder for this command alone, or that a server has it.
pub(super) enum Hold {
    /// Held until this is dropped.
    Own {
        /// The lock; none where the store is no folder's.
        _lock: Option<FolderLock>,
    },
    /// A server has it; what refuses says which.
    Server(Failure),
}

/// Takes the folder if nobody has it.
pub(super) fn hold(place: &Place) -> Result<Hold, Failure> {
    let Place::Folder(folder) = place else { return Ok(Hold::Own { _lock: None }) };
    match FolderLock::take(folder) {
        Ok(lock) => Ok(Hold::Own { _lock: Some(lock) }),
        Err(failure) if failure.exit == Exit::Refused => Ok(Hold::Server(failure)),
        Err(failure) => Err(failure),
    }
}
