//! Tickets: what a token or a session gives out for a URL, where nothing else can be sent (`EventSource`).
//!
//! A ticket is good once and for seconds; using it binds it to a cookie, and from then on it is good with that cookie alone,
//! until the token or the session ends. Both stand here as hashes. The server makes them; nothing here is random.

use std::fmt;

use moorline_protocol::UserId;

use crate::command::Command;
use crate::{Reply, SessionId, Store};

/// Tickets of one person that are not used yet: as many windows as somebody opens at once.
pub const OPEN_TICKETS: usize = 16;
/// Used tickets of one person that are remembered; a further one takes the place of the oldest.
pub const USED_TICKETS: usize = 64;

/// A new ticket.
#[derive(Clone)]
pub struct NewTicket {
    /// Hash of the ticket, which itself is kept nowhere.
    pub hash: [u8; 32],
    /// Whose.
    pub user: UserId,
    /// The session that it stands for; absent: a token.
    pub session: Option<SessionId>,
    /// When that token was made, ms since 1970; 0 where it does not say.
    pub issued_ms: u64,
    /// Now, ms since 1970.
    pub at_ms: u64,
    /// Until when it can be used, ms since 1970.
    pub until_ms: u64,
    /// When the token or the session ends, ms since 1970.
    pub ends_ms: u64,
}

/// The use of a ticket: its exchange for a cookie.
#[derive(Clone)]
pub struct UseTicket {
    /// Hash of the ticket.
    pub hash: [u8; 32],
    /// Hash of the cookie that came with it. It is kept where another ticket of the same person goes on with it, so that
    /// all windows of a browser share one.
    pub shown: Option<[u8; 32]>,
    /// Hash of the cookie that is given otherwise.
    pub fresh: [u8; 32],
    /// Now, ms since 1970.
    pub at_ms: u64,
}

/// The cookie that a ticket was exchanged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Whether it is the one that came with the ticket.
    pub was_shown: bool,
    /// When the last ticket ends that goes on with it, ms since 1970.
    pub ends_ms: u64,
}

/// A ticket that has not ended, and whose token or session has not either.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketRow {
    /// Whose.
    pub user: UserId,
    /// The name of that person.
    pub name: String,
    /// The session that it stands for; absent: a token.
    pub session: Option<SessionId>,
    /// When that token was made, ms since 1970; 0 where it did not say.
    pub issued_ms: u64,
    /// When the token or the session ends, ms since 1970.
    pub ends_ms: u64,
    /// Hash of the cookie without which it is good no more; absent: it was not used yet.
    pub holder: Option<[u8; 32]>,
}

impl Store {
    /// Keeps a ticket. Refused where the person has too many that are not used yet, and where there is no such person.
    pub fn add_ticket(&self, ticket: NewTicket) -> Reply<()> {
        self.submit(Command::AddTicket(ticket))
    }

    /// Uses a ticket. Answers which cookie it goes on with; none where it was used before, has ended, or is none.
    pub fn use_ticket(&self, wanted: UseTicket) -> Reply<Option<Holder>> {
        self.submit(Command::UseTicket(wanted))
    }

    /// Drops tickets that have ended, at most [`crate::UPKEEP_STEP`]. Answers how many.
    pub fn drop_tickets(&self, at_ms: u64) -> Reply<u64> {
        self.submit(Command::DropTickets { at_ms })
    }
}

macro_rules! hides_hashes {
    ($($kind:ident { $($field:ident),+ })+) => {
        $(impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut shown = f.debug_struct(stringify!($kind));
                $(shown.field(stringify!($field), &self.$field);)+
                shown.finish_non_exhaustive()
            }
        })+
    };
}

hides_hashes! {
    NewTicket { user, at_ms, until_ms, ends_ms }
    UseTicket { at_ms }
    TicketRow { user, issued_ms, ends_ms }
}
