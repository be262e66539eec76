//! From a token or a cookie to a person. The session calls this at `hello`, the HTTP handlers for each request.
//! Why a token was refused goes to the log, never the token itself; the client learns only that it was refused.

use std::sync::Arc;

use http::HeaderMap;
use moorline_chat::{Grants, now_ms};
use moorline_protocol::api::TokenClaims;
use moorline_protocol::{ErrorCode, UserId};
use moorline_store::{self as store, SessionId, Store};
use tracing::info;

use super::cookie::SessionToken;
use super::{jwt, names};

/// The beginning of the ids of built-in accounts; no backend may give such an id.
pub const RESERVED: &str = "u_";

/// A person who has proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// The name to show.
    pub name: Arc<str>,
    /// When the proof ends, ms since 1970.
    pub expires_ms: Option<u64>,
    /// The session of the cookie; none for a token.
    pub session: Option<SessionId>,
    /// What the token allows beyond the rules.
    pub grants: Grants,
}

/// A token whose signature and times are good.
#[derive(Debug)]
pub struct Signed {
    user: UserId,
    claims: TokenClaims,
}

impl Signed {
    /// Who it says that it is of.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// When it was made, ms since 1970; 0 where it does not say.
    #[must_use]
    pub fn issued_ms(&self) -> u64 {
        issued_ms(&self.claims)
    }
}

fn issued_ms(claims: &TokenClaims) -> u64 {
    claims.iat.unwrap_or(0).saturating_mul(1_000)
}

/// Why nobody is signed in by what was shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The token is not good, or this server takes none.
    #[error("the token is not valid")]
    Token,
    /// The store cannot say now.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Refused {
    /// The word of the wire.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Token => ErrorCode::TokenRefused,
            Self::Store(_) => ErrorCode::Unavailable,
        }
    }

    /// Whether the same token may be good later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

/// Checks tokens and cookies. Clones are handles of the same one.
#[derive(Clone)]
pub struct Authenticator {
    store: Store,
    secret: Option<Arc<[u8]>>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("takes_tokens", &self.secret.is_some()).finish()
    }
}

impl Authenticator {
    /// Over a store; without a secret no token is good.
    #[must_use]
    pub fn new(store: Store, jwt_secret: Option<&str>) -> Self {
        Self { store, secret: jwt_secret.map(|secret| secret.as_bytes().into()) }
    }

    /// Who a token (JWT) says that it is of. Whether that person's tokens are still good, the store knows:
    /// [`Self::identify`].
    ///
    /// # Errors
    /// Where the token is not good.
    pub fn signed(&self, token: &str) -> Result<Signed, Refused> {
        let Some(secret) = &self.secret else {
            return Err(refused("this server was started without --jwt-secret", None));
        };
        let claims =
            jwt::read(token, secret, now_ms() / 1_000).map_err(|why| refused(&why, None))?;
        match UserId::new(&claims.sub) {
            Ok(user) => Ok(Signed { user, claims }),
            Err(_) => Err(refused("its sub is no id of a person", None)),
        }
    }

    /// The person of a token, made on first sight; `known` is what the store says of them.
    ///
    /// # Errors
    /// Where the token is not good any more, or the store cannot say.
    pub async fn identify(
        &self,
        signed: Signed,
        known: Option<store::User>,
    ) -> Result<Identity, Refused> {
        let Signed { user, claims } = signed;
        check_person(&claims, &user, known.as_ref())?;
        let name = self.name_of(&claims, &user, known, now_ms()).await?;
        let issued_ms = issued_ms(&claims);
        Ok(Identity {
            user,
            name: name.into(),
            expires_ms: Some(claims.exp.saturating_add(jwt::LEEWAY_SECS).saturating_mul(1_000)),
            session: None,
            grants: Grants { rooms: claims.rooms.unwrap_or_default(), issued_ms },
        })
    }

    /// The person of the request's session cookie; none where there is no cookie or its session has ended.
    ///
    /// # Errors
    /// Where the store cannot say.
    pub async fn by_cookie(&self, headers: &HeaderMap) -> Result<Option<Identity>, Refused> {
        let Some(token) = SessionToken::of_request(headers) else { return Ok(None) };
        let session = self.store.session(token.hash(), now_ms()).await?;
        Ok(session.map(|session| Identity {
            user: session.user,
            name: session.name.into(),
            expires_ms: Some(session.expires_ms),
            session: Some(session.id),
            grants: Grants::default(),
        }))
    }

    /// Whether a session has not ended. To be asked once more when a connection has begun to listen for revocations, so
    /// that one between the proof and that moment is not missed.
    ///
    /// # Errors
    /// Where the store cannot say.
    pub async fn is_still_good(&self, user: &UserId, session: &SessionId) -> Result<bool, Refused> {
        let sessions = self.store.sessions(user, now_ms()).await?;
        Ok(sessions.iter().any(|row| row.id == *session))
    }

    /// The name in the token wins over the known one; a person on first sight is made.
    async fn name_of(
        &self,
        claims: &TokenClaims,
        user: &UserId,
        known: Option<store::User>,
        now: u64,
    ) -> Result<String, Refused> {
        let told = claims.name.as_deref().and_then(|name| names::display(name).ok());
        let is_account = known.as_ref().is_some_and(|known| known.has_account);
        match (told, known) {
            (None, Some(known)) => Ok(known.name),
            (Some(name), Some(known)) if known.name == name || is_account => Ok(known.name),
            (told, _) => {
                let name = told.unwrap_or_else(|| user.to_string());
                self.store.put_user(user.clone(), name.clone(), now).await?;
                Ok(name)
            }
        }
    }
}

/// What only the store knows: whose id it is, and whether their tokens were revoked.
fn check_person(
    claims: &TokenClaims,
    user: &UserId,
    known: Option<&store::User>,
) -> Result<(), Refused> {
    let has_account = known.is_some_and(|known| known.has_account);
    if claims.sub.starts_with(RESERVED) && !has_account {
        return Err(refused("ids that begin with u_ belong to built-in accounts", Some(user)));
    }
    if [store::SYSTEM_USER, store::DELETED_USER].contains(&claims.sub.as_str()) {
        return Err(refused("this id belongs to the server itself", Some(user)));
    }
    let Some(known) = known else { return Ok(()) };
    if known.removed {
        return Err(refused("this person was removed", Some(user)));
    }
    if known.refuses_token_of(issued_ms(claims)) {
        return Err(refused("it was made before this person's sessions were revoked", Some(user)));
    }
    Ok(())
}

fn refused(why: impl std::fmt::Display, user: Option<&UserId>) -> Refused {
    let user = user.map(tracing::field::display);
    info!(user.id = user, reason = %why, "token refused: {why}");
    Refused::Token
}
