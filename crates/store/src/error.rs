//! Why the store refuses or fails, by cause. Callers map a variant to the wire's code; texts are for logs and people.

use std::path::PathBuf;
use std::time::Duration;

/// What the store answers where it does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such room or message, or not one that this person may see: both look alike.
    #[error("there is no such room or message")]
    NotFound,
    /// A person whom a command names does not exist.
    #[error("there is no such person")]
    UnknownUser,
    /// The person was erased, and nobody gets the id again.
    #[error("this person was erased; the id is not given out again")]
    Erased,
    /// The person's role does not allow it.
    #[error("the role does not allow this")]
    Forbidden,
    /// The cid was used for another command.
    #[error("this cid was used for another command")]
    CidConflict,
    /// The message is deleted.
    #[error("the message is deleted")]
    Deleted,
    /// One of the people is in as many rooms as a person can be.
    #[error("a person can be in at most {limit} rooms")]
    TooManyRooms {
        /// That number.
        limit: u64,
    },
    /// The room is full.
    #[error("a room can have at most {limit} members")]
    TooManyMembers {
        /// That number.
        limit: u64,
    },
    /// Something else exists under this id.
    #[error("something else exists under this id")]
    Conflict,
    /// The sign-in name is taken.
    #[error("the name is taken")]
    NameTaken,
    /// A value that is not allowed here.
    #[error("{0}")]
    Invalid(&'static str),
    /// The person has as many unused tickets as one may have.
    #[error("a person can have at most {limit} unused tickets")]
    TooManyTickets {
        /// That number.
        limit: usize,
        /// When the first of them ends.
        retry_after: Duration,
    },
    /// A queue of the store is full; nothing was done.
    #[error("the store has too much to do")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The disk is full; nothing was acknowledged, trying again later is safe.
    #[error("the disk is full")]
    StorageFull {
        /// When to try again.
        retry_after: Duration,
    },
    /// The store cannot say now; trying the same again later is safe.
    #[error("the store is not available: {reason}")]
    Unavailable {
        /// What failed.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The file was written by a newer Moorline.
    #[error(
        "the data in {path} was written by a newer Moorline (schema {found}, this program knows up to {known}); \
         start a Moorline at least as new, or restore a backup made before the upgrade"
    )]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// The database could not be opened.
    #[error("cannot use {place}: {reason}")]
    Database {
        /// Its URL without the password.
        place: String,
        /// What failed.
        reason: String,
    },
    /// The store could not be opened.
    #[error("cannot open {path}: {reason}")]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
}

impl Error {
    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), retry_after: Duration::from_millis(500) }
    }

    pub(crate) fn overloaded() -> Self {
        Self::Overloaded { retry_after: Duration::from_millis(200) }
    }

    /// Whether trying the same again later may succeed, unchanged.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retry_after().is_some()
    }

    /// When to try again, where that makes sense.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded { retry_after }
            | Self::StorageFull { retry_after }
            | Self::TooManyTickets { retry_after, .. }
            | Self::Unavailable { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

/// SQLite's words for a full disk and for all other failures.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => {
                Self::StorageFull { retry_after: Duration::from_secs(2) }
            }
            _ => Self::unavailable(error.to_string()),
        }
    }
}
