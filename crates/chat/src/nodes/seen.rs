//! How far each other node's hints were seen: a number that is left out is a hint that was lost.

use std::collections::HashMap;

use super::hints::Envelope;

/// Nodes that are remembered; the one that was silent the longest goes.
const MOST: usize = 1024;
/// A sender's clock may differ from ours by so much before what it says of the moment is passed over.
const FRESH_MS: u64 = 30_000;

/// The last number of each node.
#[derive(Default)]
pub(super) struct Seen {
    nodes: HashMap<u64, Last>,
    turn: u64,
}

struct Last {
    number: u64,
    /// When it spoke, counted in hints.
    turn: u64,
}

/// What a hint's number says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Whether it is newer than all of that node's: only then is what it says of the moment told on.
    pub(super) is_news: bool,
    /// How many hints of that node between this one and the last did not come, so far.
    pub(super) missing: u64,
}

impl Seen {
    /// Takes a hint that opened.
    pub(super) fn take(&mut self, envelope: Envelope, now_ms: u64) -> Place {
        self.turn += 1;
        let turn = self.turn;
        if self.nodes.len() >= MOST && !self.nodes.contains_key(&envelope.node) {
            let silent = self.nodes.iter().min_by_key(|(_, last)| last.turn).map(|(node, _)| *node);
            silent.and_then(|node| self.nodes.remove(&node));
        }
        let is_fresh = now_ms.abs_diff(envelope.at_ms) <= FRESH_MS;
        let Some(last) = self.nodes.get_mut(&envelope.node) else {
            self.nodes.insert(envelope.node, Last { number: envelope.number, turn });
            return Place { is_news: is_fresh, missing: 0 };
        };
        if envelope.number <= last.number {
            return Place { is_news: false, missing: 0 };
        }
        let missing = envelope.number - last.number - 1;
        *last = Last { number: envelope.number, turn };
        Place { is_news: is_fresh, missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_377_137_000;

    fn hint(node: u64, number: u64) -> Envelope {
        Envelope { node, number, at_ms: NOW }
    }

    fn place(is_news: bool, missing: u64) -> Place {
        Place { is_news, missing }
    }

    #[test]
    fn a_number_that_is_left_out_is_missing_and_a_repeated_or_late_one_no_news() {
        let mut seen = Seen::default();
        assert_eq!(seen.take(hint(1, 40), NOW), place(true, 0));
        assert_eq!(seen.take(hint(1, 41), NOW), place(true, 0));
        assert_eq!(seen.take(hint(1, 44), NOW), place(true, 2));
        assert_eq!(seen.take(hint(1, 44), NOW), place(false, 0));
        assert_eq!(seen.take(hint(1, 42), NOW), place(false, 0));
        assert_eq!(seen.take(hint(2, 7), NOW), place(true, 0));
        assert_eq!(seen.take(hint(1, 45), NOW), place(true, 0));
    }

    #[test]
    fn what_was_kept_for_long_and_is_sent_again_is_no_news_even_of_an_unknown_node() {
        let mut seen = Seen::default();
        assert_eq!(seen.take(hint(1, 1), NOW + FRESH_MS), place(true, 0));
        assert_eq!(seen.take(hint(2, 1), NOW + FRESH_MS + 1), place(false, 0));
        assert_eq!(seen.take(hint(3, 1), NOW - FRESH_MS - 1), place(false, 0));
    }

    #[test]
    fn nodes_without_end_do_not_fill_the_memory_and_push_out_no_living_one() {
        let mut seen = Seen::default();
        for node in 0..5_000 {
            seen.take(hint(node, 1), NOW);
            seen.take(hint(7_000, node + 1), NOW);
        }
        assert!(seen.nodes.len() <= MOST);
        assert_eq!(seen.take(hint(7_000, 5_002), NOW), place(true, 1));
    }
}
