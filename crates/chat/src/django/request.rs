//! What Django asks for: a message of the layer, read once and checked. Knows no rule and no store.

use moorline_layer::{Message, Value};
use moorline_protocol::{Cid, EventId, Send, UserId};

use super::data;
use super::refusal::{Reason, Refusal};
use crate::nodes::Noticed;
use crate::notices::NoticeDraft;

/// The types that are known.
const NOTICE: &str = "chat.notice";
const POST: &str = "chat.post";
/// The longest name of a channel.
const CHANNEL_BYTES: usize = 99;

/// One message of Django.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) what: Result<Request, Refusal>,
    pub(super) from: Sender,
}

/// Whom to answer, and of what.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sender {
    /// The type of the message, where it is a known one.
    pub(super) kind: Option<&'static str>,
    pub(super) reply_channel: Option<String>,
    /// The backend's own id: a post's cid, a notice's id.
    pub(super) id: Option<Cid>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Request {
    Notice(Box<Noticed>),
    Post { from: UserId, send: Box<Send> },
}

impl Asked {
    pub(super) fn read(message: &Message, now_ms: u64) -> Self {
        let kind = match message.kind() {
            Some(NOTICE) => Some(NOTICE),
            Some(POST) => Some(POST),
            _ => None,
        };
        let own_id = if kind == Some(POST) { "cid" } else { "id" };
        let from = Sender {
            kind,
            // An answer to one of our own channels would come back to us.
            reply_channel: message
                .text("reply_channel")
                .filter(|name| name.len() <= CHANNEL_BYTES && !name.starts_with("moorline"))
                .map(str::to_owned),
            id: optional(message, own_id).ok().flatten(),
        };
        let what = match kind {
            Some(NOTICE) => notice(message, now_ms),
            Some(_) => post(message),
            None => {
                let kind: String = message.kind().unwrap_or("").chars().take(40).collect();
                let text = format!(
                    "{kind:?} is not a type of the channel `moorline`; use {NOTICE} or {POST}"
                );
                Err(Refusal::new(Reason::UnknownType, text))
            }
        };
        Self { what, from }
    }
}

fn notice(message: &Message, now_ms: u64) -> Result<Request, Refusal> {
    let draft = NoticeDraft {
        room: optional(message, "room")?,
        user: optional(message, "user")?,
        name: required(message, "name")?,
        data: message.get("data").map_or(Ok(serde_json::Value::Null), data::json)?,
        id: optional(message, "id")?,
        at_ms: time(message)?,
    };
    draft.checked(now_ms).map(|noticed| Request::Notice(Box::new(noticed)))
}

fn time(message: &Message) -> Result<Option<u64>, Refusal> {
    let at = match message.get("at") {
        None | Some(Value::Nil) => return Ok(None),
        Some(at) => at.as_i64().and_then(|at| u64::try_from(at).ok()),
    };
    let text = "`at` must be a whole number of milliseconds since 1970";
    at.map(Some).ok_or_else(|| invalid(text))
}

fn post(message: &Message) -> Result<Request, Refusal> {
    let from = match optional(message, "from")? {
        Some(from) => from,
        None => required(message, "user").map_err(|_| invalid("`from` is missing: who posts"))?,
    };
    let send = Send {
        room: required(message, "room")?,
        cid: required(message, "cid")?,
        body: required(message, "body")?,
        reply_to: optional::<Reference>(message, "reply_to")?.map(|found| found.0),
    };
    Ok(Request::Post { from, send: Box::new(send) })
}

/// The id of a message as text.
struct Reference(EventId);

impl std::str::FromStr for Reference {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_value(text.into()).map(Self)
    }
}

fn required<T>(message: &Message, name: &str) -> Result<T, Refusal>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    optional(message, name)?.ok_or_else(|| invalid(&format!("`{name}` is missing")))
}

/// A field of text; Python's `None` is the same as none.
fn optional<T>(message: &Message, name: &str) -> Result<Option<T>, Refusal>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text = match message.get(name) {
        None | Some(Value::Nil) => return Ok(None),
        Some(Value::Text(text)) => text,
        Some(_) => return Err(invalid(&format!("`{name}` must be text"))),
    };
    text.parse().map(Some).map_err(|error| invalid(&format!("`{name}` cannot be used: {error}")))
}

fn invalid(text: &str) -> Refusal {
    Refusal::new(Reason::Invalid, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_377_137_000;

    fn post_message() -> Message {
        Message::of_type(POST)
            .with("room", "ops")
            .with("from", "ann")
            .with("body", "hi")
            .with("cid", "c1")
    }

    fn notice_message() -> Message {
        Message::of_type(NOTICE).with("room", "ops").with("name", "refresh").with("data", 7)
    }

    fn refused(message: &Message) -> Reason {
        Asked::read(message, NOW).what.unwrap_err().reason
    }

    #[test]
    fn a_post_is_read_with_user_for_from_too() {
        let reply = "01930000-0000-7000-8000-00009c41f07b";
        let user = Message::of_type(POST)
            .with("room", "ops")
            .with("user", "ann")
            .with("body", "hi")
            .with("cid", "c1")
            .with("reply_to", Value::Nil);
        let read = Asked::read(&user, NOW);
        assert_eq!(read.from.id, Some(Cid::new("c1").unwrap()));
        let Ok(Request::Post { from, send }) = read.what else { panic!("no post") };
        assert_eq!((from.as_str(), send.body.as_str(), send.reply_to), ("ann", "hi", None));
        let Ok(Request::Post { send, .. }) =
            Asked::read(&post_message().with("reply_to", reply), NOW).what
        else {
            panic!("no post")
        };
        assert_eq!(send.reply_to.unwrap().to_string(), reply);
    }

    #[test]
    fn whatever_a_post_lacks_or_has_of_another_kind_is_refused() {
        for name in ["room", "from", "body", "cid"] {
            let mut without = post_message();
            without.remove(name);
            assert_eq!(refused(&without), Reason::Invalid, "without {name}");
            for bad in [Value::from(7), Value::Array(vec![]), b"ops".as_slice().into()] {
                assert_eq!(refused(&post_message().with(name, bad)), Reason::Invalid, "{name}");
            }
        }
        for (name, bad) in [("room", "a b"), ("from", "a\nb"), ("cid", "ü"), ("reply_to", "x")] {
            assert_eq!(refused(&post_message().with(name, bad)), Reason::Invalid, "{name}={bad}");
        }
    }

    #[test]
    fn a_notice_is_read_and_its_rules_are_those_of_every_notice() {
        let Ok(Request::Notice(read)) = Asked::read(&notice_message(), NOW).what else {
            panic!("no notice")
        };
        assert_eq!((read.notice.name.as_str(), &read.notice.data), ("refresh", &7.into()));
        assert_eq!(refused(&notice_message().with("user", "ann")), Reason::Invalid);
        for (name, bad) in [("room", "a b"), ("name", "two words"), ("id", "ü")] {
            assert_eq!(refused(&notice_message().with(name, bad)), Reason::Invalid, "{name}={bad}");
        }
        assert!(Asked::read(&notice_message().with("at", NOW), NOW).what.is_ok());
        assert_eq!(refused(&notice_message().with("at", 0)), Reason::Stale);
        assert_eq!(refused(&notice_message().with("at", 1.5)), Reason::Invalid);
    }

    #[test]
    fn other_types_are_refused_and_our_own_channels_are_never_answered() {
        for kind in ["moorline.hint", "chat.message", "", "websocket.send"] {
            assert_eq!(refused(&Message::of_type(kind)), Reason::UnknownType, "{kind}");
        }
        assert_eq!(refused(&Message::new().with("type", 7)), Reason::UnknownType);
        let answered = |name: &str| {
            Asked::read(&Message::of_type("x").with("reply_channel", name), NOW).from.reply_channel
        };
        assert_eq!(answered("specific.a!b").as_deref(), Some("specific.a!b"));
        assert_eq!((answered("moorline"), answered("moorline.node.1!2")), (None, None));
        assert_eq!(answered(&"x".repeat(100)), None);
    }
}
