//! The benchmark of `cargo xtask bench-compression`: a room of 100 on one server with `--compression`, once with sockets that
//! negotiated it and once without, in turn. Bytes on the wire and processor time of the server, as ratios. Never part of the
//! tests: a timed test on a shared machine tells about the machine.

#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../api.rs"]
mod api;
#[path = "../facts.rs"]
mod facts;
#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../figures.rs"]
mod figures;
#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../frame.rs"]
mod frame;
#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../plan.rs"]
mod plan;
#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../report.rs"]
mod report;
mod room;
#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../rounds.rs"]
mod rounds;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use rand::RngExt;

use plan::Plan;
use report::{Bar, Row};
use room::Members;
use rounds::{Place, rounds};
use server::Server;

/// Members of the room.
const MEMBERS: usize = 100;
/// Bytes of a message, one row of bytes and one of processor time each.
const SIZES: [usize; 3] = [600, 2_000, 16_000];
const BYTES: [&str; 3] =
    ["bytes, messages of 600", "bytes, messages of 2,000", "bytes, messages of 16,000"];
const TIME: [&str; 3] =
    ["time, messages of 600", "time, messages of 2,000", "time, messages of 16,000"];

/// Measures what compression saves and costs.
#[derive(Parser)]
#[command(name = "moorline-bench-compression")]
struct Args {
    /// The server's program [default: beside this one]
    #[arg(long, value_name = "FILE")]
    product: Option<PathBuf>,
    /// Rounds; in each, everything is measured once
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Messages of each size, with and without
    #[arg(long, default_value_t = 400)]
    messages: u64,
    /// One round of a few messages: whether it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Write the table to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What one size gave: with compression and without.
#[derive(Clone, Copy, Default)]
struct Side {
    bytes_a_delivery: f64,
    cpu_us_a_delivery: f64,
}

type Round = [[Side; 2]; SIZES.len()];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("moorline-bench-compression: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let place = Place::find("bench-compression")?;
    let product = args.product.clone().unwrap_or_else(|| place.programs.join("moorline"));
    let messages = if args.short { 40 } else { args.messages };
    let rounds = rounds(args.rounds, args.short, || {
        let server = Server::start(&product, &place.folder)?;
        round(&server, messages)
    })?;
    let columns = "product: sockets that negotiated compression. bare: sockets that did not.";
    place.tell(&rows(&rounds), columns, args.json.as_deref())
}

fn round(server: &Server, messages: u64) -> Result<Round> {
    let plan = Plan::one_room(MEMBERS);
    server.make(&plan)?;
    let tokens: Vec<String> =
        plan.people.iter().map(|person| server::token(&person.user)).collect::<Result<_>>()?;
    let mut round = Round::default();
    for (sides, size) in round.iter_mut().zip(SIZES) {
        for (side, offers) in sides.iter_mut().zip([true, false]) {
            let mut text = || prose(size);
            let room = &plan.rooms[0].id;
            let mut members = Members::connect(server.address, room, &tokens, offers, &mut text)?;
            let (cpu, deflations) = (server.cpu()?, server.deflations()?);
            let brought = members.talk(messages, &mut text)?;
            let cpu = server.cpu()? - cpu;
            let deflations = server.deflations()? - deflations;
            let expected = if offers { messages } else { 0 };
            ensure!(deflations == expected, "{deflations} deflations of {messages} messages");
            let all = if offers { brought.events } else { 0 };
            ensure!(brought.deflated == all, "{} of {} came deflated", brought.deflated, all);
            let deliveries = brought.events as f64;
            side.bytes_a_delivery = brought.bytes as f64 / deliveries;
            side.cpu_us_a_delivery = cpu.as_secs_f64() * 1e6 / deliveries;
        }
    }
    Ok(round)
}

/// What messages are made of.
const WORDS: &str = "the message room deploy failed because we have to restart node database please look at this and \
    tell me whether it is fine tomorrow customers wait latency question answer green harbour nobody knows yet why log \
    says nothing about that";

/// Text of about this length of everyday words, numbers among them.
fn prose(bytes: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut random = rand::rng();
    let mut text = String::new();
    while text.len() < bytes {
        text.push_str(words[random.random_range(0..words.len())]);
        if random.random_range(0..9) == 0 {
            text.push_str(&format!(" {}", random.random_range(0..100_000)));
        }
        text.push(' ');
    }
    text
}

fn rows(rounds: &[Round]) -> Vec<Row> {
    let row = |name, unit, size: usize, value: fn(&Side) -> f64| {
        let of = |side: usize| rounds.iter().map(|round| value(&round[size][side])).collect();
        let ratio = |round: &Round| value(&round[size][0]) / value(&round[size][1]);
        Row {
            name,
            unit,
            product: of(0),
            bare: of(1),
            score_is: "times",
            score: rounds.iter().map(ratio).collect(),
            bar: Bar::None,
            goal: None,
            notes: Vec::new(),
            void: None,
        }
    };
    let sizes = 0..SIZES.len();
    let bytes =
        sizes.clone().map(|at| row(BYTES[at], "a delivery", at, |side| side.bytes_a_delivery));
    let time =
        sizes.map(|at| row(TIME[at], "CPU us a delivery", at, |side| side.cpu_us_a_delivery));
    bytes.chain(time).collect()
}
