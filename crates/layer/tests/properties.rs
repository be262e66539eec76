//! Properties of the codecs: what goes in comes out, and no bytes do harm.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by failing"
)]

use moorline_layer::{DecodeError, Fernet, Key, Map, Serializer, Value};
use proptest::prelude::*;

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => ".{0,40}".prop_map(Key::Text),
        1 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Key::Bytes),
    ]
}

/// Any value that msgpack can carry.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-200_i64..70_000).prop_map(Value::from),
        any::<f64>()
            .prop_filter("NaN is not equal to itself", |f| !f.is_nan())
            .prop_map(Value::from),
        ".{0,300}".prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::from),
        (any::<i8>(), proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(kind, bytes)| Value::Extension(kind, bytes)),
    ];
    leaf.prop_recursive(5, 60, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
            proptest::collection::vec((key(), inner), 0..20)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

fn message() -> impl Strategy<Value = Map> {
    proptest::collection::vec((key(), value()), 0..8)
        .prop_map(|entries| entries.into_iter().collect())
}

/// What JSON can carry of it.
fn json_only(value: Value) -> Option<Value> {
    match value {
        Value::Bytes(_) | Value::Extension(..) => None,
        Value::Float(number) if !number.is_finite() => None,
        Value::Array(values) => {
            Some(Value::Array(values.into_iter().filter_map(json_only).collect()))
        }
        Value::Map(map) => Some(Value::Map(json_only_map(map))),
        other => Some(other),
    }
}

fn json_only_map(map: Map) -> Map {
    let text = |(key, value)| match key {
        Key::Text(_) => Some((key, json_only(value)?)),
        Key::Bytes(_) => None,
    };
    map.into_iter().filter_map(text).collect()
}

fn keys(map: &Map) -> Vec<&Key> {
    map.iter().map(|(key, _)| key).collect()
}

proptest! {
    #[test]
    fn a_message_survives_msgpack_with_its_order(message in message()) {
        let bytes = Serializer::Msgpack.encode(&message).unwrap();
        let Value::Map(read) = Serializer::Msgpack.decode(&bytes).unwrap() else { panic!("no map") };
        prop_assert_eq!(keys(&read), keys(&message));
        // One form for each value: what was read is written the same.
        prop_assert_eq!(Serializer::Msgpack.encode(&read).unwrap(), bytes);
        prop_assert_eq!(read, message);
    }

    #[test]
    fn a_message_survives_json_as_pure_ascii(message in message()) {
        let message = json_only_map(message);
        let bytes = Serializer::Json.encode(&message).unwrap();
        prop_assert!(bytes.is_ascii());
        let standard: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(standard.as_object().unwrap().len(), message.len());
        prop_assert_eq!(Serializer::Json.decode(&bytes).unwrap(), Value::Map(message));
    }

    #[test]
    fn a_message_cut_short_anywhere_is_an_error(message in message(), at in any::<prop::sample::Index>()) {
        for serializer in [Serializer::Msgpack, Serializer::Json] {
            let Ok(bytes) = serializer.encode(&message) else { continue };
            prop_assert!(serializer.decode(&bytes[..at.index(bytes.len())]).is_err());
        }
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for serializer in [Serializer::Msgpack, Serializer::Json] {
            if let Ok(Value::Map(map)) = serializer.decode(&bytes)
                && let Ok(written) = serializer.encode(&map)
            {
                let again = serializer.decode(&written).unwrap();
                // NaN is not equal to itself, so the bytes are compared.
                prop_assert_eq!(serializer.encode(again.as_map().unwrap()).unwrap(), written);
            }
        }
    }

    #[test]
    fn json_is_read_as_the_standard_library_of_rust_reads_it(text in r#"[\[\]{}:," \\u0-9a-fA-Fnultrs.eE+-]{0,60}"#) {
        let ours = Serializer::Json.decode(text.as_bytes());
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match (&ours, &theirs) {
            // They read whole numbers beyond 64 bits as floats, and refuse floats out of range.
            (Err(DecodeError::Malformed { why, .. }), Ok(_)) => prop_assert!(why.contains("64 bits"), "{}", text),
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "{} {}", text, error),
            (Err(_), Ok(_)) => prop_assert!(false, "{text}"),
            _ => {}
        }
    }

    #[test]
    fn a_sealed_message_opens_and_nothing_else_does(
        plain in proptest::collection::vec(any::<u8>(), 0..500),
        now in 0_u64..4_000_000_000,
        garbage in proptest::collection::vec(any::<u8>(), 0..500),
    ) {
        let fernet = Fernet::new(&["new", "old"]).unwrap();
        let token = fernet.seal(&plain, now).unwrap();
        prop_assert_eq!(fernet.open(token.as_bytes(), now, Some(20)), Ok(plain));
        prop_assert_eq!(fernet.open(&garbage, now, None), Err(DecodeError::InvalidToken));
    }
}
