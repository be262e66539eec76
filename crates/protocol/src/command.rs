//! Commands: what a client sends. One struct a type; unknown fields are ignored, null in an optional field is absence.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::optional_integer;
use crate::{Cid, EventId, Position, RoomId, RoomKind, SearchSort, Seq, UserId};

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $word:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
            pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
        )+

        /// A parsed command.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum Command { $($(#[$doc])* $name($name),)+ }

        impl Command {
            /// Reads the fields of the command that `word` names; `None` for a word that names none.
            pub(crate) fn read(word: &str, text: &str) -> Option<serde_json::Result<Self>> {
                match word {
                    $($word => Some(serde_json::from_str::<$name>(text).map(Self::$name)),)+
                    _ => None,
                }
            }
        }
    };
}

commands! {
    /// Must be first on a connection: who one is, and from where to go on.
    Hello = "hello" {
        /// A token of the backend; a session cookie stands in for it, and a token wins over the cookie.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        token: Option<String>,
        /// The positions that the client has, at most `resume_rooms`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, Position>>"), ts(optional, as = "Option<BTreeMap<String, Position>>"))]
        resume: BTreeMap<RoomId, Position>,
        /// Whether the server shall send `ping` commands, as browsers need: they cannot see protocol pings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        keepalive: Option<bool>,
        /// A word for the list of one's sessions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        device: Option<String>,
    }
    /// Positions of further rooms.
    Resume = "resume" {
        /// The positions that the client has, at most `resume_rooms`.
        #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, Position>"), ts(as = "BTreeMap<String, Position>"))]
        positions: BTreeMap<RoomId, Position>,
    }
    /// The next page of one's own rooms.
    Rooms = "rooms" {
        /// The cursor of the page before, as `after` of its `rooms`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        after: Option<String>,
        /// At most so many; 100 where absent.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_integer")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        limit: Option<u64>,
    }
    /// A message.
    Send = "send" {
        /// Where to.
        room: RoomId,
        /// The client's id of this send.
        cid: Cid,
        /// The text, 1 to `message_bytes` bytes.
        body: String,
        /// The message that it answers, of the same room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        reply_to: Option<EventId>,
    }
    /// Another text for a message of one's own.
    Edit = "edit" {
        /// Where.
        room: RoomId,
        /// The client's id of this edit.
        cid: Cid,
        /// Which message.
        message: EventId,
        /// The text from here on.
        body: String,
    }
    /// Erases the text of a message.
    Delete = "delete" {
        /// Where.
        room: RoomId,
        /// The client's id of this deletion.
        cid: Cid,
        /// Which message.
        message: EventId,
    }
    /// A new room; a direct room that exists is found again.
    Create = "create" {
        /// The client's id of this creation.
        cid: Cid,
        /// How people come into it.
        kind: RoomKind,
        /// What it is called; a public room needs a name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        name: Option<String>,
        /// Who is in it beside oneself; exactly one for a direct room.
        #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
        #[cfg_attr(feature = "schema", ts(optional, as = "Option<Vec<UserId>>"))]
        members: Vec<UserId>,
    }
    /// Enters a public room, or one that the token allows.
    Join = "join" {
        /// Which.
        room: RoomId,
        /// The client's id of this.
        cid: Cid,
    }
    /// Goes out of a room.
    Leave = "leave" {
        /// Which.
        room: RoomId,
        /// The client's id of this.
        cid: Cid,
    }
    /// Brings people into a group room.
    Invite = "invite" {
        /// Where.
        room: RoomId,
        /// The client's id of this.
        cid: Cid,
        /// Whom, at most `list`.
        users: Vec<UserId>,
    }
    /// Takes people out of a room.
    Remove = "remove" {
        /// Where.
        room: RoomId,
        /// The client's id of this.
        cid: Cid,
        /// Whom, at most `list`.
        users: Vec<UserId>,
    }
    /// Another name for a room.
    Rename = "rename" {
        /// Which.
        room: RoomId,
        /// The client's id of this.
        cid: Cid,
        /// The name from here on.
        name: String,
    }
    /// Who is in a room.
    Members = "members" {
        /// Which.
        room: RoomId,
        /// The last id of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        after: Option<UserId>,
        /// At most so many; 100 where absent.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_integer")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        limit: Option<u64>,
    }
    /// People by ids (those one shares a room with) or by name, as the server's directory allows.
    People = "people" {
        /// Whose names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        ids: Option<Vec<UserId>>,
        /// The beginning of a name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        query: Option<String>,
        /// At most so many; 20 where absent.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_integer")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        limit: Option<u64>,
    }
    /// Public rooms.
    Browse = "browse" {
        /// A part of the name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        query: Option<String>,
        /// The cursor of the page before, as `after` of its `rooms`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        after: Option<String>,
        /// At most so many; 100 where absent.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_integer")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        limit: Option<u64>,
    }
    /// Messages by their words, their authors, rooms and times.
    Search = "search" {
        /// Words, all of which must occur, `"quoted phrases"`, `from:`, `in:`, `before:` and `after:`; at most 1,024 bytes.
        query: String,
        /// Only there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        room: Option<RoomId>,
        /// In which order; the newest first where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        sort: Option<SearchSort>,
        /// The cursor of the page before, as `after` of its `hits`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        after: Option<String>,
        /// At most so many; 50 where absent, 100 at most.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_integer")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        limit: Option<u64>,
    }
    /// How far one has read; only grows.
    Read = "read" {
        /// Where.
        room: RoomId,
        /// Everything up to here.
        seq: Seq,
    }
    /// One is typing; repeated every few seconds while it lasts.
    Typing = "typing" {
        /// Where.
        room: RoomId,
    }
    /// Whether nobody is at this connection's screen. A person is away once all their connections are left; a new
    /// connection is not.
    Away = "away" {
        /// The wanted state, never a toggle.
        on: bool,
    }
    /// A page of a room's log: before a seq, after one, or the newest.
    History = "history" {
        /// Which.
        room: RoomId,
        /// Events below this seq, the nearest ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        before: Option<Seq>,
        /// Events above this seq, the nearest ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        after: Option<Seq>,
        /// At most so many; 50 where absent.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_integer")]
        #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
        limit: Option<u64>,
    }
    /// Is anybody there?
    Ping = "ping" {}
    /// The answer to the server's `ping`.
    Pong = "pong" {}
}

/// A list or map that may be null.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
