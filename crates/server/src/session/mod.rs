//! The session: the unified chat consumer, one connection of a person that carries all their rooms.
//!
//! It reads commands, calls the chat, and answers in order; live events come to the same outbox from the hub. It holds
//! no rule of the chat and knows nothing of the transport.

mod commands;
mod following;
mod hello;
mod pending;
mod rate;
mod renewal;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use moorline_chat::{Chat, Close, Grants, Listener, Outbox, now_ms};
use moorline_protocol::{
    CloseCode, Command, ErrorCode, Goodbye, Keepalive, Limits, Refused, Reply, UserId,
};
use tokio::time::Instant;

use crate::auth::{self, Authenticator, Identity};
use crate::connection::Connection;
use crate::consumer::{Accept, Closed, Consumer, Incoming, Refusal};
use crate::fallback::{Door, Opening, PollPlace};
use crate::scope::Scope;
use following::Following;
pub(crate) use following::Told;
pub(crate) use hello::{Proof, recognise};
pub(crate) use pending::Pending;
pub(crate) use rate::{Allowance, Verdict};
pub(crate) use renewal::Renewal;

/// The subprotocol of version 1; a client may leave it out.
const SUBPROTOCOL: &str = "moorline.v1";
/// A connection that has not said `hello` by then is closed.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Commands in work at once; further ones wait in the socket.
const IN_WORK: usize = 64;

/// What all sessions of a server share.
pub struct SessionSettings {
    /// The chat.
    pub chat: Arc<Chat>,
    /// Who decides who somebody is.
    pub auth: Arc<Authenticator>,
    /// What `welcome` says of it.
    pub keepalive: Keepalive,
    /// Whether clients on this machine are held to the rates too.
    pub limit_loopback: bool,
}

/// One connection of one person.
pub struct ChatConsumer {
    settings: Arc<SessionSettings>,
    phase: Phase,
    pending: VecDeque<Pending>,
    following: Following,
    /// None for those who are exempt.
    allowance: Option<Allowance>,
    is_draining: bool,
    /// What reads a request that opens the session by itself; none where the client says `hello`.
    door: Option<Box<Door>>,
    opening: Option<Box<Opening>>,
    /// Of a poll among those of its person.
    place: Option<PollPlace>,
}

enum Phase {
    /// Nothing was said yet. A cookie may have said already who it is.
    Waiting { cookie: Option<Box<Proof>>, until: Instant },
    /// `hello` is in work.
    Greeting,
    /// Signed in.
    Live(Live),
}

pub(crate) struct Live {
    listener: Arc<Listener>,
    grants: Option<Box<Grants>>,
    expires: Option<Instant>,
    /// Of somebody for whom the backend speaks; it knows when that ends.
    renewal: Option<Box<Renewal>>,
}

impl Live {
    fn on_deadline(&mut self, now: Instant) -> Result<(), Close> {
        match &mut self.renewal {
            Some(renewal) => renewal.on_deadline(now, &self.listener),
            None => Err(Close::new(CloseCode::TOKEN, "the token has expired")),
        }
    }

    fn poll_renewal(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        let Some(renewal) = &mut self.renewal else { return Ok(()) };
        if let Poll::Ready(renewed) = renewal.poll(cx) {
            let grants = renewed?.grants;
            self.listener.came_with_token_of(grants.issued_ms);
            self.grants = boxed(grants);
        }
        Ok(())
    }
}

impl ChatConsumer {
    /// A consumer for a new connection.
    #[must_use]
    pub fn new(settings: Arc<SessionSettings>) -> Self {
        Self {
            settings,
            phase: Phase::Waiting { cookie: None, until: Instant::now() + HELLO_WITHIN },
            pending: VecDeque::new(),
            following: Following::default(),
            allowance: None,
            is_draining: false,
            door: None,
            opening: None,
            place: None,
        }
    }

    /// A consumer for a request that says itself what a `hello` would.
    pub(crate) fn opened_by(settings: Arc<SessionSettings>, door: Door) -> Self {
        Self { door: Some(Box::new(door)), ..Self::new(settings) }
    }

    /// Reads one text and begins what it asks for.
    fn take(&mut self, text: &str, connection: &Connection) -> Result<(), Close> {
        if let Some(allowance) = &mut self.allowance {
            match allowance.take(&Limits::DEFAULT, Instant::now()) {
                Verdict::Pass => {}
                Verdict::Wait(ms) => {
                    let code = ErrorCode::RateLimited;
                    let id = moorline_protocol::parse(text)
                        .map_or_else(|refused| refused.id, |(id, _)| id);
                    return self.answer(
                        connection,
                        &Reply::failure(id, code, code.text().to_owned(), Some(ms)),
                    );
                }
                Verdict::Close => return Err(Close::new(CloseCode::TOO_MANY, "too many commands")),
            }
        }
        match moorline_protocol::parse(text) {
            Ok((id, command)) => self.begin(id, command, connection),
            Err(refused) => self.refuse(refused, connection),
        }
    }

    fn begin(
        &mut self,
        id: Option<u64>,
        command: Command,
        connection: &Connection,
    ) -> Result<(), Close> {
        match &mut self.phase {
            Phase::Waiting { cookie, .. } => {
                let Command::Hello(hello) = command else { return hello_first(id, connection) };
                let cookie = cookie.take();
                self.greet(cookie, id, Opening::hello(hello), connection);
                Ok(())
            }
            Phase::Greeting => Ok(()),
            Phase::Live(live) => {
                let begun =
                    commands::begin(&self.settings.chat, live, id, command, connection.outbox());
                self.pending.extend(begun);
                Ok(())
            }
        }
    }

    fn greet(
        &mut self,
        cookie: Option<Box<Proof>>,
        id: Option<u64>,
        opening: Opening,
        connection: &Connection,
    ) {
        let job = hello::greet(self.settings.clone(), cookie, id, opening, connection.clone());
        self.phase = Phase::Greeting;
        self.pending.push_back(Pending::Greeting(Box::pin(job)));
    }

    fn refuse(&self, refused: Refused, connection: &Connection) -> Result<(), Close> {
        if matches!(self.phase, Phase::Waiting { .. }) {
            let failure = Reply::failure(refused.id, refused.code, refused.message, None);
            connection.outbox().reply(failure.frame());
            return hello_first(refused.id, connection);
        }
        self.answer(connection, &Reply::failure(refused.id, refused.code, refused.message, None))
    }

    fn answer(&self, connection: &Connection, reply: &Reply) -> Result<(), Close> {
        connection.outbox().reply(reply.frame());
        Ok(())
    }

    /// Finishes what is in work, in the order in which it was begun.
    fn poll_pending(&mut self, cx: &mut Context<'_>, connection: &Connection) -> Result<(), Close> {
        while let Some(first) = self.pending.front_mut() {
            let by = Some(connection.id());
            let Poll::Ready(done) = first.poll(cx, connection.outbox(), by) else { return Ok(()) };
            self.pending.pop_front();
            match done {
                pending::Done::Answered => {}
                pending::Done::Follow(rooms) => self.following.add(rooms),
                pending::Done::Refused(close) => return Err(close),
                pending::Done::SignedIn(greeted) => {
                    let hello::Greeted { live, named, missed, rest } = *greeted;
                    connection.signed_in(live.listener.user().clone());
                    crate::seen::signed_in(&self.settings.chat, connection, live.listener.user());
                    self.following.begin(named, missed, rest);
                    self.phase = Phase::Live(live);
                }
            }
        }
        if self.pending.capacity() > 8 {
            self.pending = VecDeque::new();
        }
        Ok(())
    }
}

/// Somebody without a connection, whose commands come by themselves.
pub(crate) struct Bare(Live);

impl Bare {
    /// By what a request showed.
    pub(crate) fn of(identity: Identity) -> Self {
        let Identity { user, session, grants, .. } = identity;
        let nowhere = Arc::new(Outbox::new(0));
        let listener = Listener::new(user, session, nowhere);
        Self(Live { listener, grants: boxed(grants), expires: None, renewal: None })
    }

    pub(crate) fn user(&self) -> &UserId {
        self.0.listener.user()
    }

    /// Begins a command, whose answer comes to this outbox.
    pub(crate) fn begin(
        &self,
        chat: &Arc<Chat>,
        id: Option<u64>,
        command: Command,
        outbox: &Outbox,
    ) -> Option<Pending> {
        commands::begin(chat, &self.0, id, command, outbox)
    }
}

/// Some only where there are rooms in it: nearly no connection has any.
fn boxed(grants: Grants) -> Option<Box<Grants>> {
    Some(grants).filter(|grants| !grants.rooms.is_empty()).map(Box::new)
}

fn hello_first(id: Option<u64>, connection: &Connection) -> Result<(), Close> {
    connection.outbox().reply(Reply::refusal(id, ErrorCode::HelloFirst).frame());
    Err(Close::new(CloseCode::BAD_CLIENT, "the first command must be hello"))
}

/// When something ends that ends at this time of the clock.
pub(crate) fn expiry(expires_ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(expires_ms.saturating_sub(now_ms()))
}

/// Who asks cannot be found out now.
pub(crate) fn refusal(refused: &auth::Refused) -> Refusal {
    let word = if refused.code() == ErrorCode::Overloaded { "overloaded" } else { "unavailable" };
    let auth::Refused::Backend(why) = refused else {
        let text = ErrorCode::Unavailable.text();
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, word, text);
    };
    let status =
        if why.is_mistaken() { StatusCode::BAD_GATEWAY } else { StatusCode::SERVICE_UNAVAILABLE };
    Refusal::new(status, word, why.text())
}

impl Consumer for ChatConsumer {
    async fn connect(&mut self, scope: &Scope) -> Result<Accept, Refusal> {
        if let Some(door) = &self.door {
            let (mut opening, proof, accept) = door.open(scope).await?;
            self.place = opening.place.take();
            self.opening = Some(Box::new(opening));
            if let Phase::Waiting { cookie, .. } = &mut self.phase {
                *cookie = proof.map(Box::new);
            }
            return Ok(accept.awaiting_sign_in());
        }
        let shown = hello::recognise(&self.settings, &scope.headers).await;
        let proof = shown.map_err(|refused| refusal(&refused))?;
        if let Phase::Waiting { cookie, until } = &mut self.phase {
            *cookie = proof.map(Box::new);
            *until = Instant::now() + HELLO_WITHIN;
        }
        if self.settings.limit_loopback || !scope.client.is_local() {
            self.allowance = Some(Allowance::new(&Limits::DEFAULT, Instant::now()));
        }
        Ok(Accept::new().subprotocol(SUBPROTOCOL, scope).awaiting_sign_in())
    }

    fn connected(&mut self, connection: &Connection) -> Result<(), Close> {
        if let (Some(opening), Phase::Waiting { cookie, .. }) =
            (self.opening.take(), &mut self.phase)
        {
            let cookie = cookie.take();
            self.greet(cookie, None, *opening, connection);
        }
        Ok(())
    }

    async fn receive(&mut self, incoming: Incoming, connection: &Connection) -> Result<(), Close> {
        match incoming {
            Incoming::Text(text) => self.take(&text, connection),
            Incoming::Bytes(_) => {
                let refused = Refused {
                    id: None,
                    code: ErrorCode::BadJson,
                    message: "Binary messages are not part of this protocol; send JSON as text."
                        .into(),
                };
                self.refuse(refused, connection)
            }
        }
    }

    fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
    ) -> Poll<Result<(), Close>> {
        if let Err(close) = self.poll_pending(cx, connection) {
            return Poll::Ready(Err(close));
        }
        if let Phase::Live(live) = &mut self.phase {
            self.following.poll(cx, &self.settings.chat, &live.listener);
            if let Err(close) = live.poll_renewal(cx) {
                return Poll::Ready(Err(close));
            }
        }
        if self.is_draining && self.pending.is_empty() {
            connection.close(CloseCode::RESTART, "the server restarts");
        }
        Poll::Pending
    }

    fn wants_input(&self) -> bool {
        !self.is_draining && self.pending.len() < IN_WORK && !matches!(self.phase, Phase::Greeting)
    }

    fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.following.is_idle() && matches!(self.phase, Phase::Live(_))
    }

    fn has_more(&self) -> bool {
        self.following.has_more()
    }

    fn next_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting { until, .. } => Some(*until),
            Phase::Greeting => None,
            Phase::Live(live) => live.renewal.as_ref().map(|word| word.deadline()).or(live.expires),
        }
    }

    fn on_deadline(&mut self, now: Instant, connection: &Connection) -> Result<(), Close> {
        match &mut self.phase {
            Phase::Waiting { .. } => {
                Err(Close::new(CloseCode::BAD_CLIENT, "no hello within 10 seconds"))
            }
            Phase::Greeting => Ok(()),
            Phase::Live(live) => live.on_deadline(now).inspect_err(|close| {
                let goodbye = Goodbye { code: close.code.0, reconnect: true, after_ms: 0 };
                connection.outbox().reply(Reply::from(goodbye).frame());
            }),
        }
    }

    fn drain(&mut self, after: Duration, connection: &Connection) {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(0);
        let goodbye = Goodbye { code: CloseCode::RESTART.0, reconnect: true, after_ms };
        connection.outbox().reply(Reply::from(goodbye).frame());
        self.is_draining = true;
    }

    async fn disconnect(&mut self, _closed: &Closed) {
        if let Phase::Live(live) = &self.phase {
            self.settings.chat.hub().went(&live.listener, std::time::Instant::now(), now_ms());
            self.settings.chat.store().seen(live.listener.user(), now_ms());
        }
    }
}
