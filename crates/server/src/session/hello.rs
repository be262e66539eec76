//! `hello`: who it is, the welcome, and where every room goes on from.

use std::collections::BTreeMap;
use std::sync::Arc;

use moorline_chat::{Close, Listener, check_positions, now_ms};
use moorline_protocol::{
    CloseCode, Frame, Hello, Limits, Person, Position, Reply, RoomId, ServerInfo, Welcome,
};
use moorline_store::{ResumedSome, Rooms};

use super::following::{Missed, Named};
use super::pending::refusal;
use super::{Live, SessionSettings, expiry};
use crate::auth::{Identity, Refused};
use crate::connection::Connection;

/// Rooms that `welcome` names.
const NAMED: usize = 100;

/// Who somebody has proved to be, and the hub's number of revocations before that was looked up.
pub(crate) struct Proof {
    pub(crate) identity: Identity,
    pub(crate) revocations: u64,
}

/// A sign-in that succeeded; the welcome is in the outbox.
pub(crate) struct Greeted {
    pub(crate) live: Live,
    /// The rooms that the welcome names.
    pub(crate) named: Vec<Named>,
    /// What the client missed.
    pub(crate) missed: Missed,
    /// Whether the person has more rooms than were named.
    pub(crate) has_rest: bool,
}

/// Signs the connection in.
pub(crate) async fn greet(
    settings: Arc<SessionSettings>,
    cookie: Option<Box<Proof>>,
    id: Option<u64>,
    hello: Hello,
    connection: Connection,
) -> Result<Box<Greeted>, Close> {
    let outbox = connection.outbox();
    if let Err(error) = check_positions(&hello.resume) {
        outbox.reply(refusal(id, &error).frame());
        return Err(Close::new(CloseCode::BAD_CLIENT, "too many positions"));
    }
    let proof = identify(&settings, cookie, hello.token.as_deref(), id, &connection).await?;
    let identity = &proof.identity;
    if hello.keepalive == Some(true) {
        connection.set_application_ping(Reply::Ping {}.frame());
    }
    let listener = Listener::new(
        identity.user.clone(),
        identity.name.clone(),
        identity.session.clone(),
        outbox.clone(),
    );
    settings.chat.hub().came(&listener);
    let (rooms, missed) = match read(&settings, &proof, hello.resume).await {
        Ok(read) => read,
        Err(refused) => {
            settings.chat.hub().went(&listener, std::time::Instant::now());
            return Err(refuse(&refused, id, &connection));
        }
    };
    let named: Vec<Named> = rooms.rooms.iter().map(Named::of).collect();
    for room in &rooms.rooms {
        settings.chat.hub().set_members(&room.id, room.members);
    }
    let has_rest = rooms.more;
    outbox.reply(welcome(&settings, &connection, identity, rooms));
    let expires = identity.expires_ms.map(expiry);
    let grants =
        Some(proof.identity.grants).filter(|grants| !grants.rooms.is_empty()).map(Box::new);
    Ok(Box::new(Greeted { live: Live { listener, grants, expires }, named, missed, has_rest }))
}

/// The person's rooms and what they missed, as far as memory does not hold it, asked for together; unless their sessions
/// were revoked before the connection began to listen for that.
async fn read(
    settings: &SessionSettings,
    proof: &Proof,
    positions: BTreeMap<RoomId, Position>,
) -> Result<(Rooms, Missed), Refused> {
    let (chat, user) = (&settings.chat, &proof.identity.user);
    let was_any_revoked = chat.hub().revocations() != proof.revocations;
    if was_any_revoked && !settings.auth.is_still_good(&proof.identity).await? {
        return Err(Refused::Token);
    }
    let holds = |(room, from): &(RoomId, Position)| chat.hub().holds(room, from);
    let (in_memory, asked): (Vec<_>, Vec<_>) = positions.into_iter().partition(holds);
    let resume = async {
        if asked.is_empty() {
            return Ok(ResumedSome::default());
        }
        chat.store().resume_some(user, asked).await
    };
    let (rooms, read) = tokio::join!(chat.store().rooms_of(user, None, NAMED), resume);
    Ok((rooms?, Missed { in_memory: in_memory.into_iter().collect(), read: read? }))
}

/// A token wins over the cookie.
async fn identify(
    settings: &SessionSettings,
    cookie: Option<Box<Proof>>,
    token: Option<&str>,
    id: Option<u64>,
    connection: &Connection,
) -> Result<Proof, Close> {
    let revocations = settings.chat.hub().revocations();
    let proof = match (token, cookie) {
        (Some(token), _) => {
            let proved = settings.auth.by_token(token).await;
            proved.map(|identity| Proof { identity, revocations })
        }
        (None, Some(proof)) => Ok(*proof),
        (None, None) => Err(Refused::Token),
    };
    proof.map_err(|refused| refuse(&refused, id, connection))
}

fn refuse(refused: &Refused, id: Option<u64>, connection: &Connection) -> Close {
    connection.outbox().reply(Reply::refusal(id, refused.code()).frame());
    if refused.is_retryable() {
        Close::new(CloseCode::OVERLOADED, "the store is not available")
    } else {
        Close::new(CloseCode::TOKEN, "the token was refused")
    }
}

fn welcome(
    settings: &SessionSettings,
    connection: &Connection,
    identity: &Identity,
    rooms: Rooms,
) -> Frame {
    let mut people = rooms.people;
    settings.chat.hub().add_presence(&mut people);
    let welcome = Welcome {
        connection: connection.id().to_string(),
        user: Person { id: identity.user.clone(), name: identity.name.to_string(), presence: None },
        time: now_ms(),
        server: ServerInfo { name: "moorline".into(), version: env!("CARGO_PKG_VERSION").into() },
        keepalive: settings.keepalive,
        limits: Limits::DEFAULT,
        totals: rooms.totals,
        after: rooms.after.map(|after| after.to_string()),
        rooms: rooms.rooms,
        people,
    };
    Reply::from(welcome).frame()
}
