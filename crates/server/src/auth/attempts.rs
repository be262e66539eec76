//! How often one may try to sign in, in tables of bounded size: tightly for one name from one address, loosely for an
//! address and for a name, so that guessing is slow from anywhere and nobody locks another one out from one place.
//! Time is an argument.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// One name from one address: a person who has forgotten which password it was.
const PAIR: Rule = Rule { burst: 8, refill: Duration::from_secs(15) };

/// One address: an office behind one router.
const ADDRESS: Rule = Rule { burst: 30, refill: Duration::from_secs(3) };

/// One name from everywhere: many addresses that guess one password together.
const NAME: Rule = Rule { burst: 60, refill: Duration::from_secs(3) };

/// Entries of each table: a few MiB in all.
const MAX_ENTRIES: usize = 20_000;

/// So many tries at once, and one more after each `refill`.
#[derive(Debug, Clone, Copy)]
struct Rule {
    burst: u32,
    refill: Duration,
}

/// Counts tries.
#[derive(Debug, Default)]
pub struct Attempts {
    tables: Mutex<Tables>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Tables {
    pairs: Table,
    addresses: Table,
    names: Table,
}

/// When the allowance of each key is whole again. A whole one need not be stored.
#[derive(Debug, Default)]
struct Table(HashMap<u64, Instant>);

impl Attempts {
    /// Takes one try.
    ///
    /// # Errors
    /// How long to wait, where there is none left.
    pub fn take(&self, name: &str, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let network = address.map(network);
        let mut tables = self.tables.lock();
        if let Some(network) = network {
            tables.addresses.take(self.key(network), ADDRESS, now)?;
        }
        tables.names.take(self.key(name), NAME, now)?;
        tables.pairs.take(self.key((name, network)), PAIR, now)
    }

    /// Whether a try would be left, without taking it.
    ///
    /// # Errors
    /// How long to wait, where there is none.
    pub fn check(&self, name: &str, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let key = self.key((name, address.map(network)));
        self.tables.lock().pairs.check(key, PAIR, now).map(drop)
    }

    /// Gives a name's tries from this address back after a success.
    pub fn forget(&self, name: &str, address: Option<IpAddr>) {
        let key = self.key((name, address.map(network)));
        self.tables.lock().pairs.0.remove(&key);
    }

    fn key(&self, of: impl Hash) -> u64 {
        self.hasher.hash_one(of)
    }
}

impl Table {
    /// When the key's allowance will be whole again if one is taken now.
    fn check(&self, key: u64, rule: Rule, now: Instant) -> Result<Instant, Duration> {
        let whole = self.0.get(&key).copied().unwrap_or(now).max(now) + rule.refill;
        let latest = now + rule.refill * rule.burst;
        if whole > latest { Err(whole - latest) } else { Ok(whole) }
    }

    fn take(&mut self, key: u64, rule: Rule, now: Instant) -> Result<(), Duration> {
        let whole = self.check(key, rule, now)?;
        if self.0.len() >= MAX_ENTRIES && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        self.0.insert(key, whole);
        Ok(())
    }

    /// Drops what is whole again, else the half that is nearest to it: a flood of names cannot fill the memory.
    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, whole| *whole > now);
        if self.0.len() < MAX_ENTRIES {
            return;
        }
        let mut ends: Vec<Instant> = self.0.values().copied().collect();
        let middle = ends.len() / 2;
        let median = *ends.select_nth_unstable(middle).1;
        self.0.retain(|_, whole| *whole > median);
    }
}

/// A whole /64 counts as one address: that is what one customer has in IPv6.
fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address) & !u128::from(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_name_from_one_address_is_slowed_down_and_comes_back_with_time() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let here = address("10.0.0.1");
        for _ in 0..PAIR.burst {
            attempts.take("ann", here, now).unwrap();
        }
        assert_eq!(attempts.check("ann", here, now), Err(PAIR.refill));
        assert_eq!(attempts.take("ann", here, now), Err(PAIR.refill));
        attempts.take("bob", here, now).unwrap();
        attempts.take("ann", here, now + PAIR.refill).unwrap();
    }

    #[test]
    fn nobody_is_locked_out_by_one_other_address() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        while attempts.take("ann", address("10.0.0.1"), now).is_ok() {}
        attempts.take("ann", address("10.0.0.2"), now).unwrap();
    }

    #[test]
    fn many_addresses_cannot_guess_one_password_together() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let tries = (0..200).map(|number| format!("10.0.0.{number}"));
        let passed = tries.filter(|from| attempts.take("ann", address(from), now).is_ok()).count();
        assert_eq!(passed, NAME.burst as usize);
    }

    #[test]
    fn an_address_is_slowed_down_whatever_the_name_and_ipv6_counts_by_64_bits() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..ADDRESS.burst {
            let address = address(&format!("2001:db8::{number:x}"));
            attempts.take(&number.to_string(), address, now).unwrap();
        }
        assert!(attempts.take("x", address("2001:db8::ffff"), now).is_err());
        attempts.take("x", address("2001:db8:0:1::1"), now).unwrap();
    }

    #[test]
    fn a_success_gives_the_tries_back() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        while attempts.take("ann", None, now).is_ok() {}
        attempts.forget("ann", None);
        attempts.take("ann", None, now).unwrap();
    }

    #[test]
    fn a_flood_of_names_does_not_fill_the_memory() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..3 * MAX_ENTRIES {
            let at = now + Duration::from_micros(number as u64);
            let _ = attempts.take(&number.to_string(), None, at);
        }
        let tables = attempts.tables.lock();
        assert!(tables.names.0.len() <= MAX_ENTRIES && tables.pairs.0.len() <= MAX_ENTRIES);
    }
}
