//! Who is how on which node, as this node knows it: its own people, and by leases and places those of the others.
//!
//! The hub asks it and tells it of its own people; `leases` brings what the store and hints say. It decides what people
//! here are told, so that one who is on several nodes, or changes from one to another, is told once or not at all. It
//! holds one small entry a person and node; no sockets, no store; time is an argument.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use moorline_protocol::{Presence, UserId};
use moorline_store::{NodeId, PRESENCE_BATCH, Place};

/// How long it is remembered that somebody went: longer than anything older may still be under way.
const REMEMBERED: Duration = Duration::from_secs(300);
/// How often those are looked for of whom that is over.
const SWEEP: Duration = Duration::from_secs(60);

/// What changed for the people here.
pub(crate) type Turned = Vec<(UserId, Presence)>;

/// The whereabouts of everybody who is somewhere.
pub(crate) struct Whereabouts {
    own: NodeId,
    /// The last version given to a place of this node.
    version: u64,
    people: HashMap<UserId, Vec<Spot>>,
    others: HashMap<NodeId, Other>,
    /// Whose place here is to be written.
    unwritten: HashSet<UserId>,
    swept: Option<Instant>,
    /// People of nodes that ended, for whom this node speaks: see [`Whereabouts::orphaned`].
    orphans: HashSet<UserId>,
}

/// A person on a node.
struct Spot {
    node: NodeId,
    version: u64,
    presence: Presence,
    since: Instant,
}

/// Another node.
struct Other {
    lives: bool,
    /// When it last told of itself.
    heard: Instant,
}

/// What a look at the store found, all pages of it.
pub(crate) struct Found {
    /// When the look began.
    pub(crate) began: Instant,
    /// Whether it began at the beginning: then whoever is not in it is nowhere.
    pub(crate) is_all: bool,
    pub(crate) places: Vec<(NodeId, Place)>,
    pub(crate) nodes: Vec<(NodeId, bool)>,
    /// Whether leases that have ended say anything: not while nobody could renew one.
    pub(crate) is_sure: bool,
}

impl Whereabouts {
    pub(crate) fn new(own: NodeId) -> Self {
        let (people, others) = (HashMap::new(), HashMap::new());
        let (unwritten, orphans) = (HashSet::new(), HashSet::new());
        Self { own, version: 0, people, others, unwritten, swept: None, orphans }
    }

    /// How a person is, wherever.
    pub(crate) fn presence(&self, user: &UserId) -> Presence {
        let spots = self.people.get(user).map_or(&[][..], Vec::as_slice);
        let lives = |spot: &&Spot| spot.node == self.own || self.lives(spot.node);
        spots.iter().filter(lives).fold(Presence::Offline, |best, spot| nearer(best, spot.presence))
    }

    /// Whether another node lives.
    pub(crate) fn has_others(&self) -> bool {
        self.others.values().any(|other| other.lives)
    }

    fn lives(&self, node: NodeId) -> bool {
        self.others.get(&node).is_some_and(|other| other.lives)
    }

    /// How a person is on this node now. Answers what those here are to be told.
    pub(crate) fn settle(
        &mut self,
        user: &UserId,
        presence: Presence,
        now: Instant,
    ) -> Option<Presence> {
        let before = self.presence(user);
        if here_of(self.spot(self.own, user)) == presence {
            return None;
        }
        self.version += 1;
        self.put(user, Spot { node: self.own, version: self.version, presence, since: now });
        self.unwritten.insert(user.clone());
        let after = self.presence(user);
        (before != after).then_some(after)
    }

    fn spot(&self, node: NodeId, user: &UserId) -> Option<&Spot> {
        self.people.get(user)?.iter().find(|spot| spot.node == node)
    }

    /// Keeps the newer one.
    fn put(&mut self, user: &UserId, new: Spot) {
        // Nearly everybody is on one node, and a list would make room for four.
        let spots = self.people.entry(user.clone()).or_insert_with(|| Vec::with_capacity(1));
        match spots.iter_mut().find(|spot| spot.node == new.node) {
            Some(old) if old.version < new.version => *old = new,
            Some(_) => {}
            None => spots.push(new),
        }
    }

    /// Some of the people whose places are to be written; [`Whereabouts::unwritten_again`] takes back what was not.
    pub(crate) fn take_unwritten(&mut self) -> Vec<(UserId, Presence, u64)> {
        let some: Vec<UserId> = self.unwritten.iter().take(PRESENCE_BATCH).cloned().collect();
        let mut taken = Vec::with_capacity(some.len());
        for user in some {
            self.unwritten.remove(&user);
            if let Some(spot) = self.spot(self.own, &user) {
                taken.push((user, spot.presence, spot.version));
            }
        }
        taken
    }

    pub(crate) fn unwritten_again(&mut self, users: impl Iterator<Item = UserId>) {
        self.unwritten.extend(users);
    }

    pub(crate) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Others may have seen this node end: all that it wrote is to be written again.
    pub(crate) fn write_all_again(&mut self) {
        for (user, spots) in &mut self.people {
            let own = spots.iter_mut().find(|spot| spot.node == self.own);
            if let Some(spot) = own.filter(|spot| spot.presence != Presence::Offline) {
                self.version += 1;
                spot.version = self.version;
                self.unwritten.insert(user.clone());
            }
        }
    }

    /// Takes what another node told of its people. One that nothing is known of lives, since it speaks; one that has
    /// ended comes back by the store alone.
    pub(crate) fn hear(&mut self, node: NodeId, places: &[Place], now: Instant) -> Turned {
        if node == self.own {
            return Turned::new();
        }
        let other = self.others.entry(node).or_insert(Other { lives: true, heard: now });
        if !other.lives {
            return Turned::new();
        }
        other.heard = now;
        let before = self.presences(places.iter().map(|place| place.user.clone()));
        for place in places {
            self.put(&place.user, spot(node, place, now));
        }
        self.turned(before)
    }

    /// Takes what the store says. Answers too whether a node came back that had ended, of which only a look from the
    /// beginning tells everything.
    pub(crate) fn look(&mut self, found: &Found) -> (Turned, bool) {
        let others = self.others_after(found);
        let lives = |node: &NodeId| others.get(node).is_some_and(|other| other.lives);
        let is_known = |(node, other): (&NodeId, &Other)| other.lives && self.lives(*node);
        let has_ended = self.others.iter().any(|(node, known)| known.lives && !lives(node));
        let has_revived = others
            .iter()
            .any(|one| one.1.lives && self.others.contains_key(one.0) && !is_known(one));
        let goes_through_all = found.is_all || has_ended;
        let mut users: Vec<UserId> = Vec::new();
        if goes_through_all {
            let is_ending = |spot: &Spot| spot.node != self.own && !lives(&spot.node);
            let concerned =
                self.people.iter().filter(|(_, spots)| found.is_all || spots.iter().any(is_ending));
            users.extend(concerned.map(|(user, _)| user.clone()));
        }
        users.extend(found.places.iter().map(|(_, place)| place.user.clone()));
        let before = self.presences(users.into_iter());
        // One of the living speaks for a node that ended, the one with the smallest number.
        let speaks = others.iter().all(|(node, other)| !other.lives || self.own.0 < node.0);
        if has_ended && speaks {
            self.orphans.extend(self.people_of(|node| *node != self.own && !lives(node)));
        }
        self.others = others;
        let is_due = |swept| found.began.saturating_duration_since(swept) >= SWEEP;
        if goes_through_all || self.swept.is_none_or(is_due) {
            self.sweep(found);
        }
        for (node, place) in &found.places {
            if *node != self.own && self.lives(*node) {
                self.put(&place.user, spot(*node, place, found.began));
            }
        }
        if found.is_all {
            self.compare_own(found);
        }
        (self.turned(before), has_revived && !found.is_all)
    }

    /// What the store does not have as it was written, as after a standby took over that lacked it, is written again.
    fn compare_own(&mut self, found: &Found) {
        let own = found.places.iter().filter(|(node, _)| *node == self.own);
        let stored: HashMap<&UserId, Presence> = own
            .map(|(_, place)| (&place.user, spot(self.own, place, found.began).presence))
            .collect();
        let here =
            |user: &UserId| self.spot(self.own, user).map(|spot| (spot.presence, spot.since));
        let is_other = |user: &UserId| {
            let (presence, since) = here(user).unwrap_or((Presence::Offline, found.began));
            let is_stored = stored.get(user).copied().unwrap_or(Presence::Offline) == presence;
            !is_stored && since <= found.began && !self.unwritten.contains(user)
        };
        let users = self.people.keys().chain(stored.keys().copied());
        let others: HashSet<UserId> = users.filter(|user| is_other(user)).cloned().collect();
        for user in others {
            let presence = here_of(self.spot(self.own, &user));
            self.version += 1;
            let version = self.version;
            self.put(&user, Spot { node: self.own, version, presence, since: found.began });
            self.unwritten.insert(user);
        }
    }

    /// The people on nodes of this kind.
    fn people_of(&self, is_meant: impl Fn(&NodeId) -> bool) -> Vec<UserId> {
        let spots = self.people.iter();
        let meant = spots.filter(|(_, spots)| spots.iter().any(|spot| is_meant(&spot.node)));
        meant.map(|(user, _)| user.clone()).collect()
    }

    /// Of what a look turned, that which the node cannot tell itself that did it, since it has ended, and which this node
    /// tells in its place to programs outside. Nodes that see different others may both think that they are to.
    pub(crate) fn orphaned(&mut self, turned: &Turned) -> Turned {
        let orphans = std::mem::take(&mut self.orphans);
        turned.iter().filter(|(user, _)| orphans.contains(user)).cloned().collect()
    }

    /// The other nodes as a look shows them.
    fn others_after(&self, found: &Found) -> HashMap<NodeId, Other> {
        let mut others = HashMap::with_capacity(found.nodes.len());
        for (node, lives) in found.nodes.iter().filter(|(node, _)| *node != self.own) {
            let known = self.others.get(node);
            let is_spared = !found.is_sure && known.is_some_and(|known| known.lives);
            let heard = known.map_or(found.began, |known| known.heard);
            others.insert(*node, Other { lives: *lives || is_spared, heard });
        }
        for (node, known) in &self.others {
            // It began after the look did.
            if known.lives && known.heard > found.began {
                others.entry(*node).or_insert(Other { lives: true, heard: known.heard });
            }
        }
        others
    }

    /// Forgets places on nodes that have ended, those that a look from the beginning does not show, and who went long ago.
    fn sweep(&mut self, found: &Found) {
        let (now, own) = (found.began, self.own);
        self.swept = Some(now);
        let listed: HashSet<(NodeId, &UserId)> =
            found.places.iter().map(|(node, place)| (*node, &place.user)).collect();
        let (others, unwritten) = (&self.others, &self.unwritten);
        self.people.retain(|user, spots| {
            spots.retain(|spot| {
                let is_old = now.saturating_duration_since(spot.since) > REMEMBERED;
                let is_forgotten = spot.presence == Presence::Offline && is_old;
                if spot.node == own {
                    return !is_forgotten || unwritten.contains(user);
                }
                let lives = others.get(&spot.node).is_some_and(|other| other.lives);
                let is_listed =
                    !found.is_all || spot.since > now || listed.contains(&(spot.node, user));
                lives && is_listed && !is_forgotten
            });
            !spots.is_empty()
        });
    }

    fn presences(&self, users: impl Iterator<Item = UserId>) -> HashMap<UserId, Presence> {
        users.map(|user| (user.clone(), self.presence(&user))).collect()
    }

    fn turned(&self, before: HashMap<UserId, Presence>) -> Turned {
        let now = before.into_iter().map(|(user, before)| (self.presence(&user), user, before));
        now.filter(|(now, _, before)| now != before).map(|(now, user, _)| (user, now)).collect()
    }
}

fn here_of(spot: Option<&Spot>) -> Presence {
    spot.map_or(Presence::Offline, |spot| spot.presence)
}

fn spot(node: NodeId, place: &Place, now: Instant) -> Spot {
    let presence = match (place.connections, place.is_away) {
        (0, _) => Presence::Offline,
        (_, true) => Presence::Away,
        (_, false) => Presence::Online,
    };
    Spot { node, version: place.version, presence, since: now }
}

/// One who is at a screen anywhere is not away.
pub(crate) fn nearer(one: Presence, other: Presence) -> Presence {
    match (one, other) {
        (Presence::Online, _) | (_, Presence::Online) => Presence::Online,
        (Presence::Away, _) | (_, Presence::Away) => Presence::Away,
        _ => Presence::Offline,
    }
}

#[cfg(test)]
#[path = "whereabouts_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "whereabouts_memory_tests.rs"]
mod memory_tests;
