//! Failures that tests plant into the writer of one folder: what a disk does that returns errors or lies about outcomes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use rusqlite::ffi;

use crate::command::Command;

/// What goes wrong, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The commit fails and nothing is stored.
    CommitFails(i32),
    /// The commit is stored, and reported as failed.
    CommitLies(i32),
    /// A send with this body breaks the transaction.
    BreaksOn(&'static str),
    /// A send with this body panics.
    PanicsOn(&'static str),
    /// The thread ends after its next commit.
    Dies,
}

static PLANTED: LazyLock<Mutex<HashMap<PathBuf, Vec<Fault>>>> = LazyLock::new(Mutex::default);

pub(super) fn plant(folder: &Path, fault: Fault) {
    PLANTED.lock().unwrap().entry(folder.to_owned()).or_default().push(fault);
}

/// Takes back what never goes away by itself.
pub(super) fn clear(folder: &Path) {
    PLANTED.lock().unwrap().remove(folder);
}

fn take(folder: &Path, wanted: impl Fn(&Fault) -> Option<i32>) -> rusqlite::Result<()> {
    let mut planted = PLANTED.lock().unwrap();
    let Some(faults) = planted.get_mut(folder) else { return Ok(()) };
    let Some(place) = faults.iter().position(|fault| wanted(fault).is_some()) else {
        return Ok(());
    };
    let code = wanted(&faults.remove(place)).unwrap();
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("planted".to_owned())))
}

pub(super) fn before_command(folder: &Path, command: &Command) -> rusqlite::Result<()> {
    let Command::Send(send) = command else { return Ok(()) };
    let planted = PLANTED.lock().unwrap().get(folder).cloned().unwrap_or_default();
    for fault in planted {
        match fault {
            Fault::PanicsOn(body) if body == send.body => panic!("planted"),
            Fault::BreaksOn(body) if body == send.body => {
                let code = ffi::Error::new(ffi::SQLITE_CONSTRAINT);
                return Err(rusqlite::Error::SqliteFailure(code, Some("planted".to_owned())));
            }
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn before_commit(folder: &Path) -> rusqlite::Result<()> {
    take(folder, |fault| match fault {
        Fault::CommitFails(code) => Some(*code),
        _ => None,
    })
}

pub(super) fn after_commit(folder: &Path) -> rusqlite::Result<()> {
    take(folder, |fault| match fault {
        Fault::CommitLies(code) => Some(*code),
        _ => None,
    })
}

pub(super) fn before_delivery(folder: &Path) {
    let planted = PLANTED.lock().unwrap().get(folder).cloned().unwrap_or_default();
    assert!(!planted.contains(&Fault::Dies), "planted");
}
