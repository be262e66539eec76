//! Short keys for long texts, so that millions of lines fit into memory.
//!
//! People, rooms and clients become numbers (their names are needed again for the verdict); ids of
//! events, cids and bodies become hashes that are only compared.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

/// A person, room or client.
pub(super) type Name = u32;

/// A connection: its client and its number.
pub(super) type Conn = (Name, u64);

/// A place in a log: epoch and seq.
pub(super) type Place = (u128, u64);

/// A moment of the history: the recorder's clock and the line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct At {
    pub(super) t: u64,
    pub(super) line: u64,
}

/// Numbers for names, and back.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<String, Name>,
    texts: Vec<String>,
}

impl Names {
    /// The number of a name, given at its first use.
    pub(super) fn number(&mut self, text: &str) -> Name {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = Name::try_from(self.texts.len()).unwrap_or(Name::MAX);
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }

    /// The name behind a number.
    pub(super) fn text(&self, number: Name) -> &str {
        self.texts.get(number as usize).map_or("?", String::as_str)
    }
}

/// A key for a text: 128 bits, so that two texts share one only in theory.
pub(super) fn key(text: &str) -> u128 {
    keys(&[text])
}

/// A key for several texts in order.
pub(super) fn keys(texts: &[&str]) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        for text in texts {
            hasher.write_usize(text.len());
            hasher.write(text.as_bytes());
        }
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
