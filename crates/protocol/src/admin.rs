//! The words of the admin interface: what an operator asks a node over its own socket, and what it answers. JSON, UTF-8.
//!
//! The handlers are in `moorline-server`, the commands in `moorline`. Nothing here is for clients of the chat, nothing
//! holds a token, and the text of a message only where it was asked for.

mod line;

use serde::{Deserialize, Serialize};

use crate::{Cid, Epoch, Presence, RoomId, RoomKind, Seq, UserId};

pub use line::{Line, What};

/// Where all paths of the interface begin.
pub const PATH: &str = "/admin/v1";

/// Letters of a text or reason in a line of the tail; what follows is cut.
pub const SHOWN_LETTERS: usize = 1_000;

/// One live connection of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its name, as in logs and in `welcome`.
    pub id: String,
    /// `websocket`, `stream` or `poll`.
    pub transport: String,
    /// Who has signed in; absent: nobody yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Where the client is, as a trusted proxy says or as the socket shows; absent on a Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The path that it asked for.
    pub path: String,
    /// How its program calls itself, cut to 160 letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Since when it is there.
    pub age_ms: u64,
    /// Since when the client has sent no message; pongs are none.
    pub idle_ms: u64,
    /// The round trip of the last ping that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_us: Option<u64>,
    /// Rooms that it follows live.
    pub rooms: u64,
    /// Frames that wait to be written.
    pub queued_frames: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Whether so much waits that it gets no live events until it has caught up.
    pub lagging: bool,
}

/// `GET clients`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients {
    /// The oldest first.
    pub clients: Vec<Client>,
    /// How many fit what was asked for, shown or not.
    pub total: u64,
}

/// `GET clients/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientDetail {
    /// The connection.
    pub client: Client,
    /// The rooms that it follows live.
    pub live: Vec<RoomId>,
    /// Rooms of its person that it does not follow live: it is being caught up in them, or did not ask for them.
    pub not_live: Vec<RoomId>,
}

/// `POST kick`: exactly one of `connection` and `user`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kick {
    /// One connection of this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// All connections of a person on this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The close code; absent: 4442, after which clients come back at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The reason in the close, at most 123 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the person's sessions and tokens end too, on every node.
    #[serde(default)]
    pub revoke: bool,
}

/// What a kick did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kicked {
    /// Connections of this node that were told to close.
    pub closed: u64,
    /// With which code.
    pub code: u16,
    /// Whether clients come back by themselves after it.
    pub comes_back: bool,
    /// People whose sessions and tokens were ended.
    pub revoked: Vec<UserId>,
}

/// A room as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomLine {
    /// Its id.
    pub id: RoomId,
    /// Its kind.
    pub kind: RoomKind,
    /// Its name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many members it has.
    pub members: u64,
    /// Connections of this node that follow it live.
    pub listeners: u64,
    /// The life of its log.
    pub epoch: Epoch,
    /// The first event that is kept.
    pub first: Seq,
    /// The newest event.
    pub head: Seq,
    /// How many messages were ever sent.
    pub messages: u64,
    /// When something last happened in it, ms since 1970.
    pub active_ms: u64,
    /// When it was made, ms since 1970.
    pub created_ms: u64,
    /// Seconds that its events are kept, 0 for ever; absent: as long as the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<u64>,
}

/// `GET rooms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomLines {
    /// In the order of their ids.
    pub rooms: Vec<RoomLine>,
    /// Where the next page begins; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<RoomId>,
}

/// `GET rooms/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomDetail {
    /// The room.
    pub room: RoomLine,
    /// Its members with how they are now, the first thousand.
    pub members: Vec<MemberLine>,
    /// Whether there are more.
    pub more: bool,
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLine {
    /// Who.
    pub user: UserId,
    /// How they are now, on any node.
    pub presence: Presence,
    /// Connections of theirs on this node.
    pub connections: u64,
}

/// A person as an operator sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserLine {
    /// Their id.
    pub id: UserId,
    /// The name that others read.
    pub name: String,
    /// Whether they have a built-in account.
    pub account: bool,
    /// How they are now, on any node.
    pub presence: Presence,
    /// Connections of theirs on this node.
    pub connections: u64,
    /// When last seen, ms since 1970; 0 for never.
    pub seen_ms: u64,
    /// When first known, ms since 1970.
    pub created_ms: u64,
}

/// `GET users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserLines {
    /// In the order of their ids.
    pub users: Vec<UserLine>,
    /// Where the next page begins; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// `GET users/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDetail {
    /// The person.
    pub user: UserLine,
    /// Their rooms.
    pub rooms: Vec<RoomId>,
    /// Their sessions that have not ended.
    pub sessions: Vec<SessionLine>,
}

/// A session of a built-in account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLine {
    /// Its public name, from which its token cannot be told.
    pub id: String,
    /// The device, as its person sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// When it began, ms since 1970.
    pub created_ms: u64,
    /// When it ends, ms since 1970.
    pub expires_ms: u64,
}

/// `POST rooms/{id}/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Say {
    /// Whose message it is; a member of the room.
    pub from: UserId,
    /// The text.
    pub body: String,
    /// Makes repeating the request harmless.
    pub cid: Cid,
}

/// `POST token`: asks why a token is refused. The answer never holds it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InspectToken {
    /// The token.
    pub token: String,
}

impl std::fmt::Debug for InspectToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InspectToken(hidden)")
    }
}

/// What this server says to a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenVerdict {
    /// Whether it would be taken now.
    pub good: bool,
    /// Why not; absent where it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The server's clock, seconds since 1970.
    pub now: u64,
}

/// At most so many letters of a text.
#[must_use]
pub fn cut(text: &str, letters: usize) -> &str {
    text.char_indices().nth(letters).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_between_letters() {
        assert_eq!((cut("äöü", 2), cut("äöü", 3), cut("", 1)), ("äö", "äöü", ""));
    }

    #[test]
    fn a_token_cannot_be_printed_by_accident() {
        let asked = InspectToken { token: "hunter2".into() };
        assert!(!format!("{asked:?}").contains("hunter2"));
    }
}
