//! Two nodes at full rate, and a verdict line of each half.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use moorline_faults::two_nodes::{Load, Outcome, Planted, prove};

#[derive(Parser)]
#[command(about = "Two nodes at 5,000 messages a second, and at full rate in one room.")]
struct Args {
    /// The numbers of the test command.
    #[arg(long)]
    short: bool,
    /// Plants two faults that must be found: channels that hold one hint, and hints that come late.
    #[arg(long)]
    spoil_hints: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let (spread, one_room) = match args.short {
        true => (Load::SPREAD_SHORT, Load::ONE_ROOM_SHORT),
        false => (Load::SPREAD, Load::ONE_ROOM),
    };
    let (narrow, slow) = match args.spoil_hints {
        true => (Planted::NarrowChannels, Planted::SlowHints),
        false => (Planted::Nothing, Planted::Nothing),
    };
    let spread = prove(spread, narrow).await?;
    let one_room = prove(one_room, slow).await?;
    let first = tell("no hint is lost", &spread, spread.lost_no_hint());
    let second = tell("the store is hardly read", &one_room, one_room.hardly_read());
    Ok(if first && second { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(promise: &str, outcome: &Outcome, is_kept: bool) -> bool {
    let verdict = if is_kept { "kept" } else { "BROKEN" };
    println!("{promise}: {verdict}: {}", outcome.line());
    is_kept
}
