//! `hello`: who it is, the welcome, and where every room goes on from.

use std::collections::BTreeMap;
use std::sync::Arc;

use moorline_chat::{Close, Listener, check_positions, now_ms};
use moorline_protocol::{
    CloseCode, Frame, Hello, Limits, Person, Position, Reply, RoomId, ServerInfo, Welcome,
};
use moorline_store::{Greeting, ResumedRoom, Rooms};

use super::following::Follow;
use super::pending::refusal;
use super::{Live, SessionSettings, expiry};
use crate::auth::{Identity, Refused};
use crate::connection::Connection;

/// Rooms that `welcome` names.
const NAMED: usize = 100;

/// A sign-in that succeeded; the welcome is in the outbox.
pub(crate) struct Greeted {
    pub(crate) live: Live,
    /// Where the named and the resumed rooms go on from.
    pub(crate) rooms: Vec<Follow>,
    /// Whether the person has more rooms than were named.
    pub(crate) rest_after: bool,
}

/// Signs the connection in.
pub(crate) async fn greet(
    settings: Arc<SessionSettings>,
    cookie: Option<Box<Identity>>,
    id: Option<u64>,
    hello: Hello,
    connection: Connection,
) -> Result<Box<Greeted>, Close> {
    let outbox = connection.outbox();
    if let Err(error) = check_positions(&hello.resume) {
        outbox.reply(refusal(id, &error).frame());
        return Err(Close::new(CloseCode::BAD_CLIENT, "too many positions"));
    }
    let identity = identify(&settings, cookie, hello.token.as_deref(), id, &connection).await?;
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
    let Greeting { rooms, resumed, left } = match read(&settings, &identity, hello.resume).await {
        Ok(greeting) => greeting,
        Err(refused) => {
            settings.chat.hub().went(&listener, std::time::Instant::now());
            return Err(refuse(&refused, id, &connection));
        }
    };
    let follow = follow_all(&settings, &rooms, resumed, left);
    let rest_after = rooms.more;
    outbox.reply(welcome(&settings, &connection, &identity, rooms));
    let expires = identity.expires_ms.map(expiry);
    let grants = (!identity.grants.rooms.is_empty()).then(|| Box::new(identity.grants));
    Ok(Box::new(Greeted { live: Live { listener, grants, expires }, rooms: follow, rest_after }))
}

/// The person's rooms and what they missed, in one read, unless their sessions were revoked before the connection began
/// to listen for that.
async fn read(
    settings: &SessionSettings,
    identity: &Identity,
    resume: BTreeMap<RoomId, Position>,
) -> Result<Greeting, Refused> {
    let positions = resume.into_iter().collect();
    let (is_good, greeting) = tokio::join!(
        settings.auth.is_still_good(identity),
        settings.chat.store().greeting(&identity.user, NAMED, positions),
    );
    if is_good? { Ok(greeting?) } else { Err(Refused::Token) }
}

/// A token wins over the cookie.
async fn identify(
    settings: &SessionSettings,
    cookie: Option<Box<Identity>>,
    token: Option<&str>,
    id: Option<u64>,
    connection: &Connection,
) -> Result<Identity, Close> {
    let identity = match (token, cookie) {
        (Some(token), _) => settings.auth.by_token(token).await,
        (None, Some(identity)) => Ok(*identity),
        (None, None) => Err(Refused::Token),
    };
    identity.map_err(|refused| refuse(&refused, id, connection))
}

fn refuse(refused: &Refused, id: Option<u64>, connection: &Connection) -> Close {
    connection.outbox().reply(Reply::refusal(id, refused.code()).frame());
    if refused.is_retryable() {
        Close::new(CloseCode::OVERLOADED, "the store is not available")
    } else {
        Close::new(CloseCode::TOKEN, "the token was refused")
    }
}

/// What was missed comes before what is new; the named rooms without a position go on from the head that is told.
fn follow_all(
    settings: &SessionSettings,
    rooms: &Rooms,
    resumed: Vec<ResumedRoom>,
    left: Vec<(RoomId, Position)>,
) -> Vec<Follow> {
    let mut all = Vec::with_capacity(rooms.rooms.len().max(resumed.len() + left.len()));
    all.extend(resumed.into_iter().map(Follow::resumed));
    all.extend(left.into_iter().map(|(room, position)| Follow::resume(room, position)));
    let known = all.len();
    for room in &rooms.rooms {
        settings.chat.hub().set_members(&room.id, room.members);
        if !all[..known].iter().any(|follow| follow.room() == &room.id) {
            all.push(Follow::from_head(room.id.clone(), room.epoch, room.head));
        }
    }
    all
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
