//! What a server tells of itself: its name, its version, what of it does not work now. In `welcome` and over HTTP.

use serde::{Deserialize, Serialize};

/// What answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct ServerInfo {
    /// The program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its parts that do not work as they should now, while it goes on; absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(optional, as = "Option<Vec<ServerPart>>"))]
    pub degraded: Vec<ServerPart>,
}

/// A part of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ServerPart {
    /// What nodes tell each other by: messages from other nodes come about a second later.
    Layer,
    /// Nothing can be stored now: commands are refused for a while.
    Store,
}

impl ServerPart {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Store => "store",
        }
    }
}
