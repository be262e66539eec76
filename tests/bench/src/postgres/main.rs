//! The benchmark of `cargo xtask bench-postgres`: durable sends of the store on PostgreSQL against one connection that
//! commits each message with the same statements, on an ordinary disk and on one whose sync takes 2 ms more, and beside
//! the store on SQLite. Never part of the tests: a timed test on a shared machine tells about the machine.

#[path = "../facts.rs"]
mod facts;
#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../figures.rs"]
mod figures;
mod load;
#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../report.rs"]
mod report;
#[path = "../rounds.rs"]
mod rounds;
mod stores;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use load::Figures;
use report::{Bar, Row};
use rounds::{Place, rounds};
use stores::{On, Servers};

/// With 2 ms a sync, one connection that waits for each of them cannot do more than this.
const SLOWEST: f64 = 500.0;

/// Measures the store on PostgreSQL.
#[derive(Parser)]
#[command(name = "moorline-bench-postgres")]
struct Args {
    /// Rounds; in each, everything is measured once
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// One round of half a second each: whether it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Seconds that each thing is measured
    #[arg(long, default_value_t = 2.0)]
    window: f64,
    /// Write the table to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Take the preloaded library as it was built last
    #[arg(long)]
    no_build: bool,
}

/// What one round gave.
struct Round {
    together: Figures,
    one_by_one: Figures,
    sqlite: Figures,
    slow_together: Figures,
    slow_one_by_one: Figures,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("moorline-bench-postgres: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let mut place = Place::find("bench-postgres")?;
    if !args.no_build {
        build()?;
    }
    let library = place.programs.join("libmoorline_slow_sync.so");
    let servers = Servers::start(&place.folder, &library)?;
    place.note(format!("PostgreSQL {}", servers.version()));
    let window = Duration::from_secs_f64(if args.short { 0.5 } else { args.window });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measure = |on| runtime.block_on(load::measure(&servers, on, window));
    let rounds = rounds(args.rounds, args.short, || {
        Ok(Round {
            together: measure(On::Postgres)?,
            one_by_one: measure(On::OneByOne)?,
            sqlite: measure(On::Sqlite)?,
            slow_together: measure(On::SlowPostgres)?,
            slow_one_by_one: measure(On::SlowOneByOne)?,
        })
    })?;
    let columns = "product: the store on PostgreSQL. bare: what the score compares it with.";
    place.tell(&rows(&rounds), columns, args.json.as_deref())
}

/// Builds the library that makes a sync slow, beside this program.
fn build() -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "-p", "moorline-slow-sync"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the preloaded library does not build");
    Ok(())
}

fn rows(rounds: &[Round]) -> Vec<Row> {
    let slow_enough = rounds.iter().all(|round| round.slow_one_by_one.rate() <= SLOWEST);
    let mut slow = row(
        ("the same with 2 ms a sync", "messages/s", Bar::AtLeast(20.0)),
        "times one connection",
        rounds,
        (|round| round.slow_together.rate(), |round| round.slow_one_by_one.rate()),
    );
    slow.void = (!slow_enough).then(|| "a sync did not take 2 ms more".to_owned());
    let mut plain = row(
        ("durable sends over 250 rooms", "messages/s", Bar::AtLeast(4.0)),
        "times one connection",
        rounds,
        (|round| round.together.rate(), |round| round.one_by_one.rate()),
    );
    if let Some(last) = rounds.last() {
        plain.notes = vec![
            last.together.note("PostgreSQL, all lanes"),
            last.one_by_one.note("PostgreSQL, one connection and a commit each"),
            last.sqlite.note("SQLite"),
        ];
        slow.notes = vec![
            last.slow_together.note("PostgreSQL, all lanes"),
            last.slow_one_by_one.note("PostgreSQL, one connection and a commit each"),
        ];
    }
    let beside = row(
        ("both stores: PostgreSQL and (bare) SQLite", "messages/s", Bar::None),
        "of SQLite",
        rounds,
        (|round| round.together.rate(), |round| round.sqlite.rate()),
    );
    let cpu = row(
        ("CPU a message, servers included: the same two", "us", Bar::None),
        "times SQLite",
        rounds,
        (|round| round.together.cpu_us(), |round| round.sqlite.cpu_us()),
    );
    vec![plain, slow, beside, cpu]
}

/// What a round says of one side.
type Figure = fn(&Round) -> f64;

/// The two sides of a row in each round, and their ratio.
fn row(
    (name, unit, bar): (&'static str, &'static str, Bar),
    score_is: &'static str,
    rounds: &[Round],
    (product, bare): (Figure, Figure),
) -> Row {
    Row {
        name,
        unit,
        product: rounds.iter().map(product).collect(),
        bare: rounds.iter().map(bare).collect(),
        score_is,
        score: rounds.iter().map(|round| product(round) / bare(round)).collect(),
        bar,
        goal: None,
        notes: Vec::new(),
        void: None,
    }
}
