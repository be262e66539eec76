//! The benchmark of `cargo xtask bench`: measures the server and a bare frame loop on the same
//! machine, in turn, under the same load, and prints what the server costs as ratios. Never part
//! of the tests: a timed test on a shared machine tells about the machine.

mod api;
mod bare;
mod facts;
mod figures;
mod frame;
mod ledger;
mod messages;
mod plan;
mod report;
mod rows;
mod scan;
mod swarm;
mod talk;
mod target;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};

use report::Row;
use rows::{Settings, durable, fanout, idle, storm};
use target::{Start, Target};

/// Runs of bare of which the best counts.
const BASELINE_RUNS: usize = 5;

/// Bare must need at most this many processor seconds a million deliveries.
const BASELINE_FANOUT: f64 = 0.4;

/// Bare must carry at least this many direct messages a second.
const BASELINE_DIRECT: f64 = 120_000.0;

/// Measures the server against a bare frame loop.
#[derive(Parser)]
#[command(name = "moorline-bench")]
struct Args {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    what: What,
    /// Pairs of product and bare, in turn
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// One pair, a second each: whether it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Write the table to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Take the programs as they were built last
    #[arg(long)]
    no_build: bool,
    /// Seconds that each phase is measured
    #[arg(long, default_value_t = 4.0)]
    window: f64,
    /// Run one server once and print what it did
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// Go on without looking at the bare server first; then no verdict counts
    #[arg(long, hide = true)]
    unchecked: bool,
    /// Bytes of a message
    #[arg(long, default_value_t = 200, hide = true)]
    body: usize,
    /// Writers in the fan-out row
    #[arg(long, default_value_t = 4, hide = true)]
    writers: usize,
    /// Messages that a writer sends in one write
    #[arg(long, default_value_t = 32, hide = true)]
    burst: usize,
    /// Port of the bare server
    #[arg(long, default_value_t = 0, hide = true)]
    port: u16,
    /// Seconds between the bare server's pings
    #[arg(long, default_value_t = 25, hide = true)]
    ping_interval: u64,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
enum What {
    /// One room of a thousand people
    Fanout,
    /// Five hundred rooms of two, every ack after a sync
    Durable,
    /// Memory of ten thousand silent connections
    Idle,
    /// Two thousand connections cut at once
    Storm,
    /// All four
    All,
    /// Be the bare server
    #[value(hide = true)]
    Bare,
}

#[derive(ValueEnum, Clone, Copy)]
enum Only {
    /// moorline
    Product,
    /// The bare frame loop
    Bare,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("moorline-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    if args.what == What::Bare {
        bare::serve(args.port, Duration::from_secs(args.ping_interval))?;
        return Ok(true);
    }
    if !args.no_build {
        build()?;
    }
    target::pin_load()?;
    let settings = settings(args)?;
    let facts = facts::facts(settings.sync_ms);
    if let Some(only) = settings.only {
        look(args.what, &settings, only)?;
        return Ok(true);
    }
    if args.unchecked {
        println!("the bare server was not looked at first: no verdict counts");
    } else if !baseline_holds(args.what, &settings)? {
        return Ok(false);
    }
    let rows = measure(args.what, &settings);
    facts.iter().for_each(|fact| println!("{fact}"));
    println!("\n{}", report::table(&rows));
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report::json(&rows, &facts))?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(!args.unchecked && rows.iter().all(Row::passes))
}

/// Builds what is measured, beside this program.
fn build() -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .args(["build", "--release", "-p", "moorline", "-p", "moorline-slow-sync"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("the server does not build");
    }
    Ok(())
}

fn settings(args: &Args) -> Result<Settings> {
    let program = std::env::current_exe()?;
    let programs = program.parent().context("this program has no folder")?;
    if cfg!(debug_assertions) {
        bail!("measure with --release");
    }
    let folder = programs.with_file_name("bench");
    let window = if args.short { 1.0 } else { args.window };
    Ok(Settings {
        start: Start {
            product: programs.join("moorline"),
            folder: folder.clone(),
            ping_interval: args.ping_interval,
            preload: None,
        },
        slow_sync: built(programs, "libmoorline_slow_sync.so"),
        pairs: if args.short { 1 } else { args.pairs.max(1) },
        window: Duration::from_secs_f64(window),
        body_bytes: args.body,
        burst: (args.writers.clamp(1, 400), args.burst.max(1)),
        only: args.only.map(|only| match only {
            Only::Product => Target::Product,
            Only::Bare => Target::Bare,
        }),
        sync_ms: facts::sync_ms(&folder)?,
    })
}

fn built(programs: &Path, name: &str) -> PathBuf {
    programs.join(name)
}

/// Checks that bare is as fast as such a thing can be: a weak one would flatter the product. The best of some runs
/// counts, since what else runs on the machine, or beside it on its host, can only slow bare down.
fn baseline_holds(what: What, settings: &Settings) -> Result<bool> {
    let mut fanout_cpu = Vec::new();
    let mut direct = Vec::new();
    for _ in 0..BASELINE_RUNS {
        fanout_cpu.push(fanout::measure(settings, Target::Bare)?.cost.per_million());
        direct.push(durable::measure(settings, Target::Bare)?.rate());
    }
    let cpu = fanout_cpu.into_iter().fold(f64::INFINITY, f64::min);
    let rate = direct.into_iter().fold(0.0, f64::max);
    println!("bare: {cpu:.3} CPU seconds a million deliveries (at most {BASELINE_FANOUT})");
    println!("bare: {rate:.0} direct messages/s (at least {BASELINE_DIRECT:.0})");
    let strong = cpu <= BASELINE_FANOUT && rate >= BASELINE_DIRECT;
    // Memory is not what this check is about.
    if !strong && what != What::Idle {
        println!("baseline too weak");
    }
    Ok(strong || what == What::Idle)
}

fn measure(what: What, settings: &Settings) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |row, name, measured: &dyn Fn(&Settings) -> Result<Vec<Row>>| {
        if what == row || what == What::All {
            let void = |error| vec![Row::void(name, format!("{error:#}"))];
            rows.extend(measured(settings).unwrap_or_else(void));
        }
    };
    add(What::Fanout, "fan-out", &fanout::rows);
    add(What::Durable, "durable sends", &durable::rows);
    add(What::Idle, "idle", &idle::rows);
    add(What::Storm, "storm", &storm::rows);
    rows
}

/// One server, once.
fn look(what: What, settings: &Settings, target: Target) -> Result<()> {
    let wanted = |row| what == row || what == What::All;
    if wanted(What::Fanout) {
        let run = fanout::measure(settings, target)?;
        println!("{:.3} CPU seconds a million deliveries\n{run:#?}", run.cost.per_million());
    }
    if wanted(What::Durable) {
        let run = durable::measure(settings, target)?;
        println!("{:.0} messages/s\n{run:#?}", run.rate());
        if target == Target::Product {
            println!("{:#?}", durable::measure_slow(settings)?);
        }
    }
    if wanted(What::Idle) {
        println!("{:#?}", idle::measure(settings, target)?);
    }
    if wanted(What::Storm) {
        println!("{:#?}", storm::measure(settings, target, 2000)?);
    }
    Ok(())
}
