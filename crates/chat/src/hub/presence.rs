//! Who is here and what they are called, told to those around them. A part of the hub; sessions and the HTTP call it.
//! Nothing here is stored or takes a seq; a full outbox may lose it, which is counted.

use std::sync::Arc;

use moorline_protocol::{
    Frame, Limits, PeopleList, Person, Presence, PresenceChange, Reply, UserId,
};

use super::Hub;
use crate::feed::Feed;
use crate::listener::Listener;

impl Hub {
    /// How a person is now.
    #[must_use]
    pub fn presence(&self, user: &UserId) -> Presence {
        self.people.lock().presence(user)
    }

    /// Fills in who of these is here.
    pub fn add_presence(&self, people: &mut [Person]) {
        let here = self.people.lock();
        for person in people {
            person.presence = Some(here.presence(&person.id));
        }
    }

    /// Tells the people around a listener that its person is here, once for all their connections; one who was away
    /// comes back by a new connection too.
    pub fn tell_coming(&self, listener: &Arc<Listener>, at_ms: u64) {
        let told = {
            let mut people = self.people.lock();
            match people.tell_coming(listener.user()) {
                true => Some(people.presence(listener.user())),
                false => people.turn(listener.user()),
            }
        };
        if let Some(state) = told {
            self.tell_presence(listener.user(), &listener.feeds(), state, at_ms);
        }
    }

    /// The person left this connection to itself, or came back to it. They are away once all of theirs are left.
    pub fn set_away(&self, listener: &Arc<Listener>, on: bool, at_ms: u64) {
        listener.set_away(on);
        let turned = self.people.lock().turn(listener.user());
        if let Some(state) = turned {
            self.tell_presence(listener.user(), &listener.feeds(), state, at_ms);
        }
    }

    /// Somebody has another name: their own windows and the people in small rooms with them hear of it at once, others
    /// with the next thing that mentions the person.
    pub fn renamed(&self, user: &UserId, name: &str) {
        let own: Vec<Arc<Listener>> = self.people.lock().listeners(user).to_vec();
        let Some(first) = own.first() else { return };
        own.iter().for_each(|listener| listener.rename(name.into()));
        let person = Person { id: user.clone(), name: name.to_owned(), presence: None };
        let frame = Reply::from(PeopleList { id: None, people: vec![person] }).frame();
        let mut told = around(&first.feeds());
        told.extend(own.iter().filter(|one| one.feeds().is_empty()).cloned());
        self.push_to(&told, &frame);
    }

    pub(super) fn tell_presence(
        &self,
        user: &UserId,
        feeds: &[Arc<Feed>],
        state: Presence,
        at: u64,
    ) {
        self.tell_outlets_of_presence(user, state, at);
        let mut others = around(feeds);
        others.retain(|listener| listener.user() != user);
        if others.is_empty() {
            return;
        }
        let frame = Reply::from(PresenceChange { user: user.clone(), state, at }).frame();
        self.push_to(&others, &frame);
    }

    fn push_to(&self, listeners: &[Arc<Listener>], frame: &Frame) {
        for listener in listeners {
            listener.outbox().push_droppable(frame);
        }
    }
}

/// Everybody who listens to one of these rooms, where the room is small; each once.
fn around(feeds: &[Arc<Feed>]) -> Vec<Arc<Listener>> {
    let small = |feed: &&Arc<Feed>| feed.members() <= u64::from(Limits::DEFAULT.receipt_members);
    each_once(feeds.iter().filter(small).flat_map(|feed| feed.listeners()))
}

/// Each of these once.
pub(super) fn each_once(listeners: impl Iterator<Item = Arc<Listener>>) -> Vec<Arc<Listener>> {
    let mut listeners: Vec<Arc<Listener>> = listeners.collect();
    listeners.sort_unstable_by_key(Arc::as_ptr);
    listeners.dedup_by_key(|listener| Arc::as_ptr(listener));
    listeners
}
