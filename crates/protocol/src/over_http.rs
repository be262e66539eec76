//! The bodies of the ways by which a client is connected without a WebSocket: `POST /api/v1/stream`, `/poll`, `/tickets`
//! and `/commands`. `docs/transports.md` describes them; the handlers are in `moorline-server`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ids::optional_integer;
use crate::{Position, RoomId};

/// The longest wait of a poll, ms: under the half minute after which common proxies give an answer up.
pub const POLL_WAIT_MS: u64 = 25_000;
/// Commands in one request.
pub const COMMANDS: usize = 100;
/// Rooms that a `GET` names, and so positions in an `id:`.
pub const QUERY_ROOMS: usize = 50;

/// What opens one stream, in its URL: the answer to `POST /api/v1/tickets`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Ticket {
    /// Goes into `ticket` of the URL.
    pub ticket: String,
    /// Until when it can be used, ms since 1970.
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub expires: u64,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// What opens a stream: the fields of `hello` but for the token, which stands in the header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct StreamBody {
    /// The positions that the client has, at most one for each room that a person can be in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<BTreeMap<String, Position>>"),
        ts(optional)
    )]
    pub resume: Option<BTreeMap<RoomId, Position>>,
    /// Whether frames `ping` shall come, beside the comments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub keepalive: Option<bool>,
    /// A word for the list of one's sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub device: Option<String>,
    /// Whether nobody is at the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub away: Option<bool>,
}

/// One poll.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct PollBody {
    /// Where the client stands in each of its rooms; empty where it is in none, absent where it does not know them yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<BTreeMap<String, Position>>"),
        ts(optional)
    )]
    pub positions: Option<BTreeMap<RoomId, Position>>,
    /// Whether the answer shall begin with `welcome`, as it does without positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub hello: Option<bool>,
    /// How long to wait for something; 25 seconds at most and where absent.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_integer"
    )]
    #[cfg_attr(feature = "schema", ts(optional, type = "number"))]
    pub wait_ms: Option<u64>,
    /// Whether nobody is at the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub away: Option<bool>,
}

/// Commands, each as it would be a frame.
#[derive(Debug, Deserialize)]
pub struct CommandsBody<'a> {
    /// The stream that `away` is said of, as its `welcome` named it.
    #[serde(default)]
    pub connection: Option<String>,
    /// What to do, in this order.
    #[serde(borrow)]
    pub commands: Vec<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_may_be_absent_or_null() {
        for body in
            ["{}", r#"{"resume":null,"keepalive":null,"device":null,"away":null,"later":1}"#]
        {
            assert_eq!(serde_json::from_str::<StreamBody>(body).unwrap(), StreamBody::default());
        }
        for body in ["{}", r#"{"positions":null,"hello":null,"wait_ms":null,"away":null}"#] {
            assert_eq!(serde_json::from_str::<PollBody>(body).unwrap(), PollBody::default());
        }
    }
}
