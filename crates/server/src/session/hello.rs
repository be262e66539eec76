//! `hello`: who it is, the welcome, and where every room goes on from.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use moorline_chat::{Close, Listener, Outbox, check_positions, now_ms};
use moorline_protocol::{
    CloseCode, Frame, Limits, Person, Position, Reply, RoomId, UserId, Welcome,
};
use moorline_store::{ForWelcome, Rooms};

use super::following::{Missed, Named, Rest, Told, take_back};
use super::pending::refusal;
use super::renewal::Renewal;
use super::{Live, SessionSettings, boxed, expiry};
use crate::auth::{Forwarded, Identity, Refused, Signed, Vouched};
use crate::connection::Connection;
use crate::fallback::Opening;
use crate::info::server_info;

/// Rooms that `welcome` names.
const NAMED: usize = 100;

/// Who the handshake has proved somebody to be.
pub(crate) enum Proof {
    /// By a cookie of ours; with the hub's number of revocations before that was looked up.
    Session { identity: Identity, revocations: u64 },
    /// By the backend, which was shown another cookie.
    Backend(Vouched),
    /// By a ticket, which stands for a token.
    Ticket(Signed),
}

impl Proof {
    /// Whom it is of.
    pub(crate) fn user(&self) -> &UserId {
        match self {
            Self::Session { identity, .. } => &identity.user,
            Self::Backend(vouched) => vouched.signed.user(),
            Self::Ticket(signed) => signed.user(),
        }
    }
}

/// What a connection shows at its `hello`.
enum Shown {
    Token(Signed),
    Session { identity: Identity, revocations: u64 },
    Backend(Vouched),
}

/// Who sends a handshake; a cookie of ours wins over what the backend would say.
pub(crate) async fn recognise(
    settings: &SessionSettings,
    headers: &HeaderMap,
) -> Result<Option<Proof>, Refused> {
    let revocations = settings.chat.hub().revocations();
    if let Some(identity) = settings.auth.by_cookie(headers).await? {
        return Ok(Some(Proof::Session { identity, revocations }));
    }
    Ok(settings.auth.by_backend(headers).await?.map(Proof::Backend))
}

impl Shown {
    /// A token wins over the cookie.
    fn new(
        settings: &SessionSettings,
        token: Option<&str>,
        cookie: Option<Box<Proof>>,
    ) -> Result<Self, Refused> {
        match (token, cookie.map(|proof| *proof)) {
            (Some(token), _) => settings.auth.signed(token).map(Self::Token),
            (None, Some(Proof::Session { identity, revocations })) => {
                Ok(Self::Session { identity, revocations })
            }
            (None, Some(Proof::Backend(vouched))) => Ok(Self::Backend(vouched)),
            (None, Some(Proof::Ticket(signed))) => Ok(Self::Token(signed)),
            (None, None) => Err(Refused::Token),
        }
    }

    fn user(&self) -> &UserId {
        match self {
            Self::Token(signed) => signed.user(),
            Self::Session { identity, .. } => &identity.user,
            Self::Backend(vouched) => vouched.signed.user(),
        }
    }

    /// The connection as the hub sees it from now on.
    fn listener(&self, outbox: Arc<Outbox>) -> Arc<Listener> {
        match self {
            Self::Token(signed) | Self::Backend(Vouched { signed, .. }) => {
                let listener = Listener::new(signed.user().clone(), None, outbox);
                listener.came_with_token_of(signed.issued_ms());
                listener
            }
            Self::Session { identity: Identity { user, session, .. }, .. } => {
                Listener::new(user.clone(), session.clone(), outbox)
            }
        }
    }

    /// What the backend was shown, to ask it again.
    fn forwarded(&self) -> Option<Arc<Forwarded>> {
        match self {
            Self::Backend(vouched) => Some(vouched.forwarded.clone()),
            _ => None,
        }
    }
}

/// A sign-in that succeeded; the welcome is in the outbox.
pub(crate) struct Greeted {
    pub(crate) live: Live,
    /// The rooms that the welcome names.
    pub(crate) named: Vec<Named>,
    /// What the client missed.
    pub(crate) missed: Missed,
    /// The rooms that were not named.
    pub(crate) rest: Rest,
}

/// Signs the connection in.
pub(crate) async fn greet(
    settings: Arc<SessionSettings>,
    cookie: Option<Box<Proof>>,
    id: Option<u64>,
    opening: Opening,
    connection: Connection,
) -> Result<Box<Greeted>, Close> {
    let Opening { hello, told, is_away, .. } = opening;
    let outbox = connection.outbox();
    if told == Told::Hello
        && let Err(error) = check_positions(&hello.resume)
    {
        outbox.reply(refusal(id, &error, Some(connection.id())).frame());
        return Err(Close::new(CloseCode::BAD_CLIENT, "too many positions"));
    }
    let shown = Shown::new(&settings, hello.token.as_deref(), cookie)
        .map_err(|refused| refuse(&refused, id, &connection))?;
    if hello.keepalive == Some(true) {
        connection.set_application_ping(Reply::Ping {}.frame());
    }
    let (listener, forwarded) = (shown.listener(outbox.clone()), shown.forwarded());
    listener.is_of(connection.id().0);
    listener.set_away(is_away);
    settings.chat.hub().came(&listener);
    let is_welcomed = matches!(told, Told::Hello | Told::Welcome);
    let named = if is_welcomed { NAMED } else { 0 };
    let found = find(&settings, shown, (named, hello.resume)).await;
    let Found { identity, rooms, missed } = match found {
        Ok(found) => found,
        Err(refused) => {
            settings.chat.hub().turned_away(&listener, std::time::Instant::now(), now_ms());
            return Err(refuse(&refused, id, &connection));
        }
    };
    listener.introduce(identity.name.clone());
    let named: Vec<Named> = rooms.rooms.iter().map(Named::of).collect();
    for room in &rooms.rooms {
        settings.chat.hub().set_members(&room.id, room.members);
    }
    let rest = Rest { is_there: rooms.more, told };
    if is_welcomed {
        outbox.reply(welcome(&settings, &connection, &identity, rooms));
        take_back(&named, &listener);
    }
    let live = live(&settings, listener, forwarded, identity);
    Ok(Box::new(Greeted { live, named, missed, rest }))
}

fn live(
    settings: &SessionSettings,
    listener: Arc<Listener>,
    forwarded: Option<Arc<Forwarded>>,
    identity: Identity,
) -> Live {
    let expires = identity.expires_ms.map(expiry);
    let renewal = forwarded.zip(expires).map(|(forwarded, until)| {
        let auth = settings.auth.clone();
        Box::new(Renewal::new(auth, forwarded, identity.grants.issued_ms, until))
    });
    Live { listener, grants: boxed(identity.grants), expires, renewal }
}

/// What was found out about a person who said `hello`.
struct Found {
    identity: Identity,
    rooms: Rooms,
    missed: Missed,
}

/// Asks the store, once, for the person, their rooms, and what they missed as far as memory does not hold it. The
/// connection listens for revocations already: one that comes after what is read here closes it.
async fn find(
    settings: &SessionSettings,
    shown: Shown,
    (named, positions): (usize, BTreeMap<RoomId, Position>),
) -> Result<Found, Refused> {
    let (chat, auth) = (&settings.chat, &settings.auth);
    let holds = |(room, from): &(RoomId, Position)| chat.hub().holds(room, from);
    let (in_memory, asked): (Vec<_>, Vec<_>) = positions.into_iter().partition(holds);
    let ForWelcome { user: known, rooms, missed } =
        chat.store().for_welcome(shown.user(), named, asked).await?;
    let identity = match shown {
        Shown::Token(signed) | Shown::Backend(Vouched { signed, .. }) => {
            auth.identify(signed, known).await?
        }
        Shown::Session { identity, revocations } => {
            let is_there = known.is_some_and(|known| !known.removed);
            if !is_there || !still_holds(settings, &identity, revocations).await? {
                return Err(Refused::Token);
            }
            identity
        }
    };
    let missed = Missed { in_memory: in_memory.into_iter().collect(), read: missed };
    Ok(Found { identity, rooms, missed })
}

/// A cookie was looked at before the connection began to listen, so it is looked at again if anything was revoked since.
async fn still_holds(
    settings: &SessionSettings,
    identity: &Identity,
    revocations: u64,
) -> Result<bool, Refused> {
    match &identity.session {
        Some(session) if settings.chat.hub().revocations() != revocations => {
            settings.auth.is_still_good(&identity.user, session).await
        }
        _ => Ok(true),
    }
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
        server: server_info(&settings.chat),
        keepalive: settings.keepalive,
        limits: Limits::DEFAULT,
        totals: rooms.totals,
        after: rooms.after.map(|after| after.to_string()),
        rooms: rooms.rooms,
        people,
    };
    Reply::from(welcome).frame()
}
