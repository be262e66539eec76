//! What may befall a message in the memory layer's resilience mode, decided by a seed.
//!
//! Only `memory` throws the dice. The same seed and the same order of sends give the same fates.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// How often each fault happens, as probabilities from 0 to 1. Together they should not exceed 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Faults {
    /// Decides everything; another seed is another run.
    pub seed: u64,
    /// Messages that never arrive.
    pub lost: f64,
    /// Messages that arrive twice.
    pub repeated: f64,
    /// Messages that arrive up to `longest_delay` late.
    pub delayed: f64,
    /// Messages that the next one on the same channel key overtakes.
    pub reordered: f64,
    /// The longest delay.
    pub longest_delay: Duration,
}

impl Faults {
    /// A tenth of the messages lost, repeated, delayed by up to 50 ms, and reordered, each.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        let (lost, repeated, delayed, reordered) = (0.1, 0.1, 0.1, 0.1);
        Self { seed, lost, repeated, delayed, reordered, longest_delay: Duration::from_millis(50) }
    }
}

/// What happens to one message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    Arrives,
    Lost,
    Repeated,
    Delayed(Duration),
    /// Held back until another arrived, or for so long at most.
    Overtaken(Duration),
}

#[derive(Debug)]
pub(super) struct Dice {
    faults: Faults,
    random: StdRng,
}

impl Dice {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, random: StdRng::seed_from_u64(faults.seed) }
    }

    pub(super) fn throw(&mut self) -> Fate {
        let longest = self.faults.longest_delay;
        // Two throws for every message, so that one fate does not shift those after it.
        let (thrown, pause) = (self.random.random::<f64>(), longest.mul_f64(self.random.random()));
        let fates = [
            (self.faults.lost, Fate::Lost),
            (self.faults.repeated, Fate::Repeated),
            (self.faults.delayed, Fate::Delayed(pause)),
            (self.faults.reordered, Fate::Overtaken(longest)),
        ];
        let mut below = 0.0;
        for (probability, fate) in fates {
            below += probability;
            if thrown < below {
                return fate;
            }
        }
        Fate::Arrives
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(seed: u64) -> Vec<Fate> {
        let mut dice = Dice::new(Faults::with_seed(seed));
        (0..1000).map(|_| dice.throw()).collect()
    }

    #[test]
    fn a_seed_decides_every_fate() {
        assert_eq!(fates(1), fates(1));
        assert_ne!(fates(1), fates(2));
    }

    #[test]
    fn each_fault_happens_about_as_often_as_asked() {
        let fates = fates(3);
        let count = |wanted: fn(&Fate) -> bool| fates.iter().filter(|fate| wanted(fate)).count();
        let counts = [
            count(|fate| matches!(fate, Fate::Lost)),
            count(|fate| matches!(fate, Fate::Repeated)),
            count(|fate| matches!(fate, Fate::Delayed(_))),
            count(|fate| matches!(fate, Fate::Overtaken(_))),
        ];
        assert!(counts.iter().all(|count| (60..140).contains(count)), "{counts:?}");
    }
}
