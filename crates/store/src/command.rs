//! What the store can be told to do durably, as plain values. Time is an argument: the store reads no wall clock.

use moorline_protocol::{Cid, EventId, RoomId, RoomKind, Seq, UserId};

use crate::presence::{Lease, PutPresence};
use crate::ticket::{NewTicket, UseTicket};
use crate::upkeep::{EndMembership, EraseCids, EraseEvents};
use crate::{Erasing, Prune, SessionId, SetRetention};

/// A message.
#[derive(Debug, Clone)]
pub struct Send {
    /// Who sends; must be a member.
    pub from: UserId,
    /// Where to.
    pub room: RoomId,
    /// The client's id of this send.
    pub cid: Cid,
    /// The text.
    pub body: String,
    /// The message of the same room that it answers.
    pub reply_to: Option<EventId>,
    /// Now, ms since 1970.
    pub at_ms: u64,
}

/// Another text for a message of one's own.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Who edits; must be the author.
    pub by: UserId,
    /// Where.
    pub room: RoomId,
    /// The client's id of this edit.
    pub cid: Cid,
    /// Which message.
    pub message: EventId,
    /// The text from here on.
    pub body: String,
    /// Now, ms since 1970.
    pub at_ms: u64,
}

/// The erasure of a message's text.
#[derive(Debug, Clone)]
pub struct Delete {
    /// Who deletes: the author, an admin or the owner.
    pub by: UserId,
    /// Where.
    pub room: RoomId,
    /// The client's id of this deletion.
    pub cid: Cid,
    /// Which message.
    pub message: EventId,
    /// Now, ms since 1970.
    pub at_ms: u64,
}

/// A new room.
#[derive(Debug, Clone)]
pub struct Create {
    /// Who makes it and becomes its owner; absent where the server's API does.
    pub by: Option<UserId>,
    /// Its id where the API chose one; else the store makes one.
    pub id: Option<RoomId>,
    /// The client's id of this creation.
    pub cid: Cid,
    /// How people come into it.
    pub kind: RoomKind,
    /// What it is called; a public room needs a name.
    pub name: Option<String>,
    /// Who is in it beside `by`.
    pub members: Vec<UserId>,
    /// Now, ms since 1970.
    pub at_ms: u64,
}

/// A person enters a public room, or one that a token allows.
#[derive(Debug, Clone)]
pub struct Join {
    /// Who.
    pub user: UserId,
    /// Which room.
    pub room: RoomId,
    /// The client's id of this.
    pub cid: Cid,
    /// When the token that names the room was issued, ms since 1970; a younger removal stands. Absent: public only.
    pub granted_ms: Option<u64>,
    /// Now, ms since 1970.
    pub at_ms: u64,
}

/// A person goes out of a room.
#[derive(Debug, Clone)]
pub struct Leave {
    /// Who.
    pub user: UserId,
    /// Which room.
    pub room: RoomId,
    /// The client's id of this.
    pub cid: Cid,
    /// Now, ms since 1970.
    pub at_ms: u64,
}

/// People are brought into a room.
#[derive(Debug, Clone)]
pub struct Invite {
    /// A member; absent where the server's API does it.
    pub by: Option<UserId>,
    /// Which room.
    pub room: RoomId,
    /// The client's id of this.
    pub cid: Cid,
    /// Whom.
    pub users: Vec<UserId>,
    /// Now, ms since 1970.
    pub at_ms: u64,
}

/// People are taken out of a room.
#[derive(Debug, Clone)]
pub struct Remove {
    /// An admin or the owner; absent where the server's API does it.
    pub by: Option<UserId>,
    /// Which room.
    pub room: RoomId,
    /// The client's id of this.
    pub cid: Cid,
    /// Whom.
    pub users: Vec<UserId>,
    /// Now, ms since 1970.
    pub at_ms: u64,
}

/// A room gets another name.
#[derive(Debug, Clone)]
pub struct Rename {
    /// An admin or the owner; absent where the server's API does it.
    pub by: Option<UserId>,
    /// Which room.
    pub room: RoomId,
    /// The client's id of this.
    pub cid: Cid,
    /// The name from here on.
    pub name: String,
    /// Now, ms since 1970.
    pub at_ms: u64,
}

/// How far a person has read; only grows.
#[derive(Debug, Clone)]
pub struct Read {
    /// Who.
    pub user: UserId,
    /// Where.
    pub room: RoomId,
    /// Everything up to here; above the head means the head.
    pub seq: Seq,
}

/// A built-in account.
#[derive(Clone)]
pub struct NewAccount {
    /// The sign-in name; compared without regard to case.
    pub login: String,
    /// The name to show.
    pub name: String,
    /// The password's hash, in PHC form.
    pub password_hash: String,
    /// Now, ms since 1970.
    pub at_ms: u64,
}

impl std::fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewAccount").field("login", &self.login).finish_non_exhaustive()
    }
}

/// A session of a signed-in person.
#[derive(Clone)]
pub struct NewSession {
    /// SHA-256 of the token; the token itself is kept nowhere.
    pub token_hash: [u8; 32],
    /// Whose.
    pub user: UserId,
    /// What the list of sessions shows.
    pub device: Option<String>,
    /// Now, ms since 1970.
    pub at_ms: u64,
    /// When it ends, ms since 1970.
    pub expires_ms: u64,
}

impl std::fmt::Debug for NewSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSession").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Everything that goes through the writer and is answered.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Send(Send),
    Edit(Edit),
    Delete(Delete),
    Create(Create),
    Join(Join),
    Leave(Leave),
    Invite(Invite),
    Remove(Remove),
    Rename(Rename),
    PutUser {
        id: UserId,
        name: String,
        at_ms: u64,
    },
    /// The id is made when the command is queued, so that doing it again finds its own account.
    CreateAccount {
        id: UserId,
        account: NewAccount,
    },
    AddSession {
        id: SessionId,
        session: NewSession,
    },
    RevokeSession {
        user: UserId,
        session: SessionId,
    },
    RevokeSessions {
        user: UserId,
        at_ms: u64,
    },
    AddTicket(NewTicket),
    UseTicket(UseTicket),
    /// Drops tickets that had ended by then.
    DropTickets {
        at_ms: u64,
    },
    Prune(Prune),
    SetRetention(SetRetention),
    BeginErasing {
        user: UserId,
        keeps_messages: bool,
        at_ms: u64,
    },
    EndMembership(EndMembership),
    EraseEvents(EraseEvents),
    EraseCids(EraseCids),
    EndErasing(Erasing),
    /// Asks to be the one node that prunes, for so many seconds.
    ClaimUpkeep {
        node: String,
        seconds: u32,
    },
    /// A node lives.
    RenewLease(Lease),
    /// Who is on a node, and how.
    PutPresence(PutPresence),
    /// Nothing to do: its answer says that everything queued before it is committed.
    Flush,
}

impl Command {
    /// What it weighs in a batch.
    pub(crate) fn bytes(&self) -> usize {
        const BASE: usize = 200;
        BASE + match self {
            Self::Send(send) => send.body.len(),
            Self::Edit(edit) => edit.body.len(),
            Self::Create(Create { members: list, .. })
            | Self::Invite(Invite { users: list, .. })
            | Self::Remove(Remove { users: list, .. }) => list.len() * BASE,
            Self::PutPresence(PutPresence { places, .. }) => places.len() * BASE,
            _ => 0,
        }
    }
}
