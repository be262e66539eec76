//! The store on PostgreSQL, for many nodes at once: a few lanes that write, a pool of connections that read.
//!
//! `lane.rs` is the way of a command, `batch.rs` and its neighbours what commands do to the rows that `load.rs` brings and
//! `write.rs` writes back; `reads/` is the way of a read. No read goes to a replica.

pub(crate) mod backup;
mod batch;
mod checkup;
mod connect;
mod erase;
mod events;
mod failure;
mod generation;
mod lane;
mod load;
mod membership;
mod messages;
mod noted;
mod open;
mod people;
mod pipeline;
#[cfg(test)]
mod plans;
mod pool;
mod presence;
mod reads;
mod rooms;
mod rows;
mod schema;
mod seen;
mod shared;
mod tickets;
mod tls;
mod upkeep;
mod url;
mod wanted;
mod write;
mod writes;

pub(crate) use checkup::checkup;
pub use schema::Migration;
pub use url::{DatabaseUrl, InvalidUrl};

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

use moorline_protocol::{Person, Position, RoomId, RoomInfo, Seq, UserId};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use self::pool::Pool;
use self::seen::Seen;
use self::shared::Shared;
use crate::command::Command;
use crate::fingerprint::Hasher;
use crate::presence::{PresenceLook, PresenceSince};
use crate::queue::{Full, Job, Queue};
use crate::upkeep::{CidCursor, CidTraces, Trace, Traces};
use crate::{
    Account, Answer, Erasing, Error, Head, Health, Hits, LogCursor, LogPlace, Members, Overdue,
    Page, Profile, Range, Read, Reply, Resumed, RoomCursor, RoomNumber, RoomOverview, Rooms,
    Search, SessionRow, Since, TicketRow, TimesRead, User,
};

/// Handle of the back end.
#[derive(Clone)]
pub(crate) struct Postgres(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    hasher: Hasher,
    /// Queues of the lanes of rooms, and behind them that of people.
    rooms: Vec<Arc<Queue>>,
    people: Arc<Queue>,
    pool: Pool,
    /// When it was opened; the first look at what other nodes change begins there.
    opened: Since,
    seen: Seen,
    ended: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queues().for_each(|queue| queue.close());
        self.pool.close();
    }
}

impl Inner {
    fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.rooms.iter().chain([&self.people])
    }

    /// A room is always in the same lane, and so are a cid's makings of a room.
    fn lane(&self, key: &str) -> &Arc<Queue> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let lanes = self.rooms.len() as u64;
        &self.rooms[usize::try_from(hasher.finish() % lanes).unwrap_or(0)]
    }

    fn queue_of(&self, command: &Command) -> &Arc<Queue> {
        match command {
            Command::Send(send) => self.lane(send.room.as_str()),
            Command::Edit(edit) => self.lane(edit.room.as_str()),
            Command::Delete(delete) => self.lane(delete.room.as_str()),
            Command::Join(join) => self.lane(join.room.as_str()),
            Command::Leave(leave) => self.lane(leave.room.as_str()),
            Command::Invite(invite) => self.lane(invite.room.as_str()),
            Command::Remove(remove) => self.lane(remove.room.as_str()),
            Command::Rename(rename) => self.lane(rename.room.as_str()),
            Command::Prune(prune) => self.lane(prune.room.as_str()),
            Command::EndMembership(end) => self.lane(end.room.as_str()),
            Command::EraseEvents(erase) => self.lane(erase.room.as_str()),
            Command::Create(create) => {
                self.lane(create.id.as_ref().map_or(create.cid.as_str(), RoomId::as_str))
            }
            _ => &self.people,
        }
    }
}

impl Postgres {
    pub(crate) fn health(&self) -> Health {
        self.0.shared.health(self.0.queues().map(|queue| queue.len()).sum())
    }

    pub(crate) fn commit_times(&self) -> TimesRead {
        self.0.shared.commit_times.read()
    }

    pub(crate) fn erased_among(&self, erased: &[String], mut people: Vec<UserId>) -> Vec<UserId> {
        people.retain(|user| erased.contains(&self.0.hasher.erased_id(user.as_str())));
        people
    }

    pub(crate) fn shared_key(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let half = |number: u8| self.0.hasher.fingerprint("key", &[purpose.as_bytes(), &[number]]);
        key[..16].copy_from_slice(&half(0));
        key[16..].copy_from_slice(&half(1));
        key
    }

    pub(crate) async fn close(self) {
        self.0.queues().for_each(|queue| queue.close());
        let ended = std::mem::take(&mut *self.0.ended.lock());
        for lane in ended {
            let _ = lane.await;
        }
        self.0.pool.close();
    }

    pub(crate) fn submit<T: Answer>(&self, command: Command) -> Reply<T> {
        if let Command::Flush = command {
            return self.flush();
        }
        let (reply, receiver) = oneshot::channel();
        let pushed = self.0.queue_of(&command).push(Job { command, reply });
        match pushed {
            Ok(()) => Reply::waiting(receiver),
            Err(full) => Reply::refused(refusal(&full)),
        }
    }

    /// Every lane must have done what it has.
    fn flush<T: Answer>(&self) -> Reply<T> {
        let mut receivers = Vec::new();
        for queue in self.0.queues() {
            let (reply, receiver) = oneshot::channel();
            if let Err(full) = queue.push(Job { command: Command::Flush, reply }) {
                return Reply::refused(refusal(&full));
            }
            receivers.push(receiver);
        }
        Reply::all(receivers)
    }

    pub(crate) fn read_marker(&self, read: Read) {
        self.0.lane(read.room.as_str()).push_read(read.user, read.room, read.seq);
    }

    pub(crate) fn seen(&self, user: &UserId, at_ms: u64) {
        self.0.people.push_seen(user.clone(), at_ms);
    }
}

fn refusal(full: &Full) -> Error {
    match full {
        Full::TooMany => Error::overloaded(),
        Full::Closed => Error::unavailable("the store is closed"),
    }
}

/// Asks on a connection of the pool, and once more on another if that one turns out to be broken.
macro_rules! reads {
    ($($module:ident :: $name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)+) => {
        impl Postgres {
            $(pub(crate) async fn $name(&self, $($arg: $kind),*) -> Result<$answer, Error> {
                let db = self.0.pool.connection().await?;
                let answer: $answer = match reads::$module::$name(&db, $($arg),*).await {
                    Err(stop) if stop.is_worth_another() => {
                        drop(db);
                        let db = self.0.pool.another().await?;
                        reads::$module::$name(&db, $($arg),*).await?
                    }
                    other => other?,
                };
                Ok(answer)
            })+
        }
    };
}

reads! {
    accounts::account_by_login(login: &str) -> Option<Account>;
    accounts::session(token_hash: [u8; 32], now_ms: u64) -> Option<SessionRow>;
    accounts::sessions(user: &UserId, now_ms: u64) -> Vec<SessionRow>;
    tickets::ticket(hash: [u8; 32], now_ms: u64) -> Option<TicketRow>;
    accounts::user_or_hash(user: &UserId, erased: &str) -> Option<User>;
    rooms::room_ids_of(user: &UserId) -> Vec<(RoomId, Seq)>;
    rooms::room_of(user: &UserId, room: &RoomId) -> (RoomInfo, Vec<Person>);
    rooms::member_ids(room: &RoomId) -> Vec<UserId>;
    rooms::is_member(user: &UserId, room: &RoomId) -> bool;
    rooms::members(user: &UserId, room: &RoomId, after: Option<&UserId>, limit: usize) -> Members;
    rooms::rooms_below(user: &UserId, after: Option<&RoomCursor>, limit: usize) -> Rooms;
    rooms::public_below(user: &UserId, query: Option<&str>, after: Option<&RoomCursor>, limit: usize) -> Rooms;
    resume::resume_from(user: &UserId, room: &RoomId, from: &Position, limit: usize) -> Resumed;
    presence::presence(since: PresenceSince) -> PresenceLook;
    presence::small_rooms_of(users: &[UserId], members: u32) -> Vec<(UserId, RoomId)>;
    log::head_of(room: &RoomId) -> Head;
    log::events_of(user: &UserId, room: &RoomId, range: Range, limit: usize) -> Page;
    log::log_of(room: &RoomId, after: Seq, limit: usize) -> Page;
    people::shares_room(user: &UserId, others: &[UserId]) -> Vec<UserId>;
    people::names(ids: &[UserId]) -> Vec<Person>;
    people::people_by_ids(user: &UserId, ids: &[UserId]) -> Vec<Person>;
    people::people_by_name(query: &str, shared_with: Option<&UserId>, limit: usize) -> Vec<Person>;
    upkeep::overdue(seconds: Option<u64>, now_ms: u64, after: Option<RoomNumber>) -> Overdue;
    upkeep::retention(room: &RoomId) -> Option<u64>;
    upkeep::erasings() -> Vec<Erasing>;
    upkeep::profile(user: &UserId) -> Option<Profile>;
    upkeep::events_at(places: &[LogPlace]) -> Vec<moorline_protocol::Event>;
    upkeep::traces_of(of: &Trace, after: LogCursor) -> Traces;
    upkeep::cids_of(user: i64, after: Option<&CidCursor>) -> CidTraces;
    upkeep::rooms_of_erased(user: i64, limit: usize) -> Vec<RoomId>;
    search::search(user: &UserId, asked: &Search) -> Hits;
    overview::room_overview(room: &RoomId) -> Option<RoomOverview>;
    overview::all_rooms(after: Option<&RoomId>, limit: usize) -> Vec<RoomOverview>;
    overview::all_people(after: Option<&UserId>, limit: usize) -> Vec<Profile>;
}

impl Postgres {
    pub(crate) async fn user(&self, user: &UserId) -> Result<Option<User>, Error> {
        self.user_or_hash(user, &self.0.hasher.erased_id(user.as_str())).await
    }

    pub(crate) async fn traces(&self, of: Trace, after: LogCursor) -> Result<Traces, Error> {
        self.traces_of(&of, after).await
    }

    pub(crate) async fn cid_traces(
        &self,
        user: i64,
        after: Option<CidCursor>,
    ) -> Result<CidTraces, Error> {
        self.cids_of(user, after.as_ref()).await
    }

    pub(crate) async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<RoomCursor>,
        limit: usize,
    ) -> Result<Rooms, Error> {
        self.rooms_below(user, after.as_ref(), limit).await
    }

    pub(crate) async fn browse(
        &self,
        user: &UserId,
        query: Option<&str>,
        after: Option<RoomCursor>,
        limit: usize,
    ) -> Result<Rooms, Error> {
        self.public_below(user, query, after.as_ref(), limit).await
    }
}
