//! The end of a history: whether it was fit to be judged at all, and everything that only the
//! whole of it can decide.

use std::collections::HashMap;

use super::Checker;
use super::names::{At, Conn, Name, Place};
use super::verdict::{Harm, Promise};

/// Repeats allowed without faults, one of so many deliveries.
const ABOUT_NONE: u64 = 100;
/// Repeats allowed in a run full of faults, one of so many deliveries.
const A_QUARTER: u64 = 4;

impl Checker {
    /// A history that cannot be judged.
    pub(super) fn unfit(&mut self, text: &str, line: u64) {
        self.report.broken(Promise::History, Harm::Other, text.to_owned(), &[line]);
    }

    /// Judges what only the end can tell.
    pub(super) fn conclude(&mut self) {
        let end = self.ended.unwrap_or(self.last);
        self.check_fit();
        self.note_memberships();
        let mut open: Vec<_> = std::mem::take(&mut self.connections).into_iter().collect();
        open.sort_by_key(|(conn, _)| *conn);
        for ((client, _), connection) in open {
            self.ended(client, connection, end, true);
        }
        self.check_durable();
        self.check_refused();
        self.check_members_wrote();
        self.check_connection_order();
        self.check_answered(end);
        self.check_shown();
        self.check_repetition();
        self.report.counts.faults = self.faults.count();
        self.faults.check(end, &mut self.report);
        if self.report.cases(Promise::I14) == 0 {
            let why = "nobody came with a position of another epoch or another check";
            self.report.not_decided(Promise::I14, why);
        }
    }

    fn check_fit(&mut self) {
        if self.report.counts.sends == 0 {
            self.unfit("the history is empty: nobody sent anything", 0);
        }
        if self.ended.is_none() {
            self.unfit("the history has no end", self.last.line);
        }
        let silent = self.clients.iter().filter(|(_, client)| !client.sent);
        let silent: Vec<_> = silent.map(|(name, client)| (*name, client.opened.line)).collect();
        for (name, line) in silent {
            let text = format!("the client {} never sent", self.names.text(name));
            self.unfit(&text, line);
        }
        let Some(claimed) = self.claimed.clone() else {
            return self.unfit("the history does not begin with a run line", 1);
        };
        for name in claimed.iter().filter(|name| !self.faults.has(name)).collect::<Vec<_>>() {
            self.unfit(&format!("the run claims the fault {name}, which never began"), 1);
        }
        let counts = &self.report.counts;
        let bit = counts.reconnects + counts.holes + counts.lost_hints + counts.put_off > 0;
        if !claimed.is_empty() && !bit {
            let text = "no fault bit: no reconnect, no hole, no lost hint, no command put off";
            self.unfit(text, 1);
        }
    }

    /// I10: what one connection sent once each keeps its order.
    fn check_connection_order(&mut self) {
        let mut last: HashMap<(Conn, Name), (Place, u64)> = HashMap::new();
        for command in self.commands.iter().filter(|c| c.attempts == 1 && c.what == "send") {
            let acked = command.ack.map(|ack| (ack.epoch, ack.seq));
            let Some((epoch, seq)) = command.place.or(acked) else { continue };
            let lane = (command.connection, command.room);
            let before = last.insert(lane, ((epoch, seq), command.first.line));
            let Some(((old, before), line)) = before else { continue };
            if old != epoch {
                continue;
            }
            self.report.checked(Promise::I10);
            if seq < before {
                let text = format!("seq {seq} was sent on the same connection after seq {before}");
                let lines = [line, command.first.line];
                self.report.broken(Promise::I10, Harm::Disorder, text, &lines);
            }
        }
    }

    /// I13: nothing is left without an answer.
    fn check_answered(&mut self, end: At) {
        for command in &self.commands {
            self.report.checked(Promise::I13);
            if command.answered {
                continue;
            }
            let client = command.connection.0;
            let calm = self.faults.calm_since(client, command.last.t, end.t);
            if calm.is_none_or(|calm| end.t.saturating_sub(calm) <= self.limits.answer_us) {
                let why = "the run ended before the answers to its last sends were due";
                self.report.not_decided(Promise::I13, why);
                continue;
            }
            let text = format!("a {} was never answered on any connection", command.what);
            let lines = [command.first.line, command.last.line, end.line];
            self.report.broken(Promise::I13, Harm::Other, text, &lines);
        }
    }

    /// I12: repeats on the wire are about none without faults and under a quarter with them.
    fn check_repetition(&mut self) {
        let counts = &self.report.counts;
        let share = if self.faults.count() > 0 { A_QUARTER } else { ABOUT_NONE };
        let (repeats, deliveries) = (counts.wire_repeats, counts.deliveries);
        if repeats > 0 && repeats * share >= deliveries {
            let text = format!("{repeats} of {deliveries} deliveries had come before");
            self.report.broken(Promise::I12, Harm::Other, text, &[]);
        }
    }
}
