//! The note beside a database, looked at and taken away by those who are no server.

use std::fs;
use std::path::Path;

use crate::backup::BackupError;
use crate::backup::check::Faults;
use crate::backup::file::{Header, sync_folder};
use crate::sqlite::generation;

/// Whether the database is the one that was in use last in this folder.
pub(crate) fn look_at_note(folder: &Path, header: &Header, faults: &mut Faults) {
    let has_rooms = header.rows > 1;
    let what = match generation::noted(folder) {
        None if !has_rooms => return,
        None => "no note says how new the database was last (moorline.generation is not there)"
            .to_owned(),
        Some((store, _)) if store != header.store => {
            "another database than the one that was in use last stands here".to_owned()
        }
        Some((_, noted)) if noted > header.generation => format!(
            "an older state than the one that was in use last stands here (generation {}, the note says {noted})",
            header.generation
        ),
        Some(_) => return,
    };
    let then = "the next start gives every room a new epoch, and every client a reset";
    faults.add("I14", None, None, format!("{what}; {then}"));
}

/// Takes the note away: should this database ever be served again, every room begins a new life, so that its positions
/// are never mistaken for those of the store that took its place.
pub(crate) fn retire(folder: &Path) -> Result<(), BackupError> {
    let note = generation::path(folder);
    let removed = match fs::remove_file(&note) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => sync_folder(&note),
    };
    removed.map_err(|error| BackupError::file(&note, &error))
}
