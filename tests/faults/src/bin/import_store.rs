//! Imports a store into PostgreSQL, killed twice on the way, and prints a verdict line.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use moorline_faults::import::prove;

#[derive(Parser)]
#[command(about = "Imports a store into PostgreSQL, killed twice on the way.")]
struct Args {
    /// Messages of the store.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// The planted fault: one row is changed afterwards. The proof must fail on it.
    #[arg(long)]
    change_one: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let outcome = prove(args.messages, args.change_one).await?;
    println!(
        "import: {}: {} rows, killed at {:?}, {:.1} s in all",
        if outcome.is_equal { "held" } else { "BROKEN" },
        outcome.rows,
        outcome.killed_at,
        outcome.took.as_secs_f64(),
    );
    Ok(if outcome.is_equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
