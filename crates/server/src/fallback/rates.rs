//! How much a person may ask by requests, which have no connection to count at. Per node, as a connection is; time is an
//! argument, and memory is bounded.

use std::collections::HashMap;
use std::sync::Arc;

use moorline_protocol::{Limits, UserId};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::session::{Allowance, Verdict};

/// People that are remembered at most; whoever comes beyond it waits a second.
const PEOPLE_MAX: usize = 100_000;
/// Polls of one person that wait on a node at once: as many windows, with room for those whose clients are gone.
const POLLS_MAX: u32 = 8;

/// What people have asked lately.
#[derive(Default)]
pub(crate) struct Rates {
    allowances: Mutex<HashMap<UserId, Allowance>>,
    polls: Arc<Mutex<HashMap<UserId, u32>>>,
}

/// One poll among those of its person; given back when dropped.
pub(crate) struct PollPlace {
    user: UserId,
    polls: Arc<Mutex<HashMap<UserId, u32>>>,
}

impl Rates {
    /// What becomes of a person's next command or poll.
    pub(crate) fn take(&self, user: &UserId, now: Instant) -> Verdict {
        let limits = &Limits::DEFAULT;
        let mut allowances = self.allowances.lock();
        if !allowances.contains_key(user) {
            if allowances.len() >= PEOPLE_MAX {
                allowances.retain(|_, allowance| !allowance.is_whole(limits, now));
            }
            if allowances.len() >= PEOPLE_MAX {
                return Verdict::Wait(1_000);
            }
        }
        let allowance =
            allowances.entry(user.clone()).or_insert_with(|| Allowance::new(limits, now));
        allowance.take(limits, now)
    }

    /// A place for one more poll of a person; none where too many wait already.
    pub(crate) fn poll(&self, user: &UserId) -> Option<PollPlace> {
        let mut polls = self.polls.lock();
        let waiting = polls.entry(user.clone()).or_default();
        if *waiting >= POLLS_MAX {
            return None;
        }
        *waiting += 1;
        Some(PollPlace { user: user.clone(), polls: Arc::clone(&self.polls) })
    }
}

impl Drop for PollPlace {
    fn drop(&mut self) {
        let mut polls = self.polls.lock();
        if let Some(waiting) = polls.get_mut(&self.user) {
            *waiting -= 1;
            if *waiting == 0 {
                polls.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    #[test]
    fn a_person_has_one_allowance_and_others_have_theirs() {
        let (rates, now) = (Rates::default(), Instant::now());
        let passed = |who: &str, now| {
            (0..300).filter(|_| rates.take(&user(who), now) == Verdict::Pass).count()
        };
        assert_eq!((passed("ann", now), passed("bob", now)), (200, 200));
        assert_eq!(passed("ann", now + Duration::from_secs(1)), 50);
    }

    #[test]
    fn a_person_has_so_many_polls_and_gets_their_places_back() {
        let rates = Rates::default();
        let mut places: Vec<_> = (0..8).map_while(|_| rates.poll(&user("ann"))).collect();
        assert_eq!(places.len(), 8);
        assert!(rates.poll(&user("ann")).is_none());
        assert!(rates.poll(&user("bob")).is_some());
        places.pop();
        assert!(rates.poll(&user("ann")).is_some());
        drop(places);
        assert!(rates.polls.lock().is_empty());
    }
}
