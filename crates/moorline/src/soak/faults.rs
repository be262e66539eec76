//! Faults as the run injected them: when it was calm, when a restore rewound the store, and I16,
//! how soon after a fault sends were acknowledged again.

use super::names::{At, Name};
use super::verdict::{Harm, Promise, Report};

/// Sends are acknowledged again this soon after a fault.
const RECOVERY_US: u64 = 5_000_000;
/// After a failover by Sentinel.
const FAILOVER_US: u64 = 30_000_000;
/// A send later than this before the end of the window proves nothing about the window.
const MARGIN_US: u64 = 1_000_000;
/// How many ended faults are looked at to find the latest end.
const LATEST: usize = 32;

/// One injected fault.
#[derive(Debug)]
struct Fault {
    name: String,
    /// The one client that it hits; none stands for everybody.
    client: Option<Name>,
    begin: At,
    end: Option<At>,
}

/// After a fault: waiting for the first ack.
#[derive(Debug)]
struct Watch {
    client: Option<Name>,
    end: At,
    deadline: u64,
    first_send: Option<At>,
}

/// All faults so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    list: Vec<Fault>,
    watches: Vec<Watch>,
    recovered: u64,
    disturbed: u64,
    open: usize,
    late: Vec<(u64, u64)>,
}

fn hits(fault: Option<Name>, client: Name) -> bool {
    fault.is_none_or(|fault| fault == client)
}

impl Faults {
    /// A fault begins: what was waited for is disturbed by it.
    pub(super) fn begin(&mut self, name: &str, client: Option<Name>, at: At) {
        self.expire(at.t);
        let before = self.watches.len();
        self.watches.retain(|watch| match (watch.client, client) {
            (Some(watched), Some(hit)) => watched != hit,
            (None, Some(_)) => true,
            (_, None) => false,
        });
        self.disturbed += (before - self.watches.len()) as u64;
        self.open += 1;
        self.list.push(Fault { name: name.to_owned(), client, begin: at, end: None });
    }

    /// A fault ends; false if it never began.
    pub(super) fn end(&mut self, name: &str, client: Option<Name>, at: At) -> bool {
        let open = |fault: &&mut Fault| {
            fault.end.is_none() && fault.name == name && fault.client == client
        };
        let Some(fault) = self.list.iter_mut().find(open) else { return false };
        fault.end = Some(at);
        self.open -= 1;
        if self.list.iter().all(|fault| fault.end.is_some() || fault.client != client) {
            let within = if name == "sentinel-failover" { FAILOVER_US } else { RECOVERY_US };
            self.watches.push(Watch { client, end: at, deadline: at.t + within, first_send: None });
        }
        true
    }

    /// How many faults began.
    pub(super) fn count(&self) -> u64 {
        self.list.len() as u64
    }

    /// Whether a fault of this name began.
    pub(super) fn has(&self, name: &str) -> bool {
        self.list.iter().any(|fault| fault.name == name)
    }

    /// A client sent a durable command.
    pub(super) fn sent(&mut self, client: Name, at: At) {
        self.expire(at.t);
        let watches = self.watches.iter_mut().filter(|watch| hits(watch.client, client));
        for watch in watches {
            watch.first_send.get_or_insert(at);
        }
    }

    /// A client got an ack.
    pub(super) fn acked(&mut self, client: Name, at: At) {
        self.expire(at.t);
        let before = self.watches.len();
        self.watches.retain(|watch| !hits(watch.client, client));
        self.recovered += (before - self.watches.len()) as u64;
    }

    /// Ends the watches whose time is over.
    fn expire(&mut self, now: u64) {
        let over = |watch: &mut Watch| now > watch.deadline;
        for watch in self.watches.extract_if(.., over) {
            match watch.first_send {
                Some(send) if send.t + MARGIN_US <= watch.deadline => {
                    self.late.push((watch.end.line, send.line));
                }
                _ => self.disturbed += 1,
            }
        }
    }

    /// From when on nothing disturbed the client, within `from` to `to`; none if a fault is on.
    pub(super) fn calm_since(&self, client: Name, from: u64, to: u64) -> Option<u64> {
        let mut calm = from;
        // Faults are listed as they began; where none is on, the latest few decide.
        let look = if self.open == 0 { LATEST } else { self.list.len() };
        let listed = self.list.iter().rev().take(look);
        for fault in listed.filter(|fault| hits(fault.client, client)) {
            match fault.end {
                None if fault.begin.t <= to => return None,
                Some(end) if end.t > to && fault.begin.t <= to => return None,
                Some(end) => calm = calm.max(end.t),
                None => {}
            }
        }
        Some(calm)
    }

    /// Whether the store was put back to an older state between the moments.
    pub(super) fn restored_between(&self, from: u64, to: u64) -> bool {
        self.list.iter().any(|fault| {
            let restores = matches!(fault.name.as_str(), "restore" | "rollback");
            restores && fault.begin.t <= to && fault.end.is_none_or(|end| end.t >= from)
        })
    }

    /// At the end: I16.
    pub(super) fn check(&mut self, end: At, report: &mut Report) {
        self.expire(end.t);
        for _ in 0..self.recovered {
            report.checked(Promise::I16);
        }
        for (fault, send) in &self.late {
            let text = "no send was acknowledged in time after a fault ended".to_owned();
            report.broken(Promise::I16, Harm::Other, text, &[*fault, *send]);
        }
        if self.list.is_empty() {
            report.not_decided(Promise::I16, "no fault was injected");
        } else if self.recovered == 0 {
            report.not_decided(Promise::I16, "nobody sent in the seconds after a fault");
        }
    }
}
