//! The rules of the commands that change something: what is checked before the store decides the rest.
//!
//! Each call queues its command at once, so that the sends of one connection keep their order, and answers with the
//! future of the outcome, which is the ack.

use moorline_protocol as wire;
use moorline_protocol::{Cid, Limits, Position, RoomId, RoomKind, UserId};
use moorline_store as store;
use moorline_store::{Created, Reply, Stored};

use crate::{Chat, Error};

/// What a token allows beyond the rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Rooms that its holder may join.
    pub rooms: Vec<RoomId>,
    /// When it was issued, ms since 1970: a younger removal stands.
    pub issued_ms: u64,
}

impl Chat {
    /// Sends a message.
    ///
    /// # Errors
    /// Where the text is empty or too long; everything else is the reply's.
    pub fn send(
        &self,
        from: &UserId,
        send: wire::Send,
        at_ms: u64,
    ) -> Result<Reply<Stored>, Error> {
        check_text(&send.body)?;
        let wire::Send { room, cid, body, reply_to } = send;
        Ok(self.store().send(store::Send { from: from.clone(), room, cid, body, reply_to, at_ms }))
    }

    /// Gives a message another text.
    ///
    /// # Errors
    /// Where the text is empty or too long.
    pub fn edit(&self, by: &UserId, edit: wire::Edit, at_ms: u64) -> Result<Reply<Stored>, Error> {
        check_text(&edit.body)?;
        let wire::Edit { room, cid, message, body } = edit;
        Ok(self.store().edit(store::Edit { by: by.clone(), room, cid, message, body, at_ms }))
    }

    /// Erases a message's text.
    pub fn delete(&self, by: &UserId, delete: wire::Delete, at_ms: u64) -> Reply<Stored> {
        let wire::Delete { room, cid, message } = delete;
        self.store().delete(store::Delete { by: by.clone(), room, cid, message, at_ms })
    }

    /// Makes a room, or finds the direct room of a pair.
    ///
    /// # Errors
    /// Where name or members do not fit the kind.
    pub fn create(
        &self,
        by: &UserId,
        create: wire::Create,
        at_ms: u64,
    ) -> Result<Reply<Created>, Error> {
        let wire::Create { cid, kind, name, members } = create;
        let name = name.map(|name| checked_name(&name)).transpose()?;
        check_list(&members)?;
        match kind {
            RoomKind::Direct if members.len() != 1 => {
                return Err(Error::Invalid(
                    "a direct room needs exactly one other person in `members`".into(),
                ));
            }
            RoomKind::Direct if members.first() == Some(by) => {
                return Err(Error::Invalid(
                    "a direct room needs another person than yourself".into(),
                ));
            }
            RoomKind::Direct if name.is_some() => {
                return Err(Error::Invalid("a direct room has no `name`".into()));
            }
            RoomKind::Public if name.is_none() => {
                return Err(Error::Invalid("a public room needs a `name`".into()));
            }
            _ => {}
        }
        Ok(self.store().create(store::Create {
            by: Some(by.clone()),
            id: None,
            cid,
            kind,
            name,
            members,
            at_ms,
        }))
    }

    /// Enters a room that is public or granted.
    pub fn join(
        &self,
        user: &UserId,
        join: wire::Join,
        grants: &Grants,
        at_ms: u64,
    ) -> Reply<Stored> {
        let granted_ms = grants.rooms.contains(&join.room).then_some(grants.issued_ms);
        let wire::Join { room, cid } = join;
        self.store().join(store::Join { user: user.clone(), room, cid, granted_ms, at_ms })
    }

    /// Goes out of a room.
    pub fn leave(&self, user: &UserId, leave: wire::Leave, at_ms: u64) -> Reply<Stored> {
        let wire::Leave { room, cid } = leave;
        self.store().leave(store::Leave { user: user.clone(), room, cid, at_ms })
    }

    /// Brings people in; `by` is absent for the server's API.
    ///
    /// # Errors
    /// Where nobody or too many are named.
    pub fn invite(
        &self,
        by: Option<&UserId>,
        room: RoomId,
        cid: Cid,
        users: Vec<UserId>,
        at_ms: u64,
    ) -> Result<Reply<Stored>, Error> {
        check_some(&users)?;
        Ok(self.store().invite(store::Invite { by: by.cloned(), room, cid, users, at_ms }))
    }

    /// Takes people out; `by` is absent for the server's API.
    ///
    /// # Errors
    /// Where nobody or too many are named.
    pub fn remove(
        &self,
        by: Option<&UserId>,
        room: RoomId,
        cid: Cid,
        users: Vec<UserId>,
        at_ms: u64,
    ) -> Result<Reply<Stored>, Error> {
        check_some(&users)?;
        Ok(self.store().remove(store::Remove { by: by.cloned(), room, cid, users, at_ms }))
    }

    /// Gives a room another name.
    ///
    /// # Errors
    /// Where the name is empty or too long.
    pub fn rename(
        &self,
        by: &UserId,
        rename: wire::Rename,
        at_ms: u64,
    ) -> Result<Reply<Stored>, Error> {
        let wire::Rename { room, cid, name } = rename;
        let name = checked_name(&name)?;
        Ok(self.store().rename(store::Rename { by: Some(by.clone()), room, cid, name, at_ms }))
    }

    /// Moves a read marker.
    pub fn read(&self, user: &UserId, read: wire::Read) {
        self.store().read(store::Read { user: user.clone(), room: read.room, seq: read.seq });
    }
}

/// A message's text: not empty, not too long; kept verbatim.
pub(crate) fn check_text(body: &str) -> Result<(), Error> {
    let limit = Limits::DEFAULT.message_bytes;
    if body.len() > limit as usize {
        return Err(Error::TooLarge { bytes: body.len(), limit });
    }
    if body.trim().is_empty() {
        return Err(Error::Invalid("the `body` of a message must not be empty".into()));
    }
    Ok(())
}

/// The name of a room or a person: trimmed, 1 to 80 characters, none of them invisible or turning the direction.
///
/// # Errors
/// Where it is not.
pub fn checked_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    let limit = Limits::DEFAULT.name_chars as usize;
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if name.is_empty() || name.chars().count() > limit || name.chars().any(is_hidden) {
        return Err(Error::Invalid(format!("a name must be 1 to {limit} visible characters")));
    }
    Ok(name.to_owned())
}

fn check_list(users: &[UserId]) -> Result<(), Error> {
    let limit = Limits::DEFAULT.list as usize;
    if users.len() > limit {
        return Err(Error::Invalid(format!("a list can name at most {limit} people")));
    }
    Ok(())
}

fn check_some(users: &[UserId]) -> Result<(), Error> {
    if users.is_empty() {
        return Err(Error::Invalid("`users` must name somebody".into()));
    }
    check_list(users)
}

/// The positions of a `hello` or `resume`: not too many.
///
/// # Errors
/// Where there are more than `resume_rooms`.
pub fn check_positions(
    positions: &std::collections::BTreeMap<RoomId, Position>,
) -> Result<(), Error> {
    let limit = Limits::DEFAULT.resume_rooms as usize;
    if positions.len() > limit {
        return Err(Error::Invalid(format!(
            "at most {limit} positions at once; send the others by `resume`"
        )));
    }
    Ok(())
}
