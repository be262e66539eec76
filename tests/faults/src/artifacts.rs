//! Where the programs under test lie: given by the environment, else built by cargo just now.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// The server: `MOORLINE_BIN`, else the workspace's own, built in the profile of this process.
///
/// # Errors
/// If it cannot be built.
pub fn server() -> Result<PathBuf> {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    once(&SERVER, "MOORLINE_BIN", "moorline", "moorline")
}

/// The layer that forgets what was not synced: `MOORLINE_POWERCUT`, else built now.
///
/// # Errors
/// If it cannot be built.
pub fn powercut() -> Result<PathBuf> {
    static LAYER: OnceLock<PathBuf> = OnceLock::new();
    once(&LAYER, "MOORLINE_POWERCUT", "moorline-powercut", "libmoorline_powercut.so")
}

/// The file that a variable names, or that cargo builds; one process asks once.
fn once(known: &OnceLock<PathBuf>, name: &str, package: &str, file: &str) -> Result<PathBuf> {
    if let Some(path) = known.get() {
        return Ok(path.clone());
    }
    let path = match env::var_os(name) {
        Some(path) => path.into(),
        None => built(package, file)?,
    };
    Ok(known.get_or_init(|| path).clone())
}

/// Has cargo build the package, which takes no time if it is fresh, and finds the file.
fn built(package: &str, file: &str) -> Result<PathBuf> {
    let folder = profile_folder()?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", package]);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().context("cannot run cargo")?;
    ensure!(status.success(), "cargo could not build {package}");
    let path = folder.join(file);
    ensure!(path.exists(), "{} is not there after the build of {package}", path.display());
    Ok(path)
}

/// `target/debug` or `target/release`, whichever this process was built into.
fn profile_folder() -> Result<PathBuf> {
    let program = env::current_exe().context("this process has no path")?;
    let folder = program.parent().context("this process lies in no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}
