//! Crashes the node and its PostgreSQL server at many points, and prints a verdict line.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use moorline_faults::postgres::prove;

#[derive(Parser)]
#[command(about = "Crashes the node and its PostgreSQL server, again and again.")]
struct Args {
    /// How many crash points.
    #[arg(long, default_value_t = 300)]
    points: u64,
    /// Chooses the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plants a fault that must be found: some commits are lost between the node and its server.
    #[arg(long)]
    lose_commits: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let outcome = prove(args.points, args.seed, args.lose_commits).await?;
    print!("{}", outcome.judgement.text);
    println!(
        "crash points: {:?}, resets {:?}, {}",
        outcome.crashes,
        outcome.resets,
        outcome.judgement.headline()
    );
    let is_good = outcome.judgement.ok && outcome.resets.is_empty();
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
