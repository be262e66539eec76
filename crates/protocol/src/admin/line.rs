//! What the tail of a node says, line by line: commits, connections, troubles. `moorline-chat` makes the lines, `moorline tail`
//! shows them. The text of a message is in one only where it was asked for.

use serde::{Deserialize, Serialize};

use crate::{RoomId, Seq, UserId};

/// One line of the tail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When, ms since 1970.
    pub at: u64,
    /// The room that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// The person who did it, or whose connection it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What a line of the tail tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// A message was stored.
    Message {
        /// Its number in the room's log.
        seq: Seq,
        /// Bytes of its text.
        bytes: u64,
        /// The text, where it was asked for, cut to [`SHOWN_LETTERS`](super::SHOWN_LETTERS).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A message got another text.
    Edit {
        /// The event's number.
        seq: Seq,
        /// The message's number.
        of: Seq,
        /// Bytes of the text.
        bytes: u64,
        /// The text, where it was asked for, cut to [`SHOWN_LETTERS`](super::SHOWN_LETTERS).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A message was erased.
    Delete {
        /// The event's number.
        seq: Seq,
        /// The message's number.
        of: Seq,
    },
    /// People came into a room or went.
    Member {
        /// The event's number.
        seq: Seq,
        /// Who came.
        joined: Vec<UserId>,
        /// Who went, by themselves or not.
        gone: Vec<UserId>,
    },
    /// A room got another name.
    Rename {
        /// The event's number.
        seq: Seq,
    },
    /// A read marker moved.
    Read {
        /// Up to this event.
        seq: Seq,
    },
    /// A connection was opened.
    Connected {
        /// Its name.
        connection: String,
        /// `websocket` or `stream`.
        transport: String,
        /// Where the client is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// The person of a connection is known.
    SignedIn {
        /// Its name.
        connection: String,
    },
    /// A connection ends.
    Closed {
        /// Its name.
        connection: String,
        /// `websocket`, `stream` or `poll`.
        transport: String,
        /// The close code.
        code: u16,
        /// Who began it: `client` or `server`.
        side: String,
        /// The reason that was sent or seen.
        reason: String,
        /// How old it was.
        age_ms: u64,
        /// The round trip of its last answered ping.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        round_trip_us: Option<u64>,
    },
    /// A handshake was refused.
    Refused {
        /// The stable word.
        code: String,
        /// Where the client is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// A part does not work as it should.
    Trouble {
        /// Which.
        part: String,
        /// Why, in a word.
        cause: String,
        /// The same for people.
        error: String,
    },
    /// It works again.
    Recovered {
        /// Which.
        part: String,
    },
    /// This many lines were dropped, since the tail was read too slowly.
    Dropped {
        /// How many.
        lines: u64,
    },
    /// The server ends.
    End,
}

impl What {
    /// The word for it in filters.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Message { .. } => "message",
            Self::Edit { .. } => "edit",
            Self::Delete { .. } => "delete",
            Self::Member { .. } => "member",
            Self::Rename { .. } => "rename",
            Self::Read { .. } => "read",
            Self::Connected { .. } => "connected",
            Self::SignedIn { .. } => "signed_in",
            Self::Closed { .. } => "closed",
            Self::Refused { .. } => "refused",
            Self::Trouble { .. } => "trouble",
            Self::Recovered { .. } => "recovered",
            Self::Dropped { .. } => "dropped",
            Self::End => "end",
        }
    }

    /// The words that a filter may name.
    pub const KINDS: &[&str] = &[
        "message",
        "edit",
        "delete",
        "member",
        "rename",
        "read",
        "connected",
        "signed_in",
        "closed",
        "refused",
        "trouble",
        "recovered",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(what: What) -> String {
        let user = Some(UserId::new("ann").unwrap());
        serde_json::to_string(&Line { at: 7, room: None, user, what }).unwrap()
    }

    #[test]
    fn a_line_names_its_kind_and_leaves_out_what_it_does_not_know() {
        let masked = What::Message { seq: Seq(3), bytes: 5, text: None };
        assert_eq!(line(masked), r#"{"at":7,"user":"ann","kind":"message","seq":3,"bytes":5}"#);
        assert_eq!(line(What::End), r#"{"at":7,"user":"ann","kind":"end"}"#);
    }

    #[test]
    fn a_line_comes_back_as_it_was_and_its_kind_is_the_word_of_its_filter() {
        let what = What::SignedIn { connection: "1f".into() };
        let text = line(what.clone());
        let back: Line = serde_json::from_str(&text).unwrap();
        assert_eq!(back.what, what);
        assert!(text.contains(&format!(r#""kind":"{}""#, what.kind())));
        assert!(What::KINDS.contains(&what.kind()));
    }
}
