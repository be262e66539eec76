//! Opens the admin socket: for the server's own user only, from its first moment on.
//!
//! It is made in a folder that nobody else can enter and then moved to its place, since a socket that is bound first and
//! closed to others later is open in between. What a dead server left behind is replaced, what lives is not.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use moorline_server::Listener;

use crate::admin::{AdminConfig, SocketAt};
use crate::failure::{Exit, Failure};
use crate::listen::SocketFile;

/// What the path of a Unix socket may have at most: `sun_path` of Linux without the zero at its end.
const PATH_BYTES: usize = 107;

/// The open socket; its file goes when this is dropped.
#[derive(Debug)]
pub struct AdminSocket {
    /// To be given to the server.
    pub listener: Listener,
    /// Its file.
    pub file: SocketFile,
}

impl AdminSocket {
    /// Opens the socket that the configuration wants, if any. In the data folder it is a convenience: where it cannot be
    /// there, that is logged, and the server goes on without.
    ///
    /// # Errors
    /// Where a path was named and cannot be used.
    pub fn open(config: &AdminConfig, folder: &Path) -> Result<Option<Self>, Failure> {
        let Some(path) = config.path(folder) else { return Ok(None) };
        match Self::bind(&path) {
            Ok(socket) => Ok(Some(socket)),
            Err(failure) if config.socket == SocketAt::Folder => {
                tracing::warn!(
                    "there is no admin socket: {}",
                    failure.to_string().replace('\n', ";")
                );
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    fn bind(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let name = path.file_name().ok_or_else(|| {
            Failure::usage(
                format!("`{shown}` from --admin-socket is no path of a file."),
                "Give a path such as /run/moorline/admin.sock.",
            )
        })?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        // No longer than the names that people give to sockets.
        let private = parent.join(format!(".{:04x}", rand::random::<u16>()));
        let bytes = path.as_os_str().len().max(private.join("s").as_os_str().len());
        if bytes > PATH_BYTES {
            return Err(Failure::new(
                Exit::Refused,
                format!(
                    "The path `{shown}` is too long for a Unix socket ({bytes} of {PATH_BYTES} bytes)."
                ),
                "Give a shorter one, such as --admin-socket /run/moorline/admin.sock, and the same to the \
                 commands with --admin; or --admin-socket off.",
            ));
        }
        clear(path)?;
        let listener = bind_privately(&private, &parent.join(name)).map_err(|error| {
            let fix = "Check that its folder exists and that this user may write to it, or choose another path: \
                       --admin-socket PATH; off for none.";
            Failure::new(Exit::Refused, format!("Cannot listen on the admin socket `{shown}`."), fix)
                .because(error)
        })?;
        Ok(Self { listener: listener.into(), file: SocketFile(path.to_owned()) })
    }
}

/// Makes room at the path: nothing is there, or what a dead server left.
fn clear(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    let refused = |what: String, fix: &str| Err(Failure::new(Exit::Refused, what, fix));
    if !found.file_type().is_socket() {
        let fix = "Remove it, or choose another path: --admin-socket PATH; off for none.";
        return refused(format!("A file that is no socket is at `{shown}`."), fix);
    }
    if UnixStream::connect(path).is_ok() {
        let fix = "Stop it, or choose another path: --admin-socket PATH; off for none.";
        return refused(format!("Another program listens on the admin socket `{shown}`."), fix);
    }
    // If it cannot be removed, binding says why.
    let _ = fs::remove_file(path);
    Ok(())
}

fn bind_privately(private: &Path, path: &Path) -> io::Result<UnixListener> {
    DirBuilder::new().mode(0o700).create(private)?;
    let folder = Removed(private.to_owned());
    let inside = folder.0.join("s");
    let listener = UnixListener::bind(&inside)?;
    fs::set_permissions(&inside, Permissions::from_mode(0o600))?;
    fs::rename(&inside, path)?;
    Ok(listener)
}

/// A folder that goes with what was in it.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // What stays behind is an empty folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(path: &Path) -> AdminConfig {
        AdminConfig { socket: SocketAt::Path(path.to_owned()), token: None }
    }

    fn open(path: &Path) -> Result<Option<AdminSocket>, Failure> {
        AdminSocket::open(&config(path), Path::new("/nowhere"))
    }

    #[test]
    fn the_socket_is_its_owners_alone_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = open(&path).unwrap().unwrap();
        let mode = path.symlink_metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["admin.sock"]);
        assert!(UnixStream::connect(&path).is_ok());
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_server_left_is_replaced_and_what_lives_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(UnixListener::bind(&path).unwrap());
        let living = open(&path).unwrap().unwrap();
        let refused = open(&path).unwrap_err();
        assert_eq!(refused.exit, Exit::Refused);
        assert!(refused.what.contains("Another program listens"), "{refused}");
        assert!(UnixStream::connect(&path).is_ok());
        drop(living);
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        fs::write(&path, "precious").unwrap();
        let refused = open(&path).unwrap_err();
        assert!(refused.what.contains("no socket"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_path_that_is_too_long_is_explained_where_it_was_named_and_done_without_where_not() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(100));
        fs::create_dir(&deep).unwrap();
        let refused = open(&deep.join("admin.sock")).unwrap_err();
        assert!(refused.what.contains("too long") && refused.fix.contains("off"), "{refused}");
        let default = AdminConfig { socket: SocketAt::Folder, token: None };
        assert!(AdminSocket::open(&default, &deep).unwrap().is_none());
        let missing = open(&folder.path().join("none/admin.sock")).unwrap_err();
        assert!(missing.fix.contains("folder exists"), "{missing}");
    }
}
