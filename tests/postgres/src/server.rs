//! A server of a test's own, which it may kill, restart and starve.

use std::fs::Permissions;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::programs;

/// How long a server may take to come up, recovery included.
const DEADLINE: Duration = Duration::from_secs(60);

/// The server. It is killed, and its files are removed, when this is dropped.
pub struct Server {
    folder: PathBuf,
    settings: Vec<String>,
    /// Loaded before everything else into the server's processes.
    preload: Option<PathBuf>,
    child: Option<Child>,
    /// Absent where the test brought its own folder.
    _own: Option<TempDir>,
}

impl Server {
    /// A running server in a temporary folder.
    #[must_use]
    pub fn start() -> Self {
        let own = TempDir::with_prefix("moorline-postgres-").unwrap();
        let mut server = Self::made_in(own.path());
        server._own = Some(own);
        server.resume();
        server
    }

    /// A running server that can be reached over TLS alone at this address of the machine itself, with this certificate
    /// and its key.
    #[must_use]
    pub fn start_with_tls(address: Ipv4Addr, certificate: &str, key: &str) -> Self {
        assert!(address.is_loopback());
        let own = TempDir::with_prefix("moorline-postgres-").unwrap();
        let mut server = Self::made_in(own.path());
        let data = own.path().join("data");
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            std::fs::write(data.join(name), text).unwrap();
            std::fs::set_permissions(data.join(name), Permissions::from_mode(0o600)).unwrap();
            programs::give(&data.join(name));
        }
        let rules = "local all all trust\nhostssl all all 127.0.0.0/8 trust\n";
        std::fs::write(data.join("pg_hba.conf"), rules).unwrap();
        server.set(&["ssl=on", &format!("listen_addresses={address}")]);
        server._own = Some(own);
        server.resume();
        server
    }

    /// A running server whose files lie in this folder, for example on a small disk.
    #[must_use]
    pub fn start_in(folder: &Path) -> Self {
        let mut server = Self::made_in(folder);
        server.resume();
        server
    }

    /// A running standby of another server, which follows it.
    #[must_use]
    pub fn replica_of(primary: &Self) -> Self {
        let own = TempDir::with_prefix("moorline-postgres-").unwrap();
        programs::give(own.path());
        primary.copy_running(own.path());
        let folder = own.path().to_owned();
        let mut server =
            Self { folder, settings: Vec::new(), preload: None, child: None, _own: Some(own) };
        server.resume();
        server
    }

    /// Makes the files of a standby in this folder.
    fn copy_running(&self, folder: &Path) {
        if programs::version("pg_basebackup") < programs::version("postgres") {
            return self.copy_running_by_hand(folder);
        }
        let mut copy = programs::as_nobody(&programs::path("pg_basebackup"));
        copy.args(["-U", "postgres", "-R", "-X", "stream", "-c", "fast", "-h"]);
        programs::output(copy.arg(&self.folder).arg("-D").arg(folder.join("data"))).unwrap();
    }

    /// The same where there is no `pg_basebackup` of this version: in one session, as PostgreSQL's manual says.
    fn copy_running_by_hand(&self, folder: &Path) {
        let (from, to) = (self.folder.join("data"), folder.join("data"));
        let (from, to) = (from.display(), to.display());
        let script = folder.join("copy.sql");
        let text = format!(
            "SELECT pg_backup_start('copy', true);\n\\! cp -a {from} {to} && rm {to}/postmaster.pid\n\
             \\o {to}/backup_label\nSELECT labelfile FROM pg_backup_stop();\n"
        );
        std::fs::write(&script, text).unwrap();
        programs::give(&script);
        programs::psql_script(&self.folder, &script).unwrap();
        let follow = format!("primary_conninfo = 'user=postgres host={}'\n", self.folder.display());
        for (name, text) in [("postgresql.auto.conf", follow.as_str()), ("standby.signal", "")] {
            let path = folder.join("data").join(name);
            std::fs::write(&path, text).unwrap();
            programs::give(&path);
        }
    }

    /// A standby gets nothing more from its primary from now on.
    pub fn fall_behind(&self) {
        self.psql("postgres", "ALTER SYSTEM SET primary_conninfo = ''").unwrap();
        self.psql("postgres", "SELECT pg_reload_conf()").unwrap();
        let started = Instant::now();
        let count = "SELECT count(*) FROM pg_stat_wal_receiver";
        while self.psql("postgres", count).unwrap() != "0" {
            assert!(started.elapsed() < DEADLINE, "the standby still follows");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a standby has everything that its primary has committed.
    pub fn catch_up_with(&self, primary: &Self) {
        let end = primary.psql("postgres", "SELECT pg_current_wal_lsn()").unwrap();
        let is_there = format!("SELECT pg_last_wal_replay_lsn() >= '{end}'");
        let started = Instant::now();
        while self.psql("postgres", &is_there).unwrap() != "t" {
            assert!(started.elapsed() < DEADLINE, "the standby does not catch up");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes a standby a primary, and waits until it is one.
    pub fn promote(&self) {
        assert_eq!(self.psql("postgres", "SELECT pg_promote()").unwrap(), "t");
    }

    fn made_in(folder: &Path) -> Self {
        programs::give(folder);
        programs::init(folder);
        Self {
            folder: folder.to_owned(),
            settings: Vec::new(),
            preload: None,
            child: None,
            _own: None,
        }
    }

    /// Settings of `postgresql.conf` from the next start on.
    pub fn set(&mut self, settings: &[&str]) {
        self.settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
    }

    /// A library that is preloaded from the next start on; the server gets a copy that it can read.
    pub fn preload(&mut self, library: &Path) {
        let copy = self.folder.join("preloaded.so");
        std::fs::copy(library, &copy).unwrap();
        self.preload = Some(copy);
    }

    /// The postmaster and all processes that it has now.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let Some(child) = &self.child else { return Vec::new() };
        let mut all = processes_below(child.id());
        all.push(child.id());
        all
    }

    /// Starts it again and waits until it takes connections.
    pub fn resume(&mut self) {
        self.resume_without_waiting();
        let started = Instant::now();
        while !programs::is_ready(&self.folder) {
            assert!(started.elapsed() < DEADLINE, "the server does not come up");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again.
    pub fn resume_without_waiting(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = programs::as_nobody(&programs::path("postgres"));
        command.args(programs::arguments(&self.folder));
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.envs(self.preload.iter().map(|library| ("LD_PRELOAD", library)));
        command.stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// The folder of its files and its socket.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it complained of.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The URL of a database on it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        programs::url(&self.folder, database)
    }

    /// The URL of a database that is on this server or, where this one is away or cannot be written to, on the other.
    #[must_use]
    pub fn url_or(&self, other: &Self, database: &str) -> String {
        let host = |server: &Self| server.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{},{}/{database}", host(self), host(other))
    }

    /// Runs a statement and gives its rows as lines.
    ///
    /// # Errors
    /// What `psql` says.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        programs::psql(&self.folder, database, sql)
    }

    /// Kills the postmaster with this signal (`KILL`: a crash; `INT`: at once, in order; `QUIT`: at once, in disorder) and
    /// waits until all its processes are gone.
    pub fn kill(&mut self, signal: &str) {
        let Some(mut child) = self.child.take() else { return };
        let group = processes_below(child.id());
        send(signal, child.id());
        let _ = child.wait();
        // A killed postmaster leaves its children to find out.
        for process in group {
            let started = Instant::now();
            while Path::new(&format!("/proc/{process}")).exists() && started.elapsed() < DEADLINE {
                if signal == "KILL" {
                    send("KILL", process);
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// Keeps a copy of its files; it must not be running.
    pub fn keep_copy(&self) {
        self.copy("data", "data.kept");
    }

    /// Puts the copy that was kept into the place of its files; it must not be running.
    pub fn put_copy_back(&self) {
        std::fs::remove_dir_all(self.folder.join("data")).unwrap();
        self.copy("data.kept", "data");
    }

    fn copy(&self, from: &str, to: &str) {
        assert!(self.child.is_none(), "the server runs");
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(self.folder.join(from)).arg(self.folder.join(to));
        programs::output(&mut copy).unwrap();
    }

    /// The processes that serve connections whose application is named so.
    #[must_use]
    pub fn backends(&self, application: &str) -> Vec<u32> {
        let sql =
            format!("SELECT pid FROM pg_stat_activity WHERE application_name = '{application}'");
        let lines = self.psql("postgres", &sql).unwrap_or_default();
        lines.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill("KILL");
    }
}

fn send(signal: &str, process: u32) {
    let _ = Command::new("kill")
        .args(["-s", signal, &process.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// The children of a process; `setpriv` becomes the server itself, so the postmaster's are the backends.
fn processes_below(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}
