//! One socket of a relay: a consumer without rules of its own.
//!
//! Nothing that goes wrong in the layer ends the socket: what could not be passed on is counted. The socket ends like a
//! chat's: drain, silence, no progress in writing, the end of what its person showed.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use moorline_chat::{Close, Listener};
use moorline_layer::{Error, Map, Message, Value};
use moorline_protocol::{CloseCode, Frame, Limits, UserId};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Relay;
use super::convert::{to_json, to_message};
use super::counts::{Dropped, RelayCounts};
use super::entry::{Entered, Proof, TOKEN_SUBPROTOCOL, names};
use super::rule::FromBrowser;
use crate::channel::Channel;
use crate::connection::{Connection, ConnectionId};
use crate::consumer::{Accept, Closed, Consumer, Dispatched, Incoming, Refusal};
use crate::scope::Scope;
use crate::session::{Allowance, Renewal, Verdict, expiry};

/// What a worker gets, under the names of ASGI.
const ASGI_CONNECT: &str = "websocket.connect";
const ASGI_RECEIVE: &str = "websocket.receive";
const ASGI_DISCONNECT: &str = "websocket.disconnect";
/// The ASGI messages that a worker may answer a socket with, where the relay lists them.
const ASGI_SEND: &str = "websocket.send";
const ASGI_CLOSE: &str = "websocket.close";

pub(crate) struct RelayConsumer {
    relay: Arc<Relay>,
    member: Option<Box<Member>>,
}

/// A socket that is in its groups.
struct Member {
    channel: Channel,
    groups: Vec<String>,
    user: Option<UserId>,
    entered: Entered,
    /// What a worker is told of the socket with each message.
    told: Map,
    /// None for those who are exempt.
    allowance: Option<Allowance>,
    guest: Option<Arc<Listener>>,
    expires: Option<Instant>,
    /// Of somebody for whom the backend speaks; it knows when that ends.
    renewal: Option<Box<Renewal>>,
    /// Tells the worker that the socket is open; whatever else the worker is told waits for it.
    announcing: Option<JoinHandle<()>>,
    /// Its name in the log, once it is open.
    id: Option<ConnectionId>,
}

impl RelayConsumer {
    pub(crate) fn new(relay: Arc<Relay>) -> Self {
        Self { relay, member: None }
    }

    fn renewal(&self, entered: &Entered, expires: Option<Instant>) -> Option<Box<Renewal>> {
        let Entered::Person(Proof { forwarded: Some(forwarded), issued_ms, .. }) = entered else {
            return None;
        };
        let auth = Arc::clone(&self.relay.settings.auth);
        Some(Box::new(Renewal::new(auth, Arc::clone(forwarded), *issued_ms, expires?)))
    }

    fn is_limited(&self, scope: &Scope) -> bool {
        self.relay.settings.limit_loopback || !scope.client.is_local()
    }
}

impl Consumer for RelayConsumer {
    async fn connect(&mut self, scope: &Scope) -> Result<Accept, Refusal> {
        let Some(entered) = scope.extensions.get::<Entered>().cloned() else {
            let text = "The server failed at this request.";
            return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text));
        };
        let groups = self.relay.rule.groups.iter().map(|group| group.fill(scope));
        let groups = groups.collect::<Result<Vec<_>, _>>()?;
        let channel = Channel::open(&self.relay.settings.layer).await?;
        for group in &groups {
            channel.group_add(group).await?;
        }
        let expires = match &entered {
            Entered::Person(proof) => proof.expires_ms.map(expiry),
            Entered::Anonymous(_) => None,
        };
        let renewal = self.renewal(&entered, expires);
        let allowance =
            self.is_limited(scope).then(|| Allowance::new(&Limits::DEFAULT, Instant::now()));
        self.member = Some(Box::new(Member {
            channel,
            groups,
            user: scope.user.clone(),
            entered,
            told: told(scope),
            allowance,
            guest: None,
            expires,
            renewal,
            announcing: None,
            id: None,
        }));
        Ok(Accept::new().subprotocol(TOKEN_SUBPROTOCOL, scope))
    }

    fn connected(&mut self, connection: &Connection) -> Result<(), Close> {
        let settings = &self.relay.settings;
        settings.counts.sockets.inc();
        let Some(member) = &mut self.member else { return Ok(()) };
        member.id = Some(connection.id());
        tracing::debug!(
            connection = %connection.id(),
            channel = member.channel.name(),
            "relays by its channel"
        );
        if let (Entered::Person(proof), Some(user)) = (&member.entered, &member.user) {
            let outbox = Arc::clone(connection.outbox());
            let guest = Listener::guest(user.clone(), proof.session.clone(), outbox);
            guest.came_with_token_of(proof.issued_ms);
            guest.is_of(connection.id().0);
            settings.chat.guest_came(&guest, proof.revocations);
            member.guest = Some(guest);
        }
        if let FromBrowser::Inbox { channel, lifecycle: true } = &self.relay.rule.from_browser {
            let (layer, counts) = (settings.layer.clone(), Arc::clone(&settings.counts));
            let (inbox, message) = (channel.clone(), member.about(ASGI_CONNECT));
            let id = member.id;
            member.announcing = Some(tokio::spawn(async move {
                let sent = layer.send(&inbox, &message).await;
                told_worker(&sent, &counts, id);
            }));
        }
        Ok(())
    }

    fn channel(&mut self) -> Option<&mut Channel> {
        self.member.as_mut().map(|member| &mut member.channel)
    }

    async fn receive(&mut self, incoming: Incoming, _: &Connection) -> Result<(), Close> {
        let Some(member) = &mut self.member else { return Ok(()) };
        member.wait_for_turn().await?;
        member.announced().await;
        let counts = &self.relay.settings.counts;
        let sent = match &self.relay.rule.from_browser {
            FromBrowser::Inbox { channel, .. } => {
                let message = member.for_worker(incoming);
                member.channel.send(channel, &message).await
            }
            FromBrowser::Echo { kind, fields } => {
                let message = match &incoming {
                    Incoming::Text(text) => to_message(text, kind, fields),
                    Incoming::Bytes(_) => None,
                };
                let (Some(message), Some(group)) = (message, member.groups.first()) else {
                    counts.dropped(Dropped::FromBrowser);
                    return Ok(());
                };
                member.channel.group_send(group, &message).await
            }
            FromBrowser::Nothing => {
                counts.dropped(Dropped::FromBrowser);
                return Ok(());
            }
        };
        if told_worker(&sent, counts, member.id) {
            counts.from_browsers.inc();
        }
        Ok(())
    }

    async fn dispatch(
        &mut self,
        message: Message,
        connection: &Connection,
    ) -> Result<Dispatched, Close> {
        let (rule, counts) = (&self.relay.rule, &self.relay.settings.counts);
        let Some(kind) = message.kind().filter(|kind| rule.types.iter().any(|known| known == kind))
        else {
            return Ok(Dispatched::Unknown);
        };
        let frame = match kind {
            ASGI_CLOSE => return Err(asked_close(&message)),
            ASGI_SEND => self.relay.frame(message, |message| asked_frame(&message)),
            _ => self.relay.frame(message, |message| {
                to_json(message, rule.keeps_type).map(|json| Frame::text(&json))
            }),
        };
        match frame {
            Some(frame) => {
                counts.to_browsers.inc();
                connection.outbox().reply(frame);
            }
            None => counts.dropped(Dropped::ToBrowser),
        }
        Ok(Dispatched::Handled)
    }

    fn poll_progress(&mut self, cx: &mut Context<'_>, _: &Connection) -> Poll<Result<(), Close>> {
        match self.member.as_mut().map(|member| member.poll_renewal(cx)) {
            Some(Err(close)) => Poll::Ready(Err(close)),
            _ => Poll::Pending,
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let member = self.member.as_ref()?;
        member.renewal.as_ref().map(|renewal| renewal.deadline()).or(member.expires)
    }

    fn on_deadline(&mut self, now: Instant, _: &Connection) -> Result<(), Close> {
        let member = self.member.as_mut();
        match member.and_then(|member| member.renewal.as_mut().zip(member.guest.as_ref())) {
            Some((renewal, guest)) => renewal.on_deadline(now, guest),
            None => Err(Close::new(CloseCode::TOKEN, "the sign-in has expired")),
        }
    }

    async fn disconnect(&mut self, closed: &Closed) {
        let settings = &self.relay.settings;
        settings.counts.sockets.dec();
        let Some(member) = &mut self.member else { return };
        if let Some(guest) = member.guest.take() {
            settings.chat.hub().guest_went(&guest);
        }
        if let FromBrowser::Inbox { channel, lifecycle: true } = &self.relay.rule.from_browser {
            member.announced().await;
            let message = member.about(ASGI_DISCONNECT);
            let message = message.with("code", i64::from(closed.code.0));
            let message = message.with("reason", closed.reason.as_ref());
            let sent = member.channel.send(channel, &message).await;
            told_worker(&sent, &settings.counts, member.id);
        }
    }
}

impl Member {
    /// Waits as long as the client is faster than it may be; meanwhile nothing more is read from it.
    async fn wait_for_turn(&mut self) -> Result<(), Close> {
        let Some(allowance) = &mut self.allowance else { return Ok(()) };
        loop {
            match allowance.take(&Limits::DEFAULT, Instant::now()) {
                Verdict::Pass => return Ok(()),
                Verdict::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                Verdict::Close => return Err(Close::new(CloseCode::TOO_MANY, "too many messages")),
            }
        }
    }

    /// Goes on with asking the backend whether the person is still signed in, and may still be in the room.
    fn poll_renewal(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        let Some(renewal) = &mut self.renewal else { return Ok(()) };
        let Poll::Ready(renewed) = renewal.poll(cx) else { return Ok(()) };
        let grants = renewed?.grants;
        if let Some(guest) = &self.guest {
            guest.came_with_token_of(grants.issued_ms);
        }
        match &self.entered {
            Entered::Person(Proof { room: Some(room), .. }) if !names(&grants, room) => {
                Err(Close::new(CloseCode::SIGNED_OUT, "no longer in this room"))
            }
            _ => Ok(()),
        }
    }

    /// What the browser said, as a worker gets it.
    fn for_worker(&self, incoming: Incoming) -> Message {
        let message = self.about(ASGI_RECEIVE);
        match incoming {
            Incoming::Text(text) => message.with("text", text),
            Incoming::Bytes(bytes) => message.with("bytes", bytes),
        }
    }

    /// What a worker is told of this socket, whatever happens on it.
    fn about(&self, kind: &str) -> Message {
        Message::of_type(kind)
            .with("scope", Value::Map(self.told.clone()))
            .with("reply_channel", self.channel.name())
    }

    /// Waits until the worker was told that the socket is open, so that nothing overtakes that.
    async fn announced(&mut self) {
        if let Some(announcing) = self.announcing.take() {
            // It ends by itself, since the layer's answer does not stay away.
            let _ = announcing.await;
        }
    }
}

/// Whether the layer took what was for a worker or a group; else it is counted.
fn told_worker(sent: &Result<(), Error>, counts: &RelayCounts, by: Option<ConnectionId>) -> bool {
    match sent {
        Ok(()) => return true,
        Err(Error::ChannelFull { .. }) => counts.dropped(Dropped::InboxFull),
        Err(error) => {
            let connection = by.map(tracing::field::display);
            tracing::debug!(connection, %error, "what a browser said is lost");
            counts.dropped(Dropped::Layer);
        }
    }
    false
}

/// The part of the scope that a worker is told, under the names of ASGI.
fn told(scope: &Scope) -> Map {
    let text = |text: Option<String>| text.map_or(Value::Nil, Value::Text);
    let kwargs = scope
        .parameters
        .iter()
        .fold(Map::new(), |kwargs, (name, value)| kwargs.with(name, value.as_str()));
    Map::new()
        .with("user", text(scope.user.as_ref().map(ToString::to_string)))
        .with("path", scope.path())
        .with("client", text(scope.client.effective().map(|address| address.to_string())))
        .with("url_route", Value::Map(Map::new().with("kwargs", Value::Map(kwargs))))
}

/// What `websocket.send` asks to be sent as it is.
fn asked_frame(message: &Message) -> Option<Frame> {
    if let Some(text) = message.text("text") {
        return Some(Frame::text(text));
    }
    message.get("bytes")?.as_bytes().map(Frame::binary)
}

/// The close that `websocket.close` asks for; a code that may not be sent (RFC 6455 section 7.4) becomes 1000.
fn asked_close(message: &Message) -> Close {
    let code =
        message.get("code").and_then(Value::as_i64).and_then(|code| u16::try_from(code).ok());
    let code = code.filter(|code| matches!(code, 1000 | 1001 | 1008 | 1011..=1013 | 3000..=4999));
    let mut reason = message.text("reason").unwrap_or_default().to_owned();
    reason.truncate(reason.floor_char_boundary(123));
    Close::new(CloseCode(code.unwrap_or(1000)), reason)
}
