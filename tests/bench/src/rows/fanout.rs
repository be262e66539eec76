//! Row 1: one room of a thousand. A few people write bursts, everybody gets everything, fifty say
//! `read` for each message. Then sixteen messages a second, to see how late the last one gets it.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Cost, Settings, Talker, drain, in_pairs, run_for};
use crate::figures::{median, percentile_ms};
use crate::plan::Plan;
use crate::report::{Bar, Row};
use crate::swarm::{Script, Swarm, say};
use crate::talk::{Heard, Talk};
use crate::target::{Server, Target};

const MEMBERS: usize = 1000;
const READERS: usize = 50;
const MESSAGES_A_SECOND: f64 = 16.0;

/// The people of the room: the first fifty read, those in the middle write.
struct Hall {
    talk: Talk,
    first_writer: usize,
    burst: usize,
    /// Own events that each writer still waits for.
    pending: Vec<usize>,
    running: bool,
    /// Ages of deliveries; only while they are wanted.
    late_us: Option<Vec<u32>>,
}

impl Hall {
    fn push_burst(&mut self, writer: usize, out: &mut Vec<u8>) {
        for _ in 0..self.burst {
            say(out, &self.talk.next_send(self.first_writer + writer));
        }
        self.pending[writer] = self.burst;
    }

    fn event(&mut self, conn: usize, send: u64, seq: u64, out: &mut Vec<u8>) {
        if conn < READERS {
            let read =
                format!(r#"{{"type":"read","room":"{}","seq":{seq}}}"#, self.talk.room(conn));
            say(out, read.as_bytes());
        }
        if let Some(late) = &mut self.late_us {
            late.push(self.talk.age_us(send));
        }
        if self.talk.sender(send) != conn || conn < self.first_writer {
            return;
        }
        let writer = conn - self.first_writer;
        let pending = self.pending[writer].saturating_sub(1);
        self.pending[writer] = pending;
        if pending == 0 && self.running {
            self.push_burst(writer, out);
        }
    }
}

impl Script for Hall {
    fn opened(&mut self, conn: usize, out: &mut Vec<u8>) {
        self.talk.opened(conn, out);
    }

    fn text(&mut self, conn: usize, frame: &[u8], out: &mut Vec<u8>) {
        if let Heard::Event { send, seq } = self.talk.hear(conn, frame) {
            self.event(conn, send, seq, out);
        }
    }

    fn ended(&mut self, conn: usize, why: &str) {
        self.talk.fail(&format!("connection {conn} ended: {why}"));
    }
}

impl Talker for Hall {
    fn talk(&mut self) -> &mut Talk {
        &mut self.talk
    }

    fn set_running(&mut self, running: bool, swarm: &mut Swarm) {
        self.running = running;
        for writer in 0..if running { self.pending.len() } else { 0 } {
            let mut out = Vec::new();
            self.push_burst(writer, &mut out);
            swarm.write(self.first_writer + writer, &out);
        }
    }

    fn receivers(&self) -> u64 {
        MEMBERS as u64
    }
}

/// What one server did.
#[derive(Debug, Clone)]
pub(crate) struct Fanout {
    /// The bursts.
    pub(crate) cost: Cost,
    /// Of all deliveries at sixteen messages a second.
    pub p99_ms: f64,
}

/// Measures one server.
pub(crate) fn measure(settings: &Settings, target: Target) -> Result<Fanout> {
    let plan = Plan::one_room(MEMBERS);
    let server = Server::start(target, &settings.start)?;
    server.make(&plan)?;
    let (writers, burst) = settings.burst;
    let mut hall = Hall {
        talk: Talk::new(&plan, server.hellos(&plan, 900)?, settings.body_bytes),
        first_writer: MEMBERS / 2,
        burst,
        pending: vec![0; writers],
        running: false,
        late_us: None,
    };
    let mut swarm = Swarm::new(server.address)?;
    swarm.grow(&mut hall, MEMBERS, |hall| hall.talk.ready)?;
    run_for(&server, &mut swarm, &mut hall, settings.window / 4)?;
    let cost = run_for(&server, &mut swarm, &mut hall, settings.window)?;
    let p99_ms = paced(&mut swarm, &mut hall, settings.window)?;
    swarm.cut_all()?;
    Ok(Fanout { cost, p99_ms })
}

fn paced(swarm: &mut Swarm, hall: &mut Hall, time: Duration) -> Result<f64> {
    hall.late_us = Some(Vec::new());
    let start = Instant::now();
    let count = (time.as_secs_f64() * MESSAGES_A_SECOND).ceil() as u64;
    let mut said = 0;
    swarm.spin(hall, time * 2, |hall, swarm| {
        if start.elapsed().as_secs_f64() * MESSAGES_A_SECOND >= said as f64 {
            let conn = hall.first_writer + said as usize % hall.pending.len();
            let send = hall.talk.next_send(conn);
            swarm.say(conn, &send);
            said += 1;
        }
        said == count
    })?;
    drain(swarm, hall)?;
    Ok(percentile_ms(&mut hall.late_us.take().unwrap_or_default(), 0.99))
}

/// The lines of the table.
pub(crate) fn rows(settings: &Settings) -> Result<Vec<Row>> {
    let pairs = in_pairs(settings, "fan-out", |target| measure(settings, target))?;
    let per_cpu = |run: &Fanout| 1e6 / run.cost.per_million();
    let product: Vec<f64> = pairs.iter().map(|(product, _)| per_cpu(product)).collect();
    let bare: Vec<f64> = pairs.iter().map(|(_, bare)| per_cpu(bare)).collect();
    let late: Vec<f64> = pairs.iter().map(|(product, _)| product.p99_ms).collect();
    let bare_late: Vec<f64> = pairs.iter().map(|(_, bare)| bare.p99_ms).collect();
    let mut notes = Vec::new();
    if let Some((product, bare)) = pairs.last() {
        notes = vec![product.cost.note("product"), bare.cost.note("bare")];
        notes.push(format!(
            "CPU seconds a million deliveries: product {:.3}, bare {:.3}",
            1e6 / median(&self::values(&pairs, |(product, _)| per_cpu(product))),
            1e6 / median(&self::values(&pairs, |(_, bare)| per_cpu(bare))),
        ));
    }
    Ok(vec![
        Row {
            name: "fan-out to 1,000 members",
            unit: "deliveries a CPU second",
            score: product.iter().zip(&bare).map(|(product, bare)| product / bare).collect(),
            product,
            bare,
            score_is: "of bare",
            bar: Bar::AtLeast(0.7),
            goal: Some(0.8),
            notes,
            void: None,
        },
        Row {
            name: "fan-out at 16 messages/s",
            unit: "p99 ms",
            score: late.iter().zip(&bare_late).map(|(product, bare)| product - bare).collect(),
            product: late,
            bare: bare_late,
            score_is: "ms over bare",
            bar: Bar::AtMost(5.0),
            goal: None,
            notes: Vec::new(),
            void: None,
        },
    ])
}

fn values<T>(items: &[T], value: impl Fn(&T) -> f64) -> Vec<f64> {
    items.iter().map(value).collect()
}
