//! Words, as search sees them: letters, numbers and marks of any script, in lower case and without accents. One way for
//! what is stored and for what is asked.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Bytes of a word that count; longer ones are no words that people look for.
const WORD_BYTES: usize = 200;
/// An unfinished word counts as one from so many bytes on: three letters, or one of Chinese.
const OPEN_BYTES: usize = 3;
/// Words of one query that count.
const QUERY_WORDS: usize = 16;

/// The words of a text, in its order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|letter| !is_part_of_a_word(letter)).map(fold).filter(|word| !word.is_empty())
}

/// What a query asks for: all of these words, the last one perhaps not yet typed to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Query {
    pub(crate) words: Vec<String>,
    pub(crate) is_open: bool,
}

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let words: Vec<String> = words(text).take(QUERY_WORDS).collect();
        let is_open = text.chars().next_back().is_some_and(is_part_of_a_word)
            && words.last().is_some_and(|word| word.len() >= OPEN_BYTES);
        Self { words, is_open }
    }
}

/// Letters, numbers and marks. Letters in circles and squares count as signs.
pub(crate) fn is_part_of_a_word(letter: char) -> bool {
    let is_sign = matches!(letter,
        '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f149}' | '\u{1f150}'..='\u{1f169}' | '\u{1f170}'..='\u{1f189}');
    (letter.is_alphanumeric() || is_combining_mark(letter)) && !is_sign
}

fn fold(word: &str) -> String {
    if word.is_ascii() {
        return cut(word.to_ascii_lowercase());
    }
    let is_accent = |letter: &char| matches!(letter, '\u{300}'..='\u{36f}');
    cut(word.nfd().filter(|letter| !is_accent(letter)).flat_map(char::to_lowercase).nfc().collect())
}

fn cut(mut word: String) -> String {
    if word.len() > WORD_BYTES {
        let end = (0..=WORD_BYTES).rev().find(|end| word.is_char_boundary(*end)).unwrap_or(0);
        word.truncate(end);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        words(text).collect()
    }

    #[test]
    fn words_lose_their_case_and_accents_and_signs_part_them() {
        assert_eq!(of("Crème BRÛLÉE, c++ x@y.z"), ["creme", "brulee", "c", "x", "y", "z"]);
        assert_eq!(of("Привет, мир"), ["привет", "мир"]);
        assert_eq!(of("नमस्ते"), ["नमस्ते"]);
        assert_eq!(of("日本語 です"), ["日本語", "です"]);
        assert_eq!(of("Ⓐ \u{1f170} a\0b"), ["a", "b"]);
        assert_eq!(of("\u{301}"), [""; 0]);
    }

    #[test]
    fn a_word_longer_than_any_is_cut_between_letters() {
        assert_eq!(of(&"ж".repeat(300)), ["ж".repeat(100)]);
    }

    #[test]
    fn the_last_word_may_be_unfinished_from_three_letters_on() {
        let is_open = |text: &str| Query::parse(text).is_open;
        assert!(is_open("shi") && is_open("日") && is_open("a ship"));
        assert!(!is_open("sh") && !is_open("ship ") && !is_open("ship!") && !is_open(""));
        assert_eq!(Query::parse(&"a ".repeat(40)).words.len(), 16);
    }
}
