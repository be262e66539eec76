//! The HTTP of the page's sign-in: make an account, sign in and out, list and revoke one's own sessions.
//! Unknown names and wrong passwords take the same path, cost the same work and get the same answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Extension, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::{Router, http::HeaderMap};
use http::{HeaderValue, StatusCode, header};
use moorline_chat::{Chat, now_ms};
use moorline_protocol::api::{
    LoginBody, Operation, SessionInfo, SessionList, SessionNow, SignedIn, Signup, SignupBody,
};
use moorline_protocol::{ErrorCode, Person, UserId};
use moorline_store::{Error, NewAccount, NewSession, SessionId, Store};
use tracing::info;

use super::attempts::Attempts;
use super::cookie::{self, SESSION_MS, SessionToken};
use super::invites::Invites;
use super::passwords::{Busy, Passwords};
use super::{Authenticator, Identity, Refused, csrf, device, names, profile};
use crate::admission::Origins;
use crate::api::body::JsonBody;
use crate::api::failure::{self, Failure, empty, json};
use crate::api::mount::Mount;
use crate::api::path::Path;
use crate::info::server_info;
use crate::live::Live;
use crate::scope::ClientAddress;

/// Sign-in and sign-up over one chat's store.
pub struct SignIn {
    pub(super) chat: Arc<Chat>,
    store: Store,
    pub(super) authenticator: Arc<Authenticator>,
    passwords: Passwords,
    attempts: Attempts,
    signup: Live<Signup>,
    invites: Invites,
    pub(super) origins: Origins,
    limit_loopback: bool,
}

/// What a sign-in needs to be told.
#[derive(Debug, Clone)]
pub struct SignInSettings {
    /// Who may make an account.
    pub signup: Live<Signup>,
    /// Signs invitations.
    pub invites: Invites,
    /// Pages that may use the cookie.
    pub origins: Origins,
    /// Whether tries from this machine count too.
    pub limit_loopback: bool,
}

impl SignIn {
    /// Makes it; costs one password hash.
    ///
    /// # Errors
    /// Where the hash could not be made.
    pub async fn new(
        chat: Arc<Chat>,
        authenticator: Arc<Authenticator>,
        settings: SignInSettings,
    ) -> Result<Self, Busy> {
        let SignInSettings { signup, invites, origins, limit_loopback } = settings;
        let (passwords, attempts) = (Passwords::new().await?, Attempts::default());
        Ok(Self {
            store: chat.store().clone(),
            chat,
            authenticator,
            passwords,
            attempts,
            signup,
            invites,
            origins,
            limit_loopback,
        })
    }

    /// The routes, with the guard against foreign pages before them.
    pub fn router(self) -> Router {
        let sign_in = Arc::new(self);
        Router::new()
            .at(Operation::SignUp, sign_up)
            .at(Operation::Login, login)
            .at(Operation::Logout, logout)
            .at(Operation::GetSession, session)
            .at(Operation::ListSessions, sessions)
            .at(Operation::RevokeSession, revoke)
            .at(Operation::CreateInvite, invite)
            .at(Operation::PutProfile, profile::rename)
            .at(Operation::Export, profile::export)
            .method_not_allowed_fallback(failure::no_such_method)
            .route_layer(from_fn_with_state(Arc::clone(&sign_in), csrf::guard))
            .with_state(sign_in)
    }

    /// Takes one try, or refuses it. On this machine only wrong tries count, unless the server was told otherwise: a
    /// script may sign many in at once, and a proxy that names no client must not make guessing free.
    fn take_attempt(&self, name: &str, client: ClientAddress) -> Result<(), Failure> {
        let now = Instant::now();
        let taken = match self.counted(client) {
            Some(address) => self.attempts.take(name, Some(address), now),
            None => self.attempts.check(name, None, now),
        };
        taken.map_err(|wait| {
            info!(client = %shown(client), "sign-in slowed down: too many tries");
            let text = "Too many attempts. Wait a moment, then try again.";
            Failure::new(ErrorCode::RateLimited, text).after(wait)
        })
    }

    fn note_wrong_try(&self, name: &str, client: ClientAddress) {
        if self.counted(client).is_none() {
            // It was checked before; that others were faster meanwhile changes nothing for this one.
            let _ = self.attempts.take(name, None, Instant::now());
        }
    }

    /// The address whose tries all count.
    fn counted(&self, client: ClientAddress) -> Option<IpAddr> {
        client.effective().filter(|_| self.limit_loopback || !client.is_local())
    }

    /// Begins a session for someone who has just proved who they are. An old one of this browser ends.
    async fn begin_session(
        &self,
        person: Person,
        status: StatusCode,
        headers: &HeaderMap,
        client: ClientAddress,
    ) -> Result<Response, Failure> {
        if let Ok(Some(Identity { user, session: Some(old), .. })) =
            self.authenticator.by_cookie(headers).await
        {
            self.store.revoke_session(user, old).await?;
        }
        let (token, now) = (SessionToken::random(), now_ms());
        self.store
            .add_session(NewSession {
                token_hash: token.hash(),
                user: person.id.clone(),
                device: Some(device::of(text(headers, header::USER_AGENT))),
                at_ms: now,
                expires_ms: now + SESSION_MS,
            })
            .await?;
        info!(user.id = %person.id, client = %shown(client), "signed in");
        Ok(with_cookie(json(status, &SignedIn { user: person }), &token.set_cookie(client.secure)))
    }

    /// Who asks, by the cookie; nobody is an error.
    pub(super) async fn identity(
        &self,
        headers: &HeaderMap,
    ) -> Result<(Identity, SessionId), Failure> {
        let identity = self.authenticator.by_cookie(headers).await?;
        let signed_in = identity.and_then(|found| Some((found.session.clone()?, found)));
        let (session, identity) =
            signed_in.ok_or_else(|| Failure::new(ErrorCode::Unauthorized, "Sign in first."))?;
        Ok((identity, session))
    }
}

async fn sign_up(
    State(sign_in): State<Arc<SignIn>>,
    Extension(client): Extension<ClientAddress>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SignupBody>,
) -> Result<Response, Failure> {
    sign_in.check_signup(body.invite.as_deref())?;
    let invalid =
        |error: &dyn std::fmt::Display| Failure::new(ErrorCode::Invalid, error.to_string());
    let login = names::login(&body.name).map_err(|error| invalid(&error))?;
    let name = body.display.as_deref().unwrap_or(&body.name);
    let name = names::display(name).map_err(|error| invalid(&error))?;
    Passwords::check_length(&body.password).map_err(|error| invalid(&error))?;
    sign_in.take_attempt(&login, client)?;
    let password_hash = sign_in.passwords.hash(body.password).await?;
    let account = NewAccount { login, name: name.clone(), password_hash, at_ms: now_ms() };
    let id = sign_in.store.create_account(account).await?;
    let person = Person { id, name, presence: None };
    sign_in.begin_session(person, StatusCode::CREATED, &headers, client).await
}

impl SignIn {
    fn check_signup(&self, invite: Option<&str>) -> Result<(), Failure> {
        let is_invited = || invite.is_some_and(|invite| self.invites.is_good(invite, now_ms()));
        match *self.signup.get() {
            Signup::Open => Ok(()),
            Signup::Invite if is_invited() => Ok(()),
            Signup::Invite => {
                let text = "Sign-up on this server needs an invitation that is still good.";
                Err(Failure::new(ErrorCode::SignupClosed, text))
            }
            Signup::Closed => Err(Failure::of(ErrorCode::SignupClosed)),
        }
    }
}

async fn login(
    State(sign_in): State<Arc<SignIn>>,
    Extension(client): Extension<ClientAddress>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<LoginBody>,
) -> Result<Response, Failure> {
    // What can be nobody's name is looked up like any other, so that it takes as long.
    let name = names::login(&body.name).unwrap_or_default();
    sign_in.take_attempt(&name, client)?;
    let account = sign_in.store.account_by_login(&name).await?;
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let fits = sign_in.passwords.fits(body.password, hash).await?;
    let Some(account) = account.filter(|_| fits) else {
        sign_in.note_wrong_try(&name, client);
        info!(client = %shown(client), "sign-in refused: wrong name or password");
        return Err(Failure::of(ErrorCode::BadCredentials));
    };
    sign_in.attempts.forget(&name, sign_in.counted(client));
    let person = Person { id: account.id, name: account.name, presence: None };
    sign_in.begin_session(person, StatusCode::OK, &headers, client).await
}

async fn logout(
    State(sign_in): State<Arc<SignIn>>,
    Extension(client): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if let Ok((identity, session)) = sign_in.identity(&headers).await {
        sign_in.store.revoke_session(identity.user, session).await?;
    }
    Ok(with_cookie(empty(StatusCode::NO_CONTENT), &cookie::clear_cookie(client.secure)))
}

async fn session(
    State(sign_in): State<Arc<SignIn>>,
    Extension(client): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let identity = sign_in.authenticator.by_request(&headers).await?;
    let is_stale = cookie::is_present(&headers)
        && identity.as_ref().is_none_or(|identity| identity.session.is_none());
    let person =
        |found: Identity| Person { id: found.user, name: found.name.to_string(), presence: None };
    let server = server_info(&sign_in.chat);
    let now = SessionNow { user: identity.map(person), signup: *sign_in.signup.get(), server };
    let response = json(StatusCode::OK, &now);
    if is_stale {
        return Ok(with_cookie(response, &cookie::clear_cookie(client.secure)));
    }
    Ok(response)
}

async fn sessions(
    State(sign_in): State<Arc<SignIn>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (identity, current) = sign_in.identity(&headers).await?;
    let rows = sign_in.store.sessions(&identity.user, now_ms()).await?;
    let sessions = rows.into_iter().map(|row| SessionInfo {
        current: row.id == current,
        id: row.id.0,
        created: row.created_ms,
        seen: row.seen_ms,
        device: row.device.unwrap_or_else(|| "unknown program".into()),
    });
    Ok(json(StatusCode::OK, &SessionList { sessions: sessions.collect() }))
}

async fn revoke(
    State(sign_in): State<Arc<SignIn>>,
    Extension(client): Extension<ClientAddress>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (identity, current) = sign_in.identity(&headers).await?;
    let session = SessionId(id);
    let is_own = session == current;
    if !sign_in.store.revoke_session(identity.user, session).await? {
        return Err(Failure::new(ErrorCode::NotFound, "You have no such session."));
    }
    let response = empty(StatusCode::NO_CONTENT);
    if is_own {
        return Ok(with_cookie(response, &cookie::clear_cookie(client.secure)));
    }
    Ok(response)
}

async fn invite(
    State(sign_in): State<Arc<SignIn>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (identity, _) = sign_in.identity(&headers).await?;
    if *sign_in.signup.get() != Signup::Invite {
        let text = "This server takes no invitations: it was not started with --signup invite.";
        return Err(Failure::new(ErrorCode::SignupClosed, text));
    }
    let invite = sign_in.invites.make(now_ms()).ok_or(Failure::of(ErrorCode::Internal))?;
    let user: UserId = identity.user;
    info!(user.id = %user, "invitation made");
    Ok(json(StatusCode::CREATED, &invite))
}

fn with_cookie(mut response: Response, line: &str) -> Response {
    if let Ok(line) = HeaderValue::from_str(line) {
        response.headers_mut().insert(header::SET_COOKIE, line);
    }
    response
}

/// The address for the log.
fn shown(client: ClientAddress) -> String {
    client.effective().map_or_else(|| "a local socket".into(), |address| address.to_string())
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl From<Busy> for Failure {
    fn from(busy: Busy) -> Self {
        let wait = std::time::Duration::from_secs(1);
        Self::new(ErrorCode::Overloaded, format!("{busy}; try again in a moment.")).after(wait)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let refused_code = refused.code();
        match refused {
            Refused::Token => Self::of(ErrorCode::TokenRefused),
            Refused::Store(error) => Error::into(error),
            Refused::Backend(why) => {
                let wait = std::time::Duration::from_secs(1);
                Self::new(refused_code, why.text()).after(wait)
            }
        }
    }
}
