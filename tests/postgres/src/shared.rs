//! One server for all tests of a checkout, whichever processes they run in: made by the first that needs it, ended by
//! itself once nobody has held its lock for a few seconds.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::programs;

/// Holds the server for as long as this process lives.
static SERVER: LazyLock<Held> = LazyLock::new(Held::take);

struct Held {
    folder: PathBuf,
    _users: File,
}

/// Runs the server until nobody holds the lock. `$1` is the folder, the rest the server's command.
const KEEPER: &str = r#"
folder=$1; shift
"$@" >/dev/null 2>"$folder/log" &
server=$!
exec 9>>"$folder/users.lock"
while sleep 5; do
    kill -0 $server 2>/dev/null || exit 1
    if flock -n -x 9; then
        kill -INT $server; wait $server
        rm -rf "$folder/data"
        exit 0
    fi
done
"#;

impl Held {
    fn take() -> Self {
        let folder = folder();
        std::fs::create_dir_all(&folder).unwrap();
        let lock =
            |name: &str| File::options().create(true).append(true).open(folder.join(name)).unwrap();
        let users = lock("users.lock");
        users.lock_shared().unwrap();
        let start = lock("start.lock");
        start.lock().unwrap();
        if !programs::is_ready(&folder) {
            run(&folder);
        }
        Self { folder, _users: users }
    }
}

/// In memory where there is room, since the tests sync as in earnest.
fn folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let is_large = programs::output(Command::new("df").args(["--output=avail", "-k", "/dev/shm"]))
        .ok()
        .and_then(|text| text.lines().last()?.trim().parse::<u64>().ok())
        .is_some_and(|kib| kib > 2 << 20);
    let place = if is_large { memory.to_owned() } else { std::env::temp_dir() };
    let mut hasher = DefaultHasher::new();
    env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
    programs::other().hash(&mut hasher);
    place.join(format!("moorline-postgres-{:016x}", hasher.finish()))
}

fn run(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder.join("data"));
    programs::give(folder);
    programs::init(folder);
    let server = programs::as_nobody(&programs::path("postgres"));
    let mut keeper = Command::new("setsid");
    // The keeper outlives this process.
    keeper.args(["--fork", "sh", "-c", KEEPER, "keeper"]).arg(folder);
    keeper.arg(server.get_program()).args(server.get_args()).args(programs::arguments(folder));
    keeper.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    keeper.status().unwrap();
    let started = Instant::now();
    while !programs::is_ready(folder) {
        assert!(started.elapsed() < Duration::from_secs(60), "see {}/log", folder.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An empty database, dropped with this.
pub struct Database {
    name: String,
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Database {
    /// Makes one.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{now:x}_{:x}_{count:x}", std::process::id());
        programs::psql(&SERVER.folder, "postgres", &format!("CREATE DATABASE {name}")).unwrap();
        Self { name }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        programs::url(&SERVER.folder, &self.name)
    }

    /// Runs a statement in it and gives its rows as lines.
    ///
    /// # Errors
    /// What `psql` says.
    pub fn psql(&self, sql: &str) -> Result<String, String> {
        programs::psql(&SERVER.folder, &self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = programs::psql(&SERVER.folder, "postgres", &drop);
    }
}
