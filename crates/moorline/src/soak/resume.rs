//! I8, honest resume, and I14, a new epoch where history was lost: what follows a position that a
//! client sent, in `hello` or in `resume`.

use super::Checker;
use super::connections::{Connection, Seen};
use super::names::{At, Conn, Name, key};
use super::record::{Frame, Position, RoomInfo};
use super::rooms::tail;
use super::verdict::{Harm, Promise};

/// The reasons that a `reset` may give.
const REASONS: [&str; 5] = ["epoch", "future", "pruned", "too_far", "gone"];

/// A resumed room whose missed events are still on their way.
#[derive(Debug)]
pub(super) struct Resumed {
    /// The position that was sent.
    seq: u64,
    /// Up to where the server owes events.
    target: u64,
    /// Why nothing but a reset is right.
    must: Option<Must>,
    /// The line with the position.
    asked: At,
}

/// Why a position can only be answered by a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Must {
    Epoch,
    Check,
    Future,
}

impl Must {
    fn promise(self) -> Promise {
        match self {
            Must::Epoch | Must::Check => Promise::I14,
            Must::Future => Promise::I8,
        }
    }
}

impl Resumed {
    /// Whether only a reset answers it.
    pub(super) fn wants_reset(&self) -> bool {
        self.must.is_some()
    }
}

impl Checker {
    /// `hello` was sent: its positions wait for the welcome.
    pub(super) fn hello(&mut self, conn: Conn, frame: &mut Frame, at: At) {
        let positions = frame.resume.take().unwrap_or_default();
        let rooms = positions.into_iter().map(|(room, p)| (self.names.number(&room), p)).collect();
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        connection.hello = Some(at);
        connection.resume = rooms;
    }

    /// `welcome` arrived: what follows its heads, or the positions of `hello`, is owed from now.
    pub(super) fn welcome(&mut self, conn: Conn, rooms: &[RoomInfo], at: At) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        connection.welcomed = Some(at);
        let (user, asked) = (connection.user, connection.hello.unwrap_or(at));
        let resume = std::mem::take(&mut connection.resume);
        for info in rooms {
            self.read_info(user, info, asked, at);
            self.follow(conn, info, at);
        }
        for (room, position) in resume {
            let told = rooms.iter().find(|info| self.names.number(&info.id) == room);
            self.resume(conn, room, &position, told, asked, at);
        }
    }

    /// A room was named with its head: events above it are owed.
    pub(super) fn follow(&mut self, conn: Conn, info: &RoomInfo, at: At) {
        let room = self.names.number(&info.id);
        let known = self.rooms.entry(room).or_default();
        match (info.history.as_deref(), info.kind.as_deref()) {
            (Some(history), _) => known.shows_all = Some(history == "all"),
            (None, Some(kind)) => known.shows_all = Some(kind == "public"),
            (None, None) => {}
        }
        let (Some(epoch), Some(head)) = (info.epoch.as_deref().map(key), info.head) else { return };
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        connection.seen.insert(room, Seen::new(epoch, head, at));
    }

    /// `resume` was sent on a connection that is already welcome.
    pub(super) fn resume_sent(&mut self, conn: Conn, frame: &mut Frame, at: At) {
        for (room, position) in frame.positions.take().unwrap_or_default() {
            let room = self.names.number(&room);
            let former = self.connections.get_mut(&conn).and_then(|it| it.seen.remove(&room));
            self.resume(conn, room, &position, None, at, at);
            let seen = self.connections.get_mut(&conn).and_then(|it| it.seen.get_mut(&room));
            if let (Some(seen), Some(former)) = (seen, former) {
                seen.replaces(former);
            }
        }
    }

    fn resume(
        &mut self,
        conn: Conn,
        room: Name,
        position: &Position,
        told: Option<&RoomInfo>,
        asked: At,
        since: At,
    ) {
        let sent = key(&position.epoch);
        let known = self.rooms.entry(room).or_default();
        let epoch = match told.and_then(|info| info.epoch.as_deref()) {
            Some(epoch) => key(epoch),
            None if known.epoch != 0 => known.epoch,
            None => sent,
        };
        let target = told.and_then(|info| info.head).unwrap_or_else(|| known.head(epoch));
        let other_id = |check: &String| {
            known.fact(sent, position.seq).is_some_and(|fact| fact.tail != tail(check))
        };
        let must = if sent != epoch {
            Some(Must::Epoch)
        } else if position.check.as_ref().is_some_and(other_id) {
            Some(Must::Check)
        } else if told.is_some_and(|info| info.head.is_some_and(|head| position.seq > head)) {
            Some(Must::Future)
        } else {
            None
        };
        let mut seen = Seen::new(epoch, position.seq, since);
        if must.is_some() || position.seq < target {
            seen.resumed = Some(Resumed { seq: position.seq, target, must, asked });
        } else {
            self.report.checked(Promise::I8);
        }
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.seen.insert(room, seen);
        }
    }

    /// An event of a resumed room arrived: the next one in order, and only where events are right.
    pub(super) fn resumed_event(&mut self, conn: Conn, room: Name, seq: u64, skips: bool, at: At) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let Some(seen) = connection.seen.get_mut(&room) else { return };
        let Some(resumed) = &seen.resumed else { return };
        let (from, asked, must) = (resumed.seq, resumed.asked.line, resumed.must);
        if must.is_none() && !skips && seen.position < resumed.target {
            return;
        }
        seen.resumed = None;
        self.report.checked(Promise::I8);
        if let Some(must) = must {
            let text =
                format!("seq {seq} came after a position that only a reset answers ({must:?})");
            return self.report.broken(must.promise(), Harm::Other, text, &[asked, at.line]);
        }
        if skips {
            let text = format!("the resume from {from} skipped to {seq} without a reset");
            self.report.broken(Promise::I8, Harm::Lost, text, &[asked, at.line]);
        }
    }

    /// A `reset` arrived: from now on what follows its head is owed.
    pub(super) fn reset(&mut self, conn: Conn, room: Name, frame: &Frame, at: At) {
        if let Some(applied) = self.applied.get_mut(&(conn.0, room)) {
            applied.anywhere = true;
        }
        let reason = frame.reason.as_deref().unwrap_or("");
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let resumed = connection.seen.remove(&room).and_then(|seen| seen.resumed);
        if let (Some(epoch), Some(head)) = (frame.epoch.as_deref().map(key), frame.head) {
            connection.seen.insert(room, Seen::new(epoch, head, at));
        }
        if !REASONS.contains(&reason) {
            let text = format!("a reset gives the reason {reason:?}, which is not on the list");
            self.report.broken(Promise::I8, Harm::Other, text, &[at.line]);
        }
        let Some(resumed) = resumed else { return };
        self.report.checked(Promise::I8);
        if resumed.must.is_some_and(|must| must.promise() == Promise::I14) {
            self.report.checked(Promise::I14);
        }
        let in_head = frame.head.is_some_and(|head| resumed.seq <= head);
        if reason == "future" && resumed.must.is_none() && in_head {
            let text =
                format!("position {} is called future, but the head is not below it", resumed.seq);
            self.report.broken(Promise::I8, Harm::Other, text, &[resumed.asked.line, at.line]);
        }
        if reason == "pruned" && frame.first.is_some_and(|first| first <= resumed.seq) {
            let text = format!(
                "position {} is called pruned, but the log begins at or below it",
                resumed.seq
            );
            self.report.broken(Promise::I8, Harm::Other, text, &[resumed.asked.line, at.line]);
        }
        if reason == "epoch"
            && resumed.must.is_none()
            && !self.reset_by_restore(resumed.asked.t, at.t)
        {
            let text = format!("position {} is of the room's epoch, yet reset for it", resumed.seq);
            self.report.broken(Promise::I8, Harm::Other, text, &[resumed.asked.line, at.line]);
        }
    }

    fn reset_by_restore(&self, from: u64, to: u64) -> bool {
        self.faults.restored_between(from, to)
    }

    /// An event of another epoch than the connection was told, and no reset before it.
    pub(super) fn foreign_epoch(&mut self, conn: Conn, room: Name, epoch: u128, at: At) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let told = connection.seen.insert(room, Seen::new(epoch, u64::MAX, at));
        let line = told.map_or(0, |seen| seen.resumed.map_or(seen.since.line, |r| r.asked.line));
        let name = self.names.text(room);
        let text = format!("an event of a new epoch of room {name} came without a reset");
        self.report.broken(Promise::I14, Harm::Other, text, &[line, at.line]);
    }

    /// A connection ends: a resume that was never answered is silence.
    pub(super) fn resumes_end(&mut self, client: Name, connection: &Connection, at: At) {
        for (room, seen) in &connection.seen {
            let Some(resumed) = &seen.resumed else { continue };
            let Some(calm) = self.faults.calm_since(client, seen.since.t, at.t) else { continue };
            if at.t.saturating_sub(calm) <= self.limits.answer_us {
                continue;
            }
            let place = self.names.text(*room);
            let text = format!(
                "the resume of room {place} from {} brought neither everything up to {} nor a reset",
                resumed.seq, resumed.target
            );
            let promise = resumed.must.map_or(Promise::I8, Must::promise);
            self.report.broken(
                promise,
                Harm::Lost,
                text,
                &[resumed.asked.line, seen.since.line, at.line],
            );
        }
    }
}
