//! What the backend's JSON says; `docs/auth-url.md` describes it. Pure: no clock, no store.

use moorline_protocol::{RoomId, UserId};
use serde::Deserialize;

use crate::auth::authenticator::{RESERVED, Signed};

/// How long an answer holds that does not say so: as long as a person may stay after a logout.
const DEFAULT_SECS: u64 = 300;
/// No answer holds longer, whatever it says.
const MAX_SECS: u64 = 86_400;

#[derive(Deserialize)]
struct Answer {
    user: Option<Person>,
    expires_in: Option<u64>,
    rooms: Option<Vec<RoomId>>,
}

#[derive(Deserialize)]
struct Person {
    id: Id,
    name: Option<String>,
}

/// Many backends count their people.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the id must be a text or a whole number")]
enum Id {
    Text(String),
    Number(u64),
}

/// The person, or nobody; `asked_ms` is when the question was put.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(json: &[u8], asked_ms: u64) -> Result<Option<Signed>, String> {
    let answer: Answer = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let Some(Person { id, name }) = answer.user else { return Ok(None) };
    let id = match id {
        Id::Text(id) => id,
        Id::Number(id) => id.to_string(),
    };
    if id.starts_with(RESERVED) {
        return Err("ids that begin with u_ belong to built-in accounts".to_owned());
    }
    let user = UserId::new(id).map_err(|error| format!("user.id: {error}"))?;
    let secs = answer.expires_in.unwrap_or(DEFAULT_SECS).min(MAX_SECS);
    if secs == 0 {
        return Err("expires_in must be at least 1 (seconds)".to_owned());
    }
    Ok(Some(Signed {
        user,
        name,
        rooms: answer.rooms.unwrap_or_default(),
        expires_ms: asked_ms + secs * 1_000,
        issued_ms: asked_ms,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(json: Value) -> Result<Option<Signed>, String> {
        read(json.to_string().as_bytes(), 1_000)
    }

    #[test]
    fn a_person_comes_with_a_name_a_time_and_rooms() {
        let full = json!({"user":{"id":"7","name":"Ann"},"expires_in":60,"rooms":["r1"],"more":{}});
        let signed = answer(full).unwrap().unwrap();
        assert_eq!((signed.user.as_str(), signed.name.as_deref()), ("7", Some("Ann")));
        assert_eq!((signed.issued_ms, signed.expires_ms), (1_000, 61_000));
        assert_eq!(signed.rooms, ["r1".parse().unwrap()]);
    }

    #[test]
    fn an_id_is_enough_and_may_be_a_number() {
        let signed = answer(json!({"user":{"id":7}})).unwrap().unwrap();
        assert_eq!((signed.user.as_str(), signed.name, signed.rooms.len()), ("7", None, 0));
        assert_eq!(signed.expires_ms, 1_000 + DEFAULT_SECS * 1_000);
    }

    #[test]
    fn no_answer_holds_longer_than_a_day() {
        let signed = answer(json!({"user":{"id":7},"expires_in":9_007_199_254_740_991_u64}));
        assert_eq!(signed.unwrap().unwrap().expires_ms, 1_000 + MAX_SECS * 1_000);
    }

    #[test]
    fn without_a_person_it_is_nobody() {
        assert!(answer(json!({"user":null})).unwrap().is_none());
        assert!(answer(json!({})).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_refused_and_named() {
        let wrong = [
            (json!({"user":"ann"}), "invalid type"),
            (json!({"user":{}}), "missing field `id`"),
            (json!({"user":{"id":""}}), "user.id"),
            (json!({"user":{"id":"a".repeat(129)}}), "user.id"),
            (json!({"user":{"id":"a\nb"}}), "user.id"),
            (json!({"user":{"id":1.5}}), "whole number"),
            (json!({"user":{"id":-1}}), "whole number"),
            (json!({"user":{"id":"u_0193"}}), "built-in"),
            (json!({"user":{"id":"a"},"expires_in":0}), "at least 1"),
            (json!({"user":{"id":"a"},"expires_in":-5}), "invalid value"),
            (json!({"user":{"id":"a"},"expires_in":"300"}), "invalid type"),
            (json!({"user":{"id":"a"},"rooms":["a room"]}), "room"),
            (json!({"user":{"id":"a"},"rooms":"r1"}), "invalid type"),
            (json!([]), "invalid"),
        ];
        for (json, part) in wrong {
            let why = answer(json.clone()).unwrap_err();
            assert!(why.contains(part), "{json}: {why}");
        }
        assert!(read(b"<html>Sign in</html>", 0).is_err());
        assert!(read(&b"[".repeat(60_000), 0).is_err());
    }
}
