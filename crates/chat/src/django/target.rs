//! Where events for Django go: a group for each room, and the type under which they come.
//!
//! Parsed once from an option, so that every name made here is one that Channels accepts. Knows no layer.

use std::fmt::Write as _;
use std::str::FromStr;

use aws_lc_rs::digest;
use moorline_protocol::RoomId;

/// The place of the room in a pattern.
const ROOM: &str = "{room}";
/// Characters of a group's name; Channels asks for less than 100.
const LONGEST: usize = 99;
/// `h-` and 32 hex digits.
const HASHED: usize = 34;
/// Channels calls these itself: an event under one of them would end the consumer that gets it.
const TAKEN: [&str; 3] = ["websocket.", "http.", "lifespan."];

/// A group pattern and a type: `group=chat.{room} type=chat.event`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsTo {
    /// What stands before and after the room's id; without an end, all rooms go to the group of that name.
    before: String,
    after: Option<String>,
    kind: String,
}

/// Why a text is no such pair, as a half sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTarget(String);

impl EventsTo {
    /// The type of the messages.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The group of a room. An id for which there is no space in the name is replaced by `h-` and 32 hex digits of its
    /// SHA-256.
    #[must_use]
    pub fn group(&self, room: &RoomId) -> String {
        let (before, room) = (&self.before, room.as_str());
        let Some(after) = &self.after else { return before.clone() };
        if before.len() + room.len() + after.len() <= LONGEST {
            return format!("{before}{room}{after}");
        }
        let hash = digest::digest(&digest::SHA256, room.as_bytes());
        let mut name = format!("{before}h-");
        for byte in hash.as_ref().iter().take(16) {
            // Writing to a text never fails.
            let _ = write!(name, "{byte:02x}");
        }
        name + after
    }
}

impl FromStr for EventsTo {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let (mut group, mut kind) = (None, None);
        for word in text.split_whitespace() {
            let place = match word.split_once('=') {
                Some(("group", value)) => group.replace(value).map(|_| "group"),
                Some(("type", value)) => kind.replace(value).map(|_| "type"),
                _ => return refuse(format!("`{word}` is neither group=… nor type=…")),
            };
            if let Some(name) = place {
                return refuse(format!("{name}= is given twice"));
            }
        }
        let group = group.ok_or_else(|| InvalidTarget("group=… is missing".to_owned()))?;
        let kind = kind.ok_or_else(|| InvalidTarget("type=… is missing".to_owned()))?;
        let (before, after) = match group.split_once(ROOM) {
            Some((before, after)) => (before, Some(after.to_owned())),
            None => (group, None),
        };
        check_group(before, after.as_deref())?;
        check_kind(kind)?;
        Ok(Self { before: before.to_owned(), after, kind: kind.to_owned() })
    }
}

fn check_group(before: &str, after: Option<&str>) -> Result<(), InvalidTarget> {
    let literal = before.len() + after.map_or(0, str::len);
    if !before.chars().chain(after.unwrap_or("").chars()).all(is_plain) {
        return refuse(format!(
            "a group's name has only A-Z a-z 0-9 - _ . and, once, {ROOM} where the room's id goes"
        ));
    }
    if before.is_empty() && after.is_none() {
        return refuse("the group has no name".to_owned());
    }
    if before.starts_with("moorline.") {
        return refuse("groups that begin with `moorline.` are those of the nodes".to_owned());
    }
    let room = if after.is_some() { HASHED } else { 0 };
    if literal + room > LONGEST {
        let most = LONGEST - room;
        return refuse(format!("the group's name is too long: {most} characters beside {ROOM}"));
    }
    Ok(())
}

fn check_kind(kind: &str) -> Result<(), InvalidTarget> {
    let is_named = kind.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_handler = kind.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    if !is_named || !is_handler || kind.len() > LONGEST {
        return refuse(format!(
            "`{kind}` names no handler: a type begins with a letter and has letters, digits, _ and . after it"
        ));
    }
    if let Some(taken) = TAKEN.iter().find(|taken| kind.starts_with(*taken)) {
        return refuse(format!("types that begin with `{taken}` are those of Channels itself"));
    }
    Ok(())
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn refuse<T>(why: String) -> Result<T, InvalidTarget> {
    Err(InvalidTarget(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(pattern: &str, room: &str) -> String {
        let target: EventsTo = format!("group={pattern} type=chat.event").parse().unwrap();
        target.group(&RoomId::new(room).unwrap())
    }

    #[test]
    fn a_room_has_a_group_of_its_own_and_without_its_place_all_share_one() {
        assert_eq!(group("chat.{room}", "ops"), "chat.ops");
        assert_eq!(group("{room}", "a.b-c_1"), "a.b-c_1");
        assert_eq!(group("chat_{room}_all", "ops"), "chat_ops_all");
        assert_eq!(group("everything", "ops"), "everything");
        let target: EventsTo = " type=chat.event  group=x ".parse().unwrap();
        assert_eq!(target.kind(), "chat.event");
    }

    #[test]
    fn a_long_id_is_hashed_only_where_there_is_no_space_for_it() {
        let (long, before) = ("r".repeat(64), "b".repeat(35));
        assert_eq!(group(&format!("{before}{{room}}"), &long), format!("{before}{long}"));
        let hashed = group(&format!("{before}c{{room}}"), &long);
        // echo -n rrr… | sha256sum
        assert_eq!(hashed, format!("{before}ch-c9ea6f42c8efcb14ad78fe636f776ba7"));
        assert_eq!(group(&format!("{before}c{{room}}"), "ops"), format!("{before}cops"));
        assert_eq!(group(&format!("{}{{room}}", "b".repeat(65)), &long).len(), 99);
    }

    #[test]
    fn what_channels_or_a_consumer_would_refuse_is_refused_here() {
        let long = "b".repeat(66);
        for (bad, part) in [
            ("group=chat.{room}", "type=… is missing"),
            ("type=chat.event", "group=… is missing"),
            ("group=a group=b type=c", "twice"),
            ("groups=a type=c", "neither"),
            ("group= type=c", "no name"),
            ("group=chat:{room} type=c", "only"),
            ("group={room}.{room} type=c", "once"),
            ("group=chät type=c", "only"),
            ("group=moorline.nodes type=c", "nodes"),
            (&format!("group={long}{{room}} type=c"), "too long"),
            ("group=a type=_c", "handler"),
            ("group=a type=", "handler"),
            ("group=a type=chat-event", "handler"),
            ("group=a type=websocket.send", "Channels itself"),
        ] {
            let refused = bad.parse::<EventsTo>().unwrap_err().to_string();
            assert!(refused.contains(part), "{bad}: {refused}");
        }
    }
}
