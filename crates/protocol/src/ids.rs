//! Identifiers and positions. Parsed once, at the border; a value of these types is valid wherever it appears.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The largest integer of the protocol, 2^53 − 1: what a JavaScript number holds exactly.
pub(crate) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Why a text is no id; the text of the error says the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct InvalidId {
    what: &'static str,
    rule: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $pattern:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        pub struct $name(
            #[cfg_attr(
                feature = "schema",
                schemars(with = "String", regex(pattern = $pattern)),
                ts(type = "string")
            )]
            Arc<str>,
        );

        impl $name {
            /// Takes the text if it obeys the rule of this id.
            ///
            /// # Errors
            /// [`InvalidId`] with the rule, where it does not.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(InvalidId { what: $what, rule: $rule }) }
            }

            /// The id as the wire shows it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id! {
    /// A room: 1 to 64 of `A-Z a-z 0-9 _ . -`.
    RoomId, "a room id", "1 to 64 of the characters A-Z a-z 0-9 _ . -", "^[A-Za-z0-9_.-]{1,64}$",
    |text| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    }
}

text_id! {
    /// A person: 1 to 128 bytes of printable UTF-8, given by the backend or, for a built-in account, generated (`u_…`).
    UserId, "a person's id", "1 to 128 bytes of printable text", "^.{1,128}$",
    |text| (1..=128).contains(&text.len()) && text.chars().all(is_printable)
}

text_id! {
    /// The client's own id of a command that changes something durable: 1 to 64 printable ASCII characters, a UUIDv7 in
    /// our SDK. Sent again, it is answered with the first ack, for ever.
    Cid, "a cid", "1 to 64 printable ASCII characters", "^[!-~]{1,64}$",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Neither a control character nor one that has no shape of its own or turns the direction of what follows.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The number of an event in its room's log: 1, 2, 3, … without holes; 0 stands before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(transparent)]
pub struct Seq(#[cfg_attr(feature = "schema", ts(type = "number"))] pub u64);

impl Seq {
    /// The number that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for Seq {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        integer(deserializer).map(Self)
    }
}

/// Reads an integer of the protocol: 0 to 2^53 − 1.
pub(crate) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number > MAX_INTEGER {
        return Err(serde::de::Error::custom("an integer must be from 0 to 9007199254740991"));
    }
    Ok(number)
}

/// The same where the field may be absent or null.
pub(crate) fn optional_integer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    match Option::<u64>::deserialize(deserializer)? {
        Some(number) if number > MAX_INTEGER => {
            Err(serde::de::Error::custom("an integer must be from 0 to 9007199254740991"))
        }
        other => Ok(other),
    }
}

/// One life of a room's log: random, and new whenever history was lost or rewritten. 16 hex digits on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Epoch(
    #[cfg_attr(feature = "schema", schemars(with = "String"), ts(type = "string"))] pub u64,
);

impl Epoch {
    /// What any text that no node ever gave out stands for; no room has it.
    pub const UNKNOWN: Self = Self(0);
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Epoch {
    /// Any text is taken: one that is no epoch of ours is [`Epoch::UNKNOWN`], so that resuming from it is a reset.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let is_ours =
            text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        Ok(if is_ours {
            u64::from_str_radix(&text, 16).map_or(Self::UNKNOWN, Self)
        } else {
            Self::UNKNOWN
        })
    }
}

/// An event of a room: a UUIDv7 (RFC 9562), whose end is random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(transparent)]
pub struct EventId(
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", extend("format" = "uuid")),
        ts(type = "string")
    )]
    pub Uuid,
);

impl EventId {
    /// The last 8 characters: what a position carries, so that another event at the same seq is noticed.
    #[must_use]
    pub fn check(&self) -> String {
        let bytes = self.0.as_bytes();
        bytes[12..].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Where in a room's log a client stands: everything up to and with `seq` is known to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Position {
    /// The life of the log that the seq belongs to.
    pub epoch: Epoch,
    /// The last event that the client has.
    pub seq: Seq,
    /// The last 8 characters of that event's id; absent where the client has no event yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub check: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_id_obeys_its_alphabet_and_length() {
        for good in ["r", "a.b-c_D9", &"x".repeat(64)] {
            assert!(RoomId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "ü", "a/b", &"x".repeat(65)] {
            assert!(RoomId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_persons_id_is_printable_and_at_most_128_bytes() {
        assert!(UserId::new("Ärne 7").is_ok());
        for bad in ["", "a\nb", "a\u{202e}b", "a\u{200b}b", &"é".repeat(65)] {
            assert!(UserId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_foreign_epoch_is_read_as_unknown() {
        let read = |text: &str| serde_json::from_str::<Epoch>(text).unwrap();
        assert_eq!(read("\"00000000000000ff\""), Epoch(255));
        assert_eq!(read("\"e\""), Epoch::UNKNOWN);
        assert_eq!(read("\"00000000000000FF\""), Epoch::UNKNOWN);
    }

    #[test]
    fn a_seq_beyond_2_to_the_53_is_refused() {
        assert!(serde_json::from_str::<Seq>("9007199254740991").is_ok());
        for bad in ["9007199254740992", "-1", "1.5", "1e400", "\"1\""] {
            assert!(serde_json::from_str::<Seq>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_check_of_an_event_is_the_end_of_its_id() {
        let id = EventId(Uuid::parse_str("01930000-0000-7000-8000-00009c41f07b").unwrap());
        assert_eq!(id.check(), "9c41f07b");
        assert!(id.to_string().ends_with(&id.check()));
    }
}
