//! What other nodes did: their commits go to the feeds, their revocations to the connections concerned.
//!
//! The hub's task calls this with each look at the store. Nothing here trusts a look further than that something changed:
//! events come from the log, and whether a connection is still good is asked at the store itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use moorline_protocol::{RoomId, Seq, UserId};
use moorline_store::{ChangedRooms, Error};

use super::{Hub, sign_out};
use crate::listener::Listener;
use crate::now_ms;
use crate::outbox::Notice;

impl Hub {
    /// Delivers what other nodes committed, as far as somebody here listens to it, and closes connections that they signed
    /// out.
    pub async fn catch_up(&self, changed: &ChangedRooms) {
        self.doubt(&changed.revoked);
        if !changed.erased.is_empty() {
            let mut here = self.guests.users();
            here.extend(self.people.lock().all().map(|listener| listener.user().clone()));
            self.doubt(&self.store.erased_among(&changed.erased, here));
        }
        self.look_at_the_doubted().await;
        let mut behind = Vec::new();
        for touched in &changed.rooms {
            let feed = self.feeds.lock().get(&touched.room).cloned();
            let Some(feed) = feed else { continue };
            self.touch(touched);
            if !feed.is_of(touched.head.epoch) {
                self.end_life(&feed, "a room's log begins anew");
            } else if feed.position().is_some_and(|last| last < touched.head.head) {
                behind.push((touched.room.clone(), touched.head.head));
            }
        }
        self.reach(behind).await;
        for room in &changed.lost {
            let feed = self.feeds.lock().get(room).cloned();
            feed.iter().for_each(|feed| self.end_life(feed, "a room's log is lost"));
        }
        let mut wakers = Vec::new();
        for joined in &changed.joined {
            for listener in self.people.lock().listeners(&joined.user) {
                let is_in = listener.feeds().iter().any(|feed| *feed.room() == joined.room);
                if !is_in {
                    listener.unbar(&joined.room);
                    wakers.extend(listener.notify(Notice::Added { room: joined.room.clone() }));
                }
            }
        }
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// Brings feeds to these heads. Where other nodes are heard, what leads there is probably under way: it has a moment.
    async fn reach(&self, heads: Vec<(RoomId, Seq)>) {
        if self.nodes.is_some() && !heads.is_empty() {
            return self.ahead.lock().expect(heads, Instant::now());
        }
        for (room, _) in heads {
            self.advance(&room).await;
        }
    }

    /// From here on a proof that was read before is read again: see [`Hub::revocations`].
    fn doubt(&self, revoked: &[UserId]) {
        if revoked.is_empty() {
            return;
        }
        self.revocations.fetch_add(1, Ordering::SeqCst);
        self.doubted.lock().extend(revoked.iter().cloned());
    }

    /// Who cannot be looked at now is looked at with the next look; people without a connection here are forgotten.
    async fn look_at_the_doubted(&self) {
        let doubted = std::mem::take(&mut *self.doubted.lock());
        for user in doubted {
            // Those who come from now on show what the store already knows to be good.
            let listeners = self.all_of(&user);
            if listeners.is_empty() {
                continue;
            }
            if let Err(error) = self.sign_out_unproven(&user, &listeners).await {
                tracing::warn!(user.id = %user, %error, "could not look at a person's sessions, trying again");
                self.doubted.lock().insert(user);
            }
        }
    }

    pub(super) async fn sign_out_unproven(
        &self,
        user: &UserId,
        listeners: &[Arc<Listener>],
    ) -> Result<(), Error> {
        let sessions = self.store.sessions(user, now_ms()).await?;
        let person = self.store.user(user).await?;
        for listener in listeners {
            if !listener.is_proven(person.as_ref(), &sessions) {
                sign_out(listener);
            }
        }
        Ok(())
    }
}
