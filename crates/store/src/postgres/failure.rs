//! Why a transaction or a read failed, and what that means for those who wait: the one place that knows PostgreSQL's codes.

use std::fmt;
use std::time::Duration;

use tokio_postgres::error::{DbError, Severity, SqlState};

use super::tls;
use crate::Error;

/// What a pooler that hands one connection to many is told by: our connections are not ours alone there.
pub(super) const POOLER: &str = "a connection pooler (PgBouncer) stands in between and passes no settings on; \
                                 give the address of PostgreSQL itself";

/// What failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The driver's or the server's error.
    Sql(tokio_postgres::Error),
    /// The server answers, and is not one to use.
    Unfit(String),
    /// It can be read and not written: a standby, or a primary that was demoted.
    ReadOnly,
    /// Nothing came in time.
    TimedOut,
    /// A row holds what no program of this version wrote.
    Odd(&'static str),
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// No space.
    Full,
    /// Not to be written to.
    ReadOnly,
    /// Another transaction was first: the same again, on what it left.
    Race,
    /// One of the commands cannot be carried out; the others can.
    Command,
    /// The server is away, or the connection is.
    Away,
}

impl Failure {
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Sql(error) => error.as_db_error().map_or(Cause::Away, cause_of),
            Self::ReadOnly => Cause::ReadOnly,
            Self::Unfit(_) | Self::TimedOut => Cause::Away,
            Self::Odd(_) => Cause::Command,
        }
    }

    /// Whether the server itself said that the transaction is undone. Anything else during a commit leaves its outcome open.
    pub(super) fn is_rolled_back(&self) -> bool {
        match self {
            Self::Sql(error) => error
                .as_db_error()
                .is_some_and(|error| error.parsed_severity() == Some(Severity::Error)),
            Self::Odd(_) => true,
            Self::Unfit(_) | Self::ReadOnly | Self::TimedOut => false,
        }
    }

    /// What those who wait are told.
    pub(super) fn answer(&self) -> Error {
        match self.cause() {
            Cause::Full => Error::StorageFull { retry_after: Duration::from_secs(2) },
            _ => Error::unavailable(self.to_string()),
        }
    }
}

fn cause_of(error: &DbError) -> Cause {
    let code = error.code();
    let is_error = error.parsed_severity() == Some(Severity::Error);
    if *code == SqlState::DISK_FULL {
        return Cause::Full;
    }
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return Cause::ReadOnly;
    }
    if [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::UNIQUE_VIOLATION,
    ]
    .contains(code)
    {
        return Cause::Race;
    }
    match &code.code()[..2] {
        // Data and statements: something in this very transaction.
        "21" | "22" | "23" | "42" if is_error => Cause::Command,
        _ => Cause::Away,
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        // A pooler in between that hands one connection to many has no place for our settings.
        let refuses_settings = error
            .as_db_error()
            .is_some_and(|error| error.message().contains("unsupported startup parameter"));
        if refuses_settings {
            return Self::Unfit(POOLER.to_owned());
        }
        match tls::refusal(&error) {
            Some(why) => Self::Unfit(why),
            None => Self::Sql(error),
        }
    }
}

impl From<tokio::time::error::Elapsed> for Failure {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::TimedOut
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.answer()
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Failure::from(error).answer()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql(error) => match (error.as_db_error(), std::error::Error::source(error)) {
                (Some(error), _) => write!(f, "{} ({})", error.message(), error.code().code()),
                (None, Some(cause)) => write!(f, "{error}: {cause}"),
                (None, None) => error.fmt(f),
            },
            Self::Unfit(why) => f.write_str(why),
            Self::ReadOnly => {
                f.write_str("the database is read-only: a standby, or a primary that was demoted")
            }
            Self::TimedOut => f.write_str("the database does not answer in time"),
            Self::Odd(what) => write!(f, "the database holds an unknown {what}"),
        }
    }
}
