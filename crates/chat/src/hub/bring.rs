//! The way of events to the feeds, by whichever node they were committed: in the order of the log, each once.
//!
//! What is ahead of its neighbours waits for them a moment where other nodes tell of them; then the hole is filled from
//! the store. The hub's one task calls this.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use moorline_protocol::{Event, RoomId, Seq};
use moorline_store::NodeId;

use super::Hub;
use crate::feed::{Delivered, Feed};
use crate::leases::Told;
use crate::nodes::{News, RoomNews};
use crate::round::Round;

/// Events read at once to fill a hole.
const FILL: usize = 500;

impl Hub {
    /// Takes what another node told.
    pub(crate) async fn hear(&self, news: News) {
        let mut round = Round::of(Instant::now());
        for RoomNews { room, members, mut events } in news.rooms {
            let feed = self.feeds.lock().get(&room).cloned();
            let last = feed.as_ref().and_then(|feed| feed.position());
            let is_of_this_life =
                |event: &Arc<Event>| feed.as_ref().is_none_or(|feed| feed.is_of(event.epoch));
            if !events.iter().all(is_of_this_life) || (last.is_none() && news.is_late) {
                // Whether a log has begun anew, or when an old hint was true, only the store says.
                self.haste.hurry();
                continue;
            }
            events.retain(|event| last.is_none_or(|last| event.seq > last) && event.room == room);
            if let Some(feed) = &feed
                && !news.is_late
            {
                feed.set_members(members);
            }
            self.bring(&room, &events, &mut round).await;
            self.close_the_erased(&events).await;
        }
        for marker in news.receipts {
            let receipt =
                moorline_store::Receipt { room: marker.room, user: marker.user, seq: marker.seq };
            self.tell_receipt(&receipt);
        }
        if let Some(leases) = self.leases.as_ref().filter(|_| !news.presence.is_empty()) {
            let places = news.presence.into_iter().map(Into::into).collect();
            leases.hear(Told { node: NodeId(news.node), places });
        }
        for typist in news.typing {
            let feed = self.feeds.lock().get(&typist.room).cloned();
            if let Some(feed) = feed
                && feed.typed(&typist.user, Instant::now())
            {
                self.typing.lock().push(feed);
            }
        }
        for noticed in &news.notices {
            self.notice(noticed, Instant::now(), false);
        }
        round.end();
    }

    /// Brings events of one room to those who listen, and whatever waited for them.
    pub(super) async fn bring(&self, room: &RoomId, events: &[Arc<Event>], round: &mut Round) {
        self.bar_the_removed(events);
        let Some(feed) = self.feeds.lock().get(room).cloned() else {
            return self.tell_memberships(events, round);
        };
        if !self.bar_the_erased(&feed, events).await {
            return self.tell_memberships(events, round);
        }
        let mut last = feed.position();
        if !self.bring_next(&feed, events, Instant::now(), round).await {
            return;
        }
        loop {
            let Some((mut since, waiting)) = self.ahead.lock().take(room) else { return };
            // A hole was closed. The next one has a time of its own: where two nodes write without a pause, something
            // is always ahead.
            if feed.position() > last {
                since = Instant::now();
                last = feed.position();
            }
            if !self.bring_next(&feed, &waiting, since, round).await {
                return;
            }
        }
    }

    /// Delivers what follows what was delivered. Answers `false` where some of it waits.
    async fn bring_next(
        &self,
        feed: &Arc<Feed>,
        events: &[Arc<Event>],
        since: Instant,
        round: &mut Round,
    ) -> bool {
        let Delivered::Hole(last) = self.deliver_known(feed, events, round) else {
            self.tell_memberships(events, round);
            return true;
        };
        let (known, ahead) = at(events, last);
        self.tell_memberships(known, round);
        if self.nodes.is_some() && self.ahead.lock().hold(feed.room(), ahead, since) {
            return false;
        }
        self.fill_up_to(feed, ahead, round).await;
        true
    }

    /// How long what is ahead waits for what other nodes may have said already; it is asked when the time is up, since
    /// only then is known how long hints take now.
    fn patience(&self) -> Duration {
        self.nodes.as_ref().map_or(Duration::ZERO, |nodes| nodes.patience())
    }

    /// When the store is to be read for what has waited in vain.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.ahead.lock().oldest().map(|since| since + self.patience())
    }

    /// Reads from the store what was waited for in vain.
    pub(crate) async fn bring_overdue(&self, now: Instant) {
        let Some(then) = now.checked_sub(self.patience()) else { return };
        let mut round = Round::of(now);
        let overdue = self.ahead.lock().overdue(then);
        for room in overdue {
            let waiting = self.ahead.lock().take(&room);
            let feed = self.feeds.lock().get(&room).cloned();
            if let (Some((_, events)), Some(feed)) = (waiting, feed) {
                self.fill_up_to(&feed, &events, &mut round).await;
            }
        }
        round.end();
        let expected = self.ahead.lock().take_expected(then);
        for (room, head) in expected {
            let feed = self.feeds.lock().get(&room).cloned();
            let last = feed.and_then(|feed| feed.position());
            if last.is_some_and(|last| last < head) {
                self.advance(&room).await;
            }
        }
    }

    /// Delivers events that leave a hole, and first what is in it. Where the store cannot be read, nothing is delivered,
    /// and a later look closes the hole.
    async fn fill_up_to(&self, feed: &Arc<Feed>, events: &[Arc<Event>], round: &mut Round) {
        let mut rest = events;
        loop {
            let Delivered::Hole(last) = self.deliver_known(feed, rest, round) else {
                return self.tell_memberships(rest, round);
            };
            let (known, ahead) = at(rest, last);
            self.tell_memberships(known, round);
            rest = ahead;
            if !self.fill(feed, last, round).await {
                self.haste.hurry();
                return;
            }
            // What was filled has told of its own comings and goings.
            let last = feed.position().unwrap_or(last);
            rest = at(rest, last).1;
        }
    }

    /// Reads what follows `after` from the store and delivers it. Answers whether it got on.
    pub(super) async fn fill(&self, feed: &Arc<Feed>, mut after: Seq, round: &mut Round) -> bool {
        let mut got_on = false;
        loop {
            let page = match self.store.log(feed.room(), after, FILL).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(room.id = %feed.room(), %error, "could not fill a hole in room {}", feed.room());
                    return false;
                }
            };
            if page.first > after.next() {
                // What is missing was pruned meanwhile: whoever listens comes back, and is told so.
                self.end_life(feed, "events were pruned");
                return false;
            }
            let events: Vec<Arc<Event>> = page.events.into_iter().map(Arc::new).collect();
            let Some(last) = events.last() else { return got_on };
            after = last.seq;
            self.counts.filled.fetch_add(1, Ordering::Relaxed);
            self.counts.read.fetch_add(events.len() as u64, Ordering::Relaxed);
            self.bar_the_removed(&events);
            if !self.bar_the_erased(feed, &events).await {
                return false;
            }
            let delivered = self.deliver_known(feed, &events, round);
            self.tell_memberships(&events, round);
            if let Delivered::Hole(last) = delivered {
                let (_, above) = at(&events, last);
                let instead = above.first().map_or(last, |event| event.seq);
                self.counts.gap(feed.room(), last.next(), instead);
                return false;
            }
            self.close_the_erased(&events).await;
            got_on = true;
            if !page.more {
                return true;
            }
        }
    }
}

/// Divides events in the order of their log: those up to a seq, and those above it.
fn at(events: &[Arc<Event>], last: Seq) -> (&[Arc<Event>], &[Arc<Event>]) {
    events.split_at(events.partition_point(|event| event.seq <= last))
}
