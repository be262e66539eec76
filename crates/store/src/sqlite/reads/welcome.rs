//! All that the answer to a `hello` is made of, in one question and of one snapshot: when a thousand connections come
//! back at once, each further question would be a thousand more.

use moorline_protocol::{Position, RoomId, UserId};
use rusqlite::Connection;

use super::{accounts, log, rooms};
use crate::fingerprint::Hasher;
use crate::{Error, ForWelcome, ResumedSome};

pub(in crate::sqlite) fn for_welcome(
    db: &Connection,
    hasher: &Hasher,
    id: &UserId,
    limit: usize,
    positions: Vec<(RoomId, Position)>,
) -> Result<ForWelcome, Error> {
    let Some(row) = accounts::user_row(db, hasher, id)? else {
        return Ok(ForWelcome { missed: ResumedSome::gone(positions), ..ForWelcome::default() });
    };
    if row.user.removed {
        return Ok(ForWelcome { user: Some(row.user), ..ForWelcome::default() });
    }
    let rooms = rooms::first_rooms(db, id, (row.n, row.rooms), limit)?;
    let missed = log::resume_some(db, id, positions)?;
    Ok(ForWelcome { user: Some(row.user), rooms, missed })
}
