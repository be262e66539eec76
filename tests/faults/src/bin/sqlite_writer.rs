//! A small program that keeps what it says: it inserts numbers into a SQLite database, one synced
//! commit each, prints a number after its commit, and sometimes checkpoints. It proves the power-cut
//! layer before the server is put on it.

use std::io::Write;

use anyhow::{Context, Result};
use rusqlite::Connection;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let file = args.next().context("usage: sqlite_writer FILE COUNT")?;
    let count: i64 = args.next().context("usage: sqlite_writer FILE COUNT")?.parse()?;
    let database = Connection::open(file)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 20;
         CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY, text TEXT NOT NULL);",
    )?;
    let last: i64 =
        database.query_row("SELECT coalesce(max(number), 0) FROM numbers", [], |row| row.get(0))?;
    let mut out = std::io::stdout();
    for number in last + 1..=last + count {
        let text = "x".repeat(usize::try_from(number * 37 % 3000)?);
        database.execute("INSERT INTO numbers VALUES (?1, ?2)", (number, text))?;
        writeln!(out, "{number}")?;
        out.flush()?;
    }
    Ok(())
}
