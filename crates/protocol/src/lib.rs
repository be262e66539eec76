//! The words on Moorline's wire, version 1: ids, commands, replies, events, errors, close codes, limits, frames.
//!
//! Every other crate speaks through these types; `docs/protocol.md` describes them for clients, and the JSON Schema
//! and the TypeScript types are generated from them. Nothing here does I/O, knows a clock or depends on tokio.

pub mod admin;
pub mod api;
mod close;
mod codec;
mod command;
mod domain;
mod error;
mod event;
pub mod export;
mod frame;
mod ids;
mod limits;
pub mod over_http;
mod positions;
mod reply;
mod room;
mod search;
mod server;

pub use close::CloseCode;
pub use codec::{Refused, parse};
pub use command::{
    Away, Browse, Command, Create, Delete, Edit, Hello, History, Invite, Join, Leave, Members,
    People, Ping, Pong, Read, Remove, Rename, Resume, Rooms, Search, Send, Typing,
};
pub use domain::{DomainEvent, RoomFacts};
pub use error::ErrorCode;
pub use event::{Change, Event, EventKind, Mark, MemberChange};
pub use frame::{Carries, DEFLATED_BYTES, Frame};
pub use ids::{Cid, Epoch, EventId, InvalidId, Position, RoomId, Seq, UserId};
pub use limits::Limits;
pub use positions::{NoPosition, Positions, Told};
pub use reply::{
    Ack, Failure, Goodbye, Hits, Keepalive, MembersPage, Notice, Page, PeopleList, PresenceChange,
    Receipt, Reply, Reset, ResetReason, RoomChange, RoomChangeKind, RoomsPage, Totals, TypingNow,
    Welcome,
};
pub use room::{Member, Person, Presence, Role, RoomHistory, RoomInfo, RoomKind};
pub use search::SearchSort;
pub use server::{ServerInfo, ServerPart};
