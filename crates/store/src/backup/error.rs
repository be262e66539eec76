//! Why a backup, a restore, a verification or an import does not happen, by cause. The program's commands say what to do.

use std::io;
use std::path::{Path, PathBuf};

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] crate::Error),
    /// The store was opened, and reading or writing it failed.
    #[error("{place}: {reason}")]
    Failed {
        /// The file, or the database's URL without its password.
        place: String,
        /// What failed.
        reason: String,
    },
    /// A file or folder could not be used.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is something under this name already.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// The file is no backup.
    #[error("{0} is no backup of Moorline")]
    NoBackup(PathBuf),
    /// The file is cut, or is not what was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        what: String,
    },
    /// A newer Moorline wrote the file.
    #[error("{path} was written by a newer Moorline: {what}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// What this program does not know.
        what: String,
    },
    /// The schema is older than this program.
    #[error("{place} has schema {found}, this program works with {known}")]
    OlderSchema {
        /// The file, or the database's URL without its password.
        place: String,
        /// Its schema.
        found: i64,
        /// The program's.
        known: i64,
    },
    /// There is no store.
    #[error("{0} holds no store")]
    NoStore(String),
    /// The target has people or rooms.
    #[error("{0} is not empty")]
    NotEmpty(String),
    /// Nodes are connected to the database.
    #[error("{nodes} connections of Moorline use {place}")]
    InUse {
        /// The database's URL without its password.
        place: String,
        /// How many.
        nodes: i64,
    },
    /// Copying would have made the log of the running server grow over its bound.
    #[error("the log grew to {mib} MiB before everything was copied")]
    LogTooLarge {
        /// How large it was.
        mib: u64,
    },
    /// The database holds the beginning of an import.
    #[error("{0} holds an unfinished import")]
    Unfinished(String),
    /// The beginning of the import that the database holds is of something else.
    #[error("{place} holds the beginning of another import: {what}")]
    OtherImport {
        /// The database's URL without its password.
        place: String,
        /// In what it differs.
        what: String,
    },
}

impl BackupError {
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        Self::File { path: path.to_owned(), reason: error.to_string() }
    }

    pub(crate) fn failed(place: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Failed { place: place.into(), reason: reason.to_string() }
    }
}
