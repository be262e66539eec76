//! Who may come in how fast. Rules only: time is an argument; memory is bounded whatever the addresses do.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Addresses that are remembered at most; beyond it, unknown ones share one allowance.
const ADDRESSES_MAX: usize = 10_000;
const SECOND: Duration = Duration::from_secs(1);

/// Handshakes a second and address. A whole /64 of IPv6 counts as one address, since one person has all of it.
pub(crate) struct HandshakeRate {
    per_second: u32,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// When the allowance of each address is whole again.
    whole_at: HashMap<IpAddr, Instant>,
    /// When whole ones were last forgotten; once a second is enough, since no entry stays relevant for longer.
    swept: Option<Instant>,
}

impl HandshakeRate {
    /// Admits `per_second` at once and as many in each second after that.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), seen: Mutex::default() }
    }

    /// Whether one more handshake is within the rate.
    pub(crate) fn admit(&self, address: IpAddr, now: Instant) -> bool {
        let mut seen = self.seen.lock();
        let mut key = network(address);
        if !seen.whole_at.contains_key(&key) && !seen.has_room(now) {
            key = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        }
        let whole = seen.whole_at.entry(key).or_insert(now);
        let next = (*whole).max(now) + SECOND / self.per_second;
        if next > now + SECOND {
            return false;
        }
        *whole = next;
        true
    }
}

impl Seen {
    /// Whether one more address can be remembered.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.whole_at.len() < ADDRESSES_MAX {
            return true;
        }
        if self.swept.is_none_or(|swept| now >= swept + SECOND) {
            self.whole_at.retain(|_, whole| *whole > now);
            self.swept = Some(now);
        }
        self.whole_at.len() < ADDRESSES_MAX
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// How many sockets may be open whose person is not known yet.
#[derive(Clone)]
pub(crate) struct Unauthenticated(Arc<Semaphore>);

/// A socket's place among the unauthenticated; given back when dropped.
pub(crate) struct UnauthenticatedSlot(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

impl Unauthenticated {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))))
    }

    /// A place, if one is free.
    pub(crate) fn take(&self) -> Option<UnauthenticatedSlot> {
        Arc::clone(&self.0).try_acquire_owned().ok().map(UnauthenticatedSlot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(rate: &HandshakeRate, address: &str, now: Instant, times: usize) -> usize {
        let address = address.parse().unwrap();
        (0..times).filter(|_| rate.admit(address, now)).count()
    }

    #[test]
    fn an_address_gets_its_rate_and_then_as_much_each_second() {
        let (rate, now) = (HandshakeRate::new(20), Instant::now());
        assert_eq!(admitted(&rate, "192.0.2.1", now, 30), 20);
        assert_eq!(admitted(&rate, "192.0.2.2", now, 30), 20);
        assert_eq!(admitted(&rate, "192.0.2.1", now + Duration::from_millis(500), 30), 10);
        assert_eq!(admitted(&rate, "192.0.2.1", now + Duration::from_secs(9), 30), 20);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let (rate, now) = (HandshakeRate::new(20), Instant::now());
        assert_eq!(admitted(&rate, "2001:db8::1", now, 15), 15);
        assert_eq!(admitted(&rate, "2001:db8::ffff:1", now, 15), 5);
        assert_eq!(admitted(&rate, "2001:db8:0:1::1", now, 15), 15);
        assert_eq!(admitted(&rate, "::ffff:192.0.2.1", now, 15), 15);
        assert_eq!(admitted(&rate, "192.0.2.1", now, 15), 5);
    }

    #[test]
    fn more_addresses_than_can_be_remembered_share_one_allowance() {
        let (rate, now) = (HandshakeRate::new(20), Instant::now());
        for number in 0..20_000_u32 {
            rate.admit(IpAddr::V4(number.into()), now);
        }
        assert!(rate.seen.lock().whole_at.len() <= ADDRESSES_MAX + 1);
        assert_eq!(admitted(&rate, "192.0.2.1", now, 30), 0);
        assert_eq!(admitted(&rate, "192.0.2.1", now + Duration::from_secs(2), 30), 20);
    }

    #[test]
    fn a_place_among_the_unauthenticated_is_given_back() {
        let places = Unauthenticated::new(1);
        let first = places.take();
        assert!(first.is_some());
        assert!(places.take().is_none());
        drop(first);
        assert!(places.take().is_some());
    }
}
