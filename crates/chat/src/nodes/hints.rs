//! Hints: what a node tells the others about its commits, and the MAC that only nodes of one store can make.
//!
//! `nodes` seals and opens them. What comes from the layer may be lost, late, repeated, altered or invented by whoever
//! can write to Redis; a hint that opens was made by a node of this store, and says only what was committed.

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moorline_layer::{Message, Value};
use moorline_protocol::{Cid, Event, Notice, RoomId, Seq, UserId};
use moorline_store::Place;
use serde::{Deserialize, Serialize};

/// The type of the layer's messages.
pub(super) const KIND: &str = "moorline.hint";
/// What the MAC is made over begins with this, so that no other use of the key can be taken for a hint.
const PURPOSE: &[u8] = b"moorline hint 1\0";
/// The longest body that is looked at; a sender stays far below.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// What one node says to the others at once.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct News {
    /// Commits, room by room, each in the order of its log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rooms: Vec<RoomNews>,
    /// Read markers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) receipts: Vec<Marker>,
    /// Who typed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) typing: Vec<Typist>,
    /// Who came, went or turned away on the sending node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) presence: Vec<Presence>,
    /// Notices of backends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notices: Vec<Noticed>,
    /// Something was committed that only the store tells: sessions ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) look: bool,
    /// Whether a newer hint of that node came before: nothing but the numbers of a log can place it.
    #[serde(skip)]
    pub(crate) is_late: bool,
    /// Whose news it is.
    #[serde(skip)]
    pub(crate) node: u64,
}

impl News {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { rooms, receipts, typing, presence, notices, look, is_late: _, node: _ } = self;
        let is_quiet = typing.is_empty() && presence.is_empty() && receipts.is_empty();
        rooms.is_empty() && notices.is_empty() && is_quiet && !look
    }
}

/// What was committed in one room.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RoomNews {
    pub(crate) room: RoomId,
    /// How many members it has now.
    pub(crate) members: u64,
    pub(crate) events: Vec<Arc<Event>>,
}

/// Somebody's read marker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Marker {
    pub(crate) room: RoomId,
    pub(crate) user: UserId,
    pub(crate) seq: Seq,
}

/// Somebody who typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Typist {
    pub(crate) room: RoomId,
    pub(crate) user: UserId,
}

/// A notice of a backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Noticed {
    pub(crate) notice: Notice,
    /// The backend's own id of it, by which a repetition is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Cid>,
}

/// How somebody is on the sending node, as it wrote to the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Presence {
    user: UserId,
    connections: u32,
    away: bool,
    version: u64,
}

impl From<Place> for Presence {
    fn from(Place { user, connections, is_away, version }: Place) -> Self {
        Self { user, connections, away: is_away, version }
    }
}

impl From<Presence> for Place {
    fn from(Presence { user, connections, away, version }: Presence) -> Self {
        Self { user, connections, is_away: away, version }
    }
}

/// The outside of a hint: who sent it, as the how-manieth, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// The sending node: a random number made at its start.
    pub(crate) node: u64,
    /// The sender counts from 1.
    pub(crate) number: u64,
    /// The sender's clock, ms since 1970.
    pub(crate) at_ms: u64,
}

/// Why a message is no hint of this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// A part is missing, of another type, or too large.
    #[error("it has not the parts of a hint")]
    Malformed,
    /// Another store's nodes use the same Redis and prefix.
    #[error("it is of another store")]
    OtherStore,
    /// Whoever made it has not the key, or altered it.
    #[error("its MAC does not fit")]
    Forged,
}

/// Makes and opens the hints of one store.
pub(crate) struct Seal {
    key: hmac::Key,
    /// Names the store, without telling the key.
    store: String,
}

impl Seal {
    /// With the key that all nodes of a store have.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let name = hmac::sign(&key, b"moorline store\0");
        let name = digest::digest(&digest::SHA256, name.as_ref());
        let store = name.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { key, store }
    }

    /// A message of the layer; `None` where there is nothing that can be said as JSON.
    pub(crate) fn seal(&self, envelope: Envelope, news: &News) -> Option<Message> {
        let body = serde_json::to_string(news).ok()?;
        let mac = hmac::sign(&self.key, &signed(envelope, &body));
        Some(
            Message::of_type(KIND)
                .with("store", self.store.as_str())
                .with("node", format!("{:016x}", envelope.node))
                .with("number", i64::try_from(envelope.number).ok()?)
                .with("at", i64::try_from(envelope.at_ms).ok()?)
                .with("body", body)
                .with("mac", URL_SAFE_NO_PAD.encode(mac)),
        )
    }

    /// What a message says, if a node of this store made it.
    pub(crate) fn open(&self, message: &Message) -> Result<(Envelope, News), Refused> {
        if message.kind() != Some(KIND) {
            return Err(Refused::Malformed);
        }
        let store = text(message, "store")?;
        if store != self.store {
            return Err(Refused::OtherStore);
        }
        let node = u64::from_str_radix(text(message, "node")?, 16);
        let envelope = Envelope {
            node: node.map_err(|_| Refused::Malformed)?,
            number: number(message, "number")?,
            at_ms: number(message, "at")?,
        };
        let body = text(message, "body")?;
        let mac = URL_SAFE_NO_PAD.decode(text(message, "mac")?).map_err(|_| Refused::Malformed)?;
        hmac::verify(&self.key, &signed(envelope, body), &mac).map_err(|_| Refused::Forged)?;
        let news = serde_json::from_str(body).map_err(|_| Refused::Malformed)?;
        Ok((envelope, news))
    }
}

fn signed(envelope: Envelope, body: &str) -> Vec<u8> {
    let mut signed = Vec::with_capacity(PURPOSE.len() + 24 + body.len());
    signed.extend_from_slice(PURPOSE);
    for part in [envelope.node, envelope.number, envelope.at_ms] {
        signed.extend_from_slice(&part.to_be_bytes());
    }
    signed.extend_from_slice(body.as_bytes());
    signed
}

fn number(message: &Message, name: &str) -> Result<u64, Refused> {
    let number = message.get(name).and_then(Value::as_i64);
    number.and_then(|number| u64::try_from(number).ok()).ok_or(Refused::Malformed)
}

/// A text of a bounded length. JSON layers carry no bytes, so everything is text.
fn text<'a>(message: &'a Message, name: &str) -> Result<&'a str, Refused> {
    let text = message.text(name).ok_or(Refused::Malformed)?;
    if text.len() > MOST_BYTES { Err(Refused::Malformed) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVELOPE: Envelope = Envelope { node: 7, number: 3, at_ms: 1_795_377_137_000 };

    fn seal() -> Seal {
        Seal::new(&[7; 32])
    }

    fn news() -> News {
        let marker = Marker {
            room: RoomId::new("ops").unwrap(),
            user: UserId::new("ann").unwrap(),
            seq: Seq(5),
        };
        News { receipts: vec![marker], look: true, ..News::default() }
    }

    #[test]
    fn what_a_node_of_the_store_sealed_opens_as_it_was() {
        let (envelope, opened) = seal().open(&seal().seal(ENVELOPE, &news()).unwrap()).unwrap();
        assert_eq!(envelope, ENVELOPE);
        assert_eq!((opened.receipts.len(), opened.look), (1, true));
        assert_eq!(opened.receipts[0].user.as_str(), "ann");
        assert!(opened.rooms.is_empty() && !opened.is_empty());
    }

    #[test]
    fn every_part_that_is_altered_is_noticed() {
        let good = seal().seal(ENVELOPE, &news()).unwrap();
        let altered: [(&str, Value); 5] = [
            ("node", "0000000000000008".into()),
            ("number", 4_i64.into()),
            ("at", 1_i64.into()),
            ("body", "{}".into()),
            ("mac", "AAAA".into()),
        ];
        for (name, value) in altered {
            let bad = good.clone().with(name, value);
            assert_eq!(seal().open(&bad).unwrap_err(), Refused::Forged, "{name}");
        }
    }

    #[test]
    fn another_store_is_told_from_a_forgery() {
        let other = Seal::new(&[8; 32]).seal(ENVELOPE, &news()).unwrap();
        assert_eq!(seal().open(&other).unwrap_err(), Refused::OtherStore);
        let posing = other.with("store", seal().store.as_str());
        assert_eq!(seal().open(&posing).unwrap_err(), Refused::Forged);
    }

    #[test]
    fn what_is_no_hint_is_refused_whatever_it_holds() {
        let good = seal().seal(ENVELOPE, &news()).unwrap();
        for name in ["store", "node", "number", "at", "body", "mac"] {
            let mut without = good.clone();
            without.remove(name);
            assert_eq!(seal().open(&without).unwrap_err(), Refused::Malformed, "without {name}");
            let ill = good.clone().with(name, Value::Nil);
            assert_eq!(seal().open(&ill).unwrap_err(), Refused::Malformed, "{name} is null");
        }
        let long = good.clone().with("body", " ".repeat(MOST_BYTES + 1));
        assert_eq!(seal().open(&long).unwrap_err(), Refused::Malformed);
        assert_eq!(seal().open(&good.with("number", -1_i64)).unwrap_err(), Refused::Malformed);
        let django = Message::of_type("chat.message");
        assert_eq!(seal().open(&django).unwrap_err(), Refused::Malformed);
    }
}
