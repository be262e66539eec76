//! Upkeep: pruning what is older than its retention, and erasing people, as the small steps that the store is told one
//! by one. Each step is one command of bounded size, so that sends are never held up, and doing one again changes
//! nothing, so that a crash between any two of them costs only their repetition.

use moorline_protocol::{Cid, RoomId, Seq, UserId};

/// Events that one command prunes or erases at most: a few milliseconds of the writer's time.
pub const UPKEEP_STEP: usize = 64;

/// The oldest events of a room that are to go. Never the newest one, so that every position of a client that has all is
/// still one of the log.
#[derive(Debug, Clone)]
pub struct Prune {
    /// Which room.
    pub room: RoomId,
    /// Events stored before this go, ms since 1970; the first that is younger ends the step.
    pub before_ms: u64,
}

/// How long a room's events are kept.
#[derive(Debug, Clone)]
pub struct SetRetention {
    /// Which room.
    pub room: RoomId,
    /// Seconds; 0 for ever; absent: as long as the server says.
    pub seconds: Option<u64>,
}

/// Rooms with events that are older than they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overdue {
    /// What to prune.
    pub rooms: Vec<(RoomId, u64)>,
    /// Where the next look goes on; absent: all rooms were looked at.
    pub next: Option<RoomNumber>,
}

/// A room's place in the order in which all rooms are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomNumber(pub(crate) i64);

/// An erasing that has begun and is not through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasing {
    /// The person's row.
    pub(crate) n: i64,
    /// Who is erased.
    pub user: UserId,
    /// Whether their messages stay, under the name of nobody; else each becomes a tombstone.
    pub keeps_messages: bool,
}

/// The end of an erased person's membership of one room.
#[derive(Debug, Clone)]
pub(crate) struct EndMembership {
    pub(crate) erasing: Erasing,
    pub(crate) room: RoomId,
    pub(crate) at_ms: u64,
}

/// Events of one room that hold something of an erased person.
#[derive(Debug, Clone)]
pub(crate) struct EraseEvents {
    pub(crate) erasing: Erasing,
    pub(crate) room: RoomId,
    pub(crate) seqs: Vec<Seq>,
    pub(crate) at_ms: u64,
}

/// Cids that an erased person used, each with the row of its room.
#[derive(Debug, Clone)]
pub(crate) struct EraseCids {
    pub(crate) erasing: Erasing,
    pub(crate) cids: Vec<(Cid, i64)>,
}

/// What is looked for in the log.
#[derive(Debug, Clone)]
pub(crate) enum Trace {
    /// Messages of this person that have their text.
    Messages(i64),
    /// All that holds something of this person.
    All(Erasing),
}

impl Trace {
    /// Whose.
    pub(crate) fn sender(&self) -> i64 {
        match self {
            Self::Messages(n) => *n,
            Self::All(erasing) => erasing.n,
        }
    }

    /// How the person's coming and going stands in an event's text; nothing where it is not looked for.
    pub(crate) fn named(&self) -> Option<String> {
        match self {
            Self::Messages(_) => None,
            Self::All(erasing) => Some(erasing.named()),
        }
    }
}

impl Erasing {
    /// How the person's coming and going stands in an event's text.
    pub(crate) fn named(&self) -> String {
        format!("\"user\":{}", serde_json::Value::from(self.user.as_str()))
    }
}

/// A position of the log, with the length of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlace {
    /// The room.
    pub room: RoomId,
    /// The number in its log.
    pub seq: Seq,
    /// Bytes of its text.
    pub bytes: u64,
}

/// Where a look through all logs stands; the default is its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogCursor(pub(crate) i64, pub(crate) i64);

/// Positions found in one piece of all logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Traces {
    pub(crate) places: Vec<LogPlace>,
    /// Where the next piece begins; absent: this was the last one.
    pub(crate) next: Option<LogCursor>,
}

/// Where a look through all cids stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CidCursor(pub(crate) Cid, pub(crate) i64, pub(crate) i64);

/// Cids found in one piece of all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CidTraces {
    pub(crate) cids: Vec<(Cid, i64)>,
    pub(crate) next: Option<CidCursor>,
}

/// What is known of a person beside messages and rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub(crate) n: i64,
    /// Who.
    pub id: UserId,
    /// The name that others read.
    pub name: String,
    /// The sign-in name of a built-in account.
    pub login: Option<String>,
    /// When the person was first known, ms since 1970.
    pub created_ms: u64,
    /// When last seen, ms since 1970; 0 for never.
    pub seen_ms: u64,
}
