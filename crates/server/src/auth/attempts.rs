//! How often one may try to sign in: per name and per address, in a table of bounded size.
//! A name is slowed down whatever the address, so that many addresses cannot guess one password together.
//! Time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Tries at once for one name: a person who has forgotten which password it was.
const BURST_NAME: u32 = 8;

/// Tries at once from one address: an office behind one router.
const BURST_ADDRESS: u32 = 30;

/// One more try after so long.
const REFILL_NAME: Duration = Duration::from_secs(15);

/// The same for an address.
const REFILL_ADDRESS: Duration = Duration::from_secs(3);

/// Entries of each table: about 5 MiB at most in all.
const MAX_ENTRIES: usize = 20_000;

/// Counts tries.
#[derive(Debug, Default)]
pub struct Attempts {
    names: Mutex<HashMap<u64, Bucket>>,
    addresses: Mutex<HashMap<u64, Bucket>>,
    hasher: std::hash::RandomState,
}

/// A full bucket is not stored; `full_at` says when it is full again.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Instant,
}

impl Attempts {
    /// Takes one try, or says how long to wait. A local address without a proxy counts only for the name.
    pub fn take(&self, name: &str, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        use std::hash::BuildHasher;
        if let Some(address) = address {
            let key = self.hasher.hash_one(network(address));
            take(&mut self.addresses.lock(), key, BURST_ADDRESS, REFILL_ADDRESS, now)?;
        }
        let key = self.hasher.hash_one(name);
        take(&mut self.names.lock(), key, BURST_NAME, REFILL_NAME, now)
    }

    /// Gives the tries of a name back after a success.
    pub fn forget(&self, name: &str) {
        use std::hash::BuildHasher;
        let key = self.hasher.hash_one(name);
        self.names.lock().remove(&key);
    }
}

fn take(
    buckets: &mut HashMap<u64, Bucket>,
    key: u64,
    burst: u32,
    refill: Duration,
    now: Instant,
) -> Result<(), Duration> {
    if buckets.len() >= MAX_ENTRIES && !buckets.contains_key(&key) {
        make_room(buckets, now);
    }
    let bucket = buckets.entry(key).or_insert(Bucket { full_at: now });
    let full_at = bucket.full_at.max(now) + refill;
    let latest = now + refill * burst;
    if full_at > latest {
        return Err(full_at - latest);
    }
    bucket.full_at = full_at;
    Ok(())
}

/// Drops what is full again, else the half that is nearest to it: a flood of names cannot fill the memory.
fn make_room(buckets: &mut HashMap<u64, Bucket>, now: Instant) {
    buckets.retain(|_, bucket| bucket.full_at > now);
    if buckets.len() < MAX_ENTRIES {
        return;
    }
    let mut ends: Vec<Instant> = buckets.values().map(|bucket| bucket.full_at).collect();
    let middle = ends.len() / 2;
    let median = *ends.select_nth_unstable(middle).1;
    buckets.retain(|_, bucket| bucket.full_at > median);
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
    fn a_name_is_slowed_down_whatever_the_address() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for last in 0..BURST_NAME {
            attempts.take("ann", address(&format!("10.0.0.{last}")), now).unwrap();
        }
        assert_eq!(attempts.take("ann", address("10.0.1.1"), now), Err(REFILL_NAME));
        attempts.take("bob", address("10.0.1.1"), now).unwrap();
        attempts.take("ann", address("10.0.1.1"), now + REFILL_NAME).unwrap();
    }

    #[test]
    fn an_address_is_slowed_down_whatever_the_name_and_ipv6_counts_by_64_bits() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..BURST_ADDRESS {
            let address = address(&format!("2001:db8::{number:x}"));
            attempts.take(&number.to_string(), address, now).unwrap();
        }
        assert!(attempts.take("x", address("2001:db8::ffff"), now).is_err());
        attempts.take("x", address("2001:db8:0:1::1"), now).unwrap();
    }

    #[test]
    fn a_success_gives_the_tries_back() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..BURST_NAME {
            attempts.take("ann", None, now).unwrap();
        }
        attempts.forget("ann");
        attempts.take("ann", None, now).unwrap();
    }

    #[test]
    fn a_flood_of_names_does_not_fill_the_memory() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..3 * MAX_ENTRIES {
            let _ = attempts.take(
                &number.to_string(),
                None,
                now + Duration::from_micros(number as u64),
            );
        }
        assert!(attempts.names.lock().len() <= MAX_ENTRIES);
    }
}
