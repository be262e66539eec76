//! What the checker says at the end: which promises were kept, broken or not decidable from this
//! history, with counts, and for what is broken the lines that show it.

use std::collections::BTreeMap;

use serde::Serialize;

/// The violations that are kept with their lines; more are only counted.
const KEPT: usize = 50;

/// A promise of the delivery contract, I1 to I16, or the history itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
pub enum Promise {
    /// The history is unfit to be judged: empty, cut off, out of order, without bite.
    #[serde(rename = "history")]
    History,
    /// Acknowledged means durable.
    I1,
    /// Exactly once in the store.
    I2,
    /// Seqs without holes.
    I3,
    /// No phantom.
    I4,
    /// One position is one event.
    I5,
    /// Applied in order, each once.
    I6,
    /// A connected member has everything.
    I7,
    /// Honest resume.
    I8,
    /// Read your writes, monotonic reads.
    I9,
    /// Real-time order.
    I10,
    /// Authorised by position.
    I11,
    /// Bounded repetition.
    I12,
    /// No silence.
    I13,
    /// A new epoch where history was lost.
    I14,
    /// Read markers only grow.
    I15,
    /// Acknowledgements come again soon after a fault.
    I16,
}

impl Promise {
    /// The sixteen promises in order.
    pub const ALL: [Promise; 16] = [
        Promise::I1,
        Promise::I2,
        Promise::I3,
        Promise::I4,
        Promise::I5,
        Promise::I6,
        Promise::I7,
        Promise::I8,
        Promise::I9,
        Promise::I10,
        Promise::I11,
        Promise::I12,
        Promise::I13,
        Promise::I14,
        Promise::I15,
        Promise::I16,
    ];
}

/// How a promise fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[cfg_attr(any(test, feature = "schema"), schemars(rename = "Fared"))]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Outcome {
    /// Kept in all `checked` cases that the history holds.
    Kept {
        /// How many cases were looked at.
        checked: u64,
    },
    /// Broken in `times` cases.
    Broken {
        /// How often.
        times: u64,
    },
    /// The history does not hold what it takes.
    NotDecided {
        /// What is missing.
        why: String,
    },
}

/// One violation.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
pub struct Violation {
    /// Which promise is broken.
    pub promise: Promise,
    /// What happened, in one sentence.
    pub text: String,
    /// Numbers of the lines that show it.
    pub lines: Vec<u64>,
    /// Those lines as they stand in the file.
    pub history: Vec<String>,
}

/// How a violation counts in the first words of the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    Lost,
    Doubled,
    Disorder,
    Other,
}

/// What the history held, for the reader of the verdict.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
pub struct Counts {
    /// Lines read.
    pub lines: u64,
    /// Clients that connected.
    pub clients: u64,
    /// Rooms named by any event.
    pub rooms: u64,
    /// Different durable commands, by their cid.
    pub sends: u64,
    /// Those that were acknowledged.
    pub acknowledged: u64,
    /// Those that were sent again with the same cid.
    pub repeated: u64,
    /// Events that arrived live or by resume.
    pub deliveries: u64,
    /// Deliveries of what the connection had already.
    pub wire_repeats: u64,
    /// Gaps seen on the wire, filled later by the client.
    pub holes: u64,
    /// Hints counted as lost by the servers.
    pub lost_hints: u64,
    /// Answers that put a command off: a full disk, a store that is away.
    pub put_off: u64,
    /// Events that the SDK gave to its application.
    pub applied: u64,
    /// Connections after a client's first.
    pub reconnects: u64,
    /// Faults that began.
    pub faults: u64,
    /// Starts of servers.
    pub starts: u64,
    /// Events in the final logs of the store.
    pub stored: u64,
    /// Commands that are no commands; a run with bad input sends such.
    pub malformed: u64,
}

/// The checker's word on a history.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
pub struct Verdict {
    /// Whether nothing is broken and the history was fit to be judged.
    pub ok: bool,
    /// Acknowledged but not stored, or never delivered.
    pub lost: u64,
    /// Stored or applied more than once.
    pub doubled: u64,
    /// Applied or numbered against the order.
    pub out_of_order: u64,
    /// What the history held.
    pub counts: Counts,
    /// Each promise's outcome.
    pub promises: BTreeMap<Promise, Outcome>,
    /// The first violations, in the order in which they were found.
    pub violations: Vec<Violation>,
}

/// Collects while the history is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) counts: Counts,
    violations: Vec<Violation>,
    broken: BTreeMap<Promise, u64>,
    checked: BTreeMap<Promise, u64>,
    missing: BTreeMap<Promise, String>,
    lost: u64,
    doubled: u64,
    out_of_order: u64,
}

impl Report {
    /// Notes a violation and the lines that show it (0 stands for a line that is not known).
    pub(super) fn broken(&mut self, promise: Promise, harm: Harm, text: String, lines: &[u64]) {
        *self.broken.entry(promise).or_default() += 1;
        match harm {
            Harm::Lost => self.lost += 1,
            Harm::Doubled => self.doubled += 1,
            Harm::Disorder => self.out_of_order += 1,
            Harm::Other => {}
        }
        if self.violations.len() < KEPT {
            let mut lines: Vec<u64> = lines.iter().copied().filter(|line| *line > 0).collect();
            lines.sort_unstable();
            lines.dedup();
            self.violations.push(Violation { promise, text, lines, history: Vec::new() });
        }
    }

    /// Notes that a case of the promise was looked at.
    pub(super) fn checked(&mut self, promise: Promise) {
        *self.checked.entry(promise).or_default() += 1;
    }

    /// How many cases of the promise were looked at.
    pub(super) fn cases(&self, promise: Promise) -> u64 {
        self.checked.get(&promise).copied().unwrap_or(0)
    }

    /// Notes why a promise cannot be decided; the first reason stays.
    pub(super) fn not_decided(&mut self, promise: Promise, why: &str) {
        self.missing.entry(promise).or_insert_with(|| why.to_owned());
    }

    /// The verdict. A promise without a single case is never called kept.
    pub(super) fn finish(mut self) -> Verdict {
        let promises = Promise::ALL.map(|promise| (promise, self.outcome(promise)));
        Verdict {
            ok: self.broken.is_empty(),
            lost: self.lost,
            doubled: self.doubled,
            out_of_order: self.out_of_order,
            counts: std::mem::take(&mut self.counts),
            promises: BTreeMap::from(promises),
            violations: self.violations,
        }
    }

    fn outcome(&self, promise: Promise) -> Outcome {
        if let Some(times) = self.broken.get(&promise) {
            return Outcome::Broken { times: *times };
        }
        if let Some(why) = self.missing.get(&promise) {
            return Outcome::NotDecided { why: why.clone() };
        }
        match self.cases(promise) {
            0 => Outcome::NotDecided { why: "the history holds no case of it".to_owned() },
            checked => Outcome::Kept { checked },
        }
    }
}

impl Verdict {
    /// The verdict as text: one line to grep, then what was decided, then the first violation.
    pub fn text(&self) -> String {
        let word = if self.ok { "kept" } else { "BROKEN" };
        let c = &self.counts;
        let mut text = format!(
            "{} lost, {} doubled, {} out of order: contract {word}\n",
            self.lost, self.doubled, self.out_of_order
        );
        text += &format!(
            "{} sends ({} sent again), {} acknowledged, {} stored events in {} rooms; {} deliveries ({} repeats, {} holes) \
             to {} clients, {} applied; {} faults, {} reconnects, {} starts, {} lost hints, {} commands put off; \
             {} lines\n",
            c.sends,
            c.repeated,
            c.acknowledged,
            c.stored,
            c.rooms,
            c.deliveries,
            c.wire_repeats,
            c.holes,
            c.clients,
            c.applied,
            c.faults,
            c.reconnects,
            c.starts,
            c.lost_hints,
            c.put_off,
            c.lines
        );
        for (promise, outcome) in &self.promises {
            text += &match outcome {
                Outcome::Kept { checked } => format!("{promise:?} kept ({checked} cases)\n"),
                Outcome::Broken { times } => format!("{promise:?} BROKEN ({times} times)\n"),
                Outcome::NotDecided { why } => format!("{promise:?} not decided: {why}\n"),
            };
        }
        if let Some(first) = self.violations.first() {
            text += &format!("first violation, {:?}: {}\n", first.promise, first.text);
            for line in &first.history {
                text += &format!("  {line}\n");
            }
        }
        text
    }
}
