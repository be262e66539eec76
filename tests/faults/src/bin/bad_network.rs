//! Talks to the server through a proxy that breaks connections in every way, and prints a verdict
//! line.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use moorline_faults::network::prove;

#[derive(Parser)]
#[command(about = "Talks to the server through a network that breaks in every way.")]
struct Args {
    /// How often to go through all kinds of faults.
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// Chooses their order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let outcome = prove(args.rounds, args.seed).await?;
    print!("{}", outcome.judgement.text);
    let headline = outcome.judgement.headline();
    println!("bad network: {} faults, resets {:?}, {headline}", outcome.faults, outcome.resets);
    Ok(if outcome.judgement.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
