//! The rows of the benchmark. Each measures one thing of both servers, in pairs that alternate, and
//! makes lines of the table of it.

pub(crate) mod durable;
pub(crate) mod fanout;
pub(crate) mod idle;
pub(crate) mod storm;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::swarm::{Script, Swarm};
use crate::talk::Talk;
use crate::target::{Server, Start, Target};

/// The index may lag this much at the end of a run.
const INDEX_LAG_LIMIT: Duration = Duration::from_secs(2);

/// Work of others on the machine that is still taken for noise, in cores.
const DISTURBED: f64 = 0.1;

/// How the benchmark was asked to run.
pub(crate) struct Settings {
    /// How servers are started.
    pub(crate) start: Start,
    /// The library that makes syncs slow.
    pub(crate) slow_sync: std::path::PathBuf,
    /// Pairs of product and bare.
    pub(crate) pairs: usize,
    /// How long each phase is measured.
    pub(crate) window: Duration,
    /// Bytes of a message's text.
    pub(crate) body_bytes: usize,
    /// Writers of the fan-out row, and messages that each sends in one write.
    pub(crate) burst: (usize, usize),
    /// A single run of one server instead of pairs, to look at it.
    pub(crate) only: Option<Target>,
    /// Median of one sync of the data folder's disk.
    pub(crate) sync_ms: f64,
}

/// Measures both servers in each pair, the other one first every time.
pub(crate) fn in_pairs<T>(
    settings: &Settings,
    name: &str,
    mut measure: impl FnMut(Target) -> Result<T>,
) -> Result<Vec<(T, T)>> {
    let mut pairs = Vec::new();
    for pair in 0..settings.pairs {
        eprintln!("{name}: pair {} of {}", pair + 1, settings.pairs);
        let measured = if pair % 2 == 0 {
            let product = measure(Target::Product)?;
            (product, measure(Target::Bare)?)
        } else {
            let bare = measure(Target::Bare)?;
            (measure(Target::Product)?, bare)
        };
        pairs.push(measured);
    }
    Ok(pairs)
}

/// What a phase of talking cost.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cost {
    /// Seconds of the server's processor time.
    pub(crate) cpu: f64,
    /// Seconds that passed.
    pub(crate) wall: f64,
    /// Sends in this time.
    pub(crate) sends: u64,
    /// Deliveries in this time.
    pub(crate) deliveries: u64,
    /// The load's share of its core.
    pub(crate) load_busy: f64,
    /// Cores that others used meanwhile: more than a little makes the figures worthless.
    pub(crate) others: f64,
    /// Bytes of an event, on average.
    pub(crate) event_bytes: f64,
    /// How long after the last send a search found it, in milliseconds; none of the bare server.
    pub(crate) index_lag_ms: Option<f64>,
}

impl Cost {
    /// Processor seconds of a million deliveries.
    pub(crate) fn per_million(&self) -> f64 {
        self.cpu * 1e6 / self.deliveries.max(1) as f64
    }

    /// What a reader of the row must know about the limits of the run.
    pub(crate) fn note(&self, who: &str) -> String {
        let server = self.cpu / self.wall.max(1e-9);
        let mut note = format!(
            "{who}: server {:.0} % of its core, load {:.0} % of its own, {:.0} bytes an event",
            server * 100.0,
            self.load_busy * 100.0,
            self.event_bytes
        );
        if self.load_busy > 0.95 && server < 0.9 {
            note.push_str("; LIMITED BY THE LOAD");
        }
        if self.others > DISTURBED {
            note.push_str(&format!(
                "; DISTURBED, others used {:.0} % of a core",
                self.others * 100.0
            ));
        }
        if let Some(lag) = self.index_lag_ms {
            note.push_str(&format!("; index {lag:.0} ms behind at the end"));
        }
        note
    }
}

/// A script that talks: what the phases below need of it.
pub(crate) trait Talker: Script {
    /// The talk.
    fn talk(&mut self) -> &mut Talk;
    /// Starts talking on its own, or stops.
    fn set_running(&mut self, running: bool, swarm: &mut Swarm);
    /// Deliveries that a send makes.
    fn receivers(&self) -> u64;
}

/// Lets people talk for a while, and counts until the last delivery is there.
pub(crate) fn run_for<T: Talker>(
    server: &Server,
    swarm: &mut Swarm,
    script: &mut T,
    time: Duration,
) -> Result<Cost> {
    let cpu = server.cpu()?;
    let talk = script.talk();
    let (sends, deliveries) = (talk.sent(), talk.ledger.delivered());
    let event_bytes = talk.event_bytes;
    let others = server.cpu_of_others()?;
    let start = std::time::Instant::now();
    swarm.meter();
    script.set_running(true, swarm);
    swarm.spin(script, time * 2, |_, _| start.elapsed() >= time)?;
    script.set_running(false, swarm);
    drain(swarm, script)?;
    let (wall, load_busy) = (start.elapsed().as_secs_f64(), swarm.busy());
    let others = (server.cpu_of_others()? - others) / wall;
    let index_lag_ms = match server.target {
        Target::Product => Some(index_lag(swarm, script)?.as_secs_f64() * 1000.0),
        Target::Bare => None,
    };
    let talk = script.talk();
    let deliveries = talk.ledger.delivered() - deliveries;
    Ok(Cost {
        // Taken after the index has caught up: its work is the run's.
        cpu: server.cpu()? - cpu,
        wall,
        sends: talk.sent() - sends,
        deliveries,
        load_busy,
        others,
        event_bytes: (talk.event_bytes - event_bytes) as f64 / deliveries.max(1) as f64,
        index_lag_ms,
    })
}

/// Waits until every send is acknowledged and delivered to everybody.
pub(crate) fn drain<T: Talker>(swarm: &mut Swarm, script: &mut T) -> Result<()> {
    let waited = swarm.spin(script, Duration::from_secs(20), |script, _| {
        let receivers = script.receivers();
        let talk = script.talk();
        let all = talk.acked == talk.sent() && talk.ledger.delivered() == talk.sent() * receivers;
        all || talk.ledger.fault().is_some()
    });
    let talk = script.talk();
    if waited.is_err() {
        let (sent, acked, delivered) = (talk.sent(), talk.acked, talk.ledger.delivered());
        bail!("{sent} sends, but {acked} acks and {delivered} deliveries");
    }
    talk.ledger.verdict(talk.sent()).or_else(|fault| bail!("{fault}"))
}

/// Says a word that nobody said before and searches for it until it is found.
fn index_lag<T: Talker>(swarm: &mut Swarm, script: &mut T) -> Result<Duration> {
    let word = format!("needle{}", script.talk().sent());
    let send = script.talk().send_of(0, &word);
    swarm.say(0, &send);
    drain(swarm, script)?;
    let said = std::time::Instant::now();
    script.talk().found = false;
    let query = format!(r#"{{"type":"search","id":0,"query":"{word}","limit":1}}"#);
    while !script.talk().found {
        swarm.say(0, query.as_bytes());
        let asked = std::time::Instant::now();
        swarm.spin(script, Duration::from_secs(5), |script, _| {
            script.talk().found || asked.elapsed() > Duration::from_millis(25)
        })?;
        if said.elapsed() > INDEX_LAG_LIMIT {
            bail!("the index is more than {} s behind", INDEX_LAG_LIMIT.as_secs());
        }
    }
    Ok(said.elapsed())
}
