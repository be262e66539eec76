//! What operators who watch are told of connections. The drivers of the transports and the session call it; it decides
//! nothing and is not called while nobody watches.

use moorline_chat::Chat;
use moorline_protocol::UserId;
use moorline_protocol::admin::{SHOWN_LETTERS, What, cut};

use crate::connection::Connection;
use crate::consumer::Closed;

/// A connection was opened.
pub(crate) fn connected(connection: &Connection) -> What {
    let facts = connection.shared().facts();
    What::Connected {
        connection: connection.id().to_string(),
        transport: facts.transport.word().to_owned(),
        address: facts.address.map(|address| address.to_string()),
    }
}

/// The person of a connection is known.
pub(crate) fn signed_in(chat: &Chat, connection: &Connection, user: &UserId) {
    let what = || What::SignedIn { connection: connection.id().to_string() };
    chat.hub().tap().tell(Some(user), what);
}

/// A connection ends.
pub(crate) fn closed(connection: &Connection, closed: &Closed) -> What {
    let shared = connection.shared();
    What::Closed {
        connection: connection.id().to_string(),
        transport: shared.facts().transport.word().to_owned(),
        code: closed.code.0,
        side: closed.side.as_str().to_owned(),
        reason: cut(&closed.reason, SHOWN_LETTERS).to_owned(),
        age_ms: u64::try_from(shared.age().as_millis()).unwrap_or(u64::MAX),
        round_trip_us: shared.round_trip_us().map(u64::from),
    }
}
