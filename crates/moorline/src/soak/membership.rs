//! I11, authorised by position: who got what, held against who was a member at that seq.

use std::collections::{BTreeMap, HashMap};

use super::Checker;
use super::connections::Connection;
use super::names::{At, Conn, Name};
use super::rooms::{Change, Room};
use super::verdict::{Harm, Promise};

/// How long what has no seq may still come after a removal, and a revoked session may live.
const STOPS_WITHIN_US: u64 = 5_000_000;

/// A run of seqs that came to a person without a hole between.
#[derive(Clone, Copy, Debug)]
struct Span {
    end: u64,
    first: At,
    last: At,
}

/// What each person was shown, as runs of seqs.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    spans: HashMap<(Name, Name, u128), BTreeMap<u64, Span>>,
}

/// From a joining to the leaving after it.
#[derive(Clone, Copy, Debug)]
struct Stay {
    from: u64,
    to: u64,
    /// The earliest moment at which the joining can have happened.
    began: u64,
    line: u64,
}

impl Ranges {
    /// Notes that a person was shown a seq.
    pub(super) fn note(&mut self, user: Name, room: Name, epoch: u128, seq: u64, at: At) {
        let spans = self.spans.entry((user, room, epoch)).or_default();
        if let Some((_, span)) = spans.range_mut(..=seq).next_back() {
            if span.end >= seq {
                return;
            }
            if span.end + 1 == seq {
                span.end = seq;
                span.last = at;
                return;
            }
        }
        spans.insert(seq, Span { end: seq, first: at, last: at });
    }
}

impl Room {
    /// A person's stays under an epoch, in order.
    fn stays(&self, user: Name, epoch: u128) -> Vec<Stay> {
        let mut stays = Vec::new();
        if self.given_members.contains(&user) {
            stays.push(Stay { from: 0, to: u64::MAX, began: 0, line: 0 });
        }
        let mut changes: Vec<&Change> =
            self.changes.iter().filter(|c| c.epoch == epoch && c.user == user).collect();
        changes.sort_by_key(|change| change.seq);
        for change in changes {
            let inside = stays.last().is_some_and(|stay: &Stay| stay.to == u64::MAX);
            if change.joins && !inside {
                let asked = self.named.get(&(user, true)).map_or(0, |at| at.t);
                let began = change.seen.t.min(asked);
                stays.push(Stay { from: change.seq, to: u64::MAX, began, line: change.seen.line });
            } else if !change.joins
                && let Some(stay) = stays.last_mut()
            {
                stay.to = stay.to.min(change.seq);
                stay.line = change.seen.line;
            }
        }
        stays
    }

    /// Whether the person is a member after all that was seen.
    pub(super) fn has_member(&self, user: Name, epoch: u128) -> bool {
        self.stays(user, epoch).last().is_some_and(|stay| stay.to == u64::MAX)
    }
}

/// The first seq of a run that its reader was not allowed to get, with a line about the membership.
fn first_forbidden(stays: &[Stay], from: u64, span: Span, shows_all: bool) -> Option<(u64, u64)> {
    let mut seq = from;
    while seq <= span.end {
        let Some(stay) = stays.iter().find(|stay| stay.from <= seq && seq <= stay.to) else {
            // Where members may read what was before them, a joining opens it from then on.
            let opened = stays.iter().any(|stay| stay.from > seq && stay.began <= span.last.t);
            if shows_all && opened {
                seq = stays.iter().map(|stay| stay.from).filter(|from| *from > seq).min()?;
                continue;
            }
            let left = stays.iter().rev().find(|stay| stay.to < seq);
            return Some((seq, left.map_or(0, |stay| stay.line)));
        };
        seq = stay.to.checked_add(1)?;
    }
    None
}

impl Checker {
    /// At the end: nobody was shown an event outside of their stays.
    pub(super) fn check_shown(&mut self) {
        let ranges = std::mem::take(&mut self.ranges);
        for ((user, name, epoch), spans) in &ranges.spans {
            let Some(room) = self.rooms.get(name) else { continue };
            if !room.audit.complete || room.audit.epoch != *epoch {
                continue;
            }
            let stays = room.stays(*user, *epoch);
            let shows_all = room.shows_all.unwrap_or(true);
            for _ in stays.iter().filter(|stay| stay.to < u64::MAX) {
                self.report.checked(Promise::I11);
            }
            for (from, span) in spans {
                let Some((seq, line)) = first_forbidden(&stays, *from, *span, shows_all) else {
                    continue;
                };
                let (who, place) = (self.names.text(*user), self.names.text(*name));
                let text =
                    format!("{who} was shown seq {seq} of room {place} and was no member at it");
                let lines = [line, span.first.line, span.last.line];
                self.report.broken(Promise::I11, Harm::Other, text, &lines);
            }
        }
        if self.report.cases(Promise::I11) == 0 {
            self.report.not_decided(Promise::I11, "nobody left, was removed or signed out");
        }
    }

    /// Typing, a receipt or a presence of a room arrived: not later than 5 s after a removal.
    pub(super) fn ephemeral(&mut self, conn: Conn, room: Name, at: At) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let Some(known) = self.rooms.get(&room) else { return };
        let last = known.changes.iter().rev().find(|change| change.user == connection.user);
        let Some(last) = last.filter(|change| !change.joins) else { return };
        let rejoined = connection.seen.get(&room).is_some_and(|seen| seen.since.t > last.seen.t);
        if !rejoined && at.t > last.seen.t + STOPS_WITHIN_US {
            let who = self.names.text(connection.user);
            let text =
                format!("{who} still hears of room {} after the removal", self.names.text(room));
            self.report.broken(Promise::I11, Harm::Other, text, &[last.seen.line, at.line]);
        }
    }

    /// A connection ended: not later than 5 s after its session was revoked.
    pub(super) fn check_revoked(&mut self, client: Name, connection: &Connection, at: At) {
        for revoked in &self.revoked {
            let meant =
                revoked.user == connection.user && revoked.client.is_none_or(|c| c == client);
            if !meant || revoked.at.t < connection.opened.t {
                continue;
            }
            self.report.checked(Promise::I11);
            if at.t > revoked.at.t + STOPS_WITHIN_US {
                let text = format!(
                    "{} stayed connected after the session was revoked",
                    self.names.text(client)
                );
                let lines = [connection.opened.line, revoked.at.line, at.line];
                self.report.broken(Promise::I11, Harm::Other, text, &lines);
            }
        }
    }
}
