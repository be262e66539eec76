//! What is told back on a `reply_channel`: that a message was done, or why not.

use moorline_layer::{Map, Message};
use moorline_store::Stored;

use super::refusal::Refusal;
use super::request::Sender;

/// The type of every answer.
const KIND: &str = "chat.answer";

/// What became of a message.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A notice was given to those who are here.
    Noticed,
    /// A post is stored, now or since it came the first time.
    Stored {
        stored: Stored,
        is_repeated: bool,
    },
    Refused(Refusal),
}

impl Outcome {
    /// The answer to this sender.
    pub(super) fn message(&self, to: &Sender) -> Message {
        let mut message = Message::of_type(KIND).with("ok", !matches!(self, Self::Refused(_)));
        if let Some(kind) = to.kind {
            message.insert("to", kind);
        }
        if let Some(id) = &to.id {
            message.insert("id", id.as_str());
        }
        match self {
            Self::Noticed => message,
            Self::Stored { stored, is_repeated } => message
                .with("room", stored.room.as_str())
                .with("epoch", stored.epoch.to_string())
                .with("seq", stored.seq.0)
                .with("message", stored.id.to_string())
                .with("at", stored.at_ms)
                .with("repeated", *is_repeated),
            Self::Refused(refusal) => message.with("error", error(refusal)),
        }
    }
}

fn error(refusal: &Refusal) -> Map {
    let error = Map::new()
        .with("code", refusal.reason.word())
        .with("message", refusal.text.as_str())
        .with("retry", refusal.retry_after_ms.is_some());
    match refusal.retry_after_ms {
        Some(after) => error.with("retry_after_ms", after),
        None => error,
    }
}
