//! What a failure of `moorline_store::backup` means to the person who typed the command: what failed, why, what to do.

use moorline_store::backup::BackupError;

use crate::failure::{Exit, Failure};
use crate::serve::cannot_open;

/// The sentence, the cause and the remedy.
pub(super) fn explain(error: &BackupError) -> Failure {
    let failed = |what: String, fix: &str| Failure::new(Exit::Failed, what, fix);
    let refused = |what: String, fix: &str| Failure::new(Exit::Refused, what, fix);
    match error {
        BackupError::Store(error) => cannot_open(error),
        BackupError::Failed { place, reason } => failed(
            format!("{place} could not be read or written."),
            "Check the disk and the connection, then run the same again.",
        )
        .because(reason),
        BackupError::File { path, reason } => failed(
            format!("`{}` cannot be used.", path.display()),
            "Check the path, the rights and the free space.",
        )
        .because(reason),
        BackupError::Exists(path) => refused(
            format!("`{}` exists already.", path.display()),
            "Choose another name: a backup never writes over another.",
        ),
        BackupError::NoBackup(path) => refused(
            format!("`{}` is no backup of Moorline.", path.display()),
            "Give a file that `moorline backup` wrote.",
        ),
        BackupError::Damaged { path, what } => failed(
            format!("The backup `{}` is damaged.", path.display()),
            "Copy it again from where it came, or take another backup.",
        )
        .because(what),
        BackupError::Newer { path, what } => refused(
            format!("The backup `{}` was written by a newer Moorline.", path.display()),
            "Use a Moorline at least as new.",
        )
        .because(format!("this program does not know {what}")),
        other => explain_store(other),
    }
}

/// Those about the store at the other end.
fn explain_store(error: &BackupError) -> Failure {
    let refused = |what: String, fix: &str| Failure::new(Exit::Refused, what, fix);
    match error {
        BackupError::OlderSchema { place, found, known } => refused(
            format!("{place} was written by an older Moorline."),
            "Start this version of the server on it once, or use the Moorline that wrote it.",
        )
        .because(format!("its schema is {found}, this program works with {known}")),
        BackupError::NoStore(place) => refused(
            format!("There is no store in {place}."),
            "Name the store: --data-dir FOLDER, or --database-url URL.",
        ),
        BackupError::NotEmpty(place) => refused(
            format!("{place} is not empty: it holds people or rooms."),
            "Use an empty folder (--data-dir FOLDER) or an empty database; nothing is ever written over.",
        ),
        BackupError::InUse { place, nodes } => {
            refused(format!("Moorline is connected to {place}."), "Stop every node that uses this database, then run the same again.")
                .because(format!("{nodes} of its connections are open"))
        }
        BackupError::LogTooLarge { mib } => refused(
            "The store is too large to be copied while so much is written to it.".to_owned(),
            "Try at a quieter time or with the server stopped; or let its log grow meanwhile: --let-log-grow.",
        )
        .because(format!("the server's log had grown to {mib} MiB, and its bound is 64 MiB")),
        BackupError::Unfinished(place) => refused(
            format!("{place} holds an unfinished import."),
            "Finish it by the same `moorline import` as before; or empty the database (DROP SCHEMA moorline CASCADE).",
        ),
        BackupError::OtherImport { place, what } => {
            refused(format!("{place} holds the beginning of another import."), "Empty the database (DROP SCHEMA moorline CASCADE) and import again.")
                .because(what)
        }
        other => Failure::new(Exit::Failed, other.to_string(), "Run the same again."),
    }
}
