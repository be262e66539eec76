//! Text to command. Whatever a client sends becomes a command or a [`Refused`]; nothing here panics or recurses
//! without bound.

use std::borrow::Cow;

use serde::Deserialize;

use crate::ids::optional_integer;
use crate::{Command, ErrorCode};

/// Levels of nesting that a command may have.
const MAX_DEPTH: usize = 32;

/// Why a text is no command, and the `id` to answer under, where it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The command's own `id`.
    pub id: Option<u64>,
    /// The code of the answer.
    pub code: ErrorCode,
    /// What was wrong, for a developer.
    pub message: String,
}

/// What every command has.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    word: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "optional_integer")]
    id: Option<u64>,
}

/// Reads one text frame: the command's `id`, if it has one, and the command.
///
/// # Errors
/// [`Refused`] with `bad_json`, `too_deep`, `unknown_type` or `invalid`.
pub fn parse(text: &str) -> Result<(Option<u64>, Command), Refused> {
    let refuse = |id, code, message: String| Err(Refused { id, code, message });
    if !text.trim_ascii_start().starts_with('{') {
        return refuse(None, ErrorCode::BadJson, ErrorCode::BadJson.text().into());
    }
    if is_too_deep(text.as_bytes()) {
        return refuse(None, ErrorCode::TooDeep, ErrorCode::TooDeep.text().into());
    }
    let envelope = match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(envelope) => envelope,
        Err(error) if error.is_data() => {
            return refuse(None, ErrorCode::Invalid, without_place(&error));
        }
        Err(error) => return refuse(None, ErrorCode::BadJson, error.to_string()),
    };
    let Some(word) = envelope.word else {
        return refuse(envelope.id, ErrorCode::Invalid, "the field `type` is missing".into());
    };
    match Command::read(&word, text) {
        Some(Ok(command)) => Ok((envelope.id, command)),
        Some(Err(error)) if error.is_data() => {
            refuse(envelope.id, ErrorCode::Invalid, without_place(&error))
        }
        Some(Err(error)) => refuse(envelope.id, ErrorCode::BadJson, error.to_string()),
        None => refuse(envelope.id, ErrorCode::UnknownType, ErrorCode::UnknownType.text().into()),
    }
}

/// The error without serde's "at line 1 column 80", which says nothing to one who sent a single line.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or_else(|| text.clone(), |end| text[..end].to_owned())
}

/// Whether brackets nest deeper than allowed. Counting all of them first settles nearly every text in one fast pass.
fn is_too_deep(text: &[u8]) -> bool {
    let openings = text.iter().filter(|&&byte| matches!(byte, b'{' | b'[')).count();
    openings > MAX_DEPTH && depth(text) > MAX_DEPTH
}

/// The deepest nesting of brackets outside strings.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let mut bytes = text.iter();
    let mut in_string = false;
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> (Option<u64>, ErrorCode) {
        let refused = parse(text).expect_err(text);
        (refused.id, refused.code)
    }

    #[test]
    fn a_send_is_read_with_its_id() {
        let (id, command) =
            parse(r#"{"type":"send","id":7,"room":"r1","cid":"c","body":"hi \u00e9","later":[1]}"#)
                .unwrap();
        assert_eq!(id, Some(7));
        let Command::Send(send) = command else { panic!("{command:?}") };
        assert_eq!((send.room.as_str(), send.body.as_str(), send.reply_to), ("r1", "hi é", None));
    }

    #[test]
    fn null_in_an_optional_field_is_absence() {
        let text = r#"{"type":"hello","id":null,"token":null,"resume":null,"keepalive":null}"#;
        let (id, command) = parse(text).unwrap();
        assert_eq!(id, None);
        let Command::Hello(hello) = command else { panic!("{command:?}") };
        assert!(hello.token.is_none() && hello.resume.is_empty());
    }

    #[test]
    fn each_kind_of_bad_input_has_its_code() {
        use ErrorCode::{BadJson, Invalid, TooDeep, UnknownType};
        let deep = format!(r#"{{"type":"ping","x":{}{}}}"#, "[".repeat(40), "]".repeat(40));
        let cases: &[(&str, Option<u64>, ErrorCode)] = &[
            ("", None, BadJson),
            ("hello", None, BadJson),
            ("[1]", None, BadJson),
            (r#"{"type":"ping""#, None, BadJson),
            (r#"{"type":"send","body":"\ud800"}"#, None, BadJson),
            (&deep, None, TooDeep),
            (r#"{"type":"nope","id":1}"#, Some(1), UnknownType),
            (r#"{"id":1}"#, Some(1), Invalid),
            (r#"{"type":5,"id":1}"#, None, Invalid),
            (r#"{"type":"ping","id":-1}"#, None, Invalid),
            (r#"{"type":"ping","id":9007199254740992}"#, None, Invalid),
            (r#"{"type":"read","id":2,"room":"r","seq":1e300}"#, Some(2), Invalid),
            (r#"{"type":"read","id":2,"room":"r","seq":-4}"#, Some(2), Invalid),
            (r#"{"type":"send","id":3,"room":"r","cid":"c","body":5}"#, Some(3), Invalid),
            (r#"{"type":"send","id":3,"room":"no/slash","cid":"c","body":"x"}"#, Some(3), Invalid),
            (r#"{"type":"send","id":3,"room":"r","body":"x"}"#, Some(3), Invalid),
        ];
        for (text, id, code) in cases {
            assert_eq!(refusal(text), (*id, *code), "{text}");
        }
    }

    #[test]
    fn brackets_inside_strings_do_not_count_as_depth() {
        let text =
            format!(r#"{{"type":"send","room":"r","cid":"c","body":"{}\" [["}}"#, "[".repeat(100));
        assert!(parse(&text).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_damage_to_a_command_is_answered(at in 0_usize..90, byte in any::<u8>()) {
            let mut bytes = br#"{"type":"hello","resume":{"r1":{"epoch":"e","seq":41,"check":"9c41f07b"}},"token":"t"}"#.to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(text) = std::str::from_utf8(&bytes) {
                let _ = parse(text);
            }
        }
    }
}
