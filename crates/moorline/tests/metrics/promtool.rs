//! `promtool` of Debian's package `prometheus`, as `cargo xtask test` fetches it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs it in a folder; whether it was content, and what it said.
pub(crate) fn promtool(folder: &Path, words: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(program())
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing: `cargo xtask test --only install` fetches it");
    // It may have seen enough before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn program() -> PathBuf {
    let fetched = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../prometheus/usr/bin/promtool");
    if fetched.exists() { fetched } else { "promtool".into() }
}
