//! Row 4: two thousand connections are cut at once and come back at once. Each signs in, gets its
//! rooms, and resumes both of them one message behind, so that each must be given exactly that.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Settings, in_pairs};
use crate::figures::{median, spread};
use crate::messages::push_send;
use crate::plan::Plan;
use crate::report::{Bar, Row};
use crate::scan;
use crate::swarm::{Script, Swarm, say};
use crate::target::{Server, Target};

const PEOPLE: usize = 2000;

/// Storms of one run: one alone is too short for the clock of processor time.
const STORMS: usize = 5;

/// What a server does for a moment after everybody is back belongs to the storm.
const SETTLE: Duration = Duration::from_millis(300);

/// Where a person stands in a room after the first of its two messages.
#[derive(Clone, Default)]
struct Stand {
    room: String,
    epoch: String,
    seq: u64,
    check: String,
    /// The second message: what a resume must bring.
    missed: u64,
}

struct Crowd {
    hellos: Vec<Vec<u8>>,
    /// Per person and room; empty for the bare server, which stores nothing.
    stands: Vec<Vec<Stand>>,
    /// Missed messages that are still to come, by connection.
    missing: Vec<usize>,
    welcome: Vec<bool>,
    back: usize,
    /// Bytes between hello and the last missed message, of all connections.
    bytes: usize,
    events: usize,
    acks: usize,
    resuming: bool,
    fault: Option<String>,
}

impl Crowd {
    fn new(hellos: Vec<Vec<u8>>) -> Crowd {
        let people = hellos.len();
        Crowd {
            hellos,
            stands: vec![Vec::new(); people],
            missing: vec![0; people],
            welcome: vec![false; people],
            back: 0,
            bytes: 0,
            events: 0,
            acks: 0,
            resuming: false,
            fault: None,
        }
    }

    /// Everybody is away, and misses one message in each room.
    fn begin(&mut self) {
        self.missing = self.stands.iter().map(Vec::len).collect();
        self.welcome.fill(false);
        (self.back, self.bytes, self.resuming) = (0, 0, true);
    }

    fn fail(&mut self, why: String) {
        self.fault.get_or_insert(why);
    }

    fn event(&mut self, conn: usize, frame: &[u8]) {
        self.events += 1;
        let room = scan::text(frame, b"\"room\":\"").unwrap_or_default();
        let seq = scan::number(frame, b"\"seq\":").unwrap_or(0);
        if self.resuming {
            return self.resumed(conn, room, seq);
        }
        let id = scan::text(frame, b"\"id\":\"").unwrap_or_default();
        let check = String::from_utf8_lossy(&id[id.len().saturating_sub(8)..]).into_owned();
        let epoch = scan::text(frame, b"\"epoch\":\"").unwrap_or_default();
        let room = String::from_utf8_lossy(room).into_owned();
        let stands = &mut self.stands[conn];
        match stands.iter_mut().find(|stand| stand.room == room) {
            Some(stand) => stand.missed = seq,
            None => {
                let epoch = String::from_utf8_lossy(epoch).into_owned();
                stands.push(Stand { room, epoch, seq, check, missed: 0 });
            }
        }
    }

    fn resumed(&mut self, conn: usize, room: &[u8], seq: u64) {
        let due = self.stands[conn].iter().any(|stand| {
            stand.room.as_bytes() == room && stand.missed == seq && self.missing[conn] > 0
        });
        if !due {
            return self.fail(format!("connection {conn} was given {seq} again"));
        }
        self.missing[conn] -= 1;
        self.note_back(conn);
    }

    fn note_back(&mut self, conn: usize) {
        self.back += usize::from(self.welcome[conn] && self.missing[conn] == 0);
    }
}

impl Script for Crowd {
    fn opened(&mut self, conn: usize, out: &mut Vec<u8>) {
        say(out, &self.hellos[conn]);
    }

    fn text(&mut self, conn: usize, frame: &[u8], _: &mut Vec<u8>) {
        self.bytes += frame.len();
        match scan::kind(frame) {
            b"event" => self.event(conn, frame),
            b"ack" => self.acks += 1,
            b"welcome" => {
                self.welcome[conn] = true;
                self.note_back(conn);
            }
            b"error" | b"reset" => self.fail(String::from_utf8_lossy(frame).into_owned()),
            _ => {}
        }
    }

    fn ended(&mut self, conn: usize, why: &str) {
        self.fail(format!("connection {conn} ended: {why}"));
    }
}

/// What one server did.
#[derive(Debug, Clone)]
pub(crate) struct Storm {
    /// Microseconds of the server's processor time a join.
    pub(crate) join_us: f64,
    /// Milliseconds from the first connect until everybody was back, of each storm.
    pub(crate) back_ms: Vec<f64>,
    /// Bytes that a join was answered with.
    pub(crate) reply: usize,
    /// The load's share of its core.
    pub(crate) load_busy: f64,
}

/// Measures one server; the bare one answers with as many bytes as the product did.
pub(crate) fn measure(settings: &Settings, target: Target, reply: usize) -> Result<Storm> {
    let plan = Plan::pairs_and_groups(PEOPLE);
    let server = Server::start(target, &settings.start)?;
    server.make(&plan)?;
    let mut crowd = Crowd::new(server.hellos(&plan, reply)?);
    let mut swarm = Swarm::new(server.address)?;
    swarm.grow(&mut crowd, PEOPLE, |crowd| crowd.back)?;
    if target == Target::Product {
        two_messages_a_room(&mut swarm, &mut crowd, &plan)?;
    }
    crowd.hellos = (0..PEOPLE)
        .map(|person| server.hello(&plan, person, &resume(&crowd, &plan, person), reply))
        .collect::<Result<_>>()?;
    let mut back_ms = Vec::new();
    let cpu = server.cpu()?;
    let mut load_busy = 0.0;
    for _ in 0..STORMS {
        crowd.begin();
        swarm.cut_all()?;
        swarm.meter();
        back_ms.push(one_storm(&mut swarm, &mut crowd)?.as_secs_f64() * 1000.0);
        load_busy = swarm.busy();
        let settled = Instant::now() + SETTLE;
        swarm.spin(&mut crowd, SETTLE * 10, |_, _| Instant::now() >= settled)?;
    }
    let join_us = (server.cpu()? - cpu) * 1e6 / (PEOPLE * STORMS) as f64;
    if let Some(fault) = &crowd.fault {
        bail!("{fault}");
    }
    swarm.cut_all()?;
    Ok(Storm { join_us, back_ms, reply: crowd.bytes / PEOPLE, load_busy })
}

/// Connects all, as fast as it can while it also reads.
fn one_storm(swarm: &mut Swarm, crowd: &mut Crowd) -> Result<Duration> {
    let start = Instant::now();
    for begun in 0..PEOPLE {
        swarm.connect().with_context(|| format!("connection {begun} of a storm"))?;
        if begun % 16 == 15 {
            swarm.turn(crowd, Duration::ZERO)?;
        }
    }
    let back = swarm.spin(crowd, Duration::from_secs(20), |crowd, _| {
        crowd.back == PEOPLE || crowd.fault.is_some()
    });
    back.with_context(|| format!("{} of {PEOPLE} are back", crowd.back))?;
    Ok(start.elapsed())
}

/// Lets the first member of each room say two things, the second after everybody has the first.
fn two_messages_a_room(swarm: &mut Swarm, crowd: &mut Crowd, plan: &Plan) -> Result<()> {
    let rooms_of_all: usize = plan.people.iter().map(|person| person.rooms.len()).sum();
    for round in 1..=2 {
        for (index, room) in plan.rooms.iter().enumerate() {
            let Some(speaker) = plan.people.iter().position(|p| p.rooms.contains(&index)) else {
                continue;
            };
            let mut send = Vec::new();
            let number = (round * plan.rooms.len() + index) as u64;
            push_send(&mut send, &room.id, number, "something that was said before the cut");
            swarm.say(speaker, &send);
        }
        let wanted = (round * rooms_of_all, round * plan.rooms.len());
        let told = swarm.spin(crowd, Duration::from_secs(20), |crowd, _| {
            (crowd.events, crowd.acks) == wanted || crowd.fault.is_some()
        });
        told.with_context(|| {
            let fault = crowd.fault.clone().unwrap_or_default();
            format!("{} of {} events came {fault}", crowd.events, wanted.0)
        })?;
    }
    Ok(())
}

/// The positions that a person resumes from. The bare server gets some of the same size.
fn resume(crowd: &Crowd, plan: &Plan, person: usize) -> Value {
    let entry = |room: &str, epoch: &str, seq: u64, check: &str| {
        (room.to_owned(), json!({ "epoch": epoch, "seq": seq, "check": check }))
    };
    let stands = &crowd.stands[person];
    let known = stands.iter().map(|s| entry(&s.room, &s.epoch, s.seq, &s.check));
    let made_up = plan.people[person].rooms.iter().filter(|_| stands.is_empty());
    let made_up =
        made_up.map(|&room| entry(&plan.rooms[room].id, "0123456789abcdef", 2, "9c41f07b"));
    known.chain(made_up).collect::<serde_json::Map<_, _>>().into()
}

/// The lines of the table.
pub(crate) fn rows(settings: &Settings) -> Result<Vec<Row>> {
    // The product tells how many bytes a join is answered with; the first pair starts with it.
    let mut reply = 2000;
    let pairs = in_pairs(settings, "storm", |target| {
        let storm = measure(settings, target, reply)?;
        if target == Target::Product {
            reply = storm.reply;
        }
        Ok(storm)
    })?;
    let back = |storm: &Storm| median(&storm.back_ms);
    let worst = pairs.iter().flat_map(|(product, _)| product.back_ms.iter().copied());
    let worst = spread(&worst.collect::<Vec<f64>>()).1;
    let loads = pairs.last().map(|(product, bare)| {
        format!(
            "a join is answered with {} bytes; load {:.0} % of its core, {:.0} % with bare",
            product.reply,
            product.load_busy * 100.0,
            bare.load_busy * 100.0
        )
    });
    Ok(vec![
        Row {
            name: "storm of 2,000 joins",
            unit: "CPU us a join",
            product: pairs.iter().map(|(product, _)| product.join_us).collect(),
            bare: pairs.iter().map(|(_, bare)| bare.join_us).collect(),
            score_is: "times bare",
            score: pairs.iter().map(|(product, bare)| product.join_us / bare.join_us).collect(),
            bar: Bar::AtMost(3.0),
            goal: None,
            notes: loads.into_iter().collect(),
            void: None,
        },
        Row {
            name: "storm, all back and resumed",
            unit: "ms",
            product: pairs.iter().map(|(product, _)| back(product)).collect(),
            bare: pairs.iter().map(|(_, bare)| back(bare)).collect(),
            score_is: "ms",
            score: pairs.iter().map(|(product, _)| back(product)).collect(),
            bar: Bar::AtMost(200.0),
            goal: None,
            notes: vec![format!("the slowest storm took {worst:.0} ms")],
            void: None,
        },
    ])
}
