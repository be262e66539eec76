//! Words, as search sees them, in any script: one way for what is stored and for what is asked, on both back ends.
//!
//! A text is cut into pieces: words between signs and spaces, and runs of scripts that put no spaces between their words
//! (Chinese, Japanese, Korean, Thai and their neighbours). Both lose case and accents. The index holds each word, and of
//! each run every two letters that follow each other and its last one. Whoever changes what comes out here must also
//! empty the index of SQLite and `events.words` of PostgreSQL by a migration: old words would stay in them for ever.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Bytes of a word that count; longer ones are no words that people look for.
const WORD_BYTES: usize = 200;
/// Begins what is in the index beside words: no word has a sign in it.
const MARK: char = '§';

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A word of a script with spaces.
    Word(String),
    /// Letters of a script without.
    Run(String),
}

impl Piece {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Run(text) => text,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Spaced,
    Unspaced,
}

/// The pieces of a text, in its order.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut open: Option<(Kind, usize)> = None;
    for (at, letter) in text.char_indices() {
        let kind = match open {
            // A mark belongs to the letter before it.
            Some((kind, _)) if !letter.is_ascii() && is_combining_mark(letter) => Some(kind),
            _ => kind_of(letter),
        };
        if open.map(|(kind, _)| kind) == kind {
            continue;
        }
        if let Some((kind, start)) = open {
            push(&mut pieces, kind, &text[start..at]);
        }
        open = kind.map(|kind| (kind, at));
    }
    if let Some((kind, start)) = open {
        push(&mut pieces, kind, &text[start..]);
    }
    pieces
}

fn push(pieces: &mut Vec<Piece>, kind: Kind, text: &str) {
    let folded = fold(text);
    if folded.is_empty() {
        return;
    }
    pieces.push(match kind {
        Kind::Spaced => Piece::Word(cut(folded)),
        Kind::Unspaced => Piece::Run(folded),
    });
}

/// What the index holds of one message: its words, its room and its author, each once, with spaces between.
pub(crate) fn entry(body: &str, room: i64, sender: i64) -> String {
    let mut terms = vec![room_term(room), sender_term(sender)];
    for piece in pieces(body) {
        match piece {
            Piece::Word(word) => terms.push(word),
            Piece::Run(run) => {
                let pairs = pairs(&run);
                terms.extend(pairs.map(str::to_owned));
                terms.extend(run.chars().next_back().map(String::from));
            }
        }
    }
    terms.sort_unstable();
    terms.dedup();
    terms.join(" ")
}

/// What the index holds of every message of a room.
pub(crate) fn room_term(room: i64) -> String {
    format!("{MARK}r{room}")
}

/// What the index holds of every message of a person.
pub(crate) fn sender_term(sender: i64) -> String {
    format!("{MARK}s{sender}")
}

/// Every two letters of a run that follow each other.
pub(crate) fn pairs(run: &str) -> impl Iterator<Item = &str> {
    let starts = run.char_indices().map(|(at, _)| at);
    let ends = run.char_indices().skip(1).map(|(at, letter)| at + letter.len_utf8());
    starts.zip(ends).map(|(start, end)| &run[start..end])
}

/// Letters, numbers and marks. Letters in circles and squares count as signs.
pub(crate) fn is_part_of_a_word(letter: char) -> bool {
    let is_sign = matches!(letter,
        '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f149}' | '\u{1f150}'..='\u{1f169}' | '\u{1f170}'..='\u{1f189}');
    (letter.is_alphanumeric() || is_combining_mark(letter)) && !is_sign
}

fn kind_of(letter: char) -> Option<Kind> {
    if letter.is_ascii() {
        return letter.is_ascii_alphanumeric().then_some(Kind::Spaced);
    }
    is_part_of_a_word(letter)
        .then(|| if is_unspaced(letter) { Kind::Unspaced } else { Kind::Spaced })
}

/// Letters of scripts that put no spaces between words, or not between all that people look for.
fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        // Thai, Lao; Myanmar; Khmer.
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        // Hangul, kana and Chinese.
        | '\u{1100}'..='\u{11ff}' | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ffdc}'
        | '\u{20000}'..='\u{323af}')
}

fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    let letters = text.nfkd().flat_map(char::to_lowercase).filter(|letter| !is_accent(*letter));
    for letter in letters.nfc().filter(|letter| is_part_of_a_word(*letter)) {
        // What has no accent of its own to lose, and what is written in two ways.
        match letter {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            other => folded.push(other),
        }
    }
    folded
}

/// Marks that people leave out when they look for a word: accents, the points of Hebrew, the vowels of Arabic.
fn is_accent(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}')
}

fn cut(mut word: String) -> String {
    if word.len() > WORD_BYTES {
        word.truncate(word.floor_char_boundary(WORD_BYTES));
    }
    word
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn of(text: &str) -> Vec<String> {
        pieces(text).iter().map(|piece| piece.text().to_owned()).collect()
    }

    #[test]
    fn words_lose_their_case_and_accents_and_signs_part_them() {
        assert_eq!(of("Crème BRÛLÉE, c++ x@y.z"), ["creme", "brulee", "c", "x", "y", "z"]);
        assert_eq!(of("Привет, мир"), ["привет", "мир"]);
        assert_eq!(of("Straße Øre Łódź ΟΔΟΣ"), ["strasse", "ore", "lodz", "οδοσ"]);
        assert_eq!(of("नमस्ते"), ["नमस्ते"]);
        assert_eq!(of("שָׁלוֹם مُحَمَّد"), ["שלום", "محمد"]);
        assert_eq!(of("Ⓐ \u{1f170} a\0b"), ["a", "b"]);
        assert_eq!(of("\u{301} ㏂ ⑴ ﬁn"), ["1", "fin"]);
    }

    #[test]
    fn scripts_without_spaces_are_runs_of_their_own() {
        use Piece::{Run, Word};
        let run = |text: &str| Run(text.to_owned());
        let word = |text: &str| Word(text.to_owned());
        assert_eq!(pieces("iPhone日本語版。次"), [word("iphone"), run("日本語版"), run("次")]);
        assert_eq!(pieces("ｶﾞｽ 한국어"), [run("ガス"), run("한국어")]);
        assert_eq!(pieces("สวัสดี ok"), [run("สวัสดี"), word("ok")]);
    }

    #[test]
    fn the_index_holds_words_once_and_runs_by_two_letters() {
        assert_eq!(entry("b a b", 7, 9), "a b §r7 §s9");
        assert_eq!(entry("日本語", 7, 9), "§r7 §s9 日本 本語 語");
        assert_eq!(entry("", 7, 9), "§r7 §s9");
    }

    #[test]
    fn a_word_longer_than_any_is_cut_between_letters() {
        assert_eq!(of(&"ж".repeat(300)), ["ж".repeat(100)]);
    }

    /// If this fails, words come out differently than those that stores hold: see the head of this file.
    #[test]
    fn every_letter_becomes_what_it_always_became() {
        let mut hash = Sha256::new();
        for letter in '\0'..=char::MAX {
            for piece in pieces(&format!("a{letter}")) {
                hash.update(piece.text());
                hash.update([0]);
            }
        }
        let hash: String = hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
        assert_eq!(hash, "c854623bc18a1202");
    }
}
