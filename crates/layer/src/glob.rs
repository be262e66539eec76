//! Shell patterns for channel names, as Python's `fnmatch` reads them: `*`, `?`, `[set]`, `[!set]`, case-sensitive.
//!
//! `channel_capacity` uses them. A pattern fits the whole name or not at all; matching takes at most the product of
//! the two lengths.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Star,
    Any,
    Is(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    /// Every text is a pattern; a `[` that nothing closes means itself.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        let characters: Vec<char> = pattern.chars().collect();
        let (mut tokens, mut at) = (Vec::new(), 0);
        while let Some(&character) = characters.get(at) {
            at += 1;
            match character {
                '*' => tokens.push(Token::Star),
                '?' => tokens.push(Token::Any),
                '[' => match close_of_set(&characters, at) {
                    Some(close) => {
                        tokens.push(set(&characters[at..close]));
                        at = close + 1;
                    }
                    None => tokens.push(Token::Is('[')),
                },
                other => tokens.push(Token::Is(other)),
            }
        }
        Self { tokens }
    }

    /// Whether the whole text fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut token, mut at) = (0, 0);
        // Where to go on after the last star if what follows it does not fit.
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.tokens.get(token) {
                Some(Token::Star) => {
                    retry = Some((token + 1, at));
                    token += 1;
                }
                Some(other) if other.fits(text[at]) => {
                    token += 1;
                    at += 1;
                }
                _ => {
                    let Some((after, from)) = retry else { return false };
                    retry = Some((after, from + 1));
                    (token, at) = (after, from + 1);
                }
            }
        }
        self.tokens[token..].iter().all(|token| *token == Token::Star)
    }
}

/// Where the set ends. A `]` right at its start, or right after `!`, is one of its members.
fn close_of_set(characters: &[char], start: usize) -> Option<usize> {
    let first = start + usize::from(characters.get(start) == Some(&'!'));
    let from = first + usize::from(characters.get(first) == Some(&']'));
    (from..characters.len()).find(|&at| characters[at] == ']')
}

fn set(inside: &[char]) -> Token {
    let (negated, members) = match inside {
        ['!', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let (mut ranges, mut at) = (Vec::new(), 0);
    while at < members.len() {
        if at + 2 < members.len() && members[at + 1] == '-' {
            ranges.push((members[at], members[at + 2]));
            at += 3;
        } else {
            ranges.push((members[at], members[at]));
            at += 1;
        }
    }
    Token::Set { negated, ranges }
}

impl Token {
    fn fits(&self, character: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::Is(wanted) => *wanted == character,
            Self::Set { negated, ranges } => {
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&character));
                inside != *negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers are those of Python's `fnmatch.fnmatchcase`.
    #[test]
    fn patterns_fit_as_in_python() {
        let cases = [
            ("http.*", "http.request", true),
            ("http.*", "https", false),
            ("http.*", "httpx", false),
            ("web?.x!*", "web1.x!abc", true),
            ("web?.x!*", "web.x!abc", false),
            ("[ab]c", "bc", true),
            ("[!ab]c", "bc", false),
            ("[!ab]c", "xc", true),
            ("[a-c]", "b", true),
            ("[a-]", "-", true),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[", "[", true),
            ("[a", "[a", true),
            ("A*", "ab", false),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("", "", true),
            ("*", "", true),
            ("?", "é", true),
            ("[c-a]", "b", false),
        ];
        for (pattern, text, fits) in cases {
            assert_eq!(Glob::new(pattern).matches(text), fits, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_decided_at_once() {
        let glob = Glob::new(&"*a".repeat(40));
        assert!(!glob.matches(&"a".repeat(39)));
        assert!(!glob.matches(&format!("{}b", "a".repeat(2000))));
    }
}
