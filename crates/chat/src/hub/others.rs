//! What other nodes committed, and what else happens to a log as a whole: a new life, a beginning that has risen, a person
//! who is erased. A part of the hub, run by its one task; trusts nothing but the store.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use moorline_protocol::{Change, CloseCode, Event, PeopleList, Person, Reply, RoomId, UserId};
use moorline_store::{DELETED_NAME, DELETED_USER, Revoked, TouchedRoom};

use super::presence::each_once;
use super::{Hub, changes};
use crate::feed::Feed;
use crate::outbox::Close;
use crate::round::Round;

impl Hub {
    /// Something says that a room's log has reached `head`: delivers what is missing from the store. Whatever said it
    /// may be late, repeated, reordered or wrong; nothing but the store's own events is delivered.
    pub async fn advance(&self, room: &RoomId) {
        let feed = self.feeds.lock().get(room).cloned();
        let Some(feed) = feed else { return };
        let mut round = Round::of(Instant::now());
        if let Some(after) = feed.position() {
            self.fill(&feed, after, &mut round).await;
        }
        round.end();
    }

    /// The feed cannot go on, since the log has begun a new life or lost what the feed lacks: it is forgotten, and who
    /// listens comes back to be told so.
    pub(super) fn end_life(&self, feed: &Arc<Feed>, why: &'static str) {
        self.feeds.lock().remove(feed.room());
        for listener in feed.listeners() {
            listener.outbox().close(Close::new(CloseCode::MOVED, why));
        }
    }

    /// A room as it is after a commit, whoever made it.
    pub(super) fn touch(&self, touched: &TouchedRoom) {
        if let Some(feed) = self.feeds.lock().get(&touched.room) {
            feed.set_members(touched.members);
            feed.begins_at(touched.head.first);
        }
    }

    /// Somebody who is erased may stand as nobody by the time that another node reads of their removal: then those in the
    /// room are looked up, and the one who is gone is taken out before anything else is delivered. Answers whether the
    /// feed can go on.
    pub(super) async fn bar_the_erased(&self, feed: &Arc<Feed>, events: &[Arc<Event>]) -> bool {
        let is_nobody = |user: &UserId| user.as_str() == DELETED_USER;
        let removal =
            changes(events).find(|(_, user, change)| *change == Change::Removed && is_nobody(user));
        let Some((event, ..)) = removal else { return true };
        let listeners = feed.listeners();
        let people: HashSet<&UserId> = listeners.iter().map(|listener| listener.user()).collect();
        for user in people {
            let is_gone = match self.store.user(user).await {
                Ok(known) => known.is_some_and(|known| known.removed),
                Err(error) => {
                    tracing::warn!(%error, "could not see who was erased; those in the room come back");
                    self.end_life(feed, "the store is not available");
                    return false;
                }
            };
            if is_gone {
                for listener in listeners.iter().filter(|listener| listener.user() == user) {
                    listener.bar(feed.room(), event.seq);
                    feed.leave(listener);
                }
                self.revoke(&Revoked { user: user.clone(), session: None });
            }
        }
        true
    }

    /// Who was taken out by another node may have been erased there: then their connections here end as well.
    pub(super) async fn close_the_erased(&self, events: &[Arc<Event>]) {
        let gone: HashSet<UserId> = changes(events)
            .filter(|(_, user, change)| *change == Change::Removed && !self.all_of(user).is_empty())
            .map(|(_, user, _)| user.clone())
            .collect();
        for user in gone {
            match self.store.user(&user).await {
                Ok(Some(known)) if known.removed => self.revoke(&Revoked { user, session: None }),
                Ok(_) => {}
                // They are out of the room all the same, and every command of theirs is refused.
                Err(error) => tracing::debug!(%error, "could not see whether somebody is erased"),
            }
        }
    }

    /// Somebody is erased: those in the rooms where they were are told what they are called now, and what went out under
    /// their name is not kept for those who come later.
    pub(crate) fn erased(&self, user: &UserId, rooms: &[RoomId]) {
        let feeds: Vec<Arc<Feed>> = {
            let known = self.feeds.lock();
            rooms.iter().filter_map(|room| known.get(room).cloned()).collect()
        };
        feeds.iter().for_each(|feed| feed.forget_tail());
        let person = Person { id: user.clone(), name: DELETED_NAME.to_owned(), presence: None };
        let frame = Reply::from(PeopleList { id: None, people: vec![person] }).frame();
        let listeners = each_once(feeds.iter().flat_map(|feed| feed.listeners()));
        for listener in listeners.iter().filter(|listener| listener.user() != user) {
            listener.outbox().push_droppable(&frame);
        }
    }
}

#[cfg(test)]
#[path = "others_tests.rs"]
mod tests;
