//! Events: the durable changes of a room, each at its own position in the room's log.

use serde::{Deserialize, Serialize};

use crate::{Cid, Epoch, EventId, Frame, Person, Role, RoomId, Seq, UserId};

/// One entry of a room's log. Kind, id, sender, cid and time are fixed for ever; a message is told as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(tag = "type", rename = "event")]
pub struct Event {
    /// The room.
    pub room: RoomId,
    /// The life of the room's log.
    pub epoch: Epoch,
    /// The number in that log.
    pub seq: Seq,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
    /// Its own id.
    pub id: EventId,
    /// Who did it.
    pub from: UserId,
    /// The sender's own id of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub cid: Option<Cid>,
    /// When it was stored, ms since 1970. Says nothing about order: `seq` does.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub at: u64,
    /// Names of the people it mentions, where a client may not know them yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(optional, as = "Option<Vec<Person>>"))]
    pub people: Vec<Person>,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// A chat message.
    Message {
        /// The text, verbatim; empty once deleted.
        body: String,
        /// The message that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        reply_to: Option<EventId>,
        /// The running number of messages in its room: what makes unread counts a subtraction.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        n: u64,
        /// The last edit, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        edited: Option<Mark>,
        /// The deletion, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        deleted: Option<Mark>,
    },
    /// A message got another text.
    Edit {
        /// The message.
        message: EventId,
        /// Its position.
        of: Seq,
        /// The text from here on; empty once the message is deleted.
        body: String,
    },
    /// A message's text was erased everywhere.
    Delete {
        /// The message.
        message: EventId,
        /// Its position.
        of: Seq,
    },
    /// People came or went, in this order.
    Member {
        /// Who, and how.
        changes: Vec<MemberChange>,
    },
    /// The room got another name.
    Rename {
        /// The name from here on.
        name: String,
    },
}

/// Where and when a message was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Mark {
    /// The position of the event that did it.
    pub seq: Seq,
    /// When, ms since 1970.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub at: u64,
}

/// One person's coming or going.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct MemberChange {
    /// Who.
    pub user: UserId,
    /// How.
    pub change: Change,
    /// The role of one who joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub role: Option<Role>,
}

/// Coming or going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Is a member from this event on.
    Joined,
    /// Went by themselves; sees nothing above this event.
    Left,
    /// Was removed by `from`; sees nothing above this event.
    Removed,
}

impl Event {
    /// The event as bytes for everybody in its room, the one kind of frame that may be deflated: it says what one sender
    /// wrote and what all in the room may know, and nothing of a session. Every other frame stays as it is, since it may
    /// hold a sign-in's, a backend's or another room's words beside text of somebody's choice.
    #[must_use]
    pub fn frame(&self) -> Frame {
        Frame::json(self).deflatable()
    }

    /// The ids of the people whom this event mentions, its sender first.
    pub fn mentioned(&self) -> impl Iterator<Item = &UserId> {
        let changes = match &self.kind {
            EventKind::Member { changes } => changes.as_slice(),
            _ => &[],
        };
        std::iter::once(&self.from).chain(changes.iter().map(|change| &change.user))
    }
}
