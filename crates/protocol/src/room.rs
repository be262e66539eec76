//! What the protocol tells of rooms and people.

use serde::{Deserialize, Serialize};

use crate::{Epoch, Event, RoomId, Seq, UserId};

/// How people come into a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// Two people; one such room a pair, found again rather than made twice.
    Direct,
    /// By invitation of a member.
    Group,
    /// Anyone signed in may find and join it.
    Public,
}

/// What a member may do beyond talking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Made the room: may do everything in it.
    Owner,
    /// May invite, remove, rename and delete others' messages.
    Admin,
    /// May talk and invite.
    Member,
}

/// How far back a member sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RoomHistory {
    /// Everything since the room was made; the default of public rooms.
    All,
    /// From the event on that brought the person in; the default of group and direct rooms.
    Joined,
}

/// One room as one person sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RoomInfo {
    /// The room.
    pub id: RoomId,
    /// How people come into it.
    pub kind: RoomKind,
    /// What it is called; absent for direct rooms and where nobody named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub name: Option<String>,
    /// The present life of its log.
    pub epoch: Epoch,
    /// The first event that this person may see.
    pub first: Seq,
    /// The newest event; 0 where there is none.
    pub head: Seq,
    /// Everything up to here is read by this person.
    pub read: Seq,
    /// Messages of others above `read`.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub unread: u64,
    /// Of these, how many name this person.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub mentions: u64,
    /// How many members it has.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub members: u64,
    /// The person's role; absent where they are not a member (a room found by `browse`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub role: Option<Role>,
    /// In a direct room, the other person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub peer: Option<UserId>,
    /// The newest message that this person may see, as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub last: Option<Event>,
    /// When something last happened in it, ms since 1970.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub at: u64,
    /// How far back members see.
    pub history: RoomHistory,
}

/// A person's id with the name that people read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// The name to show; never decides who somebody is.
    pub name: String,
    /// Whether they are here, where the answer tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub presence: Option<Presence>,
}

/// Whether a person is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// At least one connection.
    Online,
    /// Connected, but idle.
    Away,
    /// No connection for longer than the grace period.
    Offline,
}

/// One member of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Member {
    /// Who.
    pub id: UserId,
    /// The name to show.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// How far they have read; absent in rooms of more than `receipt_members` members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub read: Option<Seq>,
    /// Whether they are here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub presence: Option<Presence>,
    /// When they were last here, ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
    pub seen: Option<u64>,
}
