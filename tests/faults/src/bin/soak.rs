//! `moorline soak` at full length: three nodes under faults, or a server with each of the planted bugs and without any.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use moorline_faults::planted::Bug;
use moorline_faults::soak::{is_clean, is_guilty, of_bug, of_nodes};

/// One message of so many is bad, and so many are sent that this is bound to happen.
const ONE_IN: [u64; 2] = [100, 10_000];
const TALK: [[&str; 8]; 2] = [
    ["--duration", "10s", "--rate", "60", "--people", "4", "--rooms", "1"],
    ["--duration", "60s", "--rate", "250", "--people", "12", "--rooms", "1"],
];
const NODES: [[&str; 6]; 2] = [
    ["--duration", "20s", "--every", "5s", "--rate", "40"],
    ["--duration", "10m", "--every", "12s", "--rate", "60"],
];
const NODES_TALK: [&str; 8] = [
    "--people",
    "30",
    "--tabs",
    "2",
    "--transport",
    "mixed",
    "--faults",
    "kill-connections,stall,storm",
];

#[derive(Parser)]
#[command(about = "moorline soak against three nodes under faults, or against planted bugs.")]
struct Args {
    /// The numbers of the test command.
    #[arg(long)]
    short: bool,
    /// Servers with planted bugs instead; each must be found guilty, and the one without a bug clean.
    #[arg(long)]
    bugs: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let form = usize::from(!args.short);
    if args.bugs {
        bugs(form).await?;
    } else {
        nodes(form).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn bugs(form: usize) -> Result<()> {
    for bug in Bug::ALL {
        let (said, struck) = of_bug(bug, ONE_IN[form], &TALK[form]).await?;
        is_guilty(bug, &said, struck)?;
        let first = &said.phase()["verdict"]["violations"][0];
        println!(
            "{bug:?} struck {struck} times in {} messages and was found: {} {}",
            said.phase()["outcome"]["sent"],
            first["promise"],
            first["text"]
        );
    }
    let (said, _) = of_bug(Bug::Nothing, ONE_IN[form], &TALK[form]).await?;
    is_clean(&said)?;
    println!("without a bug: {:?} lost, doubled, out of order", said.counts());
    Ok(())
}

async fn nodes(form: usize) -> Result<()> {
    let words = [&NODES[form][..], &NODES_TALK].concat();
    let (said, restarts) = of_nodes(&words).await?;
    is_clean(&said)?;
    let outcome = &said.phase()["outcome"];
    ensure!(
        restarts > 0 && outcome["reconnects"].as_u64() > Some(0),
        "nothing happened: {outcome}"
    );
    println!(
        "{} s, {} messages, {} faults, {restarts} nodes killed, {} reconnects: {:?} lost, doubled, out of order",
        outcome["seconds"],
        outcome["sent"],
        outcome["faults"].as_array().map_or(0, Vec::len),
        outcome["reconnects"],
        said.counts()
    );
    Ok(())
}
