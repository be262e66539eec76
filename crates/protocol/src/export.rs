//! What a person's export consists of: JSON that `GET /api/v1/users/{id}/export`, `GET /api/v1/export` and
//! `moorline users export` write piece by piece. `docs/retention.md` describes the whole. Holds no secret.

use serde::Serialize;

use crate::{EventId, Role, RoomId, RoomKind, Seq, UserId};

/// The beginning: what it is, and who it is of. `rooms` and `messages` follow in the same object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ExportHeader"))]
pub struct Header {
    /// Always `moorline-export`.
    pub format: &'static str,
    /// Of this form; 1.
    pub version: u32,
    /// When it was made, ms since 1970.
    pub at: u64,
    /// Who.
    pub person: ExportedPerson,
    /// Where they are signed in.
    pub sessions: Vec<ExportedSession>,
}

/// The person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExportedPerson {
    /// Their id.
    pub id: UserId,
    /// The name that others read.
    pub name: String,
    /// The name that they sign in with, where the account is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// When they were first known, ms since 1970.
    pub created: u64,
    /// When they were last seen, ms since 1970; 0 for never.
    pub seen: u64,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExportedSession {
    /// The browser that made it, as it named itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// When it began, ms since 1970.
    pub created: u64,
    /// When it ends, ms since 1970.
    pub expires: u64,
}

/// A room that they are in, and how far they have read in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExportedRoom {
    /// The room.
    pub id: RoomId,
    /// How people come into it.
    pub kind: RoomKind,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What they may do there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The other person of a direct room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<UserId>,
    /// Everything up to here is read.
    pub read: Seq,
}

/// A message that they sent, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExportedMessage {
    /// Where.
    pub room: RoomId,
    /// Its number in the room's log.
    pub seq: Seq,
    /// Its id.
    pub id: EventId,
    /// When it was stored, ms since 1970.
    pub at: u64,
    /// The text.
    pub body: String,
    /// The message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<EventId>,
    /// When it was last edited, ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<u64>,
}

macro_rules! written {
    ($($kind:ident)+) => {
        $(impl $kind {
            /// As JSON.
            #[must_use]
            pub fn json(&self) -> String {
                // Texts and numbers always serialise.
                serde_json::to_string(self).unwrap_or_default()
            }
        })+
    };
}

written! { Header ExportedRoom ExportedMessage }
