//! Golden vectors of both formats, written by Python, and what hostile bytes give.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn list<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> Value {
    Value::Array(values.into_iter().map(Into::into).collect())
}

fn message_b() -> Map {
    Map::of_type("chat.message")
        .with("text", "héllo ✓ 😀")
        .with("n", 1)
        .with("f", 1.5)
        .with("t", true)
        .with("z", Value::Nil)
        .with("neg", -1)
        .with("l", vec![Value::from(1), "a".into(), Map::new().into()])
}

/// Messages in Python's order, and the bytes of `msgpack.packb`.
fn golden() -> Vec<(Map, &'static str)> {
    let numbers = [
        127,
        128,
        255,
        256,
        65535,
        65536,
        4294967295,
        4294967296,
        9223372036854775808,
        -32,
        -33,
        -128,
        -129,
        -32768,
        -32769,
        -2147483648,
        -2147483649_i128,
    ];
    let numbers = numbers.map(|number| match u64::try_from(number) {
        Ok(number) => Value::from(number),
        Err(_) => Value::from(i64::try_from(number).unwrap()),
    });
    vec![
        (
            Map::of_type("test.message").with("text", "Hello"),
            "82a474797065ac746573742e6d657373616765a474657874a548656c6c6f",
        ),
        (
            message_b(),
            "88a474797065ac636861742e6d657373616765a474657874af68c3a96c6c6f20e29c9320f09f9880a16e01a166cb3ff80000000000\
             00a174c3a17ac0a36e6567ffa16c9301a16180",
        ),
        (Map::of_type("x").with("b", vec![0x00, 0xff]), "82a474797065a178a162c40200ff"),
        (
            Map::of_type("x").with("i", list(numbers)),
            "82a474797065a178a169dc00117fcc80ccffcd0100cdffffce00010000ceffffffffcf0000000100000000cf8000000000000000e0\
             d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffff",
        ),
        (
            Map::of_type("x").with("f", list([0.1, 1e300, -0.0, 3.0])),
            "82a474797065a178a16694cb3fb999999999999acb7e37e43c8800759ccb8000000000000000cb4008000000000000",
        ),
    ]
}

#[test]
fn msgpack_is_written_as_python_writes_it() {
    for (message, bytes) in golden() {
        assert_eq!(hex::encode(Serializer::Msgpack.encode(&message).unwrap()), bytes);
        assert_eq!(Serializer::Msgpack.decode(&hex(bytes)), Ok(Value::Map(message)));
    }
}

#[test]
fn json_is_written_as_python_writes_it() {
    let golden = [
        (
            Map::of_type("test.message").with("text", "Hello"),
            r#"{"type": "test.message", "text": "Hello"}"#,
        ),
        (
            message_b(),
            r#"{"type": "chat.message", "text": "h\u00e9llo \u2713 \ud83d\ude00", "n": 1, "f": 1.5, "t": true, "z": null, "neg": -1, "l": [1, "a", {}]}"#,
        ),
        (
            Map::new()
                .with("f", list([1e300, 3.0, -0.0, 1e16, 1e15, 1e-4, 1.5e-5, 0.1, 123456789.5])),
            r#"{"f": [1e+300, 3.0, -0.0, 1e+16, 1000000000000000.0, 0.0001, 1.5e-05, 0.1, 123456789.5]}"#,
        ),
        (
            Map::new().with("s", "\"\\/\u{8}\u{c}\n\r\t\u{7f}\u{1}"),
            r#"{"s": "\"\\/\b\f\n\r\t\u007f\u0001"}"#,
        ),
        (
            Map::new().with("i", vec![Value::from(u64::MAX), i64::MIN.into()]),
            r#"{"i": [18446744073709551615, -9223372036854775808]}"#,
        ),
    ];
    for (message, text) in golden {
        let written = Serializer::Json.encode(&message).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), text);
        assert_eq!(Serializer::Json.decode(text.as_bytes()), Ok(Value::Map(message)));
    }
}

#[test]
fn an_address_is_the_last_entry() {
    let channel = format!("specific.0123456789abcdef0123456789abcdef!{}", "f".repeat(32));
    let entries = Serializer::Msgpack.entries(&Map::of_type("x")).unwrap();
    let one = Serializer::Msgpack.finish(&entries, Some(&Address::One(&channel)));
    let name = hex::encode(&channel);
    assert_eq!(
        hex::encode(one),
        format!("82a474797065a178b05f5f617367695f6368616e6e656c5f5fd94a{name}")
    );
    let all = Serializer::Msgpack.finish(&entries, Some(&Address::All(&[&channel, "worker"])));
    let tail = format!("b05f5f617367695f6368616e6e656c5f5f92d94a{name}a6776f726b6572");
    assert_eq!(hex::encode(all), format!("82a474797065a178{tail}"));
    let entries = Serializer::Json.entries(&Map::new()).unwrap();
    let json = Serializer::Json.finish(&entries, Some(&Address::All(&["a", "b"])));
    assert_eq!(json, br#"{"__asgi_channel__": ["a", "b"]}"#);
}

#[test]
fn lengths_take_the_shortest_form() {
    let head = |value: Value| {
        let bytes = Serializer::Msgpack.encode(&Map::new().with("s", value)).unwrap();
        hex::encode(&bytes[3..8.min(bytes.len())])
    };
    assert!(head("x".repeat(31).into()).starts_with("bf"));
    assert!(head("x".repeat(32).into()).starts_with("d920"));
    assert!(head("x".repeat(300).into()).starts_with("da012c"));
    assert!(head("x".repeat(70000).into()).starts_with("db00011170"));
    assert!(head(vec![0_u8; 300].into()).starts_with("c5012c"));
    assert!(head(list([1; 15])).starts_with("9f"));
    assert!(head(list([1; 16])).starts_with("dc0010"));
    let map: Map = (0..16).map(|n| (n.to_string().into(), Value::Nil)).collect();
    assert!(head(map.into()).starts_with("de0010"));
    for length in [1, 2, 3, 4, 8, 16, 17, 256, 70000] {
        let message = Map::new().with("e", Value::Extension(-1, vec![7; length]));
        let bytes = Serializer::Msgpack.encode(&message).unwrap();
        assert_eq!(Serializer::Msgpack.decode(&bytes), Ok(Value::Map(message)));
    }
}

#[test]
fn a_repeated_key_has_the_last_value() {
    let value = Serializer::Msgpack.decode(&hex("82a16101a16102")).unwrap();
    assert_eq!(value, Map::new().with("a", 2).into());
    let value = Serializer::Json.decode(br#"{"a": 1, "a": 2}"#).unwrap();
    assert_eq!(value, Map::new().with("a", 2).into());
}

#[test]
fn msgpack_that_is_none_is_an_error() {
    use DecodeError as E;
    let malformed =
        |bytes: &str| matches!(Serializer::Msgpack.decode(&hex(bytes)), Err(E::Malformed { .. }));
    assert_eq!(Serializer::Msgpack.decode(b""), Err(E::CutShort));
    assert_eq!(Serializer::Msgpack.decode(&hex("8080")), Err(E::TrailingBytes));
    assert_eq!(Serializer::Msgpack.decode(&hex("ddffffffff")), Err(E::CutShort));
    assert_eq!(Serializer::Msgpack.decode(&hex("dfffffffff")), Err(E::CutShort));
    assert_eq!(Serializer::Msgpack.decode(&hex("c6ffffffff00")), Err(E::CutShort));
    assert!(malformed("c1"), "c1 is never used");
    assert!(malformed("a1ff"), "a text is UTF-8");
    assert!(malformed("810102"), "the key of a map is no number");
    let deep = [0x91].repeat(200);
    assert!(matches!(Serializer::Msgpack.decode(&deep), Err(E::TooDeep { .. })));
    let many = [hex("dd001e8480"), vec![0xc0; 2_000_000]].concat();
    assert!(matches!(Serializer::Msgpack.decode(&many), Err(E::TooManyValues { .. })));
}

#[test]
fn json_that_is_none_is_an_error() {
    let texts = [
        "",
        " ",
        "{",
        "[1",
        "[1,]",
        "{\"a\"}",
        "{\"a\" 1}",
        "{a: 1}",
        "{\"a\": 1,}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "nul",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\n\"",
        "1 1",
        "99999999999999999999999",
        "[1 2]",
    ];
    for text in texts {
        assert!(Serializer::Json.decode(text.as_bytes()).is_err(), "{text}");
    }
    assert!(Serializer::Json.decode(&[0x81, 0xa1]).is_err());
    assert!(matches!(
        Serializer::Json.decode("[".repeat(200).as_bytes()),
        Err(DecodeError::TooDeep { .. })
    ));
}

#[test]
fn json_of_any_standard_form_is_read() {
    let text = " {\r\n\t\"a\" :[ 1 , 2.5E-1,-0,{ } , [ ],\"\\u0041\\/é\"],\"n\":null} ";
    let wanted = Map::new()
        .with(
            "a",
            vec![1.into(), 0.25.into(), 0.into(), Map::new().into(), list([0; 0]), "A/é".into()],
        )
        .with("n", Value::Nil);
    assert_eq!(Serializer::Json.decode(text.as_bytes()), Ok(wanted.into()));
}

#[test]
fn json_is_read_in_every_encoding_that_python_knows() {
    let (text, wanted) = ("{\"a\": \"é😀\"}", Map::new().with("a", "é😀"));
    let mut forms = vec![text.as_bytes().to_vec(), [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat()];
    for mark in ["", "\u{feff}"] {
        let marked = format!("{mark}{text}");
        forms.push(marked.encode_utf16().flat_map(u16::to_be_bytes).collect());
        forms.push(marked.encode_utf16().flat_map(u16::to_le_bytes).collect());
        forms.push(marked.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect());
        forms.push(marked.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect());
    }
    for form in forms {
        assert_eq!(Serializer::Json.decode(&form), Ok(wanted.clone().into()), "{form:?}");
        assert!(Serializer::Json.decode(&form[..form.len() - 1]).is_err());
    }
}

#[test]
fn json_reads_what_python_writes_for_infinity_and_never_writes_it() {
    let Ok(Value::Array(values)) = Serializer::Json.decode(b"[NaN, Infinity, -Infinity]") else {
        panic!("not read");
    };
    assert!(values[0].as_f64().unwrap().is_nan());
    assert_eq!(values[1..], [f64::INFINITY.into(), f64::NEG_INFINITY.into()]);
    for value in
        [f64::NAN.into(), f64::INFINITY.into(), vec![1_u8].into(), Value::Extension(1, vec![])]
    {
        let message = Map::new().with("v", value);
        assert!(matches!(Serializer::Json.encode(&message), Err(Error::InvalidMessage(_))));
    }
}
