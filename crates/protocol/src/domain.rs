//! Domain events: what a server tells other programs of its rooms and people, by Redis Pub/Sub. `docs/events.md` describes
//! them for subscribers.
//!
//! The binary makes them of what its node committed and publishes each under its name. Clients never see one.

use serde::Serialize;

use crate::{
    Change, Cid, Epoch, Event, EventId, EventKind, Presence, PresenceChange, Role, RoomId,
    RoomKind, Seq, UserId,
};

/// One domain event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DomainEvent<'a> {
    /// Of this form; 1.
    version: u32,
    /// Where in a room's log it stands; absent where it is no event of a log.
    #[serde(flatten)]
    place: Option<PlaceOf<'a>>,
    #[serde(flatten)]
    what: What<'a>,
    /// When, ms since 1970.
    at: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct PlaceOf<'a> {
    room: &'a RoomId,
    epoch: Epoch,
    seq: Seq,
    id: EventId,
    by: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    cid: Option<&'a Cid>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event")]
enum What<'a> {
    #[serde(rename = "message.created")]
    MessageCreated { message: MessageFacts<'a> },
    #[serde(rename = "message.edited")]
    MessageEdited { message: MessageFacts<'a> },
    #[serde(rename = "message.deleted")]
    MessageDeleted { message: MessageFacts<'a> },
    #[serde(rename = "member.joined")]
    MemberJoined {
        user: &'a UserId,
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
    },
    #[serde(rename = "member.left")]
    MemberLeft { user: &'a UserId, removed: bool },
    #[serde(rename = "room.created")]
    RoomCreated(RoomFacts<'a>),
    #[serde(rename = "room.renamed")]
    RoomRenamed { name: &'a str },
    #[serde(rename = "presence.changed")]
    PresenceChanged { user: &'a UserId, state: Presence },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct MessageFacts<'a> {
    id: EventId,
    seq: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<EventId>,
}

/// What is known of a room when it is made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoomFacts<'a> {
    /// Which.
    pub room: &'a RoomId,
    /// How people come into it.
    pub kind: RoomKind,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// Who made it; absent where the server's API did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'a UserId>,
}

impl<'a> DomainEvent<'a> {
    const VERSION: u32 = 1;

    /// What an event of a room's log is for others: one of each, but one a person where people came or went.
    #[must_use]
    pub fn of(event: &'a Event) -> Vec<Self> {
        let all = match &event.kind {
            EventKind::Message { body, reply_to, .. } => {
                let message = changed(event.id, event.seq, Some(body));
                vec![What::MessageCreated {
                    message: MessageFacts { reply_to: *reply_to, ..message },
                }]
            }
            EventKind::Edit { message, of, body } => {
                vec![What::MessageEdited { message: changed(*message, *of, Some(body)) }]
            }
            EventKind::Delete { message, of } => {
                vec![What::MessageDeleted { message: changed(*message, *of, None) }]
            }
            EventKind::Member { changes } => changes
                .iter()
                .map(|change| match change.change {
                    Change::Joined => What::MemberJoined { user: &change.user, role: change.role },
                    Change::Left => What::MemberLeft { user: &change.user, removed: false },
                    Change::Removed => What::MemberLeft { user: &change.user, removed: true },
                })
                .collect(),
            EventKind::Rename { name } => vec![What::RoomRenamed { name }],
        };
        let place = PlaceOf {
            room: &event.room,
            epoch: event.epoch,
            seq: event.seq,
            id: event.id,
            by: &event.from,
            cid: event.cid.as_ref(),
        };
        let of =
            |what| Self { version: Self::VERSION, place: Some(place.clone()), what, at: event.at };
        all.into_iter().map(of).collect()
    }

    /// That a room was made.
    #[must_use]
    pub fn room_created(room: RoomFacts<'a>, at: u64) -> Self {
        Self { version: Self::VERSION, place: None, what: What::RoomCreated(room), at }
    }

    /// That somebody came, went, or left their screen.
    #[must_use]
    pub fn presence_changed(change: &'a PresenceChange) -> Self {
        let what = What::PresenceChanged { user: &change.user, state: change.state };
        Self { version: Self::VERSION, place: None, what, at: change.at }
    }

    /// Its name, which is `event` in its JSON and the end of the channel that it is published on.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.what {
            What::MessageCreated { .. } => "message.created",
            What::MessageEdited { .. } => "message.edited",
            What::MessageDeleted { .. } => "message.deleted",
            What::MemberJoined { .. } => "member.joined",
            What::MemberLeft { .. } => "member.left",
            What::RoomCreated(_) => "room.created",
            What::RoomRenamed { .. } => "room.renamed",
            What::PresenceChanged { .. } => "presence.changed",
        }
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> String {
        // Texts, numbers and text keys always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn changed(id: EventId, seq: Seq, body: Option<&str>) -> MessageFacts<'_> {
    MessageFacts { id, seq, body, reply_to: None }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(kind: Value) -> Event {
        let mut event = json!({
            "type": "event", "room": "ops", "epoch": "00000000000000ff", "seq": 42,
            "id": "01930000-0000-7000-8000-00009c41f07b", "from": "bob", "cid": "c1", "at": 1_795_377_137_000_u64,
        });
        event.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        serde_json::from_value(event).unwrap()
    }

    /// The JSON of each, without what all events of a log have, which is looked at here.
    fn told(kind: Value) -> Vec<Value> {
        let event = event(kind);
        let all = DomainEvent::of(&event);
        let rest = |told: &DomainEvent<'_>| {
            let mut told_json: Value = serde_json::from_str(&told.json()).unwrap();
            assert_eq!(told_json["event"], told.name());
            let object = told_json.as_object_mut().unwrap();
            for (name, value) in [
                ("version", json!(1)),
                ("room", json!("ops")),
                ("epoch", json!("00000000000000ff")),
                ("seq", json!(42)),
                ("id", json!("01930000-0000-7000-8000-00009c41f07b")),
                ("by", json!("bob")),
                ("cid", json!("c1")),
                ("at", json!(1_795_377_137_000_u64)),
            ] {
                assert_eq!(object.remove(name), Some(value), "{name}");
            }
            told_json
        };
        all.iter().map(rest).collect()
    }

    const OTHER: &str = "01930000-0000-7000-8000-000000000001";

    #[test]
    fn a_message_is_told_with_its_text_and_its_changes_name_it() {
        let id = "01930000-0000-7000-8000-00009c41f07b";
        assert_eq!(
            told(json!({"kind": "message", "body": "hi", "reply_to": OTHER, "n": 3})),
            [json!({"event": "message.created",
                    "message": {"id": id, "seq": 42, "body": "hi", "reply_to": OTHER}})]
        );
        assert_eq!(
            told(json!({"kind": "edit", "message": OTHER, "of": 7, "body": "ho"})),
            [json!({"event": "message.edited", "message": {"id": OTHER, "seq": 7, "body": "ho"}})]
        );
        assert_eq!(
            told(json!({"kind": "delete", "message": OTHER, "of": 7})),
            [json!({"event": "message.deleted", "message": {"id": OTHER, "seq": 7}})]
        );
    }

    #[test]
    fn everybody_who_comes_or_goes_is_an_event_of_their_own() {
        let changes = json!({"kind": "member", "changes": [
            {"user": "ann", "change": "joined", "role": "owner"},
            {"user": "cleo", "change": "left"},
            {"user": "dan", "change": "removed"},
        ]});
        assert_eq!(
            told(changes),
            [
                json!({"event": "member.joined", "user": "ann", "role": "owner"}),
                json!({"event": "member.left", "user": "cleo", "removed": false}),
                json!({"event": "member.left", "user": "dan", "removed": true}),
            ]
        );
        assert_eq!(
            told(json!({"kind": "rename", "name": "Dev"})),
            [json!({"event": "room.renamed", "name": "Dev"})]
        );
    }

    #[test]
    fn rooms_and_presence_have_no_place_in_a_log() {
        let (room, by) = (RoomId::new("ops").unwrap(), UserId::new("ann").unwrap());
        let facts =
            RoomFacts { room: &room, kind: RoomKind::Group, name: Some("Ops"), by: Some(&by) };
        let made: Value =
            serde_json::from_str(&DomainEvent::room_created(facts, 7).json()).unwrap();
        assert_eq!(
            made,
            json!({"version": 1, "event": "room.created", "room": "ops", "kind": "group",
                   "name": "Ops", "by": "ann", "at": 7})
        );
        let change = PresenceChange { user: by, state: Presence::Away, at: 8 };
        let told: Value =
            serde_json::from_str(&DomainEvent::presence_changed(&change).json()).unwrap();
        assert_eq!(
            told,
            json!({"version": 1, "event": "presence.changed", "user": "ann", "state": "away", "at": 8})
        );
    }
}
