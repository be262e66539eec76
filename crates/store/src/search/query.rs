//! The query language: words, prefixes, quoted phrases, `from:`, `in:`, `before:` and `after:`. Both back ends read it
//! here, ask their index for its terms, and let [`Query::score`] decide about each message that the index names.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Error;
use crate::words::{Piece, is_part_of_a_word, pairs, pieces};

/// Bytes of a query.
const QUERY_BYTES: usize = 1_024;
/// Terms that the index is asked for; messages are held against all of the query.
const TERMS: usize = 16;
/// A beginning of a word counts as one from so many bytes on: three letters, or one of Chinese.
const PREFIX_BYTES: usize = 3;
/// Words at which a text is of ordinary length; longer ones weigh a word less.
const ORDINARY_WORDS: u64 = 20;

/// A query that was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Query {
    pub(crate) phrases: Vec<Phrase>,
    /// Any of these people; empty: whoever.
    pub(crate) from: Vec<String>,
    /// Any of these rooms; empty: wherever.
    pub(crate) rooms: Vec<String>,
    /// Only messages older than this, ms since 1970.
    pub(crate) before_ms: Option<u64>,
    /// Only messages of this moment or younger, ms since 1970.
    pub(crate) after_ms: Option<u64>,
}

/// Pieces that follow each other; mostly one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phrase {
    pieces: Vec<Piece>,
    /// Whether the last word may go on.
    is_open: bool,
}

/// What the index is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) text: String,
    /// Whether it is only the beginning of a term.
    pub(crate) is_prefix: bool,
}

impl Query {
    /// Reads a query. A quote that is not closed goes to the end; an operator that nobody knows is words.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > QUERY_BYTES {
            return Err(Error::Invalid("a query has at most 1024 bytes; leave some words out"));
        }
        let mut query = Self::default();
        let mut rest = text;
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                break;
            }
            let (key, value, after) = split(rest);
            query.add(key, &value)?;
            rest = after;
        }
        let has_place = !query.from.is_empty() || !query.rooms.is_empty();
        let has_time = query.before_ms.is_some() || query.after_ms.is_some();
        if has_time && query.phrases.is_empty() && !has_place {
            return Err(Error::Invalid(
                "`before:` and `after:` need a word, `from:` or `in:` beside them",
            ));
        }
        Ok(query)
    }

    fn add(&mut self, key: Key, value: &Value<'_>) -> Result<(), Error> {
        match key {
            Key::Words if value.is_quoted => {
                self.phrases.extend(Phrase::new(pieces(value.text), value.may_go_on));
            }
            Key::Words => {
                let all = pieces(value.text);
                let last = all.len();
                let words = all.into_iter().enumerate();
                self.phrases.extend(words.filter_map(|(at, piece)| {
                    Phrase::new(vec![piece], value.may_go_on && at + 1 == last)
                }));
            }
            // Not yet typed to its end.
            _ if value.text.trim().is_empty() => {}
            Key::From => self.from.push(value.text.trim().to_owned()),
            Key::In => self.rooms.push(value.text.trim().to_owned()),
            Key::Before => {
                let moment = moment(value.text)?;
                self.before_ms = Some(self.before_ms.map_or(moment, |known| known.min(moment)));
            }
            Key::After => {
                let moment = moment(value.text)?;
                self.after_ms = Some(self.after_ms.map_or(moment, |known| known.max(moment)));
            }
        }
        Ok(())
    }

    /// Whether it asks for nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.phrases.is_empty() && self.from.is_empty() && self.rooms.is_empty()
    }

    /// Whether the index must be asked for beginnings of words.
    pub(crate) fn has_prefix(&self) -> bool {
        self.terms().iter().any(|term| term.is_prefix)
    }

    /// What a message that fits has in the index; each once. No term holds anything but letters, numbers and marks.
    pub(crate) fn terms(&self) -> Vec<Term> {
        let mut terms = Vec::new();
        for phrase in &self.phrases {
            phrase.add_terms(&mut terms);
        }
        terms.truncate(TERMS);
        terms
    }

    /// How well a text fits; `None` where it does not. More of the words, and in a shorter text, is better; words that
    /// stand as they were asked for are best.
    pub(crate) fn score(&self, text: &str) -> Option<u32> {
        let text = pieces(text);
        let mut score = 0;
        for phrase in &self.phrases {
            let Found { whole, begun } = phrase.count(&text);
            if whole + begun == 0 {
                return None;
            }
            // As in BM25: each further occurrence counts less, and less in a longer text.
            let times = (2 * whole + begun).min(64);
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX).min(100_000);
            let times = times * ORDINARY_WORDS;
            score += 1_000 * times / (times + ORDINARY_WORDS + 3 * length);
        }
        if self.phrases.len() > 1 && self.as_asked().count(&text) != Found::default() {
            score += 500;
        }
        u32::try_from(score).ok()
    }

    /// All words in a row.
    fn as_asked(&self) -> Phrase {
        let pieces = self.phrases.iter().flat_map(|phrase| phrase.pieces.iter().cloned()).collect();
        Phrase { pieces, is_open: self.phrases.last().is_some_and(|phrase| phrase.is_open) }
    }
}

/// How often a phrase stands in a text: as it is, and as the beginning of something longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Found {
    whole: u64,
    begun: u64,
}

impl Phrase {
    fn new(pieces: Vec<Piece>, may_go_on: bool) -> Option<Self> {
        let is_open = may_go_on
            && matches!(pieces.last(), Some(Piece::Word(word)) if word.len() >= PREFIX_BYTES);
        (!pieces.is_empty()).then_some(Self { pieces, is_open })
    }

    fn add_terms(&self, terms: &mut Vec<Term>) {
        let mut add = |text: &str, is_prefix: bool| {
            let term = Term { text: text.to_owned(), is_prefix };
            if !terms.contains(&term) {
                terms.push(term);
            }
        };
        for (at, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Word(word) => add(word, self.is_open && at + 1 == self.pieces.len()),
                Piece::Run(run) if pairs(run).next().is_none() => add(run, true),
                Piece::Run(run) => pairs(run).for_each(|pair| add(pair, false)),
            }
        }
    }

    fn count(&self, text: &[Piece]) -> Found {
        let mut found = Found::default();
        if let [Piece::Run(run)] = self.pieces.as_slice() {
            let runs = text.iter().filter(|piece| matches!(piece, Piece::Run(_)));
            found.whole = runs.map(|piece| piece.text().matches(run.as_str()).count() as u64).sum();
            return found;
        }
        for window in text.windows(self.pieces.len()) {
            match self.fits(window) {
                Some(true) => found.whole += 1,
                Some(false) => found.begun += 1,
                None => {}
            }
        }
        found
    }

    /// Whether it stands here; `Some(false)` where the last word goes on.
    fn fits(&self, window: &[Piece]) -> Option<bool> {
        let last = self.pieces.len() - 1;
        let mut is_whole = true;
        for (at, (asked, there)) in self.pieces.iter().zip(window).enumerate() {
            let fits = match (asked, there) {
                (Piece::Word(asked), Piece::Word(there)) => {
                    is_whole &= asked == there;
                    asked == there || (self.is_open && at == last && there.starts_with(asked))
                }
                // Where a phrase begins or ends in a run, more of it may stand before or behind.
                (Piece::Run(asked), Piece::Run(there)) => match at {
                    0 => there.ends_with(asked),
                    _ if at == last => there.starts_with(asked),
                    _ => asked == there,
                },
                _ => false,
            };
            if !fits {
                return None;
            }
        }
        Some(is_whole)
    }
}

/// Whether a name is meant by what somebody typed for it: some of its words in a row, the last one perhaps not to its
/// end.
pub(crate) fn is_meant(name: &str, typed: &str) -> bool {
    let phrase = Phrase { is_open: true, pieces: pieces(typed) };
    !phrase.pieces.is_empty() && phrase.count(&pieces(name)) != Found::default()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Words,
    From,
    In,
    Before,
    After,
}

struct Value<'q> {
    text: &'q str,
    is_quoted: bool,
    /// Whether the query ends inside it, or it ends in `*`.
    may_go_on: bool,
}

/// The next part of a query, and what comes behind it.
fn split(text: &str) -> (Key, Value<'_>, &str) {
    let (key, text) = key(text);
    if let Some(inner) = text.strip_prefix('"') {
        let (quoted, rest) = inner.split_once('"').unwrap_or((inner, ""));
        let is_closed = quoted.len() < inner.len();
        let may_go_on = !is_closed && ends_in_a_word(quoted);
        return (key, Value { text: quoted, is_quoted: true, may_go_on }, rest);
    }
    let ends = |letter: char| letter.is_whitespace() || letter == '"';
    let end = text.find(ends).unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    let may_go_on = value.ends_with('*') || (rest.is_empty() && ends_in_a_word(value));
    (key, Value { text: value, is_quoted: false, may_go_on }, rest)
}

fn key(text: &str) -> (Key, &str) {
    let Some((word, rest)) = text.split_once(':') else { return (Key::Words, text) };
    let key = match word.to_ascii_lowercase().as_str() {
        "from" => Key::From,
        "in" => Key::In,
        "before" => Key::Before,
        "after" => Key::After,
        _ => return (Key::Words, text),
    };
    (key, rest)
}

fn ends_in_a_word(text: &str) -> bool {
    text.chars().next_back().is_some_and(is_part_of_a_word)
}

/// A day's beginning in UTC, or a moment, as ms since 1970.
fn moment(text: &str) -> Result<u64, Error> {
    const BAD: Error = Error::Invalid(
        "`before:` and `after:` take a day like 2026-05-31 (UTC) or a moment like 2026-05-31T18:30:00Z",
    );
    let text = text.trim().to_ascii_uppercase();
    let day = (text.len() == 10).then(|| format!("{text}T00:00:00Z"));
    let moment = OffsetDateTime::parse(day.as_deref().unwrap_or(&text), &Rfc3339);
    let ms = moment.map_err(|_| BAD)?.unix_timestamp_nanos().div_euclid(1_000_000);
    Ok(u64::try_from(ms.max(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
