//! A PgBouncer before a server, from Debian's package of that name.

use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::programs;
use crate::server::Server;

/// Part of its socket's name only: it listens on no address.
const PORT: u16 = 6432;

/// The pooler. It is killed when this is dropped.
pub struct Pooler {
    folder: TempDir,
    child: Child,
}

impl Pooler {
    /// A running one that hands a connection to somebody else after each transaction, with these further settings.
    #[must_use]
    pub fn before(server: &Server, settings: &str) -> Self {
        let folder = TempDir::with_prefix("moorline-pgbouncer-").unwrap();
        programs::give(folder.path());
        let (place, behind) = (folder.path().display(), server.folder().display());
        let text = format!(
            "[databases]\n* = host={behind} user=postgres\n[pgbouncer]\nlisten_port = {PORT}\nlisten_addr =\n\
             unix_socket_dir = {place}\nauth_type = any\npool_mode = transaction\n{settings}\n"
        );
        let configuration = folder.path().join("pgbouncer.ini");
        std::fs::write(&configuration, text).unwrap();
        programs::give(&configuration);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = programs::as_nobody("/usr/sbin/pgbouncer".as_ref());
        let child = command.arg(&configuration).stdout(Stdio::null()).stderr(log).spawn();
        let pooler = Self { folder, child: child.expect("apt-get install pgbouncer") };
        let socket = pooler.folder.path().join(format!(".s.PGSQL.{PORT}"));
        let started = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "the pooler does not come up");
            thread::sleep(Duration::from_millis(20));
        }
        pooler
    }

    /// The URL of a database through it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{PORT}/{database}")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
