//! From a token or a cookie to a person. The session calls this at `hello`, the HTTP handlers for each request.
//! Why a token was refused goes to the log, never the token itself; the client learns only that it was refused.

use std::sync::Arc;

use http::HeaderMap;
use moorline_chat::{Grants, now_ms};
use moorline_protocol::api::TokenClaims;
use moorline_protocol::{ErrorCode, RoomId, UserId};
use moorline_store::{self as store, SessionId, Store};
use tracing::info;

use super::backend::{Backend, Forwarded, Unanswered};
use super::cookie::SessionToken;
use super::{jwt, names};
use crate::live::Live;

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

/// What a token says whose signature and times are good, or what the backend answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    pub(super) user: UserId,
    pub(super) name: Option<String>,
    pub(super) rooms: Vec<RoomId>,
    pub(super) expires_ms: u64,
    /// 0 where it does not say.
    pub(super) issued_ms: u64,
}

/// Somebody for whom the backend speaks, and what it was shown, to ask it again.
#[derive(Debug)]
pub struct Vouched {
    /// What it answered.
    pub signed: Signed,
    /// What it was shown.
    pub forwarded: Arc<Forwarded>,
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
        self.issued_ms
    }

    /// What a ticket still knows of the token that it was made for.
    pub(super) fn by_ticket(user: UserId, issued_ms: u64, expires_ms: u64) -> Self {
        Self { user, name: None, rooms: Vec::new(), expires_ms, issued_ms }
    }

    fn of(claims: TokenClaims, user: UserId) -> Self {
        Self {
            user,
            name: claims.name,
            rooms: claims.rooms.unwrap_or_default(),
            expires_ms: claims.exp.saturating_add(jwt::LEEWAY_SECS).saturating_mul(1_000),
            issued_ms: claims.iat.unwrap_or(0).saturating_mul(1_000),
        }
    }
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
    /// The backend does not say.
    #[error("the auth URL is of no use: {0}")]
    Backend(#[from] Unanswered),
}

impl Refused {
    /// The word of the wire.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Token => ErrorCode::TokenRefused,
            Self::Backend(Unanswered::Busy) => ErrorCode::Overloaded,
            Self::Store(_) | Self::Backend(_) => ErrorCode::Unavailable,
        }
    }

    /// Whether the same token may be good later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Backend(_))
    }
}

/// Checks tokens and cookies. Clones are handles of the same one.
#[derive(Clone)]
pub struct Authenticator {
    pub(super) store: Store,
    pub(super) secret: Live<Option<Arc<[u8]>>>,
    backend: Option<Arc<Backend>>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Authenticator");
        shown.field("takes_tokens", &self.takes_tokens()).field("backend", &self.backend).finish()
    }
}

impl Authenticator {
    /// Over a store; without a secret no token is good.
    #[must_use]
    pub fn new(store: Store, jwt_secret: Option<&str>) -> Self {
        let this = Self { store, secret: Live::default(), backend: None };
        this.set_secret(jwt_secret);
        this
    }

    /// From now on tokens are read by this secret, or none is good. Who is signed in stays so.
    pub fn set_secret(&self, jwt_secret: Option<&str>) {
        self.secret.set(jwt_secret.map(|secret| secret.as_bytes().into()));
    }

    /// Asks this backend about whoever comes with neither a token nor a cookie of ours.
    #[must_use]
    pub fn asking(self, backend: Option<Arc<Backend>>) -> Self {
        Self { backend, ..self }
    }

    /// Whether tokens are this server's to read; else they are the backend's.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        self.secret.get().is_some()
    }

    /// Who a token (JWT) says that it is of. Whether that person's tokens are still good, the store knows:
    /// [`Self::identify`].
    ///
    /// # Errors
    /// Where the token is not good.
    pub fn signed(&self, token: &str) -> Result<Signed, Refused> {
        self.read(token).map_err(|why| refused(why, None))
    }

    fn read(&self, token: &str) -> Result<Signed, String> {
        let secret = self.secret.get();
        let Some(secret) = &*secret else {
            return Err("this server was started without --jwt-secret".to_owned());
        };
        read_token(token, secret, now_ms() / 1_000)
    }

    /// Why a token is refused now, as the log says it; none where it is good.
    ///
    /// # Errors
    /// Where the store cannot say.
    pub async fn why_refused(&self, token: &str) -> Result<Option<String>, store::Error> {
        let signed = match self.read(token) {
            Ok(signed) => signed,
            Err(why) => return Ok(Some(why)),
        };
        let known = self.store.user(signed.user()).await?;
        Ok(check_person(&signed, known.as_ref()).err().map(str::to_owned))
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
        check_person(&signed, known.as_ref()).map_err(|why| refused(why, Some(&signed.user)))?;
        let name = self.name_of(&signed, known, now_ms()).await?;
        let Signed { user, rooms, expires_ms, issued_ms, .. } = signed;
        Ok(Identity {
            user,
            name: name.into(),
            expires_ms: Some(expires_ms),
            session: None,
            grants: Grants { rooms, issued_ms },
        })
    }

    /// For whom the backend speaks, by the request's headers; nobody where there is no backend, nothing to show it, or
    /// where it knows nobody by it.
    ///
    /// # Errors
    /// Where the backend does not say.
    pub async fn by_backend(&self, headers: &HeaderMap) -> Result<Option<Vouched>, Refused> {
        let Some(backend) = &self.backend else { return Ok(None) };
        let Some(forwarded) = Forwarded::of(headers, backend.headers()) else { return Ok(None) };
        let signed = backend.ask(&forwarded, 0).await?;
        Ok(signed.map(|signed| Vouched { signed, forwarded: Arc::new(forwarded) }))
    }

    /// The same person as the backend and the store know them now, by an answer younger than `after_ms`; none where
    /// they are nobody any more, or somebody else.
    ///
    /// # Errors
    /// Where the backend or the store does not say.
    pub async fn ask_again(
        &self,
        forwarded: &Forwarded,
        user: &UserId,
        after_ms: u64,
    ) -> Result<Option<Identity>, Refused> {
        let Some(backend) = &self.backend else { return Ok(None) };
        let signed = backend.ask(forwarded, after_ms).await?;
        let Some(signed) = signed.filter(|signed| signed.user == *user) else { return Ok(None) };
        let known = self.store.user(user).await?;
        match self.identify(signed, known).await {
            Err(Refused::Token) => Ok(None),
            identified => identified.map(Some),
        }
    }

    /// The person of a request: by the cookie of ours, else by the backend.
    ///
    /// # Errors
    /// Where the store or the backend cannot say.
    pub async fn by_request(&self, headers: &HeaderMap) -> Result<Option<Identity>, Refused> {
        if let Some(identity) = self.by_cookie(headers).await? {
            return Ok(Some(identity));
        }
        let Some(Vouched { signed, .. }) = self.by_backend(headers).await? else { return Ok(None) };
        let known = self.store.user(signed.user()).await?;
        self.identify(signed, known).await.map(Some)
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
        signed: &Signed,
        known: Option<store::User>,
        now: u64,
    ) -> Result<String, Refused> {
        let told = signed.name.as_deref().and_then(|name| names::display(name).ok());
        let is_account = known.as_ref().is_some_and(|known| known.has_account);
        match (told, known) {
            (None, Some(known)) => Ok(known.name),
            (Some(name), Some(known)) if known.name == name || is_account => Ok(known.name),
            (told, _) => {
                let name = told.unwrap_or_else(|| signed.user.to_string());
                self.store.put_user(signed.user.clone(), name.clone(), now).await?;
                Ok(name)
            }
        }
    }
}

/// Who a token says that it is of, at this second since 1970; else why nobody takes it, whatever the store knows.
///
/// # Errors
/// Why it is not good.
pub fn read_token(token: &str, secret: &[u8], now_secs: u64) -> Result<Signed, String> {
    let claims = jwt::read(token, secret, now_secs).map_err(|why| why.to_string())?;
    match UserId::new(&claims.sub) {
        Ok(user) => Ok(Signed::of(claims, user)),
        Err(_) => Err("its sub is no id of a person".to_owned()),
    }
}

/// What only the store knows: whose id it is, and whether their tokens were revoked.
fn check_person(signed: &Signed, known: Option<&store::User>) -> Result<(), &'static str> {
    let user = &signed.user;
    let has_account = known.is_some_and(|known| known.has_account);
    if user.as_str().starts_with(RESERVED) && !has_account {
        return Err("ids that begin with u_ belong to built-in accounts");
    }
    if [store::SYSTEM_USER, store::DELETED_USER].contains(&user.as_str()) {
        return Err("this id belongs to the server itself");
    }
    let Some(known) = known else { return Ok(()) };
    if known.removed {
        return Err("this person was removed");
    }
    if known.refuses_token_of(signed.issued_ms) {
        return Err("it was made before this person's sessions were revoked");
    }
    Ok(())
}

fn refused(why: impl std::fmt::Display, user: Option<&UserId>) -> Refused {
    let user = user.map(tracing::field::display);
    info!(user.id = user, "token refused: {why}");
    Refused::Token
}
