//! Messages of the channel layer as JSON, and back. What JSON has no word for, bytes and msgpack's extensions, is an object
//! with one key that begins with `$`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moorline_layer::{Integer, Key, Map, Message, Value};
use serde_json::{Value as Json, json};

use crate::failure::Failure;

const BYTES: &str = "$bytes";

/// A message as it is typed.
pub(super) fn read(text: &str) -> Result<Message, Failure> {
    let wrong = |what: &str| {
        let fix = r#"Write for example '{"type": "chat.message", "text": "hello"}'."#;
        Failure::usage(what, fix)
    };
    let json: Json = serde_json::from_str(text)
        .map_err(|error| wrong("The message is no JSON.").because(error))?;
    let Json::Object(entries) = json else {
        return Err(wrong("The message is JSON, but no object."));
    };
    let mut message = Message::new();
    for (key, json) in entries {
        message.insert(key, value(json)?);
    }
    match message.kind() {
        Some(_) => Ok(message),
        None => {
            Err(wrong("The message has no \"type\": no consumer would know what to do with it."))
        }
    }
}

fn value(json: Json) -> Result<Value, Failure> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => value.into(),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => number.into(),
            (None, Some(number), _) => number.into(),
            (None, None, number) => number.unwrap_or_default().into(),
        },
        Json::String(text) => text.into(),
        Json::Array(values) => {
            Value::Array(values.into_iter().map(value).collect::<Result<_, _>>()?)
        }
        Json::Object(entries) => match entries.get(BYTES).filter(|_| entries.len() == 1) {
            Some(encoded) => bytes(encoded)?,
            None => {
                let mut map = Map::new();
                for (key, json) in entries {
                    map.insert(key, value(json)?);
                }
                map.into()
            }
        },
    })
}

fn bytes(encoded: &Json) -> Result<Value, Failure> {
    let decoded = encoded.as_str().and_then(|text| STANDARD.decode(text).ok());
    decoded.map(Value::Bytes).ok_or_else(|| {
        Failure::usage("A $bytes in the message is no base64.", r#"Write {"$bytes": "aGVsbG8="}."#)
    })
}

/// A message for people and programs to read.
pub(super) fn shown(message: &Message) -> Json {
    let entries = message.iter().map(|(key, value)| {
        let key = match key {
            Key::Text(text) => text.clone(),
            Key::Bytes(bytes) => format!("$bytes:{}", STANDARD.encode(bytes)),
        };
        (key, json(value))
    });
    Json::Object(entries.collect())
}

fn json(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Integer(number) => integer(*number),
        // JSON has no word for what is no number.
        Value::Float(number) if !number.is_finite() => json!(number.to_string()),
        Value::Float(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!({BYTES: STANDARD.encode(bytes)}),
        Value::Array(values) => values.iter().map(json).collect(),
        Value::Map(map) => shown(map),
        Value::Extension(kind, bytes) => {
            json!({"$extension": kind, "$bytes": STANDARD.encode(bytes)})
        }
    }
}

fn integer(number: Integer) -> Json {
    match (number.as_i64(), number.as_u64()) {
        (Some(number), _) => json!(number),
        (None, number) => json!(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_as_it_was_typed() {
        let typed = json!({
            "type": "chat.message", "text": "Zoë", "n": -3, "big": u64::MAX, "x": 1.5, "none": null,
            "list": [true, {"deep": {"$bytes": "aGVsbG8="}}],
        });
        let message = read(&typed.to_string()).unwrap();
        assert_eq!(message.kind(), Some("chat.message"));
        assert_eq!(shown(&message), typed);
        let deep = message.get("list").unwrap().as_array().unwrap()[1].as_map().unwrap();
        assert_eq!(deep.get("deep"), Some(&Value::Bytes(b"hello".to_vec())));
    }

    #[test]
    fn what_is_no_message_is_refused_with_an_example() {
        for typed in
            ["", "chat", "[]", "{}", r#"{"type": 7}"#, r#"{"type": "x", "b": {"$bytes": "?"}}"#]
        {
            let failure = read(typed).unwrap_err();
            assert!(failure.fix.starts_with("Write"), "{typed}: {failure}");
        }
    }

    #[test]
    fn what_json_has_no_word_for_is_told_in_another() {
        let mut message = Message::of_type("x").with("f", f64::NAN);
        message.insert(Key::Bytes(b"k".to_vec()), Value::Extension(-1, vec![0]));
        let expected =
            json!({"type": "x", "f": "NaN", "$bytes:aw==": {"$extension": -1, "$bytes": "AA=="}});
        assert_eq!(shown(&message), expected);
    }
}
