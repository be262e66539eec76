//! The durable truth of Moorline: logs, rooms, members, read markers, accounts, sessions, search.
//!
//! `moorline-chat` calls it; it knows rows, not sockets. Commands go through one writer that commits many in one
//! transaction and hands each transaction to the one reader of [`Commits`]; reads go to a small pool of their own.

mod answer;
pub mod backup;
mod checkup;
mod command;
mod commit;
mod eraser;
mod error;
mod fingerprint;
mod fresh;
mod overview;
mod postgres;
mod presence;
mod queue;
mod search;
mod sqlite;
mod store;
mod ticket;
mod times;
mod upkeep;
mod words;

pub use answer::{
    Account, ChangedRooms, Created, ForWelcome, Head, Health, Hits, Joined, Members, Page, Range,
    Resumed, ResumedRoom, ResumedSome, RoomCursor, Rooms, SessionId, SessionRow, Since, Stored,
    User,
};
pub use checkup::{LongTransaction, PostgresFacts, SqliteFacts, look_at_postgres, look_at_sqlite};
pub use command::{
    Create, Delete, Edit, Invite, Join, Leave, NewAccount, NewSession, Read, Remove, Rename, Send,
};
pub use commit::{Answer, Commit, Commits, MadeRoom, Receipt, Reply, Revoked, TouchedRoom};
pub use eraser::Eraser;
pub use error::Error;
pub use overview::RoomOverview;
pub use postgres::{DatabaseUrl, InvalidUrl, Migration};
pub use presence::{
    Lease, NodeId, PRESENCE_BATCH, Place, PresenceLook, PresenceSince, PutPresence,
};
pub use search::{Search, SearchCursor};
pub use store::{
    DELETED_NAME, DELETED_USER, MAX_MEMBERS, MAX_ROOMS, SYSTEM_USER, Store, StoreConfig,
};
pub use ticket::{Holder, NewTicket, OPEN_TICKETS, TicketRow, USED_TICKETS, UseTicket};
pub use times::{Times, TimesRead};
pub use upkeep::{
    Erasing, LogCursor, LogPlace, Overdue, Profile, Prune, RoomNumber, SetRetention, UPKEEP_STEP,
};
