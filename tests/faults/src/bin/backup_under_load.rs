//! Takes a backup while people talk, restores it into both stores, and prints a verdict line.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use moorline_faults::backup::{LOG_BOUND, Plan, prove};

#[derive(Parser)]
#[command(about = "Takes a backup while people talk, and restores it.")]
struct Args {
    /// Messages that are there before.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Of a server on PostgreSQL.
    #[arg(long)]
    postgres: bool,
    /// The planted fault: what was acknowledged after the backup is asked for too. The proof must fail on it.
    #[arg(long)]
    ask_too_much: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let plan =
        Plan { before: args.messages, on_postgres: args.postgres, plants_fault: args.ask_too_much };
    let outcome = prove(plan).await?;
    let [before, during, all] = outcome.acks;
    outcome.missing.iter().take(10).for_each(|line| println!("missing: {line}"));
    let is_good = outcome.missing.is_empty() && outcome.largest_log < LOG_BOUND && before > 0;
    println!(
        "backup under load: {}: {before} acks before it began, {during} while it ran ({:.1} s, slowest ack {} ms), \
         {all} in all; {} missing; largest log {:.1} MiB; file {:.1} MiB",
        if is_good { "held" } else { "BROKEN" },
        outcome.took.as_secs_f64(),
        outcome.slowest.as_millis(),
        outcome.missing.len(),
        mib(outcome.largest_log),
        mib(outcome.bytes),
    );
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^53")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
