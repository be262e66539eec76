//! One server a data folder: the lock that `serve` holds as long as it lives.
//! The file holds the pid of the holder, so that a second server can name the first. The kernel
//! drops the lock with the process, so nothing has to be cleaned up after a crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::failure::{Exit, Failure};

/// The name of the lock file inside the data folder.
pub const FILE: &str = "moorline.pid";

/// Holds the data folder until it is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Makes the folder if needed and locks it; a folder in use is refused with the holder's pid.
    pub fn take(folder: &Path) -> Result<Self, Failure> {
        make_private_folder(folder).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("The data folder `{}` cannot be made.", folder.display()),
                "Choose a folder that this user may write to: --data-dir FOLDER.",
            )
            .because(error)
        })?;
        let unusable = |error: std::io::Error| {
            Failure::new(
                Exit::Failed,
                format!("The data folder `{}` cannot be written to.", folder.display()),
                "Check its owner and rights, or choose another one: --data-dir FOLDER.",
            )
            .because(error)
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(folder.join(FILE)).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(folder, &mut file)),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        write_pid(&mut file).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

/// The server that holds a folder now, by its process; none where nobody does. Makes nothing.
pub fn holder(folder: &Path) -> Option<u32> {
    let mut file = File::open(folder.join(FILE)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).ok()?;
            pid.trim().parse().ok()
        }
        // What was locked is given back with the file.
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn in_use(folder: &Path, file: &mut File) -> Failure {
    let mut pid = String::new();
    let holder = match file.read_to_string(&mut pid) {
        Ok(_) if !pid.trim().is_empty() => format!("pid {}", pid.trim()),
        _ => "its pid is not known yet".to_owned(),
    };
    Failure::new(
        Exit::Refused,
        format!("Another Moorline server ({holder}) uses the data folder `{}`.", folder.display()),
        "Stop that one first, or give this one its own folder: --data-dir FOLDER.",
    )
}

/// Only the server's own user may look into what people wrote.
fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_on_a_folder_is_refused_with_the_pid_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path()).unwrap();
        let refused = FolderLock::take(folder.path()).unwrap_err();
        assert_eq!(refused.exit, Exit::Refused);
        assert!(refused.what.contains(&format!("pid {}", std::process::id())), "{refused}");
        assert_eq!(holder(folder.path()), Some(std::process::id()));
        drop(first);
        assert_eq!(holder(folder.path()), None);
        FolderLock::take(folder.path()).unwrap();
    }

    #[test]
    fn the_folder_is_made_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let _lock = FolderLock::take(&folder).unwrap();
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let refused = FolderLock::take(&file.join("data")).unwrap_err();
        assert!(refused.what.contains("cannot be made"), "{refused}");
        assert!(refused.fix.contains("--data-dir"), "{refused}");
    }
}
