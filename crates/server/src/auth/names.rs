//! Names: the one to sign in with, and the one that others read. A name never decides who someone is.
//! Both lose what cannot be seen or turns the direction of what follows.

use unicode_normalization::UnicodeNormalization;

/// Characters of a name, as `limits.name_chars` tells clients.
const MAX_CHARS: usize = 80;

/// Why a text is no name; the text is for the person who typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing, or nothing that can be seen.
    #[error("A name needs at least one visible character.")]
    Empty,
    /// Over 80 characters.
    #[error("A name has at most {MAX_CHARS} characters.")]
    TooLong,
    /// Control characters, zero width, marks that turn the direction of writing.
    #[error("A name must not contain invisible characters.")]
    Invisible,
}

/// The form of a sign-in name under which it is unique: NFKC, lower case, no space around it.
pub fn login(text: &str) -> Result<String, BadName> {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    check(folded.trim())
}

/// A name to read: NFC, no space around it.
pub fn display(text: &str) -> Result<String, BadName> {
    let composed: String = text.nfc().collect();
    check(composed.trim())
}

fn check(name: &str) -> Result<String, BadName> {
    if name.chars().any(is_invisible) {
        return Err(BadName::Invisible);
    }
    match name.chars().count() {
        0 => Err(BadName::Empty),
        count if count > MAX_CHARS => Err(BadName::TooLong),
        _ => Ok(name.to_owned()),
    }
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_names_that_look_alike_to_a_keyboard_are_one() {
        for same in ["Ann", "ANN", " ann ", "ａｎｎ"] {
            assert_eq!(login(same).unwrap(), "ann", "{same}");
        }
        assert_eq!(login("Zoe\u{308}").unwrap(), login("ZOË").unwrap());
    }

    #[test]
    fn a_display_name_keeps_its_case_and_is_composed() {
        assert_eq!(display(" Zoe\u{308} Ａ").unwrap(), "Zoë Ａ");
    }

    #[test]
    fn invisible_and_turning_characters_are_refused() {
        for bad in ["a\u{202e}b", "a\u{200b}b", "a\u{2066}b", "a\nb", "\u{feff}a", "a\u{e0041}"] {
            assert_eq!(display(bad), Err(BadName::Invisible), "{bad:?}");
            assert_eq!(login(bad), Err(BadName::Invisible), "{bad:?}");
        }
    }

    #[test]
    fn a_name_has_1_to_80_characters() {
        assert_eq!(display("  "), Err(BadName::Empty));
        assert_eq!(display(&"é".repeat(80)).unwrap().chars().count(), 80);
        assert_eq!(display(&"é".repeat(81)), Err(BadName::TooLong));
    }
}
