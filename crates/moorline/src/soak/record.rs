//! One line of a history, and the frames that lines carry.
//!
//! The format is written down in `docs/history.md`. Everything a client sent or saw stands in a
//! line as it was on the wire; fields that the checker has no use for are skipped here, so that a
//! newer server can be judged by an older checker.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Is {
    Run,
    Open,
    Sent,
    Got,
    Applied,
    Close,
    Fault,
    Hint,
    Server,
    Given,
    Audit,
    Revoked,
    End,
}

/// The begin or the end of a fault, the start or the stop of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Edge {
    Begin,
    End,
    Start,
    Stop,
}

/// One line. Which fields are there depends on `is`.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    /// Microseconds of the recorder's monotonic clock; never falls from line to line.
    pub(super) t: u64,
    pub(super) is: Is,
    /// The client: one window, one program. It may connect many times.
    pub(super) c: Option<String>,
    /// The number of its connection, from 1.
    #[serde(default)]
    pub(super) n: u64,
    pub(super) user: Option<String>,
    pub(super) frame: Option<Box<RawValue>>,
    pub(super) page: Option<Frame>,
    pub(super) room: Option<String>,
    pub(super) epoch: Option<String>,
    pub(super) seq: Option<u64>,
    pub(super) id: Option<String>,
    pub(super) head: Option<u64>,
    pub(super) members: Option<Vec<String>>,
    pub(super) edge: Option<Edge>,
    pub(super) name: Option<String>,
    pub(super) what: Option<String>,
    pub(super) count: Option<u64>,
    pub(super) faults: Option<Vec<String>>,
    pub(super) version: Option<u64>,
    pub(super) ping_ms: Option<u64>,
    pub(super) answer_ms: Option<u64>,
    /// On `open`: the client remembers nothing of its earlier connections.
    #[serde(default)]
    pub(super) fresh: bool,
}

/// A frame of the protocol or an event inside one: every field that some kind of frame has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Frame {
    #[serde(rename = "type")]
    pub(super) what: String,
    pub(super) id: Option<Id>,
    pub(super) room: Option<RoomField>,
    pub(super) cid: Option<String>,
    pub(super) body: Option<String>,
    pub(super) reply_to: Option<String>,
    pub(super) message: Option<String>,
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) users: Option<Vec<String>>,
    pub(super) members: Option<Value>,
    pub(super) epoch: Option<String>,
    pub(super) seq: Option<u64>,
    pub(super) first: Option<u64>,
    pub(super) head: Option<u64>,
    pub(super) events: Vec<Frame>,
    pub(super) more: Option<Value>,
    pub(super) rooms: Option<Value>,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
    pub(super) resume: Option<HashMap<String, Position>>,
    pub(super) positions: Option<HashMap<String, Position>>,
    pub(super) code: Option<Value>,
    pub(super) retry: Option<bool>,
    pub(super) retry_after_ms: Option<u64>,
    pub(super) reason: Option<String>,
    pub(super) change: Option<String>,
    pub(super) changes: Vec<Change>,
    pub(super) at: Option<u64>,
    pub(super) edited: Option<Mark>,
    pub(super) deleted: Option<Mark>,
    pub(super) from: Option<String>,
    pub(super) user: Option<Value>,
}

/// Answers carry the number of their command, events the text of their id.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Number(u64),
    Text(String),
}

/// `room` is an id nearly everywhere, and all of a room in `room` frames.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RoomField {
    Id(String),
    Info(Box<RoomInfo>),
}

/// What `welcome`, `rooms` and `room` say of a room.
#[derive(Debug, Deserialize)]
pub(super) struct RoomInfo {
    pub(super) id: String,
    pub(super) kind: Option<String>,
    pub(super) epoch: Option<String>,
    pub(super) head: Option<u64>,
    pub(super) read: Option<u64>,
    pub(super) role: Option<String>,
    pub(super) history: Option<String>,
}

/// A client's place in a room.
#[derive(Debug, Deserialize)]
pub(super) struct Position {
    pub(super) epoch: String,
    pub(super) seq: u64,
    pub(super) check: Option<String>,
}

/// One person's change in a membership event.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) user: String,
    pub(super) change: String,
}

/// Which event made a message what it is now.
#[derive(Debug, Deserialize)]
pub(super) struct Mark {
    pub(super) seq: u64,
}

impl Frame {
    /// The room's id, wherever it stands.
    pub(super) fn room_id(&self) -> Option<&str> {
        match self.room.as_ref()? {
            RoomField::Id(id) => Some(id),
            RoomField::Info(info) => Some(&info.id),
        }
    }

    /// The command's number that an answer repeats.
    pub(super) fn number(&self) -> Option<u64> {
        match self.id.as_ref()? {
            Id::Number(number) => Some(*number),
            Id::Text(_) => None,
        }
    }

    /// The id of an event.
    pub(super) fn event_id(&self) -> Option<&str> {
        match self.id.as_ref()? {
            Id::Text(id) => Some(id),
            Id::Number(_) => None,
        }
    }

    /// The rooms listed by `welcome` and `rooms`; whatever has another shape is no list.
    pub(super) fn room_list(&mut self) -> Vec<RoomInfo> {
        let list = self.rooms.take().unwrap_or(Value::Null);
        serde_json::from_value(list).unwrap_or_default()
    }

    /// Whether a page says that more follows.
    pub(super) fn has_more(&self) -> bool {
        self.more.as_ref().and_then(Value::as_bool).unwrap_or(false)
    }

    /// Ids in `members` of a `create`.
    pub(super) fn member_ids(&self) -> Vec<String> {
        let list = self.members.clone().unwrap_or(Value::Null);
        serde_json::from_value(list).unwrap_or_default()
    }

    /// The `read` markers in a `members` answer.
    pub(super) fn member_reads(&self) -> Vec<(String, u64)> {
        let Some(Value::Array(list)) = &self.members else { return Vec::new() };
        let read = |member: &Value| {
            Some((member.get("id")?.as_str()?.to_owned(), member.get("read")?.as_u64()?))
        };
        list.iter().filter_map(read).collect()
    }

    /// The error's code as text.
    pub(super) fn error_code(&self) -> &str {
        self.code.as_ref().and_then(Value::as_str).unwrap_or("")
    }
}
