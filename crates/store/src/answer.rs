//! What the store tells: results of commands and of reads, as plain values.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use moorline_protocol::{
    Epoch, Event, EventId, Member, Person, Position, ResetReason, RoomId, RoomInfo, Seq, Totals,
    UserId,
};

use crate::SearchCursor;

/// Where a command's event stands. The same command again gets the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The room.
    pub room: RoomId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The event's number in it.
    pub seq: Seq,
    /// The event's id.
    pub id: EventId,
    /// When it was stored, ms since 1970.
    pub at_ms: u64,
}

/// A room made or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The room.
    pub room: RoomId,
    /// The life of its log.
    pub epoch: Epoch,
    /// Its first event; 0 for a room made without members.
    pub seq: Seq,
    /// That event's id, where there is one.
    pub id: Option<EventId>,
    /// When it was made, ms since 1970.
    pub at_ms: u64,
    /// Whether it was there before (a repeat, a direct room of the same pair, the API's same id again).
    pub existing: bool,
}

/// A session's public name: what the list shows and what is revoked by; the token cannot be told from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionId(pub String);

/// A session that is still good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its public name.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// The person's name to show.
    pub name: String,
    /// What the list shows.
    pub device: Option<String>,
    /// When it began, ms since 1970.
    pub created_ms: u64,
    /// When its person was last seen, ms since 1970.
    pub seen_ms: u64,
    /// When it ends, ms since 1970.
    pub expires_ms: u64,
}

/// What signing in needs of an account.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The person.
    pub id: UserId,
    /// The name to show.
    pub name: String,
    /// The password's hash, in PHC form.
    pub password_hash: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// The name to show.
    pub name: String,
    /// Tokens issued before this are refused, ms since 1970.
    pub not_before_ms: u64,
    /// Whether the person has a built-in account; a backend's token with this id is refused then.
    pub has_account: bool,
    /// Whether the person was erased.
    pub removed: bool,
    /// When last seen, ms since 1970; 0 for never.
    pub seen_ms: u64,
}

impl User {
    /// Whether a token made at this moment is one of those that were revoked. Tokens carry whole seconds: one of the same
    /// second counts as older, so that none slips through.
    #[must_use]
    pub fn refuses_token_of(&self, issued_ms: u64) -> bool {
        self.not_before_ms > 0 && issued_ms < self.not_before_ms
    }
}

/// Where a list of rooms goes on. A text on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomCursor {
    /// The activity of the last room of the page before.
    pub at: u64,
    /// That room.
    pub room: RoomId,
}

impl fmt::Display for RoomCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.at, self.room)
    }
}

impl FromStr for RoomCursor {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const BAD: crate::Error = crate::Error::Invalid("this is no cursor of a list of rooms");
        let (at, room) = text.split_once('~').ok_or(BAD)?;
        Ok(Self { at: at.parse().map_err(|_| BAD)?, room: RoomId::new(room).map_err(|_| BAD)? })
    }
}

/// A page of rooms, the latest activity first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rooms {
    /// The rooms.
    pub rooms: Vec<RoomInfo>,
    /// Whether there are more.
    pub more: bool,
    /// Where the next page begins, if there is one.
    pub after: Option<RoomCursor>,
    /// Sums over all rooms of the person; zeros in a page of public rooms.
    pub totals: Totals,
    /// Names of those whom the rooms mention.
    pub people: Vec<Person>,
}

/// A moment up to which changes are known; of this database only. The default is before all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Since {
    /// What this transaction and later ones did is not known.
    pub(crate) xid: i64,
    /// Of what that transaction did, rooms up to this row are known.
    pub(crate) row: i64,
    /// Where to go on once the rest of a long answer is told.
    pub(crate) then: Option<i64>,
}

impl Since {
    /// Whether the answer was too long, so that the rest is to be asked for at once.
    #[must_use]
    pub fn has_rest(&self) -> bool {
        self.then.is_some()
    }
}

/// What changed since a moment. Something may be told twice; nothing is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedRooms {
    /// Where the next look begins.
    pub since: Since,
    /// Rooms whose logs or members changed, as they are now.
    pub rooms: Vec<crate::TouchedRoom>,
    /// Who joined which room.
    pub joined: Vec<Joined>,
    /// Of whom a session, or all that proves who they are, was ended.
    pub revoked: Vec<UserId>,
    /// The same of people who are erased, of whose ids hashes are left: [`Store::erased_among`](crate::Store::erased_among)
    /// tells who they were.
    pub erased: Vec<String>,
    /// Rooms that this node has shown and that the database does not have any more: it lost their making.
    pub lost: Vec<RoomId>,
}

/// A person who joined a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The room.
    pub room: RoomId,
    /// The person.
    pub user: UserId,
    /// The event that brought them in.
    pub seq: Seq,
}

/// Where a room's log ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its life.
    pub epoch: Epoch,
    /// Its first event.
    pub first: Seq,
    /// Its newest event.
    pub head: Seq,
}

/// What follows a position.
#[derive(Debug, Clone, PartialEq)]
pub enum Resumed {
    /// What follows, without a hole, up to `head`.
    Events {
        /// The events, messages as they are now.
        events: Vec<Event>,
        /// The newest event.
        head: Seq,
        /// Names of those whom the events mention.
        people: Vec<Person>,
    },
    /// The position cannot be gone on from.
    Reset {
        /// Why.
        reason: ResetReason,
        /// The present life of the log.
        epoch: Epoch,
        /// The first event that this person may see.
        first: Seq,
        /// The newest event.
        head: Seq,
    },
    /// No room of this person (any more).
    Gone,
}

/// One room of several that were resumed together.
#[derive(Debug, Clone, PartialEq)]
pub struct ResumedRoom {
    /// The room.
    pub room: RoomId,
    /// The client's position.
    pub from: Position,
    /// What follows it.
    pub resumed: Resumed,
}

/// What follows several positions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResumedSome {
    /// The rooms that were resumed.
    pub resumed: Vec<ResumedRoom>,
    /// Positions behind which more waits; to be resumed one by one.
    pub left: Vec<(RoomId, Position)>,
}

impl ResumedSome {
    /// Of one who is in none of these rooms.
    pub(crate) fn gone(positions: impl IntoIterator<Item = (RoomId, Position)>) -> Self {
        let gone = |(room, from)| ResumedRoom { room, from, resumed: Resumed::Gone };
        Self { resumed: positions.into_iter().map(gone).collect(), left: Vec::new() }
    }
}

/// What the answer to a `hello` is made of, all of one snapshot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ForWelcome {
    /// The person; none on first sight. Where they were removed, the rest is empty.
    pub user: Option<User>,
    /// The first page of their rooms.
    pub rooms: Rooms,
    /// What follows the positions that were asked for.
    pub missed: ResumedSome,
}

/// Which part of a log is wanted: the nearest events on one side of a seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Above this seq.
    After(Seq),
    /// Below this seq.
    Before(Seq),
    /// The newest.
    Newest,
}

/// A piece of a room's log, ascending, messages as they are now.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The life of the log.
    pub epoch: Epoch,
    /// The first event that may be seen.
    pub first: Seq,
    /// The newest event.
    pub head: Seq,
    /// The events.
    pub events: Vec<Event>,
    /// Whether there are more in the direction asked for.
    pub more: bool,
    /// Whether there was more before `first`, and is pruned.
    pub pruned: bool,
    /// Names of those whom the events mention.
    pub people: Vec<Person>,
}

/// A page of a room's members.
#[derive(Debug, Clone, PartialEq)]
pub struct Members {
    /// The members, in a fixed order.
    pub members: Vec<Member>,
    /// Whether there are more.
    pub more: bool,
    /// How many there are in all.
    pub total: u64,
}

/// Messages found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hits {
    /// The messages as they are now, in the order asked for.
    pub hits: Vec<Event>,
    /// Whether there may be more.
    pub more: bool,
    /// Where the next page begins, if there may be one.
    pub after: Option<SearchCursor>,
    /// Whether the page ended before it was full, since enough messages were looked at.
    pub partial: bool,
    /// How far behind the index is, ms; younger messages may be missing. 0: nothing is.
    pub behind_ms: u64,
    /// Of the rooms searched, those of which newer messages are stored than were searched, at most 100, and up to which
    /// seq they were searched.
    pub upto: BTreeMap<RoomId, Seq>,
    /// Names of those whom the hits mention.
    pub people: Vec<Person>,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Whether the last write succeeded.
    pub writable: bool,
    /// What failed last.
    pub last_error: Option<String>,
    /// Size of the write-ahead log.
    pub wal_bytes: u64,
    /// Messages not yet found by search.
    pub index_lag_rows: u64,
    /// How long the oldest of them waits.
    pub index_lag_ms: u64,
    /// Commands waiting for the writer.
    pub queued: usize,
    /// Transactions committed since the start.
    pub commits: u64,
    /// Commands answered since the start.
    pub commands: u64,
    /// Those of them that had been carried out before, under the same cid, and got the first answer again.
    pub repeated: u64,
}
