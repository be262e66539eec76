//! What each room's log holds, as anybody saw it: one fact a position.
//!
//! Every event, from wherever it comes (live, resume, page, the store's audit), passes `learn`,
//! which decides I5 (agreement) and the half of I2 that shows in the log (no cid twice).

use std::collections::{HashMap, HashSet};

use super::Checker;
use super::names::{At, Name, key, keys};
use super::record::Frame;
use super::verdict::{Harm, Promise};

/// What a position fixes for ever, and what is known of its text.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) id: u128,
    /// The end of the id, which a client's `check` repeats.
    pub(super) tail: [u8; 8],
    pub(super) from: Name,
    pub(super) kind: u128,
    pub(super) cid: Option<u128>,
    pub(super) at: u64,
    /// The text as first written, once it was seen unedited.
    pub(super) content: Option<u128>,
    pub(super) seen: At,
    /// The number of the last audit of the room that held it.
    pub(super) audit: u32,
}

/// One room's log under one epoch.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) facts: HashMap<u64, Fact>,
    /// The highest seq that anybody saw.
    pub(super) head: u64,
    /// The highest acknowledged seq and the line of its ack.
    pub(super) acked: (u64, u64),
    cids: HashMap<(Name, u128), u64>,
    ids: HashMap<u128, u64>,
}

/// One change of a room's membership.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) epoch: u128,
    pub(super) seq: u64,
    pub(super) user: Name,
    pub(super) joins: bool,
    pub(super) from: Name,
    pub(super) cid: Option<u128>,
    pub(super) seen: At,
}

/// The store's own word on a room at the end of the run.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// How many audits began.
    pub(super) number: u32,
    pub(super) began: At,
    pub(super) epoch: u128,
    pub(super) first: u64,
    pub(super) head: u64,
    /// The last seq read so far.
    pub(super) last: u64,
    pub(super) complete: bool,
}

/// All that is known of a room.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) logs: HashMap<u128, Log>,
    /// The epoch last seen.
    pub(super) epoch: u128,
    pub(super) changes: Vec<Change>,
    /// People that a command wanted in (true) or out (false), with the first such command.
    pub(super) named: HashMap<(Name, bool), At>,
    /// Whether members may read what was before them; unknown until a room list says so.
    pub(super) shows_all: Option<bool>,
    /// What was there before the recording: nobody is asked who wrote it.
    pub(super) given: Option<(u128, u64)>,
    pub(super) given_members: HashSet<Name>,
    pub(super) audit: Audit,
}

impl Log {
    /// Where an id stands or, failing that, a person's cid.
    pub(super) fn seq_of(&self, user: Name, cid: u128, id: u128) -> Option<u64> {
        self.ids.get(&id).or_else(|| self.cids.get(&(user, cid))).copied()
    }
}

impl Room {
    /// The highest seq known under the epoch.
    pub(super) fn head(&self, epoch: u128) -> u64 {
        self.logs.get(&epoch).map_or(0, |log| log.head)
    }

    /// The fact at a position.
    pub(super) fn fact(&self, epoch: u128, seq: u64) -> Option<&Fact> {
        self.logs.get(&epoch)?.facts.get(&seq)
    }

    /// Whether the position existed before the recording began.
    pub(super) fn is_given(&self, epoch: u128, seq: u64) -> bool {
        self.given.is_some_and(|(given, head)| given == epoch && seq <= head)
    }
}

/// The last eight bytes of an id.
pub(super) fn tail(id: &str) -> [u8; 8] {
    let mut tail = [0; 8];
    let bytes = id.as_bytes();
    let end = &bytes[bytes.len().saturating_sub(8)..];
    tail[..end.len()].copy_from_slice(end);
    tail
}

/// A key for what an event says, if it still says what it said at first.
fn content(event: &Frame) -> Option<u128> {
    let body = event.body.as_deref().unwrap_or("");
    match event.kind.as_deref()? {
        "message" if event.edited.is_some() || event.deleted.is_some() => None,
        "message" => Some(keys(&["message", body, event.reply_to.as_deref().unwrap_or("")])),
        "edit" if body.is_empty() => None,
        "edit" => Some(keys(&["edit", event.message.as_deref().unwrap_or(""), body])),
        "delete" => Some(keys(&["delete", event.message.as_deref().unwrap_or("")])),
        "rename" => Some(keys(&["rename", event.name.as_deref().unwrap_or("")])),
        "member" => {
            let parts = event.changes.iter().flat_map(|c| [c.user.as_str(), c.change.as_str()]);
            Some(keys(&parts.collect::<Vec<_>>()))
        }
        _ => None,
    }
}

impl Checker {
    /// Takes in one event of a room's log. `audit` is the number of the audit that shows it, or 0.
    pub(super) fn learn(&mut self, room: Name, event: &Frame, at: At, audit: u32) {
        let (Some(epoch), Some(seq), Some(id)) =
            (event.epoch.as_deref(), event.seq, event.event_id())
        else {
            let text = "an event without epoch, seq or id".to_owned();
            return self.report.broken(Promise::I5, Harm::Other, text, &[at.line]);
        };
        let epoch = key(epoch);
        let from = self.names.number(event.from.as_deref().unwrap_or("deleted"));
        let fresh = Fact {
            id: key(id),
            tail: tail(id),
            from,
            kind: key(event.kind.as_deref().unwrap_or("")),
            cid: event.cid.as_deref().map(key),
            at: event.at.unwrap_or(0),
            content: content(event),
            seen: at,
            audit,
        };
        self.rooms.entry(room).or_default().epoch = epoch;
        self.check_present_body(room, event, at);
        if self.agrees(room, epoch, seq, &fresh) {
            return;
        }
        self.check_author(room, epoch, seq, event, &fresh);
        self.note_changes(room, epoch, seq, event, &fresh);
        self.insert(room, epoch, seq, fresh);
    }

    /// Compares with what is known of the position; false if nothing was.
    fn agrees(&mut self, room: Name, epoch: u128, seq: u64, fresh: &Fact) -> bool {
        let erased = self.names.number("deleted");
        let log = self.rooms.entry(room).or_default().logs.entry(epoch).or_default();
        let Some(known) = log.facts.get_mut(&seq) else { return false };
        let differs = if known.id != fresh.id {
            Some("id")
        } else if known.kind != fresh.kind {
            Some("kind")
        } else if known.at != fresh.at {
            Some("time")
        } else if known.from != fresh.from && known.from != erased && fresh.from != erased {
            Some("sender")
        } else if matches!((known.cid, fresh.cid), (Some(a), Some(b)) if a != b) {
            Some("cid")
        } else if matches!((known.content, fresh.content), (Some(a), Some(b)) if a != b) {
            Some("content")
        } else {
            None
        };
        known.cid = known.cid.or(fresh.cid);
        known.content = known.content.or(fresh.content);
        known.audit = known.audit.max(fresh.audit);
        self.report.checked(Promise::I5);
        let Some(differs) = differs else { return true };
        let lines = [known.seen.line, fresh.seen.line];
        let restored = self.faults.restored_between(known.seen.t, fresh.seen.t);
        let promise = if restored { Promise::I14 } else { Promise::I5 };
        let name = self.names.text(room);
        let text = format!("position {seq} of room {name} was seen with another {differs} before");
        self.report.broken(promise, Harm::Other, text, &lines);
        true
    }

    fn note_changes(&mut self, room: Name, epoch: u128, seq: u64, event: &Frame, fact: &Fact) {
        for change in &event.changes {
            let user = self.names.number(&change.user);
            let change = Change {
                epoch,
                seq,
                user,
                joins: change.change == "joined",
                from: fact.from,
                cid: fact.cid,
                seen: fact.seen,
            };
            self.rooms.entry(room).or_default().changes.push(change);
        }
    }

    fn insert(&mut self, room: Name, epoch: u128, seq: u64, fact: Fact) {
        let log = self.rooms.entry(room).or_default().logs.entry(epoch).or_default();
        let by_cid = fact.cid.and_then(|cid| log.cids.insert((fact.from, cid), seq));
        let by_id = log.ids.insert(fact.id, seq);
        for (twin, promise, what) in [(by_cid, Promise::I2, "cid"), (by_id, Promise::I5, "id")] {
            let Some(twin) = twin else { continue };
            let line = log.facts.get(&twin).map_or(0, |twin| twin.seen.line);
            let name = self.names.text(room);
            let text =
                format!("the same {what} stands at positions {twin} and {seq} of room {name}");
            self.report.broken(promise, Harm::Doubled, text, &[line, fact.seen.line]);
        }
        if fact.cid.is_some() {
            self.report.checked(Promise::I2);
        }
        log.head = log.head.max(seq);
        log.facts.insert(seq, fact);
    }
}
