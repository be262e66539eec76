//! `Store`: one API over the back ends. Every call here only forwards; the rules of storing are the back end's.

use std::path::PathBuf;

use moorline_protocol::{Person, Position, RoomId, RoomInfo, Seq, UserId};
use uuid::Uuid;

use crate::command::Command;
use crate::postgres::Postgres;
use crate::presence::{Lease, PresenceLook, PresenceSince, PutPresence};
use crate::sqlite::Sqlite;
use crate::upkeep::{CidCursor, CidTraces, Trace, Traces};
use crate::{
    Account, Answer, ChangedRooms, Commits, Create, Created, DatabaseUrl, Delete, Edit, Erasing,
    Error, ForWelcome, Head, Health, Hits, Invite, Join, Leave, LogCursor, LogPlace, Members,
    Migration, NewAccount, NewSession, Overdue, Page, Profile, Prune, Range, Read, Remove, Rename,
    Reply, Resumed, RoomCursor, RoomNumber, RoomOverview, Rooms, Search, Send, SessionId,
    SessionRow, SetRetention, Since, Stored, TicketRow, TimesRead, User,
};

/// Rooms that a person can be in: what a room list and its sums can read within a few milliseconds.
pub const MAX_ROOMS: u64 = 5_000;

/// Members that a room can have: what its member list and its feed are built for.
pub const MAX_MEMBERS: u64 = 100_000;

/// Who does what no person does (rooms and members made through the server's API). Nobody can sign in as it.
pub const SYSTEM_USER: &str = "moorline";

/// Under whom the events of erased people stand. Nobody can sign in as it.
pub const DELETED_USER: &str = "deleted";

/// What it is called.
pub const DELETED_NAME: &str = "Deleted account";

/// Where the store is and how much may wait for it.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The data folder; the database is `moorline.db` in it, unless there is another.
    pub folder: PathBuf,
    /// The PostgreSQL database; absent: SQLite in the folder.
    pub database: Option<DatabaseUrl>,
    /// Commands that may wait for the writer; more are refused as overloaded. 10,000 is ten full batches.
    pub queue: usize,
    /// On PostgreSQL, one connection that commits each command by itself: what a benchmark compares with.
    #[doc(hidden)]
    pub is_one_by_one: bool,
}

impl StoreConfig {
    /// The store in this folder, with the default limits.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), database: None, queue: 10_000, is_one_by_one: false }
    }

    /// The store in this PostgreSQL database; the folder keeps a small note of how new it was.
    #[must_use]
    pub fn in_database(self, url: DatabaseUrl) -> Self {
        Self { database: Some(url), ..self }
    }
}

/// The store. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Store(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// The same call to whichever back end it is.
macro_rules! to_backend {
    ($store:expr, $backend:ident => $call:expr) => {
        match $store {
            Backend::Sqlite($backend) => $call,
            Backend::Postgres($backend) => $call,
        }
    };
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($kind:ident) -> $answer:ty;)+) => {
        $($(#[$doc])* pub fn $name(&self, command: $kind) -> Reply<$answer> {
            self.submit(Command::$kind(command))
        })+
    };
}

macro_rules! reads {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)+) => {
        $($(#[$doc])*
        ///
        /// # Errors
        /// Where the store cannot be read now, or where this is not the person's to see.
        pub async fn $name(&self, $($arg: $kind),*) -> Result<$answer, Error> {
            to_backend!(&self.0, backend => backend.$name($($arg),*).await)
        })+
    };
}

impl Store {
    /// Opens the store or makes it, brings its schema up to date and raises its generation. Blocks.
    ///
    /// # Errors
    /// Where the folder cannot be used, or where a newer Moorline wrote the data.
    pub fn open(config: StoreConfig) -> Result<(Self, Commits), Error> {
        if let Some(url) = &config.database {
            let (postgres, commits) = Postgres::open(url, &config)?;
            return Ok((Self(Backend::Postgres(postgres)), commits));
        }
        let (sqlite, commits) = Sqlite::open(&config)?;
        Ok((Self(Backend::Sqlite(sqlite)), commits))
    }

    /// The steps of a PostgreSQL database's schema, and which of them it has; with `is_wanted`, those that it lacks are
    /// made first. Blocks.
    ///
    /// # Errors
    /// Where the database cannot be used, or where a newer Moorline wrote it.
    pub fn migrations(url: &DatabaseUrl, is_wanted: bool) -> Result<Vec<Migration>, Error> {
        Postgres::migrations(url, is_wanted)
    }

    /// A key that all nodes on one database have, for this purpose alone; none where the store is one node's own.
    #[must_use]
    pub fn shared_key(&self, purpose: &str) -> Option<[u8; 32]> {
        match &self.0 {
            Backend::Sqlite(_) => None,
            Backend::Postgres(postgres) => Some(postgres.shared_key(purpose)),
        }
    }

    /// What changed since a moment, by whichever node; without one, since the store was opened. None where no other node
    /// can write.
    ///
    /// # Errors
    /// Where the store cannot be read now.
    pub async fn changed_rooms(&self, since: Option<Since>) -> Result<Option<ChangedRooms>, Error> {
        match &self.0 {
            Backend::Sqlite(_) => Ok(None),
            Backend::Postgres(postgres) => postgres.changed_rooms(since).await.map(Some),
        }
    }

    /// Which of these people are those of whom [`ChangedRooms::erased`] has the hashes.
    #[must_use]
    pub fn erased_among(&self, erased: &[String], people: Vec<UserId>) -> Vec<UserId> {
        match &self.0 {
            Backend::Sqlite(_) => Vec::new(),
            Backend::Postgres(postgres) => postgres.erased_among(erased, people),
        }
    }

    /// Whether other nodes may write to this store: only then is there presence to share.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Backend::Postgres(_))
    }

    /// Says that a node lives. Answers whether its lease had not ended before: if it had, others may have seen its people
    /// go, and what it wrote is to be written again. Where no other node can write nothing is kept, and it never ends.
    pub fn renew_lease(&self, lease: Lease) -> Reply<bool> {
        self.submit(Command::RenewLease(lease))
    }

    /// Writes how people are on a node; nothing is kept where no other node can write.
    pub fn put_presence(&self, put: PutPresence) -> Reply<()> {
        self.submit(Command::PutPresence(put))
    }

    /// What changed in who is on which node since a look before, in one query. None where no other node can write.
    ///
    /// # Errors
    /// Where the store cannot be read now.
    pub async fn presence(&self, since: PresenceSince) -> Result<Option<PresenceLook>, Error> {
        match &self.0 {
            Backend::Sqlite(_) => Ok(None),
            Backend::Postgres(postgres) => postgres.presence(since).await.map(Some),
        }
    }

    /// The rooms of at most so many members that each of these people is in, up to 1,000 a person: where their coming and
    /// going on other nodes is told. Empty where no other node can write.
    ///
    /// # Errors
    /// Where the store cannot be read now.
    pub async fn small_rooms_of(
        &self,
        users: &[UserId],
        members: u32,
    ) -> Result<Vec<(UserId, RoomId)>, Error> {
        match &self.0 {
            Backend::Sqlite(_) => Ok(Vec::new()),
            Backend::Postgres(postgres) => postgres.small_rooms_of(users, members).await,
        }
    }

    /// How the store is, without asking the disk.
    #[must_use]
    pub fn health(&self) -> Health {
        to_backend!(&self.0, backend => backend.health())
    }

    /// How long the transactions took that were committed since the start, waiting for their turn included.
    #[must_use]
    pub fn commit_times(&self) -> TimesRead {
        to_backend!(&self.0, backend => backend.commit_times())
    }

    /// Commits what is queued, ends the threads and closes the file. Somebody must still be reading [`Commits`].
    pub async fn close(self) {
        to_backend!(self.0, backend => backend.close().await)
    }

    pub(crate) fn submit<T: Answer>(&self, command: Command) -> Reply<T> {
        to_backend!(&self.0, backend => backend.submit(command))
    }

    commands! {
        /// Stores a message.
        send(Send) -> Stored;
        /// Stores another text for a message.
        edit(Edit) -> Stored;
        /// Erases a message's text everywhere.
        delete(Delete) -> Stored;
        /// Makes a room, or finds the one that it would be again.
        create(Create) -> Created;
        /// Brings a person into a room by their own wish.
        join(Join) -> Stored;
        /// Takes a person out by their own wish.
        leave(Leave) -> Stored;
        /// Brings others in.
        invite(Invite) -> Stored;
        /// Takes others out.
        remove(Remove) -> Stored;
        /// Gives a room another name.
        rename(Rename) -> Stored;
        /// Drops the oldest events of a room, at most [`crate::UPKEEP_STEP`]. Answers how many.
        prune(Prune) -> u64;
        /// Sets how long a room's events are kept. Answers whether anything changed.
        set_retention(SetRetention) -> bool;
    }

    /// Begins to erase a person: from here on they are signed out, cannot come back, and are called by nobody's name.
    /// [`crate::Eraser`] does the rest. Answers whether there is a rest; one whose erasing has begun keeps the way of
    /// the first call, and one who is erased has none.
    pub fn begin_erasing(&self, user: UserId, keeps_messages: bool, at_ms: u64) -> Reply<bool> {
        self.submit(Command::BeginErasing { user, keeps_messages, at_ms })
    }

    /// Asks to be the one node that prunes for the next seconds. Always granted where only one node can write.
    pub fn claim_upkeep(&self, node: &str, seconds: u32) -> Reply<bool> {
        self.submit(Command::ClaimUpkeep { node: node.to_owned(), seconds })
    }

    /// Moves a read marker; it only grows, and it shows as a receipt in a later [`crate::Commit`].
    pub fn read(&self, read: Read) {
        to_backend!(&self.0, backend => backend.read_marker(read))
    }

    /// Notes that a person is here.
    pub fn seen(&self, user: &UserId, at_ms: u64) {
        to_backend!(&self.0, backend => backend.seen(user, at_ms))
    }

    /// Makes a person, or gives the one with this id another name. Answers whether anything changed.
    pub fn put_user(&self, id: UserId, name: String, at_ms: u64) -> Reply<bool> {
        self.submit(Command::PutUser { id, name, at_ms })
    }

    /// Makes a built-in account and its person, whose id is generated.
    pub fn create_account(&self, account: NewAccount) -> Reply<UserId> {
        match UserId::new(format!("u_{:032x}", rand::random::<u128>())) {
            Ok(id) => self.submit(Command::CreateAccount { id, account }),
            Err(_) => Reply::refused(Error::Invalid("no id could be made")),
        }
    }

    /// Begins a session.
    pub fn add_session(&self, session: NewSession) -> Reply<SessionId> {
        let id = SessionId(Uuid::from_u128(rand::random()).simple().to_string());
        self.submit(Command::AddSession { id, session })
    }

    /// Ends one session of a person. Answers whether there was one.
    pub fn revoke_session(&self, user: UserId, session: SessionId) -> Reply<bool> {
        self.submit(Command::RevokeSession { user, session })
    }

    /// Ends all sessions of a person, and refuses tokens issued before now. Answers how many ended.
    pub fn revoke_sessions(&self, user: UserId, at_ms: u64) -> Reply<u64> {
        self.submit(Command::RevokeSessions { user, at_ms })
    }

    /// Resolves once everything queued before it is committed and published.
    pub fn flush(&self) -> Reply<()> {
        self.submit(Command::Flush)
    }

    reads! {
        /// What signing in by name needs.
        account_by_login(login: &str) -> Option<Account>;
        /// The session of a token, unless it has ended or its person is erased.
        session(token_hash: [u8; 32], now_ms: u64) -> Option<SessionRow>;
        /// A ticket, used or not, unless it, its token or its session has ended or its person is erased.
        ticket(hash: [u8; 32], now_ms: u64) -> Option<TicketRow>;
        /// A person's sessions that have not ended, the youngest first.
        sessions(user: &UserId, now_ms: u64) -> Vec<SessionRow>;
        /// A person.
        user(user: &UserId) -> Option<User>;
        /// A page of a person's rooms, the latest activity first, with sums over all of them.
        rooms_of(user: &UserId, after: Option<RoomCursor>, limit: usize) -> Rooms;
        /// All rooms of a person, with their heads.
        room_ids_of(user: &UserId) -> Vec<(RoomId, Seq)>;
        /// One room as one person sees it, with the names that it mentions.
        room_of(user: &UserId, room: &RoomId) -> (RoomInfo, Vec<Person>);
        /// Where a room's log ends; for the node itself, asks for no person.
        head(room: &RoomId) -> Head;
        /// What follows a person's position in a room.
        resume(user: &UserId, room: &RoomId, from: Position, limit: usize) -> Resumed;
        /// What the answer to a `hello` is made of: the person, the first `limit` of their rooms, and what follows
        /// these positions, as far as it is little.
        for_welcome(user: &UserId, limit: usize, positions: Vec<(RoomId, Position)>) -> ForWelcome;
        /// A piece of a room's log as a person may see it.
        events(user: &UserId, room: &RoomId, range: Range, limit: usize) -> Page;
        /// What follows a seq in a room's log; for the node's own feed, asks for no person.
        log(room: &RoomId, after: Seq, limit: usize) -> Page;
        /// A page of a room's members, for a member.
        members(user: &UserId, room: &RoomId, after: Option<&UserId>, limit: usize) -> Members;
        /// The ids of all members of a room; for the node itself.
        member_ids(room: &RoomId) -> Vec<UserId>;
        /// Whether a person is a member.
        is_member(user: &UserId, room: &RoomId) -> bool;
        /// Which of these people share a room with this person.
        shares_room(user: &UserId, others: &[UserId]) -> Vec<UserId>;
        /// People by ids, whoever asks.
        names(ids: &[UserId]) -> Vec<Person>;
        /// People by ids, those only with whom this person shares a room.
        people_by_ids(user: &UserId, ids: &[UserId]) -> Vec<Person>;
        /// People by the beginning of a word of their name; with `shared_with`, only those who share a room with that person.
        people_by_name(query: &str, shared_with: Option<&UserId>, limit: usize) -> Vec<Person>;
        /// A page of public rooms as a person sees them, the latest activity first.
        browse(user: &UserId, query: Option<&str>, after: Option<RoomCursor>, limit: usize) -> Rooms;
        /// Rooms among the next thousand or so that hold events older than they are kept; `seconds` is for rooms that
        /// say nothing of it.
        overdue(seconds: Option<u64>, now_ms: u64, after: Option<RoomNumber>) -> Overdue;
        /// How long a room's events are kept, if the room says so itself; 0 for ever.
        retention(room: &RoomId) -> Option<u64>;
        /// Erasings that have begun and are not through.
        erasings() -> Vec<Erasing>;
        /// What is known of a person.
        profile(user: &UserId) -> Option<Profile>;
        /// One room as an operator sees it; asks for no person.
        room_overview(room: &RoomId) -> Option<RoomOverview>;
        /// All rooms from after this id on, in the order of their ids; asks for no person.
        all_rooms(after: Option<&RoomId>, limit: usize) -> Vec<RoomOverview>;
        /// All people who are not erased, from after this id on, in the order of their ids.
        all_people(after: Option<&UserId>, limit: usize) -> Vec<Profile>;
        /// The events at these positions, as they are now; those that are gone are left out.
        events_at(places: &[LogPlace]) -> Vec<moorline_protocol::Event>;
        /// Messages by words, authors, rooms and times, as they are now, of rooms that the person is a member of and as
        /// far back as each shows them. A query that cannot be is invalid.
        search(user: &UserId, asked: &Search) -> Hits;
    }

    /// Messages of a person in the next piece of all logs, and where the piece after it begins.
    ///
    /// # Errors
    /// Where the store cannot be read now.
    pub async fn messages_of(
        &self,
        profile: &Profile,
        after: LogCursor,
    ) -> Result<(Vec<LogPlace>, Option<LogCursor>), Error> {
        let found = self.traces(Trace::Messages(profile.n), after).await?;
        Ok((found.places, found.next))
    }

    /// The next piece of all logs, looked through for what a person left in them.
    pub(crate) async fn traces(&self, of: Trace, after: LogCursor) -> Result<Traces, Error> {
        to_backend!(&self.0, backend => backend.traces(of, after).await)
    }

    pub(crate) async fn cid_traces(
        &self,
        user: i64,
        after: Option<CidCursor>,
    ) -> Result<CidTraces, Error> {
        to_backend!(&self.0, backend => backend.cid_traces(user, after).await)
    }

    pub(crate) async fn rooms_of_erased(
        &self,
        user: i64,
        limit: usize,
    ) -> Result<Vec<RoomId>, Error> {
        to_backend!(&self.0, backend => backend.rooms_of_erased(user, limit).await)
    }
}
