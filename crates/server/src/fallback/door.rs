//! What opens a session without a `hello`: the body of a `POST`, or the query of a `GET`, with who asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use moorline_protocol::over_http::{POLL_WAIT_MS, PollBody, StreamBody};
use moorline_protocol::{Hello, Limits, Position, Positions, RoomId, UserId};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::asker::Asker;
use super::rates::PollPlace;
use super::{Shared, query, tickets};
use crate::consumer::{Accept, Refusal};
use crate::scope::{ClientAddress, Scope};
use crate::service::Posted;
use crate::session::{Proof, Told, Verdict};
use crate::transport::Transport;

/// How a session begins.
pub(crate) struct Opening {
    pub(crate) hello: Hello,
    pub(crate) told: Told,
    pub(crate) is_away: bool,
    /// Of a poll, while it waits.
    pub(crate) place: Option<PollPlace>,
}

/// Reads requests of one transport.
pub(crate) struct Door {
    shared: Arc<Shared>,
    transport: Transport,
}

/// What a request asks for.
pub(super) struct Asked {
    pub(super) resume: BTreeMap<RoomId, Position>,
    pub(super) told: Told,
    pub(super) keepalive: Option<bool>,
    pub(super) device: Option<String>,
    pub(super) is_away: bool,
    pub(super) wait_ms: Option<u64>,
    /// What the transport follows, where the client cannot.
    pub(super) positions: Option<Positions>,
    pub(super) tells_id: bool,
}

impl Opening {
    /// As the client said it itself.
    pub(crate) fn hello(hello: Hello) -> Self {
        Self { hello, told: Told::Hello, is_away: false, place: None }
    }
}

impl Door {
    pub(super) fn new(shared: Arc<Shared>, transport: Transport) -> Self {
        Self { shared, transport }
    }

    /// Reads who asks and for what.
    ///
    /// # Errors
    /// Whatever is answered instead.
    pub(crate) async fn open(
        &self,
        scope: &Scope,
    ) -> Result<(Opening, Option<Proof>, Accept), Refusal> {
        let (asker, set_cookie) = self.asker(scope).await?;
        let place = self.place(asker.user(), &scope.client)?;
        let asked = match (scope.extensions.get::<Posted>(), self.transport) {
            (Some(Posted(body)), Transport::Poll) => poll(read(body)?),
            (Some(Posted(body)), _) => stream(read(body)?),
            (None, transport) => {
                query::read(scope, transport, self.shared.settings.chat.store(), asker.user())
                    .await?
            }
        };
        check(&asked.resume)?;
        let mut accept = Accept::new();
        accept.positions = asked.positions;
        accept.tells_id = asked.tells_id;
        accept.set_cookie = set_cookie;
        accept.wait =
            Duration::from_millis(asked.wait_ms.unwrap_or(POLL_WAIT_MS).min(POLL_WAIT_MS));
        let (token, proof) = asker.into_parts();
        let hello =
            Hello { token, resume: asked.resume, keepalive: asked.keepalive, device: asked.device };
        let opening = Opening { hello, told: asked.told, is_away: asked.is_away, place };
        Ok((opening, proof, accept))
    }

    /// Who asks: by a ticket, where one stands in the URL of a stream and no token in the header.
    async fn asker(&self, scope: &Scope) -> Result<(Asker, Option<HeaderValue>), Refusal> {
        let ticket = scope.query("ticket");
        let is_get = scope.extensions.get::<Posted>().is_none();
        if ticket.is_some() && !(is_get && self.transport == Transport::Stream) {
            return Err(invalid("a ticket is for `GET /api/v1/stream` alone".to_owned()));
        }
        match ticket.filter(|_| !Asker::shows_token(&self.shared, &scope.headers)) {
            Some(ticket) => tickets::take(&self.shared, scope, ticket).await,
            None => {
                let asker = Asker::of(&self.shared, &scope.headers, scope.client.secure).await?;
                Ok((asker, None))
            }
        }
    }

    /// A poll's place among those of its person, who asks at no higher rate than on a connection.
    fn place(&self, user: &UserId, client: &ClientAddress) -> Result<Option<PollPlace>, Refusal> {
        if self.transport != Transport::Poll || !self.shared.limits(client) {
            return Ok(None);
        }
        let busy = |text| Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", text);
        if self.shared.rates.take(user, Instant::now()) != Verdict::Pass {
            return Err(busy("Too many requests. Wait a moment."));
        }
        let place = self.shared.rates.poll(user);
        place.map(Some).ok_or_else(|| busy("Too many polls of this person wait already."))
    }
}

impl Shared {
    /// Whether rates apply to a client.
    pub(super) fn limits(&self, client: &ClientAddress) -> bool {
        self.settings.limit_loopback || !client.is_local()
    }
}

fn stream(body: StreamBody) -> Asked {
    Asked {
        resume: body.resume.unwrap_or_default(),
        told: Told::Welcome,
        keepalive: body.keepalive,
        device: body.device,
        is_away: body.away.unwrap_or_default(),
        wait_ms: None,
        positions: None,
        tells_id: false,
    }
}

fn poll(body: PollBody) -> Asked {
    // Empty positions are those of somebody in no room, who must be able to wait like anybody else.
    let is_first = body.positions.is_none() || body.hello.unwrap_or_default();
    let resume = body.positions.unwrap_or_default();
    Asked {
        told: if is_first { Told::Welcome } else { Told::Membership },
        keepalive: None,
        device: None,
        is_away: body.away.unwrap_or_default(),
        wait_ms: body.wait_ms,
        positions: Some(Positions::open(resume.clone())),
        tells_id: false,
        resume,
    }
}

fn check(positions: &BTreeMap<RoomId, Position>) -> Result<(), Refusal> {
    let limit = Limits::DEFAULT.rooms as usize;
    if positions.len() > limit {
        return Err(invalid(format!("at most {limit} positions, one for each room")));
    }
    Ok(())
}

pub(super) fn invalid(text: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "invalid", text)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => invalid(format!("The body does not fit: {error}.")),
        _ => {
            let text = "The body is not JSON.";
            Refusal::new(StatusCode::BAD_REQUEST, "bad_json", text)
        }
    })
}
