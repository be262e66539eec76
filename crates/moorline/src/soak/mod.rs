//! `moorline soak verify`: judges the history of a run by the delivery contract, I1 to I16.
//!
//! The history is a file of JSON lines, described in `docs/history.md`: what every client sent and
//! saw, the faults, and the store's logs at the end. It is read once, line by line; what is kept is
//! one record a position, a command and a connection. The checker never talks to a server.

mod audit;
mod authors;
mod commands;
mod connections;
mod faults;
mod finish;
mod lines;
mod membership;
mod names;
mod reads;
mod record;
mod resume;
mod rooms;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use self::commands::Command;
use self::connections::{Client, Connection};
use self::faults::Faults;
use self::membership::Ranges;
use self::names::{At, Conn, Name, Names, Place};
use self::reads::Floor;
use self::rooms::Room;
use self::verdict::Report;
pub use self::verdict::{Counts, Outcome, Promise, Verdict, Violation};

/// Reads a history, prints the verdict to `out` as text or JSON, and says whether it is clean.
///
/// # Errors
/// If the file cannot be read or `out` cannot be written. An unfit history is a verdict, no error.
pub fn verify(file: &Path, json: bool, out: &mut impl Write) -> io::Result<bool> {
    let verdict = verdict(file)?;
    if json {
        serde_json::to_writer(&mut *out, &verdict)?;
        writeln!(out)?;
    } else {
        out.write_all(verdict.text().as_bytes())?;
    }
    Ok(verdict.ok)
}

/// Reads a history and gives the verdict, with the lines that show what is broken.
///
/// # Errors
/// If the file cannot be read.
pub fn verdict(file: &Path) -> io::Result<Verdict> {
    let mut verdict = judge(BufReader::new(File::open(file)?))?;
    quote(file, &mut verdict)?;
    Ok(verdict)
}

/// Judges a history that comes from any reader; the violations name line numbers only.
///
/// # Errors
/// If the reader fails.
pub fn judge(history: impl BufRead) -> io::Result<Verdict> {
    let mut checker = Checker::default();
    for line in history.lines() {
        checker.read(&line?);
    }
    checker.conclude();
    Ok(checker.report.finish())
}

/// Reads the lines of the violations once more, to show them.
fn quote(file: &Path, verdict: &mut Verdict) -> io::Result<()> {
    let wanted: HashSet<u64> =
        verdict.violations.iter().flat_map(|violation| violation.lines.iter().copied()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut texts = HashMap::new();
    for (number, line) in (1..).zip(BufReader::new(File::open(file)?).lines()) {
        let line = line?;
        if wanted.contains(&number) {
            let short: String = line.chars().take(1000).collect();
            texts.insert(number, format!("{number}: {short}"));
        }
    }
    for violation in &mut verdict.violations {
        violation.history = violation.lines.iter().filter_map(|n| texts.get(n).cloned()).collect();
    }
    Ok(())
}

/// How long things may take, from the run line.
#[derive(Debug)]
struct Limits {
    /// A member has everything this soon after a fault.
    complete_us: u64,
    /// An answer that takes longer is silence.
    answer_us: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { complete_us: 50_000_000, answer_us: 10_000_000 }
    }
}

/// What is known of a message's edits.
#[derive(Debug, Default)]
struct Edits {
    bodies: Vec<u128>,
    floor: Floor,
}

/// How far the application of a client is in a room.
#[derive(Debug)]
struct Applied {
    epoch: u128,
    seq: u64,
    line: u64,
    /// A reset or a new membership lets it go on anywhere.
    anywhere: bool,
}

/// A session that was revoked.
#[derive(Debug)]
struct Revoked {
    user: Name,
    client: Option<Name>,
    at: At,
}

/// All that is remembered while a history is read.
#[derive(Debug, Default)]
struct Checker {
    names: Names,
    limits: Limits,
    /// The faults that the run claims.
    claimed: Option<Vec<String>>,
    rooms: HashMap<Name, Room>,
    commands: Vec<Command>,
    by_cid: HashMap<(Name, Name, u128), usize>,
    by_text: HashSet<(Name, Name, u128)>,
    edits: HashMap<u128, Edits>,
    clients: HashMap<Name, Client>,
    connections: HashMap<Conn, Connection>,
    applied: HashMap<(Name, Name), Applied>,
    heads: HashMap<(Name, Name), Floor>,
    markers: HashMap<(Name, Name), Floor>,
    ranges: Ranges,
    revoked: Vec<Revoked>,
    memberships: HashMap<Name, Vec<(Name, Place)>>,
    faults: Faults,
    report: Report,
    last: At,
    ended: Option<At>,
}
