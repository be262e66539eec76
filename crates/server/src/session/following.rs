//! The rooms of a session that are on their way to their live feeds, one after the other.
//!
//! Rooms come here from `hello`, from `rooms`, and from the hub's notices: an outbox that was full, a room that the
//! person was brought into.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use moorline_chat::{Chat, Cursor, Listener, Notice, now_ms};
use moorline_protocol::{
    Epoch, Limits, Position, Reply, RoomChange, RoomChangeKind, RoomId, RoomInfo, Seq,
};
use moorline_store::{Error, ResumedRoom, ResumedSome};

use super::commands::speaker;
use super::pending::Job;

/// One room and where it goes on from.
#[derive(Debug)]
pub(crate) struct Follow {
    room: RoomId,
    from: From,
}

#[derive(Debug)]
enum From {
    /// The client has a position.
    Position(Position),
    /// The client has everything up to here, or it is queued.
    Cursor(Cursor),
    /// The client has everything below this event of the present life.
    Before(Seq),
    /// The client has to be told of the room.
    Announcement,
}

impl Follow {
    pub(crate) fn resume(room: RoomId, position: Position) -> Self {
        Self { room, from: From::Position(position) }
    }

    pub(crate) fn from_head(room: RoomId, epoch: Epoch, head: Seq) -> Self {
        Self { room, from: From::Cursor((epoch, head)) }
    }
}

/// A room that the welcome names: where its log begins and ends for this person.
pub(crate) struct Named {
    room: RoomId,
    epoch: Epoch,
    first: Seq,
    head: Seq,
}

impl Named {
    pub(crate) fn of(info: &RoomInfo) -> Self {
        Self { room: info.id.clone(), epoch: info.epoch, first: info.first, head: info.head }
    }
}

/// What a client missed in the rooms of which it has positions.
#[derive(Default)]
pub(crate) struct Missed {
    /// Positions that a feed's tail showed.
    pub(crate) in_memory: BTreeMap<RoomId, Position>,
    /// What was read for the others.
    pub(crate) read: ResumedSome,
}

/// What a client is told of its rooms at the beginning, beside what it missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// What `hello` asks for: the welcome, at most 200 positions.
    Hello,
    /// The welcome; the request had a position for as many rooms as there are.
    Welcome,
    /// Only the rooms for which it sent no position.
    Membership,
    /// Nothing: it sent the positions of all rooms that it wants.
    Nothing,
}

/// The rooms that no page has named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rest {
    /// Whether there are any.
    pub(crate) is_there: bool,
    pub(crate) told: Told,
}

/// Rooms that are announced at once to one who polls; the next poll brings the next.
const ANNOUNCED: usize = 100;

impl Missed {
    fn rooms(&self) -> HashSet<RoomId> {
        let resumed = self.read.resumed.iter().map(|resumed| &resumed.room);
        let left = self.read.left.iter().map(|(room, _)| room);
        self.in_memory.keys().chain(resumed).chain(left).cloned().collect()
    }
}

/// What `hello` leaves to do.
struct First {
    named: Vec<Named>,
    missed: Missed,
    rest: Rest,
}

/// What of it is still to do.
#[derive(Default)]
pub(crate) struct Following {
    waiting: VecDeque<Follow>,
    /// Answers whether rooms are left that it could not tell of at once.
    running: Option<Job<bool>>,
    /// The rooms of `hello`; they share one budget, and their end is when others hear that the person is here.
    first: Option<Box<First>>,
    /// Whether there are rooms that the next poll is to tell of.
    has_more: bool,
}

impl Following {
    /// Begins with the rooms of `hello`.
    pub(crate) fn begin(&mut self, named: Vec<Named>, missed: Missed, rest: Rest) {
        self.first = Some(Box::new(First { named, missed, rest }));
    }

    /// Whether every room is where it should be.
    pub(crate) fn is_idle(&self) -> bool {
        self.first.is_none() && self.running.is_none() && self.waiting.is_empty()
    }

    /// Whether rooms are left that could not be told of at once.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    pub(crate) fn add(&mut self, rooms: Vec<Follow>) {
        self.waiting.extend(rooms);
    }

    /// Goes on as far as possible; leaves the waker with all it waits for.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        chat: &Arc<Chat>,
        listener: &Arc<Listener>,
    ) {
        loop {
            if let Some(running) = &mut self.running {
                let Poll::Ready(has_more) = running.as_mut().poll(cx) else {
                    self.take_notices(cx, listener);
                    return;
                };
                self.has_more |= has_more;
                self.running = None;
            }
            if let Some(first) = self.first.take() {
                self.running = Some(Box::pin(follow_first(chat.clone(), listener.clone(), *first)));
            } else if let Some(next) = self.waiting.pop_front() {
                self.running = Some(Box::pin(follow_one(chat.clone(), listener.clone(), next)));
            } else if !self.take_notices(cx, listener) {
                self.waiting.shrink_to(4);
                return;
            }
        }
    }

    /// Answers whether there were any.
    fn take_notices(&mut self, cx: &Context<'_>, listener: &Listener) -> bool {
        let mut were_any = false;
        while let Poll::Ready(notices) = listener.outbox().poll_notices(cx) {
            were_any = true;
            self.waiting.extend(notices.into_iter().map(|notice| match notice {
                Notice::Behind { room, from } => Follow { room, from: From::Before(from) },
                Notice::Added { room } => Follow { room, from: From::Announcement },
            }));
        }
        were_any
    }
}

/// The rooms of `hello`: what was missed, from memory or from the read that came with it where that is enough, else room
/// by room within the connection's budget; then the live feeds of those without a position.
async fn follow_first(chat: Arc<Chat>, listener: Arc<Listener>, first: First) -> bool {
    let First { named, missed, rest } = first;
    let known = if rest.told == Told::Membership { missed.rooms() } else { HashSet::new() };
    let Missed { mut in_memory, read } = missed;
    let ResumedSome { resumed, mut left } = read;
    let mut fresh = Vec::new();
    for room in named {
        let is_read = resumed.iter().map(|resumed| &resumed.room).any(|known| *known == room.room)
            || left.iter().any(|(known, _)| *known == room.room);
        let Some(position) = in_memory.get(&room.room) else {
            if !is_read {
                fresh.push(room);
            }
            continue;
        };
        if chat.resume_from_memory(&listener, &room.room, position, (room.first, room.head)) {
            in_memory.remove(&room.room);
        }
    }
    // All of it is queued before anything is waited for.
    let resumed = resumed.into_iter().filter_map(|ResumedRoom { room, from, resumed }| {
        let (cursor, _) = chat.resumed(&listener, &room, &from, resumed)?;
        Some(Follow { room, from: From::Cursor(cursor) })
    });
    for follow in resumed.collect::<Vec<_>>() {
        pursue(&chat, &listener, follow, 0).await;
    }
    left.extend(in_memory);
    let mut budget = Limits::DEFAULT.resume_total as usize;
    for (room, position) in left {
        let follow = Follow::resume(room, position);
        budget -= pursue(&chat, &listener, follow, budget).await;
    }
    for Named { room, epoch, head, .. } in fresh {
        pursue(&chat, &listener, Follow::from_head(room, epoch, head), 0).await;
    }
    let has_more = match rest.told {
        Told::Membership => insist(&listener, || announce_rest(&chat, &listener, &known)).await > 0,
        Told::Hello | Told::Welcome if rest.is_there => {
            insist(&listener, || enter_rest(&chat, &listener)).await;
            true
        }
        _ => false,
    };
    chat.hub().tell_coming(&listener, now_ms());
    has_more
}

async fn follow_one(chat: Arc<Chat>, listener: Arc<Listener>, follow: Follow) -> bool {
    pursue(&chat, &listener, follow, Limits::DEFAULT.resume_events as usize).await;
    false
}

/// Tries until the store answers: a room is never given up silently.
async fn insist<T: Default, F: Future<Output = Result<T, Error>>>(
    listener: &Listener,
    attempt: impl Fn() -> F,
) -> T {
    loop {
        match attempt().await {
            Ok(sent) => return sent,
            Err(Error::NotFound) => return T::default(),
            Err(error) => wait(&error, listener).await,
        }
    }
}

async fn wait(error: &Error, listener: &Listener) {
    let connection = speaker(listener).map(tracing::field::display);
    tracing::warn!(connection, %error, "could not follow a room, trying again");
    tokio::time::sleep(error.retry_after().unwrap_or(Duration::from_secs(1))).await;
}

/// Follows a room until the client is in its live feed or the room is not the person's. A further attempt goes on from
/// where the last one came to. Answers how many events of a resume were sent, at most `budget`.
async fn pursue(chat: &Chat, listener: &Arc<Listener>, mut follow: Follow, budget: usize) -> usize {
    let mut sent = 0;
    loop {
        match step(chat, listener, &mut follow, budget).await {
            Ok(Step::Sent(count)) => sent += count,
            Ok(Step::Done) | Err(Error::NotFound) => return sent,
            Err(error) => wait(&error, listener).await,
        }
    }
}

/// What a step of following did.
enum Step {
    /// It queued so many events; there is a cursor now.
    Sent(usize),
    Done,
}

async fn step(
    chat: &Chat,
    listener: &Arc<Listener>,
    follow: &mut Follow,
    budget: usize,
) -> Result<Step, Error> {
    let room = &follow.room;
    let (cursor, sent) = match &mut follow.from {
        From::Cursor(cursor) => {
            chat.follow(listener, room, cursor).await?;
            return Ok(Step::Done);
        }
        From::Position(position) => {
            let limit = budget.min(Limits::DEFAULT.resume_events as usize);
            match chat.resume(listener, room, position.clone(), limit).await? {
                Some(resumed) => resumed,
                None => return Ok(Step::Done),
            }
        }
        From::Before(seq) => {
            let epoch = chat.store().head(room).await?.epoch;
            ((epoch, Seq(seq.0.saturating_sub(1))), 0)
        }
        From::Announcement => (tell_of(chat, listener, room).await?, 0),
    };
    follow.from = From::Cursor(cursor);
    Ok(Step::Sent(sent))
}

/// Tells the client of a room and goes on from the head that it was told.
async fn announce(chat: &Chat, listener: &Arc<Listener>, room: &RoomId) {
    let follow = Follow { room: room.clone(), from: From::Announcement };
    pursue(chat, listener, follow, 0).await;
}

/// Tells the client of a room as it is now; answers the head that it was told.
async fn tell_of(chat: &Chat, listener: &Arc<Listener>, room: &RoomId) -> Result<Cursor, Error> {
    loop {
        let known = listener.membership_changes();
        let (info, people) = chat.store().room_of(listener.user(), room).await?;
        chat.hub().set_members(room, info.members);
        let cursor = (info.epoch, info.head);
        let what = RoomChangeKind::Added { room: Box::new(info) };
        let frame = Reply::from(RoomChange { what, people }).frame();
        if listener.tell_unless_changed(known, frame) {
            return Ok(cursor);
        }
    }
}

/// Who was taken out of a room while the welcome was made may have been told so before it: then it is told once more.
pub(super) fn take_back(named: &[Named], listener: &Listener) {
    for Named { room, .. } in named.iter().filter(|one| !listener.may_enter(&one.room, one.head)) {
        let what = RoomChangeKind::Gone { id: room.clone() };
        listener.outbox().reply(Reply::from(RoomChange { what, people: Vec::new() }).frame());
    }
}

/// Tells of rooms that are the person's and that the client has not named, as many as one answer holds. Answers how many
/// are left.
async fn announce_rest(
    chat: &Chat,
    listener: &Arc<Listener>,
    known: &HashSet<RoomId>,
) -> Result<usize, Error> {
    // A room that was announced meanwhile is in a feed already; one of a known position may have left its feed again.
    let entered = listener.rooms();
    let all = chat.store().room_ids_of(listener.user()).await?;
    let is_unknown = |room: &RoomId| !known.contains(room) && !entered.contains(room);
    let unknown: Vec<_> = all.into_iter().filter(|(room, _)| is_unknown(room)).collect();
    for (room, _) in unknown.iter().take(ANNOUNCED) {
        announce(chat, listener, room).await;
    }
    Ok(unknown.len().saturating_sub(ANNOUNCED))
}

/// Enters the feeds of the rooms that no page has named, and announces those that changed meanwhile.
async fn enter_rest(chat: &Chat, listener: &Arc<Listener>) -> Result<usize, Error> {
    let named: HashSet<RoomId> = listener.rooms();
    let before: HashMap<RoomId, Seq> =
        chat.store().room_ids_of(listener.user()).await?.into_iter().collect();
    for room in before.keys().filter(|room| !named.contains(*room)) {
        chat.hub().enter_unannounced(listener, room);
    }
    let now = chat.store().room_ids_of(listener.user()).await?;
    let has_moved = |room: &RoomId, head: Seq| before.get(room).is_none_or(|known| *known < head);
    for (room, head) in now {
        if !named.contains(&room) && has_moved(&room, head) {
            announce(chat, listener, &room).await;
        }
    }
    Ok(0)
}
