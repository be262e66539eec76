//! Between the layer's messages and a browser's JSON. Both come from strangers: depth and size are bounded, and what one
//! side cannot carry is an expected answer.

use moorline_layer::{Message, Serializer, Value};

/// Lists and objects within each other that a browser may send into a group. The tutorial sends one.
const DEPTH: usize = 16;

/// A message as the JSON that the page knows, as Python would write it; none where JSON cannot carry it (bytes, NaN).
pub(crate) fn to_json(mut message: Message, keeps_type: bool) -> Option<String> {
    if !keeps_type {
        message.remove("type");
    }
    String::from_utf8(Serializer::Json.encode(&message).ok()?).ok()
}

/// A browser's JSON object as a message of this type, with those of these fields that it has; none if it has none.
pub(crate) fn to_message(text: &str, kind: &str, fields: &[String]) -> Option<Message> {
    let serde_json::Value::Object(mut said) = serde_json::from_str(text).ok()? else {
        return None;
    };
    let mut message = Message::of_type(kind);
    for field in fields {
        if let Some(value) = said.remove(field) {
            // The object itself is the first.
            message.insert(field.as_str(), to_value(value, 2)?);
        }
    }
    (message.len() > 1).then_some(message)
}

fn to_value(value: serde_json::Value, depth: usize) -> Option<Value> {
    use serde_json::Value as Json;
    if depth > DEPTH {
        return None;
    }
    Some(match value {
        Json::Null => Value::Nil,
        Json::Bool(is_on) => Value::Bool(is_on),
        Json::String(text) => Value::Text(text),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(natural), _) => natural.into(),
            (None, Some(negative)) => negative.into(),
            (None, None) => Value::Float(number.as_f64()?),
        },
        Json::Array(values) => {
            let values = values.into_iter().map(|value| to_value(value, depth + 1));
            Value::Array(values.collect::<Option<_>>()?)
        }
        Json::Object(entries) => {
            let mut map = Message::new();
            for (key, value) in entries {
                map.insert(key, to_value(value, depth + 1)?);
            }
            Value::Map(map)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_browser_gets_the_object_that_the_page_knows() {
        let message = Message::of_type("chat.message").with("message", "Grüße \"x\"").with("n", 3);
        let json = to_json(message.clone(), false).unwrap();
        assert_eq!(json, r#"{"message": "Gr\u00fc\u00dfe \"x\"", "n": 3}"#);
        assert!(to_json(message, true).unwrap().starts_with(r#"{"type": "chat.message", "#));
    }

    #[test]
    fn what_json_cannot_carry_is_not_passed_on() {
        for value in [Value::Bytes(vec![1]), Value::Float(f64::NAN), Value::Extension(1, vec![])] {
            assert_eq!(
                to_json(Message::of_type("x").with("v", value.clone()), false),
                None,
                "{value:?}"
            );
        }
    }

    #[test]
    fn only_the_named_fields_are_taken_over_and_never_the_type() {
        let text =
            r#"{"message":"hi","user":"the boss","type":"chat.delete","__asgi_channel__":"x"}"#;
        let message = to_message(text, "chat.message", &fields(&["message"])).unwrap();
        assert_eq!(message, Message::of_type("chat.message").with("message", "hi"));
        let all = r#"{"a":[1,-2,1.5,null,true,{"b":"c"}],"b":18446744073709551615}"#;
        let message = to_message(all, "x", &fields(&["a", "b"])).unwrap();
        assert_eq!(to_json(message, false).unwrap(), all.replace(',', ", ").replace(':', ": "));
    }

    #[test]
    fn what_is_no_object_with_such_a_field_is_nothing() {
        let deep = format!(r#"{{"message":{}{}}}"#, "[".repeat(16), "]".repeat(16));
        let bottomless = format!(r#"{{"message":{}"#, "[".repeat(100_000));
        for text in ["", "{", "[]", "7", "null", "{}", r#"{"other":1}"#, &deep, &bottomless] {
            assert_eq!(to_message(text, "x", &fields(&["message"])), None, "{text:.40}");
        }
        let allowed = format!(r#"{{"message":{}{}}}"#, "[".repeat(15), "]".repeat(15));
        assert!(to_message(&allowed, "x", &fields(&["message"])).is_some());
    }
}
