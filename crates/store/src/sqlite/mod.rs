//! The store on SQLite: one writer thread, a checkpointer beside it, and a few readers.
//!
//! `writer.rs` is the way of a command, `batch.rs` and its neighbours what commands do in a transaction, `pool.rs` and
//! `reads/` the way of a read.

mod accounts;
pub(crate) mod backup;
mod batch;
mod cache;
mod checkpoint;
mod checkup;
mod cids;
mod comings;
mod erase;
mod events;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod faults;
mod generation;
mod index;
mod membership;
mod messages;
#[cfg(test)]
mod plans;
mod pool;
mod prune;
mod reads;
mod rooms;
mod schema;
mod shared;
mod tickets;
mod upkeep;
mod writer;

pub(crate) use checkup::checkup;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use moorline_protocol::{Person, Position, RoomId, RoomInfo, Seq, UserId};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

use self::pool::Pool;
use self::schema::Purpose;
use self::shared::Shared;
use self::writer::Writer;
use crate::command::Command;
use crate::fingerprint::Hasher;
use crate::queue::{Full, Job};
use crate::{
    Account, Answer, Commits, Error, ForWelcome, Head, Health, Hits, Members, Page, Range, Read,
    Reply, Resumed, RoomCursor, Rooms, Search, SessionRow, StoreConfig, TicketRow, TimesRead, User,
};

/// Commits that may wait for their reader: while it is behind by so many transactions, the writer waits.
const COMMITS: usize = 16;

/// Handle of the back end.
#[derive(Clone)]
pub(crate) struct Sqlite(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    readers: Pool,
    /// Knows the ids of erased people.
    hasher: Hasher,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.readers.close();
    }
}

impl Sqlite {
    pub(crate) fn open(config: &StoreConfig) -> Result<(Self, Commits), Error> {
        let folder = &config.folder;
        let open = |reason: String| Error::Open { path: folder.clone(), reason };
        let (db, hasher) = prepare(folder)?;
        let shared = Arc::new(Shared::new(config.queue));
        let (sender, receiver) = mpsc::channel(COMMITS);
        let writer = Writer::new(folder.clone(), db, Arc::clone(&shared), sender, hasher.clone())
            .map_err(|error| open(error.to_string()))?;
        let (ended, has_ended) = oneshot::channel();
        let spawned = spawn(folder, &shared, writer, ended).and_then(|()| Pool::start(folder));
        let readers = spawned.map_err(|error| {
            shared.queue.close();
            open(error.to_string())
        })?;
        let inner = Inner { shared, readers, hasher, ended: Mutex::new(Some(has_ended)) };
        Ok((Self(Arc::new(inner)), Commits { receiver }))
    }

    pub(crate) fn health(&self) -> Health {
        self.0.shared.health()
    }

    pub(crate) fn commit_times(&self) -> TimesRead {
        self.0.shared.commit_times.read()
    }

    pub(crate) async fn close(self) {
        self.0.shared.queue.close();
        let ended = self.0.ended.lock().take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
        self.0.readers.close();
    }

    pub(crate) fn submit<T: Answer>(&self, command: Command) -> Reply<T> {
        let (reply, receiver) = oneshot::channel();
        match self.0.shared.queue.push(Job { command, reply }) {
            Ok(()) => Reply::waiting(receiver),
            Err(Full::TooMany) => Reply::refused(Error::overloaded()),
            Err(Full::Closed) => Reply::refused(Error::unavailable("the store is closed")),
        }
    }

    pub(crate) fn read_marker(&self, read: Read) {
        self.0.shared.queue.push_read(read.user, read.room, read.seq);
    }

    pub(crate) fn seen(&self, user: &UserId, at_ms: u64) {
        self.0.shared.queue.push_seen(user.clone(), at_ms);
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.0.readers.ask(question).await
    }
}

/// Everything that opening does before the threads run.
fn prepare(folder: &Path) -> Result<(Connection, Hasher), Error> {
    let open = |reason: String| Error::Open { path: schema::database(folder), reason };
    let failed = |error: rusqlite::Error| open(error.to_string());
    make_files(folder).map_err(|error| open(error.to_string()))?;
    let mut db = schema::connect(folder, Purpose::Write).map_err(failed)?;
    schema::migrate(&mut db, folder)?;
    let key = identity(&db).map_err(failed)?;
    let found = generation::open(&mut db, folder).map_err(failed)?;
    if found == generation::Found::Older {
        tracing::warn!("the data is older than what was here last; every room begins a new life");
    }
    Ok((db, Hasher::new(&key)))
}

/// The folder and the database file, for their owner only; SQLite gives its log the rights of the file.
fn make_files(folder: &Path) -> std::io::Result<()> {
    let (mut builder, mut options) = (std::fs::DirBuilder::new(), std::fs::OpenOptions::new());
    builder.recursive(true);
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.create(folder)?;
    options.open(schema::database(folder)).map(drop)
}

/// The key of this store; made with the store.
fn identity(db: &Connection) -> rusqlite::Result<[u8; 32]> {
    let known = db.query_row("SELECT cid_key FROM state", [], |row| row.get(0)).optional()?;
    if let Some(key) = known {
        return Ok(key);
    }
    let key: [u8; 32] = rand::random();
    let insert =
        "INSERT INTO state (one, store, generation, cid_key, indexed) VALUES (1, ?1, 0, ?2, 0)";
    db.execute(insert, params![format!("{:032x}", rand::random::<u128>()), key])?;
    Ok(key)
}

fn spawn(
    folder: &Path,
    shared: &Arc<Shared>,
    writer: Writer,
    ended: oneshot::Sender<()>,
) -> std::io::Result<()> {
    let (place, status) = (folder.to_owned(), Arc::clone(shared));
    let checkpointer = thread::Builder::new()
        .name("store-checkpoint".to_owned())
        .spawn(move || checkpoint::run(place, status))?;
    thread::Builder::new().name("store-write".to_owned()).spawn(move || {
        // The last connection to close brings the rest of the log into the file.
        writer.run();
        let _ = checkpointer.join();
        let _ = ended.send(());
    })?;
    Ok(())
}

impl Sqlite {
    pub(crate) async fn account_by_login(&self, login: &str) -> Result<Option<Account>, Error> {
        let login = login.to_owned();
        self.ask(move |db| reads::accounts::account_by_login(db, &login)).await
    }

    pub(crate) async fn session(
        &self,
        token_hash: [u8; 32],
        now_ms: u64,
    ) -> Result<Option<SessionRow>, Error> {
        self.ask(move |db| reads::accounts::session(db, token_hash, now_ms)).await
    }

    pub(crate) async fn sessions(
        &self,
        user: &UserId,
        now_ms: u64,
    ) -> Result<Vec<SessionRow>, Error> {
        let user = user.clone();
        self.ask(move |db| reads::accounts::sessions(db, &user, now_ms)).await
    }

    pub(crate) async fn ticket(
        &self,
        hash: [u8; 32],
        now_ms: u64,
    ) -> Result<Option<TicketRow>, Error> {
        self.ask(move |db| reads::tickets::ticket(db, hash, now_ms)).await
    }

    pub(crate) async fn user(&self, user: &UserId) -> Result<Option<User>, Error> {
        let (user, hasher) = (user.clone(), self.0.hasher.clone());
        self.ask(move |db| reads::accounts::user(db, &hasher, &user)).await
    }

    pub(crate) async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<RoomCursor>,
        limit: usize,
    ) -> Result<Rooms, Error> {
        let user = user.clone();
        self.ask(move |db| reads::rooms::rooms_of(db, &user, after.as_ref(), limit)).await
    }

    pub(crate) async fn for_welcome(
        &self,
        user: &UserId,
        limit: usize,
        positions: Vec<(RoomId, Position)>,
    ) -> Result<ForWelcome, Error> {
        let (user, hasher) = (user.clone(), self.0.hasher.clone());
        self.ask(move |db| reads::welcome::for_welcome(db, &hasher, &user, limit, positions)).await
    }

    pub(crate) async fn room_ids_of(&self, user: &UserId) -> Result<Vec<(RoomId, Seq)>, Error> {
        let user = user.clone();
        self.ask(move |db| reads::rooms::room_ids_of(db, &user)).await
    }

    pub(crate) async fn room_of(
        &self,
        user: &UserId,
        room: &RoomId,
    ) -> Result<(RoomInfo, Vec<Person>), Error> {
        let (user, room) = (user.clone(), room.clone());
        self.ask(move |db| reads::rooms::room_of(db, &user, &room)).await
    }

    pub(crate) async fn head(&self, room: &RoomId) -> Result<Head, Error> {
        let room = room.clone();
        self.ask(move |db| reads::log::head(db, &room)).await
    }

    pub(crate) async fn resume(
        &self,
        user: &UserId,
        room: &RoomId,
        from: Position,
        limit: usize,
    ) -> Result<Resumed, Error> {
        let (user, room) = (user.clone(), room.clone());
        self.ask(move |db| reads::log::resume(db, &user, &room, &from, limit)).await
    }

    pub(crate) async fn events(
        &self,
        user: &UserId,
        room: &RoomId,
        range: Range,
        limit: usize,
    ) -> Result<Page, Error> {
        let (user, room) = (user.clone(), room.clone());
        self.ask(move |db| reads::log::events(db, &user, &room, range, limit)).await
    }

    pub(crate) async fn log(&self, room: &RoomId, after: Seq, limit: usize) -> Result<Page, Error> {
        let room = room.clone();
        self.ask(move |db| reads::log::log(db, &room, after, limit)).await
    }

    pub(crate) async fn members(
        &self,
        user: &UserId,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Members, Error> {
        let (user, room, after) = (user.clone(), room.clone(), after.cloned());
        self.ask(move |db| reads::rooms::members(db, &user, &room, after.as_ref(), limit)).await
    }

    pub(crate) async fn member_ids(&self, room: &RoomId) -> Result<Vec<UserId>, Error> {
        let room = room.clone();
        self.ask(move |db| reads::rooms::member_ids(db, &room)).await
    }

    pub(crate) async fn is_member(&self, user: &UserId, room: &RoomId) -> Result<bool, Error> {
        let (user, room) = (user.clone(), room.clone());
        self.ask(move |db| Ok(reads::log::access(db, &user, &room)?.is_some())).await
    }

    pub(crate) async fn shares_room(
        &self,
        user: &UserId,
        others: &[UserId],
    ) -> Result<Vec<UserId>, Error> {
        let (user, others) = (user.clone(), others.to_vec());
        self.ask(move |db| reads::people::shares_room(db, &user, &others)).await
    }

    pub(crate) async fn names(&self, ids: &[UserId]) -> Result<Vec<Person>, Error> {
        let ids = ids.to_vec();
        self.ask(move |db| reads::people::names(db, &ids)).await
    }

    pub(crate) async fn people_by_ids(
        &self,
        user: &UserId,
        ids: &[UserId],
    ) -> Result<Vec<Person>, Error> {
        let (user, ids) = (user.clone(), ids.to_vec());
        self.ask(move |db| reads::people::people_by_ids(db, &user, &ids)).await
    }

    pub(crate) async fn people_by_name(
        &self,
        query: &str,
        shared_with: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Person>, Error> {
        let (query, asker) = (query.to_owned(), shared_with.cloned());
        let find =
            move |db: &Connection| reads::people::people_by_name(db, &query, asker.as_ref(), limit);
        self.0.readers.ask_slowly(find).await
    }

    pub(crate) async fn browse(
        &self,
        user: &UserId,
        query: Option<&str>,
        after: Option<RoomCursor>,
        limit: usize,
    ) -> Result<Rooms, Error> {
        let (user, query) = (user.clone(), query.map(str::to_owned));
        let browse = move |db: &Connection| {
            reads::rooms::browse(db, &user, query.as_deref(), after.as_ref(), limit)
        };
        self.0.readers.ask_slowly(browse).await
    }

    pub(crate) async fn search(&self, user: &UserId, asked: &Search) -> Result<Hits, Error> {
        let (user, asked) = (user.clone(), asked.clone());
        let behind_ms = self.0.shared.index_behind_ms();
        let search = move |db: &Connection| reads::search::search(db, &user, &asked, behind_ms);
        self.0.readers.ask_slowly(search).await
    }
}
