//! Who sends a request: by the token in its header, else by a cookie. The same proofs as at a WebSocket's handshake; for
//! a stream's ticket see `tickets`.

use http::{HeaderMap, StatusCode, header};
use moorline_protocol::{ErrorCode, UserId};

use super::Shared;
use crate::admission::OriginCheck;
use crate::auth::{Identity, Refused, Vouched};
use crate::consumer::Refusal;
use crate::session::{self, Proof};

/// What a request shows, good as far as can be seen without the store.
pub(crate) enum Asker {
    /// A token.
    Token { token: String, user: UserId },
    /// A cookie.
    Known(Proof),
}

impl Asker {
    /// Whether a request shows a token that is this server's to read: it wins over all else.
    pub(super) fn shows_token(shared: &Shared, headers: &HeaderMap) -> bool {
        shared.settings.auth.takes_tokens() && bearer(headers).is_some()
    }

    /// Whom it is of.
    pub(crate) fn user(&self) -> &UserId {
        match self {
            Self::Token { user, .. } => user,
            Self::Known(proof) => proof.user(),
        }
    }

    /// Reads what a request shows.
    ///
    /// # Errors
    /// 401 where nothing is shown or it is not good, 403 where a foreign page shows its visitor's cookie, 503 where that
    /// cannot be told now.
    pub(crate) async fn of(
        shared: &Shared,
        headers: &HeaderMap,
        is_secure: bool,
    ) -> Result<Self, Refusal> {
        let auth = &shared.settings.auth;
        let token = bearer(headers);
        if let Some(token) = token.filter(|_| Self::shows_token(shared, headers)) {
            let signed = auth.signed(token).map_err(|refused| refusal(&refused))?;
            return Ok(Self::Token { token: token.to_owned(), user: signed.user().clone() });
        }
        // A page can set no `Authorization` that its visitor's browser would not add by itself.
        if !shared.origins.passes(headers, is_secure) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "bad_origin", OriginCheck::REFUSED));
        }
        let known = session::recognise(&shared.settings, headers).await;
        match known.map_err(|refused| refusal(&refused))? {
            Some(proof) => Ok(Self::Known(proof)),
            None if token.is_some() => Err(refusal(&Refused::Token)),
            None => {
                let text = "Sign in first, or send a token as `Authorization: Bearer TOKEN`.";
                Err(Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", text))
            }
        }
    }

    /// The person, as the store knows them now.
    ///
    /// # Errors
    /// Where they may not come in any more, or the store does not say.
    pub(crate) async fn identity(self, shared: &Shared) -> Result<Identity, Refused> {
        let (auth, store) = (&shared.settings.auth, shared.settings.chat.store());
        let signed = match self {
            Self::Token { token, .. } => auth.signed(&token)?,
            Self::Known(Proof::Backend(Vouched { signed, .. }) | Proof::Ticket(signed)) => signed,
            Self::Known(Proof::Session { identity, .. }) => return Ok(identity),
        };
        let known = store.user(signed.user()).await?;
        auth.identify(signed, known).await
    }

    /// What `hello` takes: a token, or a proof beside it.
    pub(crate) fn into_parts(self) -> (Option<String>, Option<Proof>) {
        match self {
            Self::Token { token, .. } => (Some(token), None),
            Self::Known(proof) => (None, Some(proof)),
        }
    }
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refusal(refused: &Refused) -> Refusal {
    if *refused == Refused::Token {
        let text = ErrorCode::TokenRefused.text();
        return Refusal::new(StatusCode::UNAUTHORIZED, "token_refused", text);
    }
    session::refusal(refused)
}
