//! Who is here and what they are called, told to those around them. A part of the hub; sessions and the HTTP call it.
//! Nothing here takes a seq; a full outbox may lose it, which is counted. Where the store has other nodes, `leases` tells
//! who is on those, and one who is on several is told as one.

use std::collections::HashMap;
use std::sync::Arc;

use moorline_protocol::{
    Frame, Limits, PeopleList, Person, Presence, PresenceChange, Reply, RoomId, UserId,
};
use moorline_store::{Place, Store};

use super::Hub;
use crate::feed::Feed;
use crate::listener::Listener;
use crate::now_ms;
use crate::whereabouts::nearer;

/// People whose rooms are asked for at once.
const PEOPLE: usize = 200;

impl Hub {
    /// How a person is now.
    #[must_use]
    pub fn presence(&self, user: &UserId) -> Presence {
        let here = self.people.lock().presence(user);
        let anywhere = self.leases.as_ref().map(|leases| leases.presence(user));
        anywhere.map_or(here, |anywhere| nearer(here, anywhere))
    }

    /// Fills in who of these is here.
    pub fn add_presence(&self, people: &mut [Person]) {
        for person in people {
            person.presence = Some(self.presence(&person.id));
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
        let Some(leases) = &self.leases else {
            self.tell_outlets_of_presence(user, state, at);
            return self.push_presence(user, feeds, state, at);
        };
        if let Some(state) = leases.settle(user, || self.people.lock().told(user)) {
            self.tell_outlets_of_presence(user, state, at);
            self.push_presence(user, feeds, state, at);
        }
    }

    fn push_presence(&self, user: &UserId, feeds: &[Arc<Feed>], state: Presence, at: u64) {
        let mut others = around(feeds);
        others.retain(|listener| listener.user() != user);
        if others.is_empty() {
            return;
        }
        let frame = Reply::from(PresenceChange { user: user.clone(), state, at }).frame();
        self.push_to(&others, &frame);
    }

    /// Tells those around people that they came or went on other nodes.
    pub(crate) async fn tell_turned(&self, turned: &[(UserId, Presence)]) {
        for some in turned.chunks(PEOPLE) {
            if self.feeds.lock().is_empty() {
                return;
            }
            let users: Vec<UserId> = some.iter().map(|(user, _)| user.clone()).collect();
            let small = Limits::DEFAULT.receipt_members;
            match self.store.small_rooms_of(&users, small).await {
                Ok(rooms) => self.tell_in(some, &rooms),
                // Whoever asks is told; and the next change is told again.
                Err(error) => tracing::debug!(%error, "could not see around whom to tell presence"),
            }
        }
    }

    fn tell_in(&self, turned: &[(UserId, Presence)], rooms: &[(UserId, RoomId)]) {
        let mut feeds_of: HashMap<&UserId, Vec<Arc<Feed>>> = HashMap::new();
        {
            let feeds = self.feeds.lock();
            for (user, room) in rooms {
                let feed = feeds.get(room).cloned();
                feeds_of.entry(user).or_default().extend(feed);
            }
        }
        for (user, state) in turned {
            // One who turned again meanwhile is told so by whoever saw that.
            if self.presence(user) == *state
                && let Some(feeds) = feeds_of.get(user)
            {
                self.push_presence(user, feeds, *state, now_ms());
            }
        }
    }

    /// Connections of somebody who is here, or was a moment ago.
    pub(crate) fn connection_count(&self, user: &UserId, here: Presence) -> u32 {
        match here {
            Presence::Offline => 0,
            _ => {
                let count = self.people.lock().listeners(user).len();
                u32::try_from(count).unwrap_or(u32::MAX).max(1)
            }
        }
    }

    /// Tells the other nodes how people are here, once that is written.
    pub(crate) fn tell_nodes_of(&self, places: Vec<Place>) {
        if let Some(nodes) = &self.nodes {
            nodes.tell_presence(places);
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
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
