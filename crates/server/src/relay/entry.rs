//! Who may open a relay's socket: the sign-in that stands before its consumer.
//!
//! A page shows its session cookie, by itself; another program shows a token, as `Authorization: Bearer` or, since a
//! browser cannot set that, as the second of the subprotocols `moorline.token` and the token. A token in the query would
//! end up in the logs of every proxy, so none is read there.

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
    /// The hub's number of revocations from before it was looked at.
    pub(crate) revocations: u64,
    /// What the backend was shown that speaks for them, to ask it again before its word ends.
    pub(crate) forwarded: Option<Arc<Forwarded>>,
}

/// A person, and what the backend was shown that speaks for them.
type Known = (Identity, Option<Arc<Forwarded>>);

impl Admission for SignedIn {
    fn admit<'a>(&'a self, scope: &'a mut Scope) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let revocations = self.0.settings.chat.hub().revocations();
            let identity = self.0.identify(scope).await.map_err(|refused| refusal(&refused))?;
            let entered = match identity {
                Some((identity, forwarded)) => {
                    let proof = Proof {
                        session: identity.session,
                        issued_ms: identity.grants.issued_ms,
                        expires_ms: identity.expires_ms,
                        revocations,
                        forwarded,
                    };
                    scope.user = Some(identity.user);
                    self.0.check_room(scope, &identity.grants)?;
                    Entered::Person(proof)
                }
                None => self.0.anonymous()?,
            };
            scope.extensions.insert(entered);
            Ok(())
        })
    }
}

impl Relay {
    /// Who it is, and what their backend was shown; none where nothing was shown. What was shown and is not good is
    /// refused, not passed over.
    async fn identify(&self, scope: &Scope) -> Result<Option<Known>, Refused> {
        let auth = &self.settings.auth;
        let (signed, forwarded) = match token(scope) {
            Some(token) => (auth.signed(token)?, None),
            None => {
                if let Some(identity) = auth.by_cookie(&scope.headers).await? {
                    return Ok(Some((identity, None)));
                }
                match auth.by_backend(&scope.headers).await? {
                    Some(Vouched { signed, forwarded }) => (signed, Some(forwarded)),
                    None => return Ok(None),
                }
            }
        };
        let known = self.settings.chat.store().user(signed.user()).await?;
        Ok(Some((auth.identify(signed, known).await?, forwarded)))
    }

    /// Whether what the person showed names the room of this path, where the relay asks for that.
    fn check_room(&self, scope: &Scope, grants: &Grants) -> Result<(), Refusal> {
        let Some(room) = &self.rule.room else { return Ok(()) };
        let room = room.fill(scope)?;
        if grants.rooms.iter().any(|granted| granted.as_str() == room) {
            return Ok(());
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

fn refusal(refused: &Refused) -> Refusal {
    match refused {
        Refused::Token => {
            let text = ErrorCode::TokenRefused.text();
            Refusal::new(StatusCode::UNAUTHORIZED, "token_refused", text)
        }
        Refused::Store(_) | Refused::Backend(_) => {
            let text = ErrorCode::Unavailable.text();
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
        }
    }
}
