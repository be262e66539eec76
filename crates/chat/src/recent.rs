//! Ids that were seen not long ago, so that what is repeated is told from what is new. Bounded; time is an argument.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How long an id is remembered.
pub(crate) const KEPT: Duration = Duration::from_secs(600);
/// Ids that are remembered; the oldest go.
const MOST: usize = 10_000;

/// The ids of the last minutes.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    known: HashSet<T>,
    order: VecDeque<(Instant, T)>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { known: HashSet::new(), order: VecDeque::new() }
    }
}

impl<T: Hash + Eq + Clone> Recent<T> {
    /// Remembers an id. Answers whether it is new.
    pub(crate) fn note(&mut self, id: T, now: Instant) -> bool {
        while let Some((since, _)) = self.order.front()
            && (self.order.len() >= MOST || now.duration_since(*since) >= KEPT)
            && let Some((_, old)) = self.order.pop_front()
        {
            self.known.remove(&old);
        }
        let is_new = self.known.insert(id.clone());
        if is_new {
            self.order.push_back((now, id));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_for_ten_minutes_and_then_new_again() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        assert!(recent.note(1, start));
        assert!(!recent.note(1, start + KEPT / 2));
        assert!(recent.note(2, start + KEPT / 2));
        assert!(recent.note(1, start + KEPT));
        assert!(!recent.note(2, start + KEPT));
    }

    #[test]
    fn ids_without_end_do_not_fill_the_memory() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        (0..3 * MOST).for_each(|id| assert!(recent.note(id, now)));
        assert_eq!((recent.known.len(), recent.order.len()), (MOST, MOST));
        assert!(!recent.note(3 * MOST - 1, now));
    }
}
