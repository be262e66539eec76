//! Following a room: from any position of the log to its live feed, without a hole and in order.
//!
//! Joining, resuming and coming back as a slow reader are the same: read the log from the cursor, a page at a time and
//! only while the outbox has room, until the feed is close enough to be entered at exactly the cursor.

use std::future::poll_fn;
use std::sync::Arc;

use moorline_protocol::{
    Carries, Epoch, Event, EventKind, Frame, Person, Position, Reply, Reset, ResetReason, RoomId,
    Seq,
};
use moorline_store::{Error, Range, Resumed};

use crate::Chat;
use crate::feed::Entered;
use crate::hub::Resumes;
use crate::listener::Listener;

/// Events read at once: a few milliseconds of work, so that 64 who catch up take turns.
const PAGE: usize = 200;

/// The life of a room's log, and the last event of it that a client has or that is queued for it.
pub type Cursor = (Epoch, Seq);

/// Where following ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// The listener gets what comes from now on.
    Live,
    /// The room is not the person's (any more).
    Gone,
}

impl Chat {
    /// Brings a listener whose client has everything up to `cursor` into the room's live feed. The cursor goes on with what
    /// is queued, so that a further attempt repeats nothing.
    ///
    /// # Errors
    /// Where the store cannot be read; the listener is then in no feed of this room, and following can be tried again.
    pub async fn follow(
        &self,
        listener: &Arc<Listener>,
        room: &RoomId,
        cursor: &mut Cursor,
    ) -> Result<Followed, Error> {
        loop {
            match self.hub().enter(listener, room, *cursor) {
                Entered::Live => return Ok(Followed::Live),
                Entered::Barred => return Ok(Followed::Gone),
                Entered::Cold => match self.store().head(room).await {
                    Ok(head) => self.hub().warm(room, head),
                    Err(Error::NotFound) => return Ok(Followed::Gone),
                    Err(error) => return Err(error),
                },
                Entered::OtherEpoch => match self.reset(listener, room).await? {
                    Some(head) => *cursor = head,
                    None => return Ok(Followed::Gone),
                },
                Entered::Behind(reached) => {
                    cursor.1 = reached;
                    match self.read_on(listener, room, *cursor).await? {
                        Some(read) => *cursor = read,
                        None => return Ok(Followed::Gone),
                    }
                }
            }
        }
    }

    /// Queues the next page of the log. Answers the new cursor; `None` where the room is not the person's any more.
    async fn read_on(
        &self,
        listener: &Arc<Listener>,
        room: &RoomId,
        cursor: Cursor,
    ) -> Result<Option<Cursor>, Error> {
        poll_fn(|cx| listener.outbox().poll_room(cx)).await;
        let _turn = self.turn_to_catch_up().await;
        let page =
            match self.store().events(listener.user(), room, Range::After(cursor.1), PAGE).await {
                Ok(page) => page,
                Err(Error::NotFound) => return Ok(None),
                Err(error) => return Err(error),
            };
        if page.epoch != cursor.0 {
            return Ok(Some((Epoch::UNKNOWN, cursor.1)));
        }
        if cursor.1.0 > 0 && page.first > cursor.1.next() {
            // What was still to be read was pruned meanwhile.
            let now = (page.epoch, page.first, page.head);
            queue_reset(listener, room, ResetReason::Pruned, Some(now));
            return Ok(Some((page.epoch, page.head)));
        }
        let reached = page.events.last().map_or(cursor.1.max(page.head), |event| event.seq);
        let wanted = cursor.1.next().max(page.first);
        self.hub().counts().look_for_gap(room, Some(wanted), &page.events);
        queue(listener, page.events, &page.people);
        Ok(Some((page.epoch, reached)))
    }

    /// Tells the client that the log has another life, and goes on from its head.
    async fn reset(
        &self,
        listener: &Arc<Listener>,
        room: &RoomId,
    ) -> Result<Option<Cursor>, Error> {
        let info = match self.store().room_of(listener.user(), room).await {
            Ok((info, _)) => info,
            Err(Error::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (epoch, head) = (info.epoch, info.head);
        queue_reset(listener, room, ResetReason::Epoch, Some((epoch, info.first, head)));
        Ok(Some((epoch, head)))
    }

    /// Queues what follows a client's position, at most `limit` events, or tells it that it cannot be gone on from.
    /// Answers from where the room is to be followed then, and how many events were queued; none where the room is not
    /// the person's.
    ///
    /// # Errors
    /// Where the store cannot be read; then nothing was queued.
    pub async fn resume(
        &self,
        listener: &Arc<Listener>,
        room: &RoomId,
        from: Position,
        limit: usize,
    ) -> Result<Option<(Cursor, usize)>, Error> {
        poll_fn(|cx| listener.outbox().poll_room(cx)).await;
        let resumed = self.store().resume(listener.user(), room, from.clone(), limit).await?;
        Ok(self.resumed(listener, room, &from, resumed))
    }

    /// The same from memory, where the room's feed still holds what was missed. `first` and `head` are what a read just
    /// told of the room to this person. Answers whether that was enough.
    #[must_use]
    pub fn resume_from_memory(
        &self,
        listener: &Arc<Listener>,
        room: &RoomId,
        from: &Position,
        (first, head): (Seq, Seq),
    ) -> bool {
        let is_enough =
            from.seq.next() >= first && self.hub().resume(listener, room, from, head).is_some();
        if is_enough {
            Resumes::one(&self.hub().counts().resumes.memory);
        }
        is_enough
    }

    /// The same with what was read already.
    #[must_use]
    pub fn resumed(
        &self,
        listener: &Arc<Listener>,
        room: &RoomId,
        from: &Position,
        resumed: Resumed,
    ) -> Option<(Cursor, usize)> {
        let counts = self.hub().counts();
        match resumed {
            Resumed::Events { events, people, .. } => {
                Resumes::one(&counts.resumes.store);
                // Who has nothing yet may see the log from any event on.
                let wanted = Some(from.seq.next()).filter(|_| from.seq.0 > 0);
                counts.look_for_gap(room, wanted, &events);
                let sent = events.len();
                let reached = events.last().map_or(from.seq, |event| event.seq);
                queue(listener, events, &people);
                Some(((from.epoch, reached), sent))
            }
            Resumed::Reset { reason, epoch, first, head } => {
                Resumes::one(&counts.resumes.reset);
                queue_reset(listener, room, reason, Some((epoch, first, head)));
                Some(((epoch, head), 0))
            }
            Resumed::Gone => {
                Resumes::one(&counts.resumes.gone);
                queue_reset(listener, room, ResetReason::Gone, None);
                None
            }
        }
    }
}

/// Queues a piece of the log; the first event carries the names of all who are mentioned in it.
fn queue(listener: &Listener, events: Vec<Event>, people: &[Person]) {
    for (index, mut event) in events.into_iter().enumerate() {
        if index == 0 {
            event.people = people.to_vec();
        }
        // Made for one connection, so never deflated: that is done once for all, or not at all.
        let carries = match &event.kind {
            EventKind::Message { .. } => Carries::Message,
            _ => Carries::Other,
        };
        listener.outbox().reply(Frame::json(&event).carrying(carries));
    }
}

fn queue_reset(
    listener: &Listener,
    room: &RoomId,
    reason: ResetReason,
    now: Option<(Epoch, Seq, Seq)>,
) {
    let reset = Reset {
        room: room.clone(),
        reason,
        epoch: now.map(|(epoch, _, _)| epoch),
        first: now.map(|(_, first, _)| first),
        head: now.map(|(_, _, head)| head),
    };
    listener.outbox().reply(Reply::from(reset).frame());
}
