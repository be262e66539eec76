//! The hub and those outside of the chat: outlets that tell what happened here, and notices that a backend sends to people.
//! A part of the hub. Nothing here is stored, waits, or takes a seq.

use std::sync::Arc;
use std::time::Instant;

use moorline_protocol::{Notice, Presence, PresenceChange, Reply, UserId};
use moorline_store::Commit;

use super::Hub;
use crate::nodes::Noticed;
use crate::notices::Shown;
use crate::now_ms;
use crate::outbox::Pushed;
use crate::outlet::{Happening, Outlet};

impl Hub {
    /// An outlet of what happens here from now on: this node's own commits, and the presence of its people.
    #[must_use]
    pub fn outlet(&self) -> Arc<Outlet> {
        let outlet = Arc::new(Outlet::default());
        self.outlets.lock().push(Arc::clone(&outlet));
        outlet
    }

    /// Tells the outlets of a commit. With none it costs a lock that nobody else holds.
    pub(super) fn tell_outlets(&self, commit: &Commit) {
        let mut outlets = self.outlets.lock();
        if outlets.is_empty() || (commit.events.is_empty() && commit.made.is_empty()) {
            return;
        }
        outlets.retain(|outlet| !outlet.is_closed());
        let made: Vec<_> = commit.made.iter().map(|made| Arc::new(made.clone())).collect();
        for outlet in outlets.iter() {
            let events = commit.events.iter().cloned().map(Happening::Event);
            outlet.push(made.iter().cloned().map(Happening::Made).chain(events));
        }
    }

    pub(super) fn tell_outlets_of_presence(&self, user: &UserId, state: Presence, at: u64) {
        let outlets = self.outlets.lock();
        if outlets.is_empty() {
            return;
        }
        let change = Arc::new(PresenceChange { user: user.clone(), state, at });
        outlets.iter().for_each(|outlet| outlet.push([Happening::Presence(change.clone())]));
    }

    /// Tells the outlets of people whose node has ended and cannot tell of them.
    pub(crate) fn tell_outlets_of_orphans(&self, turned: Vec<(UserId, Presence)>) {
        turned.iter().for_each(|(user, state)| {
            self.tell_outlets_of_presence(user, *state, now_ms());
        });
    }

    /// This node ends. Where it is the only one, nobody could tell programs outside later that its people went: they are
    /// told now, after the last connection.
    pub fn tell_end(&self, at_ms: u64) {
        if self.leases.as_ref().is_some_and(|leases| leases.has_others()) {
            return;
        }
        let here = self.people.lock().all_told();
        here.iter().for_each(|user| self.tell_outlets_of_presence(user, Presence::Offline, at_ms));
    }

    /// Shows a notice to the people of this node whom it is for; with `elsewhere`, other nodes hear of it too. One that
    /// was noticed before, by its id, is not shown again.
    pub(crate) fn notice(&self, noticed: &Noticed, now: Instant, elsewhere: bool) -> Shown {
        let is_repeated = noticed.id.clone().is_some_and(|id| !self.noticed.lock().note(id, now));
        if is_repeated {
            return Shown { is_repeated, is_everywhere: true };
        }
        self.show(&noticed.notice);
        let is_told = match &self.nodes {
            Some(nodes) if elsewhere => nodes.tell_notice(noticed) && !nodes.is_deaf(),
            Some(_) => true,
            None => false,
        };
        // A store of one's own has no other nodes.
        Shown { is_repeated, is_everywhere: is_told || self.leases.is_none() }
    }

    fn show(&self, notice: &Notice) {
        let frame = Reply::from(notice.clone()).frame();
        let feed = notice.room.as_ref().and_then(|room| self.feeds.lock().get(room).cloned());
        if let Some(feed) = feed {
            self.drop_some(feed.tell(&frame));
        }
        if let Some(user) = &notice.user {
            let listeners = self.people.lock().listeners(user).to_vec();
            let is_lost = |listener: &&_| push(listener, &frame) == Pushed::Lagging;
            self.drop_some(listeners.iter().filter(is_lost).count() as u64);
        }
    }
}

fn push(listener: &Arc<crate::Listener>, frame: &moorline_protocol::Frame) -> Pushed {
    listener.outbox().push_droppable(frame)
}
