//! Cuts the power of the whole server while people talk, and prints a verdict line.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use moorline_faults::power_cut::{Outcome, prove, prove_failed_sync, prove_planted};

#[derive(Parser)]
#[command(about = "Cuts the power of the whole server while people talk.")]
struct Args {
    /// How many cuts.
    #[arg(long, default_value_t = 300)]
    cuts: u64,
    /// Chooses the moments and what survives.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The planted fault: a disk that ignores sync. The proof must fail on it.
    #[arg(long)]
    ignore_sync: bool,
    /// Syncs that fail with EIO or ENOSPC; so many rounds as there are cuts.
    #[arg(long, conflicts_with = "ignore_sync")]
    fail_sync: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let (name, outcome): (_, Outcome) = if args.ignore_sync {
        ("power cut on a disk that ignores sync", prove_planted(args.cuts, args.seed).await?)
    } else if args.fail_sync {
        ("failed syncs", prove_failed_sync(args.cuts, args.seed).await?)
    } else {
        ("power cut", prove(args.cuts, args.seed).await?)
    };
    for failure in &outcome.failures {
        println!("{failure}");
    }
    println!("{}", outcome.verdict(name));
    Ok(if outcome.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
