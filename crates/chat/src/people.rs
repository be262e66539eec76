//! Who is here on this node: a person's connections, and the grace before their going is told.
//!
//! Presence is told at most once and never takes a seq. Time is an argument.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moorline_protocol::{Person, Presence, UserId};

use crate::feed::Feed;
use crate::listener::Listener;

/// A reconnect within this time is not told to anybody.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// The people with connections, and those who went a moment ago.
#[derive(Default)]
pub(crate) struct People {
    here: HashMap<UserId, Here>,
    /// Who went and when, oldest first.
    going: Vec<(Instant, UserId)>,
}

#[derive(Default)]
struct Here {
    listeners: Vec<Arc<Listener>>,
    /// Whose coming was told, and where their going is to be told.
    told: Option<Vec<Arc<Feed>>>,
    /// Whether they are away, as was told last.
    is_away: bool,
}

impl Here {
    fn presence(&self) -> Presence {
        if self.is_away { Presence::Away } else { Presence::Online }
    }
}

/// One whose going is to be told now.
pub(crate) struct Gone {
    pub(crate) user: UserId,
    pub(crate) feeds: Vec<Arc<Feed>>,
}

impl People {
    pub(crate) fn came(&mut self, listener: &Arc<Listener>) {
        self.here.entry(listener.user().clone()).or_default().listeners.push(listener.clone());
    }

    /// Whether the person's coming has to be told; afterwards it has been.
    pub(crate) fn tell_coming(&mut self, user: &UserId) -> bool {
        self.here.get_mut(user).is_some_and(|here| here.told.replace(Vec::new()).is_none())
    }

    /// Looks whether somebody with connections is away now, that is, from all of them. Answers what is to be told.
    pub(crate) fn turn(&mut self, user: &UserId) -> Option<Presence> {
        let here = self.here.get_mut(user)?;
        if here.listeners.is_empty() || here.told.is_none() {
            return None;
        }
        let is_away = here.listeners.iter().all(|listener| listener.is_away());
        let has_turned = std::mem::replace(&mut here.is_away, is_away) != is_away;
        has_turned.then(|| here.presence())
    }

    /// A connection ended; `feeds` is where the person was. Answers what is to be told of one who has others.
    pub(crate) fn went(
        &mut self,
        listener: &Arc<Listener>,
        feeds: Vec<Arc<Feed>>,
        now: Instant,
    ) -> Option<Presence> {
        let here = self.here.get_mut(listener.user())?;
        here.listeners.retain(|other| !Arc::ptr_eq(other, listener));
        if !here.listeners.is_empty() {
            return self.turn(listener.user());
        }
        match &mut here.told {
            Some(told) => {
                *told = feeds;
                self.going.push((now, listener.user().clone()));
            }
            None => {
                self.here.remove(listener.user());
            }
        }
        None
    }

    /// Those whose grace is over and who did not come back.
    pub(crate) fn gone(&mut self, now: Instant) -> Vec<Gone> {
        let due = self.going.partition_point(|(went, _)| now.duration_since(*went) >= GRACE);
        let due: Vec<UserId> = self.going.drain(..due).map(|(_, user)| user).collect();
        due.into_iter().filter_map(|user| self.forget(user)).collect()
    }

    /// Forgets a person without connections.
    fn forget(&mut self, user: UserId) -> Option<Gone> {
        if !self.here.get(&user)?.listeners.is_empty() {
            return None;
        }
        let feeds = self.here.remove(&user)?.told.unwrap_or_default();
        Some(Gone { user, feeds })
    }

    pub(crate) fn listeners(&self, user: &UserId) -> &[Arc<Listener>] {
        self.here.get(user).map_or(&[], |here| &here.listeners)
    }

    pub(crate) fn presence(&self, user: &UserId) -> Presence {
        self.here.get(user).map_or(Presence::Offline, Here::presence)
    }

    /// How others are told that the person is here; nobody is told of one who has not shown who they are.
    pub(crate) fn told(&self, user: &UserId) -> Presence {
        let here = self.here.get(user).filter(|here| here.told.is_some());
        here.map_or(Presence::Offline, Here::presence)
    }

    /// Everybody whose coming was told and whose going was not.
    pub(crate) fn all_told(&self) -> Vec<UserId> {
        let told = self.here.iter().filter(|(_, here)| here.told.is_some());
        told.map(|(user, _)| user.clone()).collect()
    }

    pub(crate) fn person(&self, user: &UserId) -> Option<Person> {
        let name = self.here.get(user)?.listeners.iter().find_map(|listener| listener.name())?;
        Some(Person { id: user.clone(), name: name.to_string(), presence: None })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.here.values().flat_map(|here| &here.listeners)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outbox;

    fn listener(user: &str) -> Arc<Listener> {
        Listener::new(UserId::new(user).unwrap(), None, Arc::new(Outbox::new(1000)))
    }

    #[test]
    fn a_reconnect_within_the_grace_is_told_to_nobody() {
        let (mut people, start) = (People::default(), Instant::now());
        let (first, second) = (listener("ann"), listener("ann"));
        people.came(&first);
        assert!(people.tell_coming(first.user()));
        people.went(&first, Vec::new(), start);
        assert_eq!(people.presence(first.user()), Presence::Online);
        people.came(&second);
        assert!(!people.tell_coming(first.user()));
        assert!(people.gone(start + GRACE).is_empty());
        assert_eq!(people.presence(first.user()), Presence::Online);
    }

    #[test]
    fn one_who_stays_away_is_told_gone_once() {
        let (mut people, start) = (People::default(), Instant::now());
        let ann = listener("ann");
        people.came(&ann);
        people.tell_coming(ann.user());
        people.went(&ann, Vec::new(), start);
        assert!(people.gone(start + GRACE / 2).is_empty());
        let gone = people.gone(start + GRACE);
        assert_eq!(gone.iter().map(|gone| gone.user.as_str()).collect::<Vec<_>>(), ["ann"]);
        assert!(people.gone(start + 2 * GRACE).is_empty());
        assert_eq!(people.presence(ann.user()), Presence::Offline);
    }

    #[test]
    fn one_is_away_only_when_every_window_is_left() {
        let (mut people, start) = (People::default(), Instant::now());
        let (first, second) = (listener("ann"), listener("ann"));
        let user = first.user().clone();
        people.came(&first);
        people.came(&second);
        people.tell_coming(&user);
        first.set_away(true);
        assert_eq!(people.turn(&user), None);
        second.set_away(true);
        assert_eq!(people.turn(&user), Some(Presence::Away));
        assert_eq!((people.turn(&user), people.presence(&user)), (None, Presence::Away));
        let third = listener("ann");
        people.came(&third);
        assert_eq!(people.turn(&user), Some(Presence::Online));
        assert_eq!(people.went(&third, Vec::new(), start), Some(Presence::Away));
    }

    #[test]
    fn a_second_window_keeps_a_person_here() {
        let (mut people, start) = (People::default(), Instant::now());
        let (first, second) = (listener("ann"), listener("ann"));
        people.came(&first);
        people.came(&second);
        people.tell_coming(first.user());
        people.went(&first, Vec::new(), start);
        assert!(people.gone(start + GRACE).is_empty());
        assert_eq!(people.listeners(first.user()).len(), 1);
    }
}
