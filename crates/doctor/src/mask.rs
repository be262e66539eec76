//! Takes secrets out of texts: of our own and of what libraries and servers say. `run.rs` passes every text through it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// A shorter text stands everywhere by chance; what is so short is no secret that hiding would save.
const SHORTEST: usize = 3;

/// The secrets of a subject; `Debug` shows how many.
#[derive(Clone, Default)]
pub struct Mask(Vec<String>);

impl Mask {
    /// Hides this text from now on, also as it stands in a URL.
    pub fn hide(&mut self, secret: &str) {
        let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        for form in [secret.to_owned(), encoded] {
            if form.len() >= SHORTEST && !self.0.contains(&form) {
                self.0.push(form);
            }
        }
        // A secret that holds another goes first.
        self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// The text without any of them.
    #[must_use]
    pub fn cover(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} texts)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_whatever_form_it_stands() {
        let mut mask = Mask::default();
        mask.hide("p@ss:w/rd#1");
        mask.hide("p@ss");
        let covered = mask.cover("AUTH p@ss:w/rd#1 at redis://:p%40ss%3Aw%2Frd%231@h, p@ss");
        assert_eq!(covered, "AUTH *** at redis://:***@h, ***");
        assert!(!format!("{mask:?}").contains("p@ss"));
    }

    #[test]
    fn a_text_of_two_letters_is_not_taken_out_of_every_word() {
        let mut mask = Mask::default();
        mask.hide("re");
        assert_eq!(mask.cover("redis"), "redis");
    }
}
