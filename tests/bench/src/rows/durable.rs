//! Row 2: a thousand people in five hundred direct rooms, each answering what they get. Every ack
//! follows a synced commit. Then the same on a disk whose sync takes 2 ms, against one person who
//! waits for each ack; and 300 messages a second, to see how long an ack takes.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Cost, Settings, Talker, drain, in_pairs, run_for};
use crate::figures::percentile_ms;
use crate::plan::Plan;
use crate::report::{Bar, Row};
use crate::swarm::{Script, Swarm, say};
use crate::talk::{Heard, Talk};
use crate::target::{Server, Start, Target};

const PEOPLE: usize = 1000;
const MESSAGES_A_SECOND: f64 = 300.0;

/// What starts the talk, and keeps it going.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Mode {
    Quiet,
    /// Everybody answers the other's message.
    Answering,
    /// One person sends the next message after the ack.
    Alone,
}

struct Pairs {
    talk: Talk,
    mode: Mode,
    running: bool,
    acks_us: Option<Vec<u32>>,
    events_us: Vec<u32>,
}

impl Script for Pairs {
    fn opened(&mut self, conn: usize, out: &mut Vec<u8>) {
        self.talk.opened(conn, out);
    }

    fn text(&mut self, conn: usize, frame: &[u8], out: &mut Vec<u8>) {
        match self.talk.hear(conn, frame) {
            Heard::Event { send, .. } => {
                let from_other = self.talk.sender(send) != conn;
                if self.acks_us.is_some() && from_other {
                    self.events_us.push(self.talk.age_us(send));
                }
                if from_other && self.running && self.mode == Mode::Answering {
                    say(out, &self.talk.next_send(conn));
                }
            }
            Heard::Ack { send } => {
                if let Some(acks) = &mut self.acks_us {
                    acks.push(self.talk.age_us(send));
                }
                if self.running && self.mode == Mode::Alone {
                    say(out, &self.talk.next_send(conn));
                }
            }
            Heard::Other => {}
        }
    }

    fn ended(&mut self, conn: usize, why: &str) {
        self.talk.fail(&format!("connection {conn} ended: {why}"));
    }
}

impl Talker for Pairs {
    fn talk(&mut self) -> &mut Talk {
        &mut self.talk
    }

    fn set_running(&mut self, running: bool, swarm: &mut Swarm) {
        self.running = running;
        let first = match (running, self.mode) {
            (true, Mode::Answering) => PEOPLE,
            (true, Mode::Alone) => 1,
            _ => 0,
        };
        for conn in 0..first {
            let send = self.talk.next_send(conn);
            swarm.say(conn, &send);
        }
    }

    fn receivers(&self) -> u64 {
        2
    }
}

fn people(settings: &Settings, server: &Server) -> Result<(Swarm, Pairs)> {
    let plan = Plan::pairs(PEOPLE);
    server.make(&plan)?;
    let mut pairs = Pairs {
        talk: Talk::new(&plan, server.hellos(&plan, 900)?, settings.body_bytes),
        mode: Mode::Answering,
        running: false,
        acks_us: None,
        events_us: Vec::new(),
    };
    let mut swarm = Swarm::new(server.address)?;
    swarm.grow(&mut pairs, PEOPLE, |pairs| pairs.talk.ready)?;
    Ok((swarm, pairs))
}

/// What one server did.
#[derive(Debug, Clone)]
pub(crate) struct Durable {
    /// Everybody answering.
    pub(crate) cost: Cost,
    /// Ages of the acks at 300 messages a second.
    pub(crate) paced: Paced,
}

/// How late acks came, and the events to the other person.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paced {
    /// Half of the acks.
    pub p50_ms: f64,
    /// All but one of a hundred acks.
    pub p99_ms: f64,
    /// All but one of a hundred events.
    pub event_p99_ms: f64,
}

impl Durable {
    /// Messages a second, each acknowledged and delivered to both.
    pub(crate) fn rate(&self) -> f64 {
        self.cost.sends as f64 / self.cost.wall
    }
}

/// Measures one server.
pub(crate) fn measure(settings: &Settings, target: Target) -> Result<Durable> {
    let server = Server::start(target, &settings.start)?;
    let (mut swarm, mut pairs) = people(settings, &server)?;
    run_for(&server, &mut swarm, &mut pairs, settings.window / 4)?;
    let cost = run_for(&server, &mut swarm, &mut pairs, settings.window)?;
    let paced = paced(&mut swarm, &mut pairs, settings.window)?;
    swarm.cut_all()?;
    Ok(Durable { cost, paced })
}

fn paced(swarm: &mut Swarm, pairs: &mut Pairs, time: Duration) -> Result<Paced> {
    pairs.mode = Mode::Quiet;
    pairs.acks_us = Some(Vec::new());
    pairs.events_us.clear();
    let start = Instant::now();
    let count = (time.as_secs_f64() * MESSAGES_A_SECOND).ceil() as u64;
    let mut said = 0;
    swarm.spin(pairs, time * 2, |pairs, swarm| {
        if start.elapsed().as_secs_f64() * MESSAGES_A_SECOND >= said as f64 {
            // A stride without a common divisor: neighbours in time are no neighbours in a room.
            let conn = said as usize * 37 % PEOPLE;
            let send = pairs.talk.next_send(conn);
            swarm.say(conn, &send);
            said += 1;
        }
        said == count
    })?;
    drain(swarm, pairs)?;
    let mut acks = pairs.acks_us.take().unwrap_or_default();
    Ok(Paced {
        p50_ms: percentile_ms(&mut acks, 0.5),
        p99_ms: percentile_ms(&mut acks, 0.99),
        event_p99_ms: percentile_ms(&mut pairs.events_us, 0.99),
    })
}

/// The product on a slow disk.
#[derive(Debug, Clone)]
pub(crate) struct Slow {
    /// Messages a second of everybody.
    pub(crate) together: f64,
    /// Messages a second of one person who waits for each ack.
    pub(crate) alone: f64,
    /// At 300 messages a second.
    pub(crate) paced: Paced,
}

/// Measures the product with two milliseconds more a sync.
pub(crate) fn measure_slow(settings: &Settings) -> Result<Slow> {
    let start = Start { preload: Some(settings.slow_sync.clone()), ..settings.start.clone() };
    let server = Server::start(Target::Product, &start)?;
    let (mut swarm, mut pairs) = people(settings, &server)?;
    pairs.mode = Mode::Alone;
    let alone = run_for(&server, &mut swarm, &mut pairs, settings.window / 2)?;
    pairs.mode = Mode::Answering;
    let together = run_for(&server, &mut swarm, &mut pairs, settings.window)?;
    let paced = paced(&mut swarm, &mut pairs, settings.window)?;
    swarm.cut_all()?;
    let rate = |cost: &Cost| cost.sends as f64 / cost.wall;
    Ok(Slow { together: rate(&together), alone: rate(&alone), paced })
}

/// The lines of the table.
pub(crate) fn rows(settings: &Settings) -> Result<Vec<Row>> {
    let pairs = in_pairs(settings, "durable sends", |target| measure(settings, target))?;
    let mut slow = Vec::new();
    for run in 0..settings.pairs {
        eprintln!("durable sends on a slow disk: run {} of {}", run + 1, settings.pairs);
        slow.push(measure_slow(settings)?);
    }
    let mut rows = vec![answering(&pairs), group_commit(&slow)];
    rows.extend(acks(&pairs, &slow, settings.sync_ms));
    Ok(rows)
}

fn answering(pairs: &[(Durable, Durable)]) -> Row {
    let notes = pairs.last().map(|(product, bare)| {
        let acks = format!(
            "300 messages/s: events to the other person p99 {:.2} ms (bare {:.2} ms)",
            product.paced.event_p99_ms, bare.paced.event_p99_ms
        );
        vec![product.cost.note("product"), bare.cost.note("bare"), acks]
    });
    Row {
        name: "durable sends in 500 direct rooms",
        unit: "messages/s",
        product: pairs.iter().map(|(product, _)| product.rate()).collect(),
        bare: pairs.iter().map(|(_, bare)| bare.rate()).collect(),
        score_is: "of bare",
        score: pairs.iter().map(|(product, bare)| product.rate() / bare.rate()).collect(),
        bar: Bar::AtLeast(0.15),
        goal: None,
        notes: notes.unwrap_or_default(),
        void: None,
    }
}

fn group_commit(slow: &[Slow]) -> Row {
    let alone: Vec<f64> = slow.iter().map(|run| run.alone).collect();
    Row {
        name: "the same with 2 ms a sync",
        unit: "messages/s",
        product: slow.iter().map(|run| run.together).collect(),
        bare: alone.clone(),
        score_is: "times one commit a message",
        score: slow.iter().map(|run| run.together / run.alone).collect(),
        bar: Bar::AtLeast(30.0),
        goal: None,
        notes: vec!["its second column is one commit a message, not bare".to_owned()],
        void: None,
    }
}

fn acks(pairs: &[(Durable, Durable)], slow: &[Slow], sync_ms: f64) -> Vec<Row> {
    let measured = |name, bar, value: fn(&Paced) -> f64| Row {
        name,
        unit: "ms",
        product: pairs.iter().map(|(product, _)| value(&product.paced)).collect(),
        bare: pairs.iter().map(|(_, bare)| value(&bare.paced)).collect(),
        score_is: "ms",
        score: pairs.iter().map(|(product, _)| value(&product.paced)).collect(),
        bar,
        goal: None,
        notes: Vec::new(),
        void: None,
    };
    let on_slow_disk = |name, value: fn(&Paced) -> f64| {
        let values: Vec<f64> = slow.iter().map(|run| value(&run.paced)).collect();
        Row {
            product: values.clone(),
            bare: Vec::new(),
            score: values,
            ..measured(name, Bar::None, value)
        }
    };
    vec![
        measured("acks at 300 messages/s, p50", Bar::AtMost(1.0 + sync_ms), |run| run.p50_ms),
        measured("acks at 300 messages/s, p99", Bar::AtMost(5.0), |run| run.p99_ms),
        on_slow_disk("the same with 2 ms a sync, p50", |run| run.p50_ms),
        on_slow_disk("the same with 2 ms a sync, p99", |run| run.p99_ms),
    ]
}
