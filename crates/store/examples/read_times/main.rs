//! How long reading takes in a store with 1,000,000 messages, against one with 10,000, on both back ends: history, unread,
//! what a `welcome` is made of, and search. `cargo xtask bench-store` starts it; times of one run are compared, alternately
//! measured, and the verdict is about their ratio.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a measurement, not a product")]

mod fill;
mod questions;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fill::Filled;
use moorline_test_postgres::Server;
use questions::Question;

/// Measurements of each question in each store, in turn.
const ROUNDS: usize = 7;
/// How long one measurement takes about.
const ROUND: Duration = Duration::from_millis(60);

const HELP: &str = "usage: bench-store [--short] [--only sqlite|postgres] [--small N] [--large N] [--folder FOLDER]
  --short    1,000 messages against 20,000: says whether it works, not how fast it is
  --folder   where the stores are made, a new folder in the system's temporary one if absent";

struct Args {
    is_short: bool,
    only: Option<String>,
    small: usize,
    large: usize,
    folder: Option<PathBuf>,
}

fn args() -> Option<Args> {
    let mut args =
        Args { is_short: false, only: None, small: 10_000, large: 1_000_000, folder: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--short" => (args.is_short, args.small, args.large) = (true, 1_000, 20_000),
            "--only" => args.only = words.next(),
            "--small" => args.small = words.next()?.parse().ok()?,
            "--large" => args.large = words.next()?.parse().ok()?,
            "--folder" => args.folder = words.next().map(PathBuf::from),
            _ => return None,
        }
    }
    Some(args)
}

fn main() -> ExitCode {
    let Some(args) = args() else {
        println!("{HELP}");
        return ExitCode::FAILURE;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let folder = args.folder.clone().unwrap_or_else(|| scratch.path().to_owned());
    let mut is_held = true;
    for backend in ["sqlite", "postgres"] {
        if args.only.as_deref().is_none_or(|only| only == backend) {
            let folder = folder.join(backend);
            is_held &= runtime.block_on(measure(backend, &folder, &args));
        }
    }
    if is_held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Fills a small and a large store of one back end and compares them. Whether all bars are held.
async fn measure(backend: &str, folder: &std::path::Path, args: &Args) -> bool {
    let server = (backend == "postgres").then(Server::start);
    let database = |name: &str| {
        let server = server.as_ref()?;
        server.psql("postgres", &format!("CREATE DATABASE {name}")).unwrap();
        Some(server.url(name).parse().unwrap())
    };
    let started = Instant::now();
    let small = Filled::new(&folder.join("small"), database("small"), args.small).await;
    let large = Filled::new(&folder.join("large"), database("large"), args.large).await;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "\n{backend}: {} and {} messages in {} rooms, written in {seconds:.0} s",
        args.small,
        args.large,
        fill::ROOMS
    );
    if let Some(server) = &server {
        // As autovacuum does by itself after a while.
        for name in ["small", "large"] {
            server.psql(name, "VACUUM ANALYZE").unwrap();
        }
    }
    println!("{:58} {:>10} {:>10} {:>7} {:>5}", "", "small us", "large us", "ratio", "bar");
    let mut is_held = true;
    for question in Question::ALL {
        is_held &= row(*question, &small, &large, args.is_short).await;
    }
    small.store.close().await;
    large.store.close().await;
    is_held
}

async fn row(question: Question, small: &Filled, large: &Filled, is_short: bool) -> bool {
    let bar = question.bar();
    let (mut in_small, mut in_large) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        in_small.push(time(question, small).await);
        in_large.push(time(question, large).await);
    }
    let (in_small, in_large) = (median(in_small), median(in_large));
    let ratio = in_large / in_small;
    let verdict = match ratio <= bar {
        _ if is_short => "",
        true => "held",
        false => "MISSED",
    };
    println!(
        "{:58} {in_small:10.0} {in_large:10.0} {ratio:7.2} {bar:5.1} {verdict}",
        question.name()
    );
    is_short || ratio <= bar
}

/// Microseconds of one question, the mean of as many as fit into a round.
async fn time(question: Question, store: &Filled) -> f64 {
    let (started, mut count) = (Instant::now(), 0_u32);
    while started.elapsed() < ROUND {
        question.ask(store, count as usize).await;
        count += 1;
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(count)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}
