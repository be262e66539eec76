//! The body of a notice over HTTP and its answer; the rules are the chat's.

use serde::{Deserialize, Serialize};

use crate::{Cid, RoomId, UserId};

/// `POST /api/v1/notices`: told to those who are connected now, and not stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct PostNotice {
    /// To everybody who has this room open on a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub room: Option<RoomId>,
    /// To all connections of this person; exactly one of the two is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub user: Option<UserId>,
    /// What it is, as the backend calls it: 1 to 64 printable ASCII characters.
    pub name: String,
    /// What the backend says: at most 64 KiB and 16 levels deep.
    #[serde(default)]
    #[cfg_attr(feature = "schema", ts(type = "unknown"))]
    pub data: serde_json::Value,
    /// The backend's own id of it: the same again within ten minutes is shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub id: Option<Cid>,
    /// When it was made, ms since 1970; more than five minutes from now is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
    pub at: Option<u64>,
}

/// The answer to [`PostNotice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct NoticeShown {
    /// Whether one with this id came before: then nobody was shown it now.
    pub repeated: bool,
    /// Whether it was told to all nodes; false while Redis is away, where its people on other nodes do not hear of it.
    pub everywhere: bool,
}
