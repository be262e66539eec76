//! What the tests need from outside: Debian's Chromium, Redis, PostgreSQL and systemd's checker, the npm packages, a few from PyPI.
//!
//! Everything comes through the ordinary package managers at the versions that the lock files name,
//! and what is there already is left alone. Nothing is installed outside Debian's packages,
//! `node_modules` and the build folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::files;
use crate::promtool;
use crate::repository::Repository;

/// Folders with a `package-lock.json`, the SDK first since the page is built with it.
const NODE_FOLDERS: [&str; 7] = [
    "clients/typescript",
    "web",
    "tests/e2e",
    "tests/api",
    "examples/bot",
    "examples/html",
    "examples/react",
];

/// Debian packages: the program or file that shows that one is there, and its name.
const DEBIAN: [(&str, &str); 10] = [
    ("/usr/bin/chromium", "chromium"),
    ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core"),
    ("/usr/bin/python3", "python3-venv"),
    ("/usr/bin/gcc", "gcc"),
    ("/usr/bin/curl", "curl"),
    ("/usr/bin/openssl", "openssl"),
    ("/usr/bin/redis-server", "redis-server"),
    ("/usr/bin/pg_ctlcluster", "postgresql"),
    ("/usr/sbin/pgbouncer", "pgbouncer"),
    // Only for its checker of units; nothing of it is started.
    ("/usr/bin/systemd-analyze", "systemd"),
];

/// The oldest Django that `clients/python` supports; the newest is in `xtask/requirements.txt`.
const OLDEST_DJANGO: &str = "Django==4.2.30";

/// Installs everything; what is there already costs nothing.
pub(crate) fn everything(repository: &Repository) -> Result<()> {
    debian(repository)?;
    promtool::fetch(repository)?;
    node(repository)?;
    NODE_FOLDERS.iter().try_for_each(|folder| node_packages(repository, folder))?;
    python(repository)?;
    docs_python(repository)?;
    oldest_django(repository)?;
    Ok(())
}

fn debian(repository: &Repository) -> Result<()> {
    let missing: Vec<&str> = DEBIAN
        .iter()
        .filter(|(shows, _)| !Path::new(shows).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        println!("Debian packages: all there");
        return Ok(());
    }
    let apt = |args: &[&str]| {
        apt(repository, args)
            .with_context(|| format!("install these by hand and try again: {}", missing.join(" ")))
    };
    apt(&["update", "-q"])?;
    let mut install = vec!["install", "-q", "-y", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install)
}

/// `apt-get`, as root or by `sudo`.
pub(crate) fn apt(repository: &Repository, args: &[&str]) -> Result<()> {
    let (program, before) =
        if is_root(repository)? { ("apt-get", None) } else { ("sudo", Some("-n")) };
    let words = before.map(|flag| [flag, "apt-get"]).into_iter().flatten();
    repository
        .command(program)
        .args(words)
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .run()
}

fn is_root(repository: &Repository) -> Result<bool> {
    Ok(repository.command("id").arg("-u").output()? == "0")
}

/// The page and the tests need Node.js 20 or later; a server is built without it.
fn node(repository: &Repository) -> Result<()> {
    let version =
        repository.command("node").arg("--version").output().context(
            "Node.js 20 or later is needed for the tests (the server itself needs none)",
        )?;
    let major =
        version.trim_start_matches('v').split('.').next().and_then(|text| text.parse().ok());
    if major.is_none_or(|major: u32| major < 20) {
        bail!("Node.js is {version}, but the tests need 20 or later");
    }
    println!("Node.js {version}");
    Ok(())
}

/// `npm ci`, unless the packages of exactly this lock file are there.
pub(crate) fn node_packages(repository: &Repository, folder: &str) -> Result<()> {
    let lock = repository.path(folder).join("package-lock.json");
    let stamp = repository.path(folder).join("node_modules/.installed-from");
    let wanted = files::hash(&lock)?;
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        println!("{folder}: npm packages are there");
        return Ok(());
    }
    repository.command_in(folder, "npm").args(["ci", "--no-audit", "--no-fund"]).run()?;
    // A lock file without any package leaves no folder behind.
    std::fs::create_dir_all(repository.path(folder).join("node_modules"))?;
    std::fs::write(&stamp, wanted)?;
    Ok(())
}

/// The Python of the tests' own environment, which lies in the build folder.
pub(crate) fn python_path(repository: &Repository) -> PathBuf {
    repository.target("venv/bin/python")
}

/// A folder with the oldest Django that `clients/python` supports, to stand before the newest on the path.
pub(crate) fn oldest_django(repository: &Repository) -> Result<PathBuf> {
    let folder = repository.target("django-oldest");
    let stamp = folder.join(".installed-from");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == OLDEST_DJANGO) {
        return Ok(folder);
    }
    repository
        .command(python_path(repository))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"])
        .arg(OLDEST_DJANGO)
        .arg("--target")
        .arg(&folder)
        .run()?;
    std::fs::write(&stamp, OLDEST_DJANGO)?;
    Ok(folder)
}

fn python(repository: &Repository) -> Result<()> {
    environment(repository, "venv", "xtask/requirements.txt")
}

/// The Python that builds the documentation and tries the API, in an environment of its own: what it brings would load itself
/// into every other test.
pub(crate) fn docs_python(repository: &Repository) -> Result<PathBuf> {
    environment(repository, "venv-docs", "xtask/requirements-docs.txt")?;
    Ok(repository.target("venv-docs/bin/python"))
}

/// An environment in the build folder with exactly the packages of a list.
fn environment(repository: &Repository, name: &str, list: &str) -> Result<()> {
    let folder = repository.target(name);
    let stamp = folder.join(".installed-from");
    let wanted_file = repository.path(list);
    let wanted = files::hash(&wanted_file)?;
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        println!("{list}: Python packages are there");
        return Ok(());
    }
    repository.command("python3").args(["-m", "venv", "--clear"]).arg(&folder).run()?;
    repository
        .command(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&wanted_file)
        .run()?;
    std::fs::write(&stamp, wanted)?;
    Ok(())
}
