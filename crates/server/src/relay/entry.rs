//! Who may open a relay's socket: the sign-in that stands before its consumer.
//!
//! A page shows its cookie, by itself: Moorline's, or one that the backend behind `--auth-url` knows. Another program shows
//! a token, as `Authorization: Bearer` or, since a browser cannot set that, as the second of the subprotocols
//! `moorline.token` and the token. A token in the query would end up in the logs of every proxy, so none is read there.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{StatusCode, header};
use moorline_chat::Grants;
use moorline_protocol::ErrorCode;
use moorline_store::SessionId;
use tokio::sync::OwnedSemaphorePermit;

use super::Relay;
use crate::admission::Admission;
use crate::auth::{Forwarded, Identity, Refused, Vouched};
use crate::consumer::Refusal;
use crate::scope::Scope;
use crate::session;

/// The subprotocol that says that the next one is a token; it is the one that is spoken then.
pub(crate) const TOKEN_SUBPROTOCOL: &str = "moorline.token";

/// Signs a handshake in, or refuses it.
pub(crate) struct SignedIn(pub(crate) Arc<Relay>);

/// What the entry leaves for the consumer, in the scope's extensions.
#[derive(Clone)]
pub(crate) enum Entered {
    /// By whom `scope.user` says.
    Person(Proof),
    /// By nobody in particular; the place is given back when the last clone is gone.
    Anonymous(#[expect(dead_code, reason = "held")] Arc<OwnedSemaphorePermit>),
}

/// What a person showed, as far as it decides when their socket ends.
#[derive(Clone)]
pub(crate) struct Proof {
    pub(crate) session: Option<SessionId>,
    pub(crate) issued_ms: u64,
    pub(crate) expires_ms: Option<u64>,
    /// What the backend was shown, to ask it again; none where it was not asked.
    pub(crate) forwarded: Option<Arc<Forwarded>>,
    /// The room that what they showed must name.
    pub(crate) room: Option<String>,
    /// The hub's number of revocations from before it was looked at.
    pub(crate) revocations: u64,
}

impl Admission for SignedIn {
    fn admit<'a>(&'a self, scope: &'a mut Scope) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let revocations = self.0.settings.chat.hub().revocations();
            let identity = self.0.identify(scope).await.map_err(|refused| refusal(&refused))?;
            let entered = match identity {
                Some((identity, forwarded)) => {
                    scope.user = Some(identity.user);
                    let room = self.0.room(scope, &identity.grants)?;
                    Entered::Person(Proof {
                        session: identity.session,
                        issued_ms: identity.grants.issued_ms,
                        expires_ms: identity.expires_ms,
                        forwarded,
                        room,
                        revocations,
                    })
                }
                None => self.0.anonymous()?,
            };
            scope.extensions.insert(entered);
            Ok(())
        })
    }
}

/// Somebody, and what the backend was shown if it was the backend that knew them.
type Known = (Identity, Option<Arc<Forwarded>>);

impl Relay {
    /// Who it is; none where nothing was shown. What was shown and is not good is refused, not passed over.
    async fn identify(&self, scope: &Scope) -> Result<Option<Known>, Refused> {
        let (auth, store) = (&self.settings.auth, self.settings.chat.store());
        if let Some(token) = token(scope) {
            let signed = auth.signed(token)?;
            let known = store.user(signed.user()).await?;
            return Ok(Some((auth.identify(signed, known).await?, None)));
        }
        if let Some(identity) = auth.by_cookie(&scope.headers).await? {
            return Ok(Some((identity, None)));
        }
        let Some(Vouched { signed, forwarded }) = auth.by_backend(&scope.headers).await? else {
            return Ok(None);
        };
        let known = store.user(signed.user()).await?;
        Ok(Some((auth.identify(signed, known).await?, Some(forwarded))))
    }

    /// The room of this path, where the relay asks that what the person showed names it.
    fn room(&self, scope: &Scope, grants: &Grants) -> Result<Option<String>, Refusal> {
        let Some(room) = &self.rule.room else { return Ok(None) };
        let room = room.fill(scope)?;
        if names(grants, &room) {
            return Ok(Some(room));
        }
        let text = "You may not be in this room.";
        Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", text))
    }

    fn anonymous(&self) -> Result<Entered, Refusal> {
        if !self.rule.anonymous {
            let text = "Sign in first: this path takes a session cookie or a token.";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", text));
        }
        let place = Arc::clone(&self.anonymous).try_acquire_owned().map_err(|_| {
            let text = "Too many people who have not signed in; try again later.";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", text)
        })?;
        Ok(Entered::Anonymous(Arc::new(place)))
    }
}

/// The token that the handshake shows.
fn token(scope: &Scope) -> Option<&str> {
    if let [first, token, ..] = scope.subprotocols.as_slice()
        && first == TOKEN_SUBPROTOCOL
    {
        return Some(token);
    }
    let value = scope.header(header::AUTHORIZATION.as_str())?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether these grants name a room.
pub(crate) fn names(grants: &Grants, room: &str) -> bool {
    grants.rooms.iter().any(|granted| granted.as_str() == room)
}

fn refusal(refused: &Refused) -> Refusal {
    if *refused == Refused::Token {
        let text = ErrorCode::TokenRefused.text();
        return Refusal::new(StatusCode::UNAUTHORIZED, "token_refused", text);
    }
    session::refusal(refused)
}
