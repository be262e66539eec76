//! The generation: how an older store is noticed when it is opened (invariant I14).
//!
//! A number is raised at each opening and at each orderly end, first in the store, then in a small synced file beside
//! it. A crash between the two leaves the store ahead, which is no alarm; the store is behind the file only where
//! somebody put back an older one. Then every room's log begins a new life, and every client hears of it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use crate::fresh::new_epoch;

/// What the opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The store is the one that was here last.
    Same,
    /// The store is older than the one that was here last, or another one, or nobody can tell.
    Older,
}

/// The note beside the store.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    store: String,
    generation: i64,
}

/// Raises the generation, and gives every room a new epoch if the store is older than its note.
pub(super) fn open(db: &mut Connection, folder: &Path) -> Result<Found, rusqlite::Error> {
    let note = read(folder);
    let transaction = db.transaction()?;
    let (store, generation): (String, i64) =
        transaction.query_row("SELECT store, generation FROM state", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let rooms: bool =
        transaction.query_row("SELECT EXISTS (SELECT 1 FROM rooms)", [], |row| row.get(0))?;
    // A store without rooms has no history to lose: the first opening may have been cut before its note was there.
    let is_same = match &note {
        Some(note) => note.store == store && note.generation <= generation,
        None => !rooms,
    };
    if !is_same {
        new_epochs(&transaction)?;
    }
    let noted = note.filter(|note| note.store == store).map_or(0, |note| note.generation);
    let next = generation.max(noted) + 1;
    transaction.execute("UPDATE state SET generation = ?1", params![next])?;
    transaction.commit()?;
    write(folder, &Note { store, generation: next }).map_err(failed)?;
    Ok(if is_same { Found::Same } else { Found::Older })
}

/// Raises it once more at an orderly end, so that a copy made while the store was open is older than the store.
pub(super) fn close(db: &Connection, folder: &Path) -> Result<(), rusqlite::Error> {
    let raise = "UPDATE state SET generation = generation + 1 RETURNING store, generation";
    let note =
        db.query_row(raise, [], |row| Ok(Note { store: row.get(0)?, generation: row.get(1)? }))?;
    write(folder, &note).map_err(failed)
}

pub(super) fn new_epochs(db: &Connection) -> rusqlite::Result<()> {
    let rooms: Vec<i64> = db
        .prepare("SELECT n FROM rooms")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut update = db.prepare("UPDATE rooms SET epoch = ?1 WHERE n = ?2")?;
    for room in rooms {
        update.execute(params![new_epoch().cast_signed(), room])?;
    }
    Ok(())
}

/// Where the note is.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("moorline.generation")
}

/// What the note says: which store, and how new it was.
pub(super) fn noted(folder: &Path) -> Option<(String, i64)> {
    read(folder).map(|note| (note.store, note.generation))
}

/// Writes the note of a store that was put here.
pub(super) fn note(folder: &Path, store: &str, generation: i64) -> io::Result<()> {
    write(folder, &Note { store: store.to_owned(), generation })
}

/// A note that cannot be read counts as none.
fn read(folder: &Path) -> Option<Note> {
    let text = fs::read_to_string(path(folder)).ok()?;
    let mut words = text.split_whitespace();
    Some(Note { store: words.next()?.to_owned(), generation: words.next()?.parse().ok()? })
}

fn write(folder: &Path, note: &Note) -> io::Result<()> {
    let draft = folder.join("moorline.generation.new");
    let mut file = File::create(&draft)?;
    writeln!(file, "{} {}", note.store, note.generation)?;
    file.sync_all()?;
    fs::rename(&draft, path(folder))?;
    File::open(folder)?.sync_all()
}

fn failed(error: io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}
