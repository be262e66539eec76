//! PostgreSQL's programs, and running them as somebody who is not root, as the server demands.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with `postgres` and `initdb` of another version than Debian's.
const OTHER: &str = "MOORLINE_TEST_POSTGRES";

/// The folder of the newest installed version.
fn folder() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            path.join("bin/postgres").exists().then(|| (version, path.join("bin")))
        })
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, path)| path);
    newest.expect("PostgreSQL is not installed: apt-get install postgresql")
}

/// A program: of the version asked for, where that has it, else of the installed one.
pub(crate) fn path(name: &str) -> PathBuf {
    let other = other().map(|folder| folder.join(name)).filter(|path| path.exists());
    other.unwrap_or_else(|| folder().join(name))
}

/// The folder of the version that was asked for.
pub(crate) fn other() -> Option<PathBuf> {
    std::env::var_os(OTHER).map(PathBuf::from)
}

/// The number of a program's major version.
pub(crate) fn version(name: &str) -> u32 {
    let says = output(as_nobody(&path(name)).arg("--version")).unwrap();
    let number = says.rsplit(' ').find_map(|word| word.split('.').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("{name} says {says}"))
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:\t0\t")))
}

/// A program, run as `postgres` where the tests run as root.
pub(crate) fn as_nobody(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // Where the tests run may not be readable for somebody else.
    command.current_dir("/").stdin(Stdio::null()).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// Runs to its end and gives what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// A folder that the server may write to.
pub(crate) fn give(folder: &Path) {
    if is_root() {
        output(Command::new("chown").arg("postgres:").arg(folder)).unwrap();
    }
}

/// Makes the files of a new server in `folder/data`.
pub(crate) fn init(folder: &Path) {
    let mut init = as_nobody(&path("initdb"));
    init.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
    output(init.arg("-D").arg(folder.join("data"))).unwrap();
}

/// The server's arguments: durable as in earnest, small, reachable by its socket alone.
pub(crate) fn arguments(folder: &Path) -> Vec<String> {
    let mut arguments = vec!["-D".to_owned(), folder.join("data").display().to_string()];
    for setting in [
        format!("unix_socket_directories={}", folder.display()),
        "listen_addresses=".to_owned(),
        "max_connections=300".to_owned(),
        "shared_buffers=64MB".to_owned(),
        "max_wal_size=256MB".to_owned(),
        "log_min_messages=warning".to_owned(),
        // Beside the data, so that a killed server leaves nothing behind in shared memory.
        "dynamic_shared_memory_type=mmap".to_owned(),
    ] {
        arguments.extend(["-c".to_owned(), setting]);
    }
    arguments
}

/// Whether the server behind the socket in this folder takes connections.
pub(crate) fn is_ready(folder: &Path) -> bool {
    let mut ask = as_nobody(&path("pg_isready"));
    ask.arg("-q").arg("-h").arg(folder);
    ask.status().is_ok_and(|status| status.success())
}

/// Nothing of the user's own, rows as lines, and an end at the first error.
const PSQL: [&str; 8] = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres"];

/// A statement by `psql`; gives its rows as lines.
pub(crate) fn psql(folder: &Path, database: &str, sql: &str) -> Result<String, String> {
    let mut psql = as_nobody(&path("psql"));
    psql.args(PSQL).args(["-d", database]);
    output(psql.arg("-h").arg(folder).args(["-c", sql]))
}

/// A file of statements by `psql`, in one session.
pub(crate) fn psql_script(folder: &Path, file: &Path) -> Result<String, String> {
    let mut psql = as_nobody(&path("psql"));
    psql.args(PSQL).args(["-d", "postgres"]);
    output(psql.arg("-h").arg(folder).arg("-f").arg(file))
}

/// The URL of a database behind the socket in this folder.
pub(crate) fn url(folder: &Path, database: &str) -> String {
    let folder = folder.display().to_string().replace('/', "%2F");
    format!("postgres://postgres@{folder}/{database}")
}
