//! Answers of the last seconds, in bounded memory. Time is an argument.

use std::collections::HashMap;

use tokio::time::Instant;

use crate::auth::authenticator::Signed;

/// Entries at most.
const MAX_ENTRIES: usize = 10_000;
/// Of their answers' length in all.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What was answered, by the digest of what was shown.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<[u8; 32], Entry>,
    bytes: usize,
}

struct Entry {
    signed: Option<Signed>,
    bytes: usize,
    until: Instant,
}

impl Cache {
    /// What is known: a person, of an answer younger than `after_ms`, or that it is nobody's.
    pub(super) fn get(
        &self,
        key: &[u8; 32],
        after_ms: u64,
        now: Instant,
    ) -> Option<Option<Signed>> {
        let entry = self.entries.get(key).filter(|entry| entry.until > now)?;
        let is_young = entry.signed.as_ref().is_none_or(|signed| signed.issued_ms > after_ms);
        is_young.then(|| entry.signed.clone())
    }

    /// Remembers an answer of `bytes` until then.
    pub(super) fn put(
        &mut self,
        key: [u8; 32],
        signed: Option<Signed>,
        bytes: usize,
        now: Instant,
        until: Instant,
    ) {
        if let Some(old) = self.entries.remove(&key) {
            self.bytes -= old.bytes;
        }
        if self.entries.len() >= MAX_ENTRIES || self.bytes + bytes > MAX_BYTES {
            self.make_room(now);
        }
        if self.bytes + bytes <= MAX_BYTES {
            self.entries.insert(key, Entry { signed, bytes, until });
            self.bytes += bytes;
        }
    }

    /// Drops what is over, else the half that ends first: a flood of cookies cannot fill the memory.
    fn make_room(&mut self, now: Instant) {
        self.retain(now);
        if self.entries.len() < MAX_ENTRIES / 2 && self.bytes < MAX_BYTES / 2 {
            return;
        }
        let mut ends: Vec<Instant> = self.entries.values().map(|entry| entry.until).collect();
        let middle = ends.len() / 2;
        let median = *ends.select_nth_unstable(middle).1;
        self.retain(median);
    }

    fn retain(&mut self, after: Instant) {
        self.entries.retain(|_, entry| entry.until > after);
        self.bytes = self.entries.values().map(|entry| entry.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn signed(issued_ms: u64) -> Signed {
        let user = "ann".parse().unwrap();
        Signed { user, name: None, rooms: Vec::new(), expires_ms: 9_000, issued_ms }
    }

    #[test]
    fn an_answer_serves_until_its_end_and_only_its_own_key() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put([1; 32], Some(signed(5)), 10, now, now + SECOND);
        cache.put([2; 32], None, 0, now, now + SECOND);
        assert_eq!(cache.get(&[1; 32], 0, now).unwrap().unwrap().issued_ms, 5);
        assert!(cache.get(&[2; 32], 0, now).unwrap().is_none());
        assert!(cache.get(&[3; 32], 0, now).is_none());
        assert!(cache.get(&[1; 32], 0, now + SECOND).is_none());
    }

    #[test]
    fn who_wants_a_younger_answer_is_not_given_an_old_one() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put([1; 32], Some(signed(5)), 10, now, now + SECOND);
        assert!(cache.get(&[1; 32], 4, now).is_some());
        assert!(cache.get(&[1; 32], 5, now).is_none());
    }

    #[test]
    fn a_flood_fills_neither_the_entries_nor_the_bytes() {
        let now = Instant::now();
        for bytes in [0, 64 * 1024] {
            let mut cache = Cache::default();
            for number in 0..3 * MAX_ENTRIES as u64 {
                let mut key = [0; 32];
                key[..8].copy_from_slice(&number.to_le_bytes());
                let until = now + SECOND + Duration::from_micros(number);
                cache.put(key, None, bytes, now, until);
                assert!(cache.entries.len() <= MAX_ENTRIES && cache.bytes <= MAX_BYTES);
            }
            assert!(cache.entries.len() > 60, "what is young is kept: {}", cache.entries.len());
            assert_eq!(cache.bytes, cache.entries.len() * bytes);
        }
    }

    #[test]
    fn the_same_key_again_takes_the_place_of_the_first() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put([1; 32], Some(signed(5)), 10, now, now + SECOND);
        cache.put([1; 32], None, 3, now, now + SECOND);
        assert!(cache.get(&[1; 32], 0, now).unwrap().is_none());
        assert_eq!((cache.entries.len(), cache.bytes), (1, 3));
    }
}
