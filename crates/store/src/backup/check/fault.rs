//! What is wrong with a store, named by promise, room and seq.

use std::fmt;

/// So many are kept; of the others only the number is told.
const KEPT: usize = 200;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The promise that it breaks (`I2`, `I3`, …), or `sums`, `file`, `state`.
    pub promise: &'static str,
    /// The room, where it is one's.
    pub room: Option<String>,
    /// The position, where it is one's.
    pub seq: Option<i64>,
    /// What it is.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.promise)?;
        if let Some(room) = &self.room {
            write!(f, " room {room}")?;
        }
        if let Some(seq) = self.seq {
            write!(f, " seq {seq}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// All that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) kept: Vec<Fault>,
    pub(crate) count: u64,
}

impl Faults {
    pub(crate) fn add(
        &mut self,
        promise: &'static str,
        room: Option<&str>,
        seq: Option<i64>,
        what: impl Into<String>,
    ) {
        self.count += 1;
        if self.kept.len() < KEPT {
            let room = room.map(str::to_owned);
            self.kept.push(Fault { promise, room, seq, what: what.into() });
        }
    }
}
