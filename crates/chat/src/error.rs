//! Why the rules refuse something, and the one place where causes become words of the wire.

use moorline_protocol::ErrorCode;
use moorline_store as store;

/// What a call into the chat answers where it does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is longer than allowed.
    #[error("the text is {bytes} bytes long, the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: u32,
    },
    /// A field that is not allowed like this.
    #[error("{0}")]
    Invalid(String),
    /// The store's answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// The stable code that a client gets.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Invalid(_) => ErrorCode::Invalid,
            Self::Store(error) => store_code(error),
        }
    }

    /// What a client's developer reads. Says nothing about the inside of the server.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Store(
                store::Error::Invalid(_)
                | store::Error::UnknownUser
                | store::Error::TooManyTickets { .. },
            )
            | Self::TooLarge { .. }
            | Self::Invalid(_) => self.to_string(),
            Self::Store(_) => self.code().text().to_owned(),
        }
    }

    /// When to try again, ms, where that makes sense.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Store(error) => {
                error.retry_after().and_then(|after| u64::try_from(after.as_millis()).ok())
            }
            _ => None,
        }
    }
}

fn store_code(error: &store::Error) -> ErrorCode {
    match error {
        store::Error::NotFound => ErrorCode::NotFound,
        store::Error::UnknownUser | store::Error::Invalid(_) => ErrorCode::Invalid,
        store::Error::Erased => ErrorCode::Erased,
        store::Error::Forbidden => ErrorCode::Forbidden,
        store::Error::CidConflict => ErrorCode::CidConflict,
        store::Error::Deleted => ErrorCode::Deleted,
        store::Error::TooManyRooms { .. } => ErrorCode::TooManyRooms,
        store::Error::TooManyMembers { .. } => ErrorCode::TooManyMembers,
        store::Error::Conflict => ErrorCode::Conflict,
        store::Error::NameTaken => ErrorCode::NameTaken,
        store::Error::TooManyTickets { .. } => ErrorCode::RateLimited,
        store::Error::Overloaded { .. } => ErrorCode::Overloaded,
        store::Error::StorageFull { .. } => ErrorCode::StorageFull,
        store::Error::Unavailable { .. } => ErrorCode::Unavailable,
        store::Error::NewerSchema { .. }
        | store::Error::Database { .. }
        | store::Error::Open { .. } => ErrorCode::Internal,
    }
}
