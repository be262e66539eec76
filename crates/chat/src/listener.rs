//! A listener: one local connection of one person, as the hub sees it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use moorline_protocol::{Frame, RoomId, Seq, UserId};
use moorline_store::{SessionId, SessionRow, User};
use parking_lot::Mutex;

use crate::feed::Feed;
use crate::outbox::{Notice, Outbox};

/// One connection of a person. The hub pushes to its outbox; its session enters and leaves feeds with it.
pub struct Listener {
    user: UserId,
    name: Mutex<Option<Arc<str>>>,
    /// Whether nobody is at this connection's screen, as its client says.
    away: AtomicBool,
    /// Whether its client speaks another protocol than the chat's.
    is_guest: bool,
    session: Option<SessionId>,
    /// When its token was made; 0 where that is not known.
    issued_ms: AtomicU64,
    /// The number of its connection; 0 where nobody needs to find it.
    connection: AtomicU64,
    outbox: Arc<Outbox>,
    place: Mutex<Place>,
}

/// Where a listener is, and where it must not be. Locked inside a feed's lock and around an outbox's, never the other way
/// round.
#[derive(Default)]
struct Place {
    feeds: Vec<Arc<Feed>>,
    /// Rooms that the person was taken out of while connected, with the position of that.
    gone: Vec<(RoomId, Seq)>,
    /// How often the person came into a room or was taken out of one while connected.
    changes: u64,
}

impl Listener {
    /// A connection of `user`, signed in by `session` if it came with a cookie.
    #[must_use]
    pub fn new(user: UserId, session: Option<SessionId>, outbox: Arc<Outbox>) -> Arc<Self> {
        Self::of(user, session, outbox, false)
    }

    /// A connection that carries nothing of the chat but ends with what its person showed.
    #[must_use]
    pub fn guest(user: UserId, session: Option<SessionId>, outbox: Arc<Outbox>) -> Arc<Self> {
        Self::of(user, session, outbox, true)
    }

    fn of(
        user: UserId,
        session: Option<SessionId>,
        outbox: Arc<Outbox>,
        is_guest: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            user,
            is_guest,
            name: Mutex::default(),
            away: AtomicBool::new(false),
            session,
            issued_ms: AtomicU64::new(0),
            connection: AtomicU64::new(0),
            outbox,
            place: Mutex::default(),
        })
    }

    /// The person's name, once it has been read. A name that was told meanwhile is newer and stays.
    pub fn introduce(&self, name: Arc<str>) {
        self.name.lock().get_or_insert(name);
    }

    /// Whose connection it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The person's name to show; none until it has been read.
    #[must_use]
    pub fn name(&self) -> Option<Arc<str>> {
        self.name.lock().clone()
    }

    pub(crate) fn rename(&self, name: Arc<str>) {
        *self.name.lock() = Some(name);
    }

    /// Whether nobody is at its screen; to be said before [`crate::Hub::came`] where that is known then already.
    pub fn set_away(&self, on: bool) {
        self.away.store(on, Ordering::Relaxed);
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    pub(crate) fn is_guest(&self) -> bool {
        self.is_guest
    }

    /// The session that it came with.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// It came with a token of this moment, ms since 1970.
    pub fn came_with_token_of(&self, issued_ms: u64) {
        self.issued_ms.store(issued_ms, Ordering::Relaxed);
    }

    /// It is the one of this connection, by which requests beside it find it.
    pub fn is_of(&self, connection: u64) {
        self.connection.store(connection, Ordering::Relaxed);
    }

    /// The number of its connection; 0 where nobody needs to find it.
    #[must_use]
    pub fn connection(&self) -> u64 {
        self.connection.load(Ordering::Relaxed)
    }

    /// Whether what it came with is still good, as the store knows its person and their sessions now.
    pub(crate) fn is_proven(&self, person: Option<&User>, sessions: &[SessionRow]) -> bool {
        let Some(person) = person.filter(|person| !person.removed) else { return false };
        match &self.session {
            Some(session) => sessions.iter().any(|row| row.id == *session),
            None => !person.refuses_token_of(self.issued_ms.load(Ordering::Relaxed)),
        }
    }

    /// Its queue.
    #[must_use]
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    pub(crate) fn notify(&self, notice: Notice) -> Option<Waker> {
        self.outbox.notify(notice)
    }

    /// The person was taken out of a room at this position: no read from before it lets this listener in again.
    pub(crate) fn bar(&self, room: &RoomId, at: Seq) {
        let mut place = self.place.lock();
        place.changes += 1;
        place.gone.retain(|(barred, _)| barred != room);
        place.gone.push((room.clone(), at));
    }

    /// The person is in the room again.
    pub(crate) fn unbar(&self, room: &RoomId) {
        let mut place = self.place.lock();
        place.changes += 1;
        place.gone.retain(|(barred, _)| barred != room);
    }

    /// How often the person's own memberships changed while connected: to be asked before a room is read that the client
    /// is to be told of.
    #[must_use]
    pub fn membership_changes(&self) -> u64 {
        self.place.lock().changes
    }

    /// Tells the client of a room that was read when so many changes were known. Where there was another one meanwhile it
    /// says nothing and answers `false`: a room that the person has left must not be told of behind its end.
    #[must_use]
    pub fn tell_unless_changed(&self, known: u64, frame: Frame) -> bool {
        let place = self.place.lock();
        let is_current = place.changes == known;
        if is_current {
            // The hub bars before it tells of a removal, so that this comes before it.
            self.outbox.reply(frame);
        }
        is_current
    }

    /// Whether what was read when the log ended at `head` may still let this listener in.
    #[must_use]
    pub fn may_enter(&self, room: &RoomId, head: Seq) -> bool {
        !self.place.lock().gone.iter().any(|(barred, at)| barred == room && *at > head)
    }

    pub(crate) fn entered(&self, feed: &Arc<Feed>) {
        self.place.lock().feeds.push(feed.clone());
    }

    pub(crate) fn left(&self, feed: &Feed) {
        let mut place = self.place.lock();
        if let Some(at) =
            place.feeds.iter().position(|entered| std::ptr::eq(&raw const **entered, feed))
        {
            place.feeds.swap_remove(at);
        }
    }

    pub(crate) fn feeds(&self) -> Vec<Arc<Feed>> {
        self.place.lock().feeds.clone()
    }

    /// The rooms whose feeds it is in.
    #[must_use]
    pub fn rooms(&self) -> HashSet<RoomId> {
        self.place.lock().feeds.iter().map(|feed| feed.room().clone()).collect()
    }

    pub(crate) fn take_feeds(&self) -> Vec<Arc<Feed>> {
        std::mem::take(&mut self.place.lock().feeds)
    }
}
