//! The benchmark of `cargo xtask bench-nodes`: two nodes on one PostgreSQL and one Redis. How much later a message comes
//! to a person on the other node than to one on the sender's, and what a second node costs a message in a small room and
//! in a large one. Never part of the tests: a timed test on a shared machine tells about the machine.

#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../api.rs"]
mod api;
#[path = "../facts.rs"]
mod facts;
#[path = "../figures.rs"]
mod figures;
#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../plan.rs"]
mod plan;
#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../report.rs"]
mod report;
#[allow(dead_code, reason = "it has more than this program needs")]
#[path = "../rounds.rs"]
mod rounds;
mod site;
mod talk;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use figures::percentile_ms;
use plan::{Person, Plan, Room};
use report::{Bar, Row};
use rounds::{Place, rounds};
use site::Site;
use talk::{Pace, Talk};

/// How many messages a second are sent where the delay is measured.
const DELAY_RATE: u32 = 500;
/// The same where the cost is measured.
const COST_RATE: u32 = 300;
/// Rooms that the messages of the first row go to in turn.
const ROOMS: usize = 25;
/// Members of the two rooms of the last row.
const SIZES: [usize; 2] = [10, 1_000];

/// Measures two nodes.
#[derive(Parser)]
#[command(name = "moorline-bench-nodes")]
struct Args {
    /// The server's program [default: beside this one]
    #[arg(long, value_name = "FILE")]
    product: Option<PathBuf>,
    /// Rounds; in each, everything is measured once
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each thing is measured
    #[arg(long, default_value_t = 5.0)]
    window: f64,
    /// One round of a second: whether it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Write the table to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What one round gave: delays in milliseconds, costs in microseconds of processor time a message.
struct Round {
    near_p50: f64,
    far_p50: f64,
    near_p99: f64,
    far_p99: f64,
    cost: [f64; 2],
    notes: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("moorline-bench-nodes: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let place = Place::find("bench-nodes")?;
    let product = args.product.clone().unwrap_or_else(|| place.programs.join("moorline"));
    let window = Duration::from_secs_f64(if args.short { 1.0 } else { args.window });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rounds = rounds(args.rounds, args.short, || {
        let site = Site::start(&product, &place.folder)?;
        runtime.block_on(round(&site, window))
    })?;
    let columns =
        "product: the other node, or the large room. bare: the sender's node, or the small room.";
    place.tell(&rows(&rounds), columns, args.json.as_deref())
}

async fn round(site: &Site, window: Duration) -> Result<Round> {
    let mut delays = delays(site, window).await?;
    let mut cost = [0.0; 2];
    for (cost, size) in cost.iter_mut().zip(SIZES) {
        *cost = cost_of_a_second_node(site, size, window).await?;
    }
    let hints = site.hints().await?;
    Ok(Round {
        near_p50: percentile_ms(&mut delays.near, 0.5),
        far_p50: percentile_ms(&mut delays.far, 0.5),
        near_p99: percentile_ms(&mut delays.near, 0.99),
        far_p99: percentile_ms(&mut delays.far, 0.99),
        cost,
        notes: vec![hints],
    })
}

/// In each room somebody on the first node sends, and one on each node reads.
async fn delays(site: &Site, window: Duration) -> Result<talk::Delays> {
    let plan = groups("talk", ROOMS, 3);
    site.make(&plan)?;
    let mut talk = Talk::new(site);
    for (n, person) in plan.people.iter().enumerate() {
        let node = usize::from(n % 3 == 2);
        let room = &plan.rooms[person.rooms[0]].id;
        talk.join(&person.user, room, node, n % 3 == 0).await?;
    }
    talk.run(Pace { rate: DELAY_RATE, window }).await
}

/// Everybody is on the first node; what the second and Redis use is all for nobody.
async fn cost_of_a_second_node(site: &Site, size: usize, window: Duration) -> Result<f64> {
    let plan = groups(&format!("hall-{size}"), 1, size);
    site.make(&plan)?;
    let mut talk = Talk::new(site);
    for (n, person) in plan.people.iter().enumerate() {
        talk.join(&person.user, &plan.rooms[0].id, 0, n == 0).await?;
    }
    let before = site.cpu_beside_the_first()?;
    let delays = talk.run(Pace { rate: COST_RATE, window }).await?;
    let used = site.cpu_beside_the_first()? - before;
    Ok(used.as_secs_f64() * 1e6 / delays.sent as f64)
}

/// So many groups of one size, whose people are in no other.
fn groups(name: &str, rooms: usize, size: usize) -> Plan {
    let mut plan = Plan::default();
    for room in 0..rooms {
        let members: Vec<_> = (0..size).map(|n| format!("{name}-{room}-{n}")).collect();
        let person = |user: &String| Person { user: user.clone(), rooms: vec![room] };
        plan.people.extend(members.iter().map(person));
        plan.rooms.push(Room { id: format!("{name}-{room}"), kind: "group", members });
    }
    plan
}

fn rows(rounds: &[Round]) -> Vec<Row> {
    let more = |over: fn(&Round) -> f64| rounds.iter().map(over).collect::<Vec<f64>>();
    let row = |name, unit, score_is, bar, product, bare, score| Row {
        name,
        unit,
        product: more(product),
        bare: more(bare),
        score_is,
        score: more(score),
        bar,
        goal: None,
        notes: Vec::new(),
        void: None,
    };
    let mut half = row(
        "to the other node, p50",
        "ms",
        "ms over the same node",
        Bar::AtMost(2.0),
        |round| round.far_p50,
        |round| round.near_p50,
        |round| round.far_p50 - round.near_p50,
    );
    half.notes = rounds.last().map(|round| round.notes.clone()).unwrap_or_default();
    let nearly_all = row(
        "to the other node, p99",
        "ms",
        "ms over the same node",
        Bar::AtMost(15.0),
        |round| round.far_p99,
        |round| round.near_p99,
        |round| round.far_p99 - round.near_p99,
    );
    let cost = row(
        "a second node and Redis, 1,000 members to 10",
        "CPU us a message",
        "times",
        Bar::AtMost(1.5),
        |round| round.cost[1],
        |round| round.cost[0],
        |round| round.cost[1] / round.cost[0],
    );
    vec![half, nearly_all, cost]
}
