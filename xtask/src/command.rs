//! One external command: shown before it runs, without standard input, its output passed on.
//!
//! What a failed command says is already on the screen, so the error here only names the command
//! and how it ended.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::process::{Command as Process, Stdio};

use anyhow::{Context, Result, bail};

/// Cargo tells a program that it runs about the program's own package. A cargo started from here
/// would take that for its caller's wish and build parts anew.
const INHERITED_FROM_CARGO: [&str; 4] =
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// A command that is about to run.
pub(crate) struct Command {
    process: Process,
}

impl Command {
    /// A command by name or path.
    pub(crate) fn new(program: &Path) -> Self {
        let mut process = Process::new(program);
        process.stdin(Stdio::null()).env("CI", "true");
        for (name, _) in std::env::vars_os() {
            let about_xtask =
                INHERITED_FROM_CARGO.iter().any(|start| name.to_string_lossy().starts_with(start));
            if about_xtask {
                process.env_remove(&name);
            }
        }
        Self { process }
    }

    /// The folder to start in.
    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.process.current_dir(folder);
        self
    }

    /// More arguments.
    pub(crate) fn args<I, S>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.process.args(args);
        self
    }

    /// One more argument.
    pub(crate) fn arg(self, arg: impl AsRef<OsStr>) -> Self {
        self.args([arg])
    }

    /// A variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.process.env(name, value);
        self
    }

    /// Runs it and fails unless it exits with 0.
    pub(crate) fn run(mut self) -> Result<()> {
        println!("$ {self}");
        let status = self.process.status().with_context(|| format!("could not start `{self}`"))?;
        if !status.success() {
            bail!("`{self}` ended with {status}");
        }
        Ok(())
    }

    /// Runs it and tells whether it exits with 0.
    pub(crate) fn succeeds(mut self) -> Result<bool> {
        println!("$ {self}");
        let status = self.process.status().with_context(|| format!("could not start `{self}`"))?;
        Ok(status.success())
    }

    /// Runs it without a word and tells whether it is there and exits with 0.
    pub(crate) fn works(mut self) -> bool {
        let quiet = self.process.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    }

    /// Runs it and returns what it printed, without the last line's end.
    pub(crate) fn output(mut self) -> Result<String> {
        let output = self.process.output().with_context(|| format!("could not start `{self}`"))?;
        if !output.status.success() {
            bail!(
                "`{self}` ended with {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// Runs it and returns what it printed; fails unless it exits with something else than 0.
    pub(crate) fn failure(mut self) -> Result<String> {
        println!("$ {self}");
        self.process.stderr(Stdio::inherit());
        let output = self.process.output().with_context(|| format!("could not start `{self}`"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{}", said.lines().last().unwrap_or_default());
        if output.status.success() {
            bail!("`{self}` should have failed");
        }
        Ok(said)
    }

    /// Starts it and leaves it running; its output goes to a file.
    pub(crate) fn start(mut self, log: &Path) -> Result<Running> {
        println!("$ {self} &");
        let file = std::fs::File::create(log)?;
        self.process.stdout(file.try_clone()?).stderr(file);
        let child = self.process.spawn().with_context(|| format!("could not start `{self}`"))?;
        Ok(Running { child })
    }
}

/// As one would type it.
impl fmt::Display for Command {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<OsString> = std::iter::once(self.process.get_program())
            .chain(self.process.get_args())
            .map(OsStr::to_owned)
            .collect();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        out.write_str(&words.join(" "))
    }
}

/// A command that runs in the background until this value goes away.
pub(crate) struct Running {
    child: std::process::Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
