//! Connections as the clients saw them: which answer belongs to which command, which events came
//! and whether one was late, missing or repeated (I7, I12) or not answered (I13).

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::Checker;
use super::names::{At, Conn, Name, key};
use super::record::{Frame, Line};
use super::resume::Resumed;
use super::verdict::{Harm, Promise};

/// What an answer is waited for.
#[derive(Debug)]
pub(super) enum Ask {
    /// A durable command and which of its texts.
    Command { index: usize, content: usize },
    /// A page of history.
    History { after: Option<u64>, before: bool },
    /// A list of rooms, of members or the like.
    Other,
}

/// A command without an answer yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) ask: Ask,
    pub(super) at: At,
    pub(super) user: Name,
}

/// What of a room's log came over one connection.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) epoch: u128,
    /// Everything up to here was there or came.
    pub(super) position: u64,
    /// What came above a hole.
    ahead: BTreeSet<u64>,
    /// Since when the server owes this connection what follows.
    pub(super) since: At,
    pub(super) resumed: Option<Resumed>,
    /// How far the connection had come before its client sent another position: what follows here may be under way yet.
    under_way: Vec<u64>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) user: Name,
    pub(super) opened: At,
    pub(super) hello: Option<At>,
    pub(super) welcomed: Option<At>,
    pub(super) seen: HashMap<Name, Seen>,
    pub(super) resume: Vec<(Name, super::record::Position)>,
    pub(super) receipts: HashMap<(Name, Name), (u64, u64)>,
    numbered: HashMap<u64, Pending>,
    unnumbered: VecDeque<Pending>,
}

/// One client over all its connections.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) opens: u64,
    pub(super) sent: bool,
    pub(super) opened: At,
}

impl Seen {
    pub(super) fn new(epoch: u128, position: u64, since: At) -> Self {
        let (ahead, under_way) = (BTreeSet::new(), Vec::new());
        Seen { epoch, position, ahead, since, resumed: None, under_way }
    }

    /// This takes the place of `former` while the connection was live.
    pub(super) fn replaces(&mut self, former: Seen) {
        if former.epoch != self.epoch {
            return;
        }
        self.under_way = former.under_way;
        self.under_way.push(former.ahead.last().copied().unwrap_or(former.position));
        self.under_way.sort_unstable();
        self.under_way.dedup();
    }

    /// Whether a seq goes on from where the connection was before the position whose answer is still to come: the server
    /// sent it before it heard of the position.
    fn was_under_way(&mut self, seq: u64) -> bool {
        let Some(resumed) = &self.resumed else {
            self.under_way = Vec::new();
            return false;
        };
        if seq <= self.position + 1 && !resumed.wants_reset() {
            return false;
        }
        let goes_on = self.under_way.iter_mut().find(|reached| **reached + 1 == seq);
        goes_on.map(|reached| *reached = seq).is_some()
    }

    /// Takes in a seq; false if it had come before.
    pub(super) fn take(&mut self, seq: u64) -> bool {
        if seq <= self.position || !self.ahead.insert(seq) {
            return false;
        }
        while self.ahead.remove(&(self.position + 1)) {
            self.position += 1;
        }
        true
    }
}

impl Checker {
    /// A client connected.
    pub(super) fn open(&mut self, line: &Line, client: Name, at: At) {
        let user = self.names.number(line.user.as_deref().unwrap_or(""));
        let known = self.clients.entry(client).or_default();
        known.opens += 1;
        if known.opens == 1 {
            known.opened = at;
            self.report.counts.clients += 1;
        } else {
            self.report.counts.reconnects += 1;
        }
        if line.fresh {
            self.applied.retain(|(owner, _), _| *owner != client);
        }
        let connection = Connection {
            user,
            opened: at,
            hello: None,
            welcomed: None,
            seen: HashMap::new(),
            resume: Vec::new(),
            receipts: HashMap::new(),
            numbered: HashMap::new(),
            unnumbered: VecDeque::new(),
        };
        if let Some(old) = self.connections.insert((client, line.n), connection) {
            self.ended(client, old, at, false);
        }
    }

    /// A connection ended.
    pub(super) fn close(&mut self, client: Name, n: u64, at: At) {
        if let Some(connection) = self.connections.remove(&(client, n)) {
            self.ended(client, connection, at, false);
        }
    }

    /// Judges a connection that closed or, at the end of the run, is still open.
    pub(super) fn ended(&mut self, client: Name, connection: Connection, at: At, run_ends: bool) {
        let pending = connection.numbered.values().chain(&connection.unnumbered);
        for pending in pending {
            let Ask::Command { index, .. } = pending.ask else { continue };
            let Some(calm) = self.faults.calm_since(client, pending.at.t, at.t) else { continue };
            if at.t.saturating_sub(calm) > self.limits.answer_us {
                let what = &self.commands[index].what;
                let text = format!("a {what} on an open connection was never answered");
                self.report.broken(Promise::I13, Harm::Other, text, &[pending.at.line, at.line]);
            }
        }
        self.resumes_end(client, &connection, at);
        self.check_revoked(client, &connection, at);
        if run_ends {
            self.owed(client, &connection, at);
        }
    }

    /// Remembers that an answer is due.
    pub(super) fn expect(&mut self, conn: Conn, number: Option<u64>, pending: Pending) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        match number {
            Some(number) => drop(connection.numbered.insert(number, pending)),
            None => connection.unnumbered.push_back(pending),
        }
    }

    /// The command that an answer belongs to: by number, else the oldest one without a number.
    pub(super) fn answered(&mut self, conn: Conn, frame: &Frame) -> Option<Pending> {
        let connection = self.connections.get_mut(&conn)?;
        match frame.number() {
            Some(number) => connection.numbered.remove(&number),
            None if frame.what == "error" => None,
            None => connection.unnumbered.pop_front(),
        }
    }

    /// An event arrived, live or by resume.
    pub(super) fn delivered(&mut self, conn: Conn, room: Name, event: &Frame, at: At) {
        self.report.counts.deliveries += 1;
        let (Some(epoch), Some(seq)) = (event.epoch.as_deref().map(key), event.seq) else { return };
        let bound = self.limits.complete_us;
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let user = connection.user;
        let Some(welcomed) = connection.welcomed else { return };
        let before = seq.saturating_sub(1);
        let seen =
            connection.seen.entry(room).or_insert_with(|| Seen::new(epoch, before, welcomed));
        self.report.checked(Promise::I12);
        let skips = seen.epoch == epoch && seq > seen.position + 1;
        if seen.epoch != epoch {
            return self.foreign_epoch(conn, room, epoch, at);
        }
        if seen.was_under_way(seq) {
            self.ranges.note(user, room, epoch, seq, at);
            return self.saw(user, room, epoch, seq, at);
        }
        if !seen.take(seq) {
            self.report.counts.wire_repeats += 1;
            return;
        }
        let (since, resuming) = (seen.since, seen.resumed.is_some());
        if skips && !resuming {
            self.report.counts.holes += 1;
        }
        self.resumed_event(conn, room, seq, skips, at);
        self.ranges.note(user, room, epoch, seq, at);
        self.saw(user, room, epoch, seq, at);
        let Some(fact) = self.rooms.get(&room).and_then(|room| room.fact(epoch, seq)) else {
            return;
        };
        let (seen_t, seen_line) = (fact.seen.t.max(since.t), fact.seen.line);
        let Some(calm) = self.faults.calm_since(conn.0, seen_t, at.t) else { return };
        self.report.checked(Promise::I7);
        if !resuming && at.t.saturating_sub(calm) > bound {
            let text =
                format!("seq {seq} came to a connected member {} ms late", (at.t - calm) / 1000);
            self.report.broken(Promise::I7, Harm::Other, text, &[seen_line, at.line]);
        }
    }

    /// Takes in the events of a page, which fill holes too.
    pub(super) fn paged(&mut self, conn: Conn, room: Name, event: &Frame, at: At) {
        let (Some(epoch), Some(seq)) = (event.epoch.as_deref().map(key), event.seq) else { return };
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let user = connection.user;
        if let Some(seen) = connection.seen.get_mut(&room)
            && seen.epoch == epoch
        {
            seen.take(seq);
        }
        self.ranges.note(user, room, epoch, seq, at);
    }

    /// I7 at the end: what a member on an open connection should have and has not.
    fn owed(&mut self, client: Name, connection: &Connection, end: At) {
        let Some(welcomed) = connection.welcomed else { return };
        for (room, audited) in self.audited_heads(connection.user) {
            let Some(known) = self.rooms.get(&room) else { continue };
            let (position, since) = match connection.seen.get(&room) {
                Some(seen) if seen.epoch == audited.0 => (seen.position, seen.since),
                Some(_) => continue,
                None => (known.head_at(audited.0, welcomed.t), welcomed),
            };
            self.report.checked(Promise::I7);
            if position >= audited.1 {
                continue;
            }
            let missing = known.fact(audited.0, position + 1);
            let (seen_t, line) = missing.map_or((since.t, 0), |fact| (fact.seen.t, fact.seen.line));
            let Some(calm) = self.faults.calm_since(client, seen_t.max(since.t), end.t) else {
                continue;
            };
            if end.t.saturating_sub(calm) <= self.limits.complete_us {
                self.report
                    .not_decided(Promise::I7, "the run ended before what was missing was due");
                continue;
            }
            let (who, place) = (self.names.text(client), self.names.text(room));
            let text =
                format!("{who} never got seq {} of room {place}, though connected", position + 1);
            self.report.broken(
                Promise::I7,
                Harm::Lost,
                text,
                &[connection.opened.line, line, end.line],
            );
        }
    }
}
