//! The program's commands about whole stores as processes, and what a backup's file holds.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::artifacts;

/// `moorline` with these words, and no setting from outside.
///
/// # Errors
/// If the program cannot be built.
pub fn command(words: &[&str]) -> Result<Command> {
    let mut command = Command::new(artifacts::server()?);
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    for name in ["DATABASE_URL", "DATABASE_URL_FILE", "MOORLINE_DATABASE_URL", "MOORLINE_DATA_DIR"]
    {
        command.env_remove(name);
    }
    Ok(command)
}

/// Runs it to its end; gives the exit code and all that it said.
///
/// # Errors
/// If it cannot be run.
pub async fn run(words: &[&str]) -> Result<(i32, String)> {
    let output = command(words)?.output().await.context("cannot run the program")?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned()))
}

/// Runs what must succeed, and gives what it said.
///
/// # Errors
/// If it fails.
pub async fn must(words: &[&str]) -> Result<String> {
    let (code, said) = run(words).await?;
    ensure!(code == 0, "moorline {}: exit code {code}\n{said}", words.join(" "));
    Ok(said)
}

/// What two stores have in common if they hold the same rows, in whatever order: their number, and a sum of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rows {
    /// How many.
    pub count: u64,
    sum: [u64; 4],
}

/// Of a backup's file.
///
/// # Errors
/// If it cannot be read.
pub fn rows(file: &Path) -> Result<Rows> {
    let mut lines = BufReader::new(zstd::Decoder::new(File::open(file)?)?);
    let (mut rows, mut line) = (Rows::default(), Vec::new());
    while lines.read_until(b'\n', &mut line)? > 0 {
        // The first and the last line are no rows.
        if line.first() == Some(&b'[') {
            rows.count += 1;
            for (sum, piece) in rows.sum.iter_mut().zip(Sha256::digest(&line).chunks_exact(8)) {
                let piece: [u8; 8] = piece.try_into()?;
                *sum = sum.wrapping_add(u64::from_le_bytes(piece));
            }
        }
        line.clear();
    }
    Ok(rows)
}
