//! The data folder: there or to be made, writable, and closed to others.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{apart, unread};
use crate::finding::Outcome;
use crate::subject::Subject;

pub(crate) async fn is_usable(subject: &Subject) -> Outcome {
    let Ok(local) = &subject.local else { return unread() };
    let folder = local.data_dir.clone();
    apart(move || look(&folder)).await
}

fn look(folder: &Path) -> Outcome {
    let shown = folder.display();
    let found = match fs::metadata(folder) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => {
            return Outcome::fail(
                format!("`{shown}` is a file, not a folder."),
                "The server cannot keep anything there.",
                "Choose another place: --data-dir FOLDER.",
            );
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return look_above(folder),
        Err(error) => return unusable(folder, &error),
    };
    if let Err(error) = write_probe(folder) {
        return unusable(folder, &error);
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Outcome::warn(
            format!(
                "`{shown}` has mode {mode:o}: other users of this machine can look into it or write to it."
            ),
            "It holds what people wrote, and the key of invitations.",
            format!("chmod 700 {shown}"),
        );
    }
    let database = folder.join("moorline.db");
    match fs::metadata(&database) {
        Ok(file) if file.uid() != found.uid() => Outcome::warn(
            format!("`{}` belongs to another user than its folder.", database.display()),
            "A server that runs as the folder's owner may be unable to write to it; this happens when a command ran as root.",
            format!("chown --reference={shown} {shown}/*"),
        ),
        _ => Outcome::pass(format!("`{shown}` can be written to, and is closed to others.")),
    }
}

/// It will be made at the first start, if the nearest folder above allows it.
fn look_above(folder: &Path) -> Outcome {
    let above = nearest(folder);
    match write_probe(&above) {
        Ok(()) => Outcome::pass(format!(
            "`{}` is not there yet; the first start makes it.",
            folder.display()
        )),
        Err(error) => unusable(folder, &error),
    }
}

/// The nearest folder above that exists.
pub(crate) fn nearest(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let found = absolute.ancestors().find(|above| above.is_dir());
    found.unwrap_or(Path::new("/")).to_owned()
}

/// Writes a small file, syncs it and removes it.
pub(crate) fn write_probe(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!(".moorline-doctor-{:08x}", rand::random::<u32>()));
    let written = fs::File::create_new(&path).and_then(|mut file| {
        std::io::Write::write_all(&mut file, &[0x4d; 16 * 1024])?;
        file.sync_all()
    });
    // Where it was not made there is nothing to remove.
    let _ = fs::remove_file(&path);
    written
}

fn unusable(folder: &Path, error: &std::io::Error) -> Outcome {
    let shown = folder.display();
    let fix = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "Make room on its disk: see ML-SYSTEM-002.".to_owned()
        }
        ErrorKind::ReadOnlyFilesystem => {
            "Mount its disk writable, or choose another one: --data-dir FOLDER.".to_owned()
        }
        _ => format!(
            "Give it to the server's user: chown USER {shown}; or choose another one: --data-dir FOLDER."
        ),
    };
    Outcome::fail(
        format!("`{shown}` cannot be written to: {error}."),
        "The server keeps everything there, and does not start without it.",
        fix,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status;

    #[test]
    fn a_private_folder_passes_and_keeps_nothing_of_the_check() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(look(folder.path()).status, Status::Pass);
        assert_eq!(look(&folder.path().join("a/b")).status, Status::Pass);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_open_folder_is_warned_of_with_the_command_that_closes_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let outcome = look(folder.path());
        assert_eq!(outcome.status, Status::Warn);
        assert!(outcome.advice.unwrap().fix.starts_with("chmod 700 "));
    }

    #[test]
    fn a_file_in_its_place_fails() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(look(file.path()).status, Status::Fail);
        assert_eq!(look(&file.path().join("below")).status, Status::Fail);
    }
}
