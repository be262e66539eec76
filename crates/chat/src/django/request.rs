//! What Django asks for: a message of the layer, read once and checked. Knows no rule and no store.

use moorline_layer::{Message, Value};
use moorline_protocol::{Cid, EventId, Notice, Send, UserId};

use super::data;
use super::refusal::{Reason, Refusal};
use crate::nodes::Noticed;

/// The types that are known.
const NOTICE: &str = "chat.notice";
const POST: &str = "chat.post";
/// The longest name of a notice.
const NAME_BYTES: usize = 64;
/// The longest name of a channel.
const CHANNEL_BYTES: usize = 99;
/// A notice that says when it was made may be as old as this, or as far from the future: half of what ids are kept.
pub(super) const FRESH_MS: u64 = 300_000;

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
    let (room, user) = (optional(message, "room")?, optional(message, "user")?);
    if room.is_some() == user.is_some() {
        return Err(invalid("a notice is for a `room` or for a `user`: give one of them"));
    }
    let name: String = required(message, "name")?;
    if !(1..=NAME_BYTES).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(invalid("the `name` of a notice is 1 to 64 printable ASCII characters"));
    }
    check_time(message, now_ms)?;
    let data = message.get("data").map_or(Ok(serde_json::Value::Null), data::json)?;
    let id = optional(message, "id")?;
    let notice = Notice { room, user, name, data };
    Ok(Request::Notice(Box::new(Noticed { notice, id })))
}

fn check_time(message: &Message, now_ms: u64) -> Result<(), Refusal> {
    let at = match message.get("at") {
        None | Some(Value::Nil) => return Ok(()),
        Some(at) => at.as_i64().and_then(|at| u64::try_from(at).ok()),
    };
    let at = at.ok_or_else(|| invalid("`at` must be a whole number of milliseconds since 1970"))?;
    if at.abs_diff(now_ms) > FRESH_MS {
        let text = "`at` is more than five minutes from now; compare the clocks";
        return Err(Refusal::new(Reason::Stale, text));
    }
    Ok(())
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
    fn a_notice_is_for_a_room_or_a_person_and_never_for_both_or_nobody() {
        let Ok(Request::Notice(read)) = Asked::read(&notice_message(), NOW).what else {
            panic!("no notice")
        };
        assert_eq!((read.notice.name.as_str(), &read.notice.data), ("refresh", &7.into()));
        assert_eq!(refused(&notice_message().with("user", "ann")), Reason::Invalid);
        let mut nobody = notice_message();
        nobody.remove("room");
        assert_eq!(refused(&nobody), Reason::Invalid);
        let ann = nobody.with("user", "ann");
        assert!(Asked::read(&ann, NOW).what.is_ok());
        for bad in ["", "a b", &"x".repeat(65), "ü"] {
            assert_eq!(refused(&ann.clone().with("name", bad)), Reason::Invalid, "{bad}");
        }
    }

    #[test]
    fn a_notice_that_says_when_it_was_made_must_be_of_now() {
        for (at, is_good) in [
            (NOW, true),
            (NOW - FRESH_MS, true),
            (NOW + FRESH_MS, true),
            (NOW - FRESH_MS - 1, false),
            (NOW + FRESH_MS + 1, false),
        ] {
            let read = Asked::read(&notice_message().with("at", at), NOW).what;
            assert_eq!(read.map_err(|refusal| refusal.reason).is_ok(), is_good, "{at}");
        }
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
