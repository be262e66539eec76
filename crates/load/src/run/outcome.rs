//! What came of a run: counts and times, as JSON has them and the report shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Plan;
use crate::client::Client;
use crate::meter::{Latency, Meter, Second};

/// A fault that was injected.
#[derive(Debug, Clone, Serialize)]
pub struct Struck {
    /// Which one.
    pub name: &'static str,
    /// Seconds after the start.
    pub at: f64,
    /// How long it lasted, in seconds.
    pub lasted: f64,
    /// Connections that it met.
    pub bitten: usize,
}

/// What was done and measured.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// The nodes.
    pub nodes: Vec<String>,
    /// People.
    pub people: usize,
    /// Their windows, together.
    pub windows: usize,
    /// Rooms.
    pub rooms: usize,
    /// Messages a second that were asked for.
    pub rate: f64,
    /// How long they talked, in seconds.
    pub seconds: f64,
    /// Messages that were meant to be sent, of which some may be edits and the like instead.
    pub sent: u64,
    /// Messages for which there was no room in the queue of their window.
    pub skipped: u64,
    /// Refusals that are final, by their code; a person who was just taken out of a room is refused there.
    pub refused: BTreeMap<String, u64>,
    /// From the moment at which a message was meant to be sent to its ack.
    pub ack: Latency,
    /// From the same moment until another window had it.
    pub delivery: Latency,
    /// Acks a second.
    pub acked_per_second: f64,
    /// Deliveries a second.
    pub delivered_per_second: f64,
    /// Deliveries for each ack.
    pub fan_out: f64,
    /// Connections after each window's first.
    pub reconnects: u64,
    /// Ends of connections that no fault of the windows brought about, by their close code.
    pub closes: BTreeMap<u16, u64>,
    /// Reasons of resets.
    pub resets: BTreeMap<String, u64>,
    /// What was injected.
    pub faults: Vec<Struck>,
    /// Windows that still waited for answers at the end.
    pub unsettled: usize,
    /// Windows that did not have everything at the end.
    pub behind: usize,
    /// How often the program itself stood still for two seconds or more; no server is charged with that.
    pub standstills: u64,
    /// The longest such pause, in seconds.
    pub longest_standstill: f64,
    /// The most memory that the server was seen to use, where it could be seen.
    pub memory_bytes: Option<u64>,
    /// Processor time that the server took during the run, where it could be seen.
    pub cpu_seconds: Option<f64>,
    /// Second by second.
    pub timeline: Vec<Second>,
}

/// Counts it all.
pub(super) fn of(plan: &Plan, clients: &[Client], meter: &Meter, lasted: Duration) -> Outcome {
    let (sent, ack, delivery) = meter.totals();
    let seconds = lasted.as_secs_f64();
    let per_second = |count: u64| count as f64 / seconds.max(1e-3);
    let (mut refused, mut closes, mut resets) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for client in clients {
        for (code, count) in &client.refused {
            *refused.entry(code.clone()).or_default() += count;
        }
        for (code, count) in &client.closes {
            *closes.entry(*code).or_default() += count;
        }
        for reason in &client.resets {
            *resets.entry(reason.clone()).or_default() += 1;
        }
    }
    let timeline = meter.seconds();
    let loads = || timeline.iter().filter_map(|second| second.load);
    let cpu = loads().next().zip(loads().next_back());
    Outcome {
        nodes: plan.nodes.iter().map(ToString::to_string).collect(),
        people: plan.people.len(),
        windows: clients.len(),
        rooms: plan.rooms,
        rate: plan.rate,
        seconds,
        sent,
        skipped: 0,
        refused,
        ack,
        delivery,
        acked_per_second: per_second(ack.count),
        delivered_per_second: per_second(delivery.count),
        fan_out: delivery.count as f64 / (ack.count as f64).max(1.0),
        reconnects: clients.iter().map(|client| client.connections().saturating_sub(1)).sum(),
        closes,
        resets,
        faults: Vec::new(),
        unsettled: 0,
        behind: 0,
        standstills: 0,
        longest_standstill: 0.0,
        memory_bytes: loads().map(|load| load.memory_bytes).max(),
        cpu_seconds: cpu.map(|(first, last)| (last.cpu_seconds - first.cpu_seconds).max(0.0)),
        timeline,
    }
}
