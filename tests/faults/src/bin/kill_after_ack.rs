//! Kills the server just after acks, again and again, and prints a verdict line.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use moorline_faults::kill::prove;

#[derive(Parser)]
#[command(about = "Kills the server just after acks, again and again.")]
struct Args {
    /// How many kills.
    #[arg(long, default_value_t = 200)]
    kills: u64,
    /// Chooses the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let outcome = prove(args.kills, args.seed).await?;
    print!("{}", outcome.judgement.text);
    println!(
        "kill -9: {} kills, resets {:?}, {}",
        outcome.kills,
        outcome.resets,
        outcome.judgement.headline()
    );
    Ok(if outcome.judgement.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
