//! Row 3: what ten thousand people cost who say nothing. Resident memory of the process over the
//! same process with a hundred of them, after two rounds of pings.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Settings, in_pairs};
use crate::plan::Plan;
use crate::report::{Bar, Row};
use crate::swarm::{Script, Swarm};
use crate::talk::Talk;
use crate::target::{Server, Start, Target};

const PEOPLE: usize = 10_000;
const FIRST: usize = 100;
const PING_INTERVAL: u64 = 2;

struct Silent {
    talk: Talk,
}

impl Script for Silent {
    fn opened(&mut self, conn: usize, out: &mut Vec<u8>) {
        self.talk.opened(conn, out);
    }

    fn text(&mut self, conn: usize, frame: &[u8], _: &mut Vec<u8>) {
        self.talk.hear(conn, frame);
    }

    fn ended(&mut self, conn: usize, why: &str) {
        self.talk.fail(&format!("connection {conn} ended: {why}"));
    }
}

/// What one server needs.
#[derive(Debug, Clone)]
pub(crate) struct Idle {
    /// KiB a connection.
    pub(crate) kib: f64,
    /// Resident with a hundred connections, in MiB.
    pub(crate) first_mib: f64,
    /// Processor seconds of the whole run.
    pub(crate) cpu: f64,
}

/// Measures one server.
pub(crate) fn measure(settings: &Settings, target: Target) -> Result<Idle> {
    let start = Start { ping_interval: PING_INTERVAL, ..settings.start.clone() };
    let plan = Plan::pairs(PEOPLE);
    let mut server = Server::start(target, &start)?;
    server.make(&plan)?;
    // Making the rooms leaves free memory behind, in which the connections would hide.
    server.restart(&start)?;
    let hellos = server.hellos(&plan, 900)?;
    let mut silent = Silent { talk: Talk::new(&plan, hellos, 1) };
    let mut swarm = Swarm::new(server.address)?;
    swarm.grow(&mut silent, FIRST, |silent| silent.talk.ready)?;
    two_pings(&mut swarm, &mut silent)?;
    let first = server.resident_kib()?;
    swarm.grow(&mut silent, PEOPLE, |silent| silent.talk.ready)?;
    two_pings(&mut swarm, &mut silent)?;
    let all = server.resident_kib()?;
    if let Some(fault) = silent.talk.ledger.fault() {
        bail!("{fault}");
    }
    let cpu = server.cpu()?;
    swarm.cut_all()?;
    Ok(Idle {
        kib: all.saturating_sub(first) as f64 / (PEOPLE - FIRST) as f64,
        first_mib: first as f64 / 1024.0,
        cpu,
    })
}

fn two_pings(swarm: &mut Swarm, silent: &mut Silent) -> Result<()> {
    let wanted = swarm.fewest_pings() + 2;
    let deadline = Instant::now() + Duration::from_secs(PING_INTERVAL * 4 + 10);
    while swarm.fewest_pings() < wanted {
        swarm.turn(silent, Duration::from_millis(20))?;
        if Instant::now() > deadline {
            bail!("a connection got {} pings of {wanted}", swarm.fewest_pings());
        }
    }
    Ok(())
}

/// The line of the table.
pub(crate) fn rows(settings: &Settings) -> Result<Vec<Row>> {
    let pairs = in_pairs(settings, "idle", |target| measure(settings, target))?;
    let product: Vec<f64> = pairs.iter().map(|(product, _)| product.kib).collect();
    let note = pairs.last().map(|(product, bare)| {
        format!(
            "resident with {FIRST} connections: product {:.1} MiB, bare {:.1} MiB; CPU of the run: \
             product {:.2} s, bare {:.2} s",
            product.first_mib, bare.first_mib, product.cpu, bare.cpu
        )
    });
    Ok(vec![Row {
        name: "idle, 10,000 signed in",
        unit: "KiB a connection",
        score: product.clone(),
        product,
        bare: pairs.iter().map(|(_, bare)| bare.kib).collect(),
        score_is: "KiB",
        bar: Bar::AtMost(4.0),
        goal: None,
        notes: note.into_iter().collect(),
        void: None,
    }])
}
