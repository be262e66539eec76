//! Three nodes through everything that may happen to Redis and to them, and a verdict line.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use moorline_faults::many_nodes::{Fault, Size, prove};

#[derive(Parser)]
#[command(about = "People talk over three nodes while Redis and the nodes fail in every way.")]
struct Args {
    /// The numbers of the test command.
    #[arg(long)]
    short: bool,
    /// Chooses what people do.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plants a fault that must be found: somebody has the store's key and tells the nodes of what nobody sent.
    #[arg(long)]
    believe_forgeries: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let size = if args.short { Size::SHORT } else { Size::FULL };
    let size = match args.believe_forgeries {
        true => Size { messages: 400, rounds: 1, faults: &[Fault::NodeKill], ..size },
        false => size,
    };
    let outcome = prove(size, args.seed, args.believe_forgeries).await?;
    print!("{}", outcome.judgement.text);
    let counts = outcome.counts;
    println!(
        "{} reconnects, {} hints lost ({} dropped, {} missed) of {} sent, {} holes filled: {}",
        outcome.reconnects,
        counts.lost(),
        counts.dropped,
        counts.missed,
        counts.sent,
        counts.filled,
        outcome.judgement.headline()
    );
    let bit = counts.lost() > 0 && counts.filled > 0 && outcome.reconnects > 0;
    let is_good = outcome.judgement.ok && outcome.resets.len() == 1 && bit;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
