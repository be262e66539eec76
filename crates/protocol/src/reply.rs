//! Replies: everything that a server sends beside events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Epoch, ErrorCode, Event, EventId, Frame, Limits, Member, Person, Presence, RoomId, RoomInfo,
    Seq, ServerInfo, UserId,
};

macro_rules! replies {
    ($($(#[$doc:meta])* $variant:ident($name:ident) { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
            pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

            impl From<$name> for Reply {
                fn from(reply: $name) -> Self {
                    Self::$variant(reply)
                }
            }
        )+

        /// A frame of the server that is no event.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum Reply {
            $($(#[$doc])* $variant($name),)+
            /// The answer to the client's `ping`.
            Pong {
                /// The command's id.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
                id: Option<u64>,
            },
            /// Is anybody there? Every `ping_interval` to clients that asked for keepalive; any frame is an answer.
            Ping {},
        }
    };
}

replies! {
    /// The answer to `hello`.
    Welcome(Welcome) {
        /// This connection, as the server's log names it.
        connection: String,
        /// Who one is.
        user: Person,
        /// The server's clock, ms since 1970.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        time: u64,
        /// What answers.
        server: ServerInfo,
        /// How often either side shows that it lives.
        keepalive: Keepalive,
        /// What the connection may do.
        limits: Limits,
        /// Sums over all of one's rooms, not only those named here.
        totals: Totals,
        /// The rooms with the latest activity, at most 100.
        rooms: Vec<RoomInfo>,
        /// Where the next page of `rooms` goes on; absent where these are all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        after: Option<String>,
        /// Names of those whom the rooms mention.
        people: Vec<Person>,
    }
    /// A command was carried out, durably.
    Ack(Ack) {
        /// The command's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        id: Option<u64>,
        /// Where; for `create`, the room made or found.
        room: RoomId,
        /// The life of the room's log.
        epoch: Epoch,
        /// The position of the event that it made; 0 for a room made without members.
        seq: Seq,
        /// That event's id, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        message: Option<EventId>,
        /// When it was stored, ms since 1970.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        at: u64,
    }
    /// A command was refused.
    Error(Failure) {
        /// The command's id, where it could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        id: Option<u64>,
        /// Why, as a stable word.
        code: ErrorCode,
        /// Why, for people.
        message: String,
        /// Whether the same command may succeed later.
        retry: bool,
        /// Not before so many ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        retry_after_ms: Option<u64>,
    }
    /// A piece of a room's log.
    Page(Page) {
        /// The command's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        id: Option<u64>,
        /// The room.
        room: RoomId,
        /// The life of its log.
        epoch: Epoch,
        /// The first event that one may see.
        first: Seq,
        /// The newest event.
        head: Seq,
        /// Events in ascending order, messages as they are now.
        events: Vec<Event>,
        /// Whether there are more in the direction asked for.
        more: bool,
        /// Whether there was more before `first`, which is not kept any more.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "schema", ts(optional, as = "Option<bool>"))]
        pruned: bool,
        /// Names of those whom the events mention.
        people: Vec<Person>,
    }
    /// A page of one's rooms or of public rooms.
    Rooms(RoomsPage) {
        /// The command's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        id: Option<u64>,
        /// The rooms.
        rooms: Vec<RoomInfo>,
        /// Whether there are more.
        more: bool,
        /// Where the next page goes on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        after: Option<String>,
        /// Names of those whom the rooms mention.
        people: Vec<Person>,
    }
    /// A page of a room's members, by id.
    Members(MembersPage) {
        /// The command's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        id: Option<u64>,
        /// The room.
        room: RoomId,
        /// The members.
        members: Vec<Member>,
        /// Whether there are more.
        more: bool,
        /// How many it has in all.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        total: u64,
    }
    /// People asked for.
    People(PeopleList) {
        /// The command's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        id: Option<u64>,
        /// Those found.
        people: Vec<Person>,
    }
    /// Messages found.
    Hits(Hits) {
        /// The command's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        id: Option<u64>,
        /// The messages as they are now, in the order asked for.
        hits: Vec<Event>,
        /// Whether there may be more.
        more: bool,
        /// Where the next page goes on; absent where these are all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        after: Option<String>,
        /// Whether the search ended before the page was full, since it had looked at 1,000 messages; `after` goes on.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "schema", ts(optional, as = "Option<bool>"))]
        partial: bool,
        /// Age of the oldest message that the index has not reached, in ms; 0: the answer is complete to the heads.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        behind_ms: u64,
        /// Of the rooms searched, those in which newer messages are stored than were searched, at most 100: the seq up to
        /// which the answer is complete.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, Seq>>"), ts(optional, as = "Option<BTreeMap<String, Seq>>"))]
        upto: BTreeMap<RoomId, Seq>,
        /// Names of those whom the hits mention.
        people: Vec<Person>,
    }
    /// One's place in a room changed.
    Room(RoomChange) {
        /// The room that came or changed, with all that `welcome` says of a room.
        #[serde(flatten)]
        what: RoomChangeKind,
        /// Names of those whom it mentions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "schema", ts(optional, as = "Option<Vec<Person>>"))]
        people: Vec<Person>,
    }
    /// Somebody has read up to a position.
    Receipt(Receipt) {
        /// Where.
        room: RoomId,
        /// Who.
        user: UserId,
        /// Up to here.
        seq: Seq,
    }
    /// Who is typing in a room now.
    Typing(TypingNow) {
        /// Where.
        room: RoomId,
        /// At most three of them.
        users: Vec<UserId>,
        /// How many more.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        more: u64,
    }
    /// Somebody came, went idle or went.
    Presence(PresenceChange) {
        /// Who.
        user: UserId,
        /// How they are now.
        state: Presence,
        /// Since when, ms since 1970.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        at: u64,
    }
    /// What a backend tells a room's people, or one person; not stored.
    Notice(Notice) {
        /// To whose people, where it is for a room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        room: Option<RoomId>,
        /// To whom, where it is for one person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        user: Option<UserId>,
        /// What it is, as the backend calls it.
        name: String,
        /// What the backend says.
        #[cfg_attr(feature = "schema", ts(type = "unknown"))]
        data: serde_json::Value,
    }
    /// The client's position in a room cannot be gone on from: forget it and go on from `head`.
    Reset(Reset) {
        /// Where.
        room: RoomId,
        /// Why.
        reason: ResetReason,
        /// The present life of the log; absent where the room is gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        epoch: Option<Epoch>,
        /// The first event that one may see.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        first: Option<Seq>,
        /// The newest event; live events follow right after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        head: Option<Seq>,
    }
    /// The server is about to close the connection.
    Goodbye(Goodbye) {
        /// The close code that follows.
        code: u16,
        /// Whether to come back.
        reconnect: bool,
        /// Not before so many ms; spread over the clients.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        after_ms: u64,
    }
}

/// Came or went: the variants of `room`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum RoomChangeKind {
    /// One is a member now; live events follow right after its `head`.
    Added {
        /// The room.
        room: Box<RoomInfo>,
    },
    /// One is no member any more.
    Gone {
        /// The room.
        id: RoomId,
    },
}

/// How often either side shows that it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Keepalive {
    /// A `ping` every so many ms.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub interval_ms: u64,
    /// Silence of so many ms means that the other end is gone.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub timeout_ms: u64,
}

/// Sums over a person's rooms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Totals {
    /// Rooms.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub rooms: u64,
    /// Unread messages.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub unread: u64,
    /// Unread mentions.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub mentions: u64,
}

/// Why a position cannot be gone on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// The log has another life, or another event stands at that position.
    Epoch,
    /// The position is above the head.
    Future,
    /// What follows the position was pruned.
    Pruned,
    /// More follows than a resume brings; `history` holds it, nothing is lost.
    TooFar,
    /// One is no member (any more).
    Gone,
}

impl Reply {
    /// A refusal with the code's own text.
    #[must_use]
    pub fn refusal(id: Option<u64>, code: ErrorCode) -> Self {
        Self::failure(id, code, code.text().to_owned(), code.is_retryable().then_some(1_000))
    }

    /// A refusal that says more than its code.
    #[must_use]
    pub fn failure(
        id: Option<u64>,
        code: ErrorCode,
        message: String,
        retry_after_ms: Option<u64>,
    ) -> Self {
        Self::Error(Failure { id, code, message, retry: code.is_retryable(), retry_after_ms })
    }

    /// The reply as bytes.
    #[must_use]
    pub fn frame(&self) -> Frame {
        Frame::json(self)
    }
}
