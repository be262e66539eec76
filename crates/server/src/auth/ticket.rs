//! Tickets: what stands in the URL of a stream where nothing else can be sent, and the cookie that it is exchanged for.
//!
//! `fallback` makes and takes them here. A ticket is good once; since `EventSource` repeats its URL, it goes on together
//! with a cookie limited to that path, and with no other. Both are 256 random bits, of which the store keeps hashes. They
//! stand for the token or the session that asked for the ticket, and end with it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue};
use moorline_chat::{Grants, now_ms};
use moorline_protocol::UserId;
use moorline_protocol::api::Operation;
use moorline_protocol::over_http::Ticket;
use moorline_store::{self as store, NewTicket, TicketRow, UseTicket};
use sha2::{Digest, Sha256};

use super::cookie::{SESSION_MS, value_of};
use super::{Authenticator, Identity, Refused, Signed};

/// How long a ticket waits for its use: a page opens its stream at once, a slow phone within seconds.
const TICKET_MS: u64 = 30_000;

/// How the names of the cookies begin; the rest is the person's, so that two people in one browser have one each.
const PLAIN: &str = "moorline_stream_";
const SECURE: &str = "__Secure-moorline_stream_";

/// Where the cookie goes, and nowhere else.
const PATH: &str = Operation::GetStream.path();

/// A ticket, or the secret of its cookie.
struct Secret(String);

/// Whom a ticket brings in.
pub(crate) struct ByTicket {
    /// By what it stands for.
    pub(crate) of: TicketOf,
    /// The `Set-Cookie` line, where it was used just now; else its cookie was good.
    pub(crate) set_cookie: Option<HeaderValue>,
}

/// What a ticket stands for.
pub(crate) enum TicketOf {
    /// A token, or what the backend said.
    Token(Signed),
    /// A session of ours.
    Session(Identity),
}

impl Secret {
    fn random() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    fn parse(text: String) -> Option<Self> {
        (text.len() == 43).then_some(Self(text))
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl Authenticator {
    /// A ticket for somebody who has proved who they are.
    ///
    /// # Errors
    /// Where they have too many that are not used yet, or the store cannot keep one.
    pub(crate) async fn make_ticket(&self, identity: Identity) -> Result<Ticket, store::Error> {
        let (ticket, at_ms) = (Secret::random(), now_ms());
        let ends_ms = identity.expires_ms.unwrap_or(at_ms + SESSION_MS);
        let until_ms = ends_ms.min(at_ms + TICKET_MS);
        self.store
            .add_ticket(NewTicket {
                hash: self.ticket_hash(&ticket),
                user: identity.user,
                session: identity.session,
                issued_ms: identity.grants.issued_ms,
                at_ms,
                until_ms,
                ends_ms,
            })
            .await?;
        Ok(Ticket { ticket: ticket.0, expires: until_ms })
    }

    /// Whom a ticket brings in; nobody where it was used and its cookie is not there, where it has ended, or what it
    /// stands for has, and where it is none.
    ///
    /// # Errors
    /// Where the store cannot say.
    pub(crate) async fn by_ticket(
        &self,
        ticket: String,
        headers: &HeaderMap,
        is_secure: bool,
    ) -> Result<Option<ByTicket>, Refused> {
        let Some(ticket) = Secret::parse(ticket) else { return Ok(None) };
        let (hash, at_ms) = (self.ticket_hash(&ticket), now_ms());
        let Some(row) = self.store.ticket(hash, at_ms).await? else { return Ok(None) };
        let shown = shown(headers, &row.user);
        if let Some(holder) = row.holder {
            let is_good = shown.is_some_and(|shown| shown.hash() == holder);
            return Ok(is_good.then(|| ByTicket { of: of(row), set_cookie: None }));
        }
        let fresh = Secret::random();
        let wanted =
            UseTicket { hash, shown: shown.as_ref().map(Secret::hash), fresh: fresh.hash(), at_ms };
        let Some(holder) = self.store.use_ticket(wanted).await? else { return Ok(None) };
        let kept = shown.filter(|_| holder.was_shown).unwrap_or(fresh);
        let age_ms = holder.ends_ms.saturating_sub(at_ms);
        let set_cookie = set_cookie(&row.user, &kept, age_ms, is_secure);
        Ok(Some(ByTicket { of: of(row), set_cookie }))
    }

    /// What the store keeps. It depends on the secret of the tokens, so that all tickets end with their tokens where an
    /// operator changes it.
    fn ticket_hash(&self, ticket: &Secret) -> [u8; 32] {
        let key = Sha256::digest(self.secret.get().as_deref().unwrap_or_default());
        Sha256::new().chain_update(key).chain_update(ticket.0.as_bytes()).finalize().into()
    }
}

fn of(row: TicketRow) -> TicketOf {
    let TicketRow { user, name, session, issued_ms, ends_ms, .. } = row;
    match session {
        None => TicketOf::Token(Signed::by_ticket(user, issued_ms, ends_ms)),
        Some(session) => TicketOf::Session(Identity {
            user,
            name: name.into(),
            expires_ms: Some(ends_ms),
            session: Some(session),
            grants: Grants::default(),
        }),
    }
}

/// Whether this is the name of such a cookie.
pub(super) fn is_cookie(name: &[u8]) -> bool {
    [PLAIN, SECURE].iter().any(|own| name.starts_with(own.as_bytes()))
}

/// The person's cookie in a request. The name that only https can set wins over the other.
fn shown(headers: &HeaderMap, user: &UserId) -> Option<Secret> {
    let value =
        value_of(headers, &name(user, true)).or_else(|| value_of(headers, &name(user, false)));
    Secret::parse(value?)
}

fn name(user: &UserId, is_secure: bool) -> String {
    let hash = Sha256::digest(user.as_str().as_bytes());
    let own: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}{own}", if is_secure { SECURE } else { PLAIN })
}

/// A cookie whose path is not `/` cannot have the prefix `__Host-`. Only pages of the server's own site are to send it.
fn set_cookie(user: &UserId, secret: &Secret, age_ms: u64, is_secure: bool) -> Option<HeaderValue> {
    let age = cookie::time::Duration::milliseconds(i64::try_from(age_ms).unwrap_or(i64::MAX));
    let line = Cookie::build((name(user, is_secure), &secret.0))
        .path(PATH)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_secure)
        .max_age(age)
        .build()
        .to_string();
    let mut line = HeaderValue::from_str(&line).ok()?;
    line.set_sensitive(true);
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    fn line(is_secure: bool) -> String {
        let line = set_cookie(&user("ann"), &Secret("x".repeat(43)), 59_999, is_secure).unwrap();
        line.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_cookie_goes_to_the_stream_alone_and_to_no_other_site() {
        let plain = line(false);
        assert!(plain.starts_with("moorline_stream_"), "{plain}");
        for flag in ["HttpOnly", "SameSite=Strict", "Path=/api/v1/stream", "Max-Age=59"] {
            assert!(plain.split("; ").any(|told| told == flag), "{flag} is not in {plain}");
        }
        assert!(!plain.contains("Secure") && !plain.contains("Domain"));
        let secure = line(true);
        assert!(secure.starts_with("__Secure-moorline_stream_"), "{secure}");
        assert!(secure.split("; ").any(|told| told == "Secure"), "{secure}");
    }

    #[test]
    fn a_cookie_comes_back_to_its_person_and_to_nobody_else() {
        for is_secure in [false, true] {
            let line = line(is_secure);
            let pair = line.split(';').next().unwrap();
            let mut headers = HeaderMap::new();
            headers.insert("cookie", format!("theme=dark; {pair}").parse().unwrap());
            assert_eq!(shown(&headers, &user("ann")).unwrap().0, "x".repeat(43));
            assert!(shown(&headers, &user("bob")).is_none());
            assert!(is_cookie(pair.as_bytes()) && !is_cookie(b"moorline_streams"));
        }
    }

    #[test]
    fn what_has_not_the_shape_of_a_ticket_is_none() {
        for text in ["", "abc", &"x".repeat(42), &"x".repeat(44), &"x".repeat(10_000)] {
            assert!(Secret::parse((*text).to_owned()).is_none());
        }
        let (one, two) = (Secret::random(), Secret::random());
        assert!(one.0.len() == 43 && one.hash() != two.hash());
    }
}
