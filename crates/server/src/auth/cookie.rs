//! The cookie that holds a session's secret: 256 random bits, of which the store keeps only the SHA-256.
//! Behind https it carries `Secure` and the `__Host-` prefix, so that no neighbouring site can set it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

use super::ticket;

/// 30 days: a chat is used daily, and a forgotten browser is signed out within a month.
pub const SESSION_MS: u64 = 30 * 24 * 3_600 * 1_000;

const PLAIN: &str = "moorline_session";
const SECURE: &str = "__Host-moorline_session";

/// A session's secret, as it stands in the cookie. Its `Debug` shows nothing.
pub struct SessionToken(String);

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionToken(hidden)")
    }
}

impl SessionToken {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    /// The one in the request's cookie. The name that only https can set wins over the other.
    #[must_use]
    pub fn of_request(headers: &HeaderMap) -> Option<Self> {
        let value = value_of(headers, SECURE).or_else(|| value_of(headers, PLAIN))?;
        (value.len() == 43).then_some(Self(value))
    }

    /// What the store keeps.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The `Set-Cookie` line that gives it to the browser.
    #[must_use]
    pub fn set_cookie(&self, is_secure: bool) -> String {
        let age = cookie::time::Duration::milliseconds(i64::try_from(SESSION_MS).unwrap_or(0));
        line(&self.0, age, is_secure)
    }
}

/// The `Set-Cookie` line that takes it away.
#[must_use]
pub fn clear_cookie(is_secure: bool) -> String {
    line("", cookie::time::Duration::ZERO, is_secure)
}

/// Whether the request carries a session cookie of either name, good or not.
#[must_use]
pub fn is_present(headers: &HeaderMap) -> bool {
    [PLAIN, SECURE].iter().any(|name| value_of(headers, name).is_some())
}

/// A cookie line without the cookies of this server; none if nothing else is in it.
#[must_use]
pub(super) fn without_own(line: &HeaderValue) -> Option<HeaderValue> {
    let is_foreign = |pair: &&[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        let is_own = [PLAIN, SECURE].iter().any(|own| own.as_bytes() == name);
        !pair.is_empty() && !is_own && !ticket::is_cookie(name)
    };
    let pairs = line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let foreign: Vec<&[u8]> = pairs.filter(is_foreign).collect();
    HeaderValue::from_bytes(&foreign.join(&b"; "[..])).ok().filter(|line| !line.is_empty())
}

pub(super) fn value_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

fn name(is_secure: bool) -> &'static str {
    if is_secure { SECURE } else { PLAIN }
}

fn line(value: &str, age: cookie::time::Duration, is_secure: bool) -> String {
    Cookie::build((name(is_secure), value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(is_secure)
        .max_age(age)
        .build()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_str(cookie).unwrap());
        headers
    }

    #[test]
    fn the_cookie_is_out_of_reach_for_scripts_and_foreign_forms() {
        let line = SessionToken::random().set_cookie(false);
        assert!(line.starts_with("moorline_session="), "{line}");
        for flag in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"] {
            assert!(line.contains(flag), "{flag} is not in {line}");
        }
        assert!(!line.contains("Secure") && !line.contains("Domain"));
    }

    #[test]
    fn behind_https_it_is_secure_and_bound_to_the_host() {
        let line = SessionToken::random().set_cookie(true);
        assert!(line.starts_with("__Host-moorline_session=") && line.contains("Secure"), "{line}");
    }

    #[test]
    fn a_token_comes_back_from_the_cookie_that_set_it() {
        let token = SessionToken::random();
        let line = token.set_cookie(false);
        let pair = line.split(';').next().unwrap();
        let headers = request(&format!("theme=dark; {pair}; x=y"));
        assert_eq!(SessionToken::of_request(&headers).unwrap().hash(), token.hash());
        assert!(is_present(&headers));
    }

    #[test]
    fn a_cookie_that_only_https_can_set_wins() {
        let (secure, plain) = (SessionToken::random(), SessionToken::random());
        let both = format!("moorline_session={}; __Host-moorline_session={}", plain.0, secure.0);
        assert_eq!(SessionToken::of_request(&request(&both)).unwrap().hash(), secure.hash());
    }

    #[test]
    fn a_cookie_of_another_shape_is_no_token() {
        for cookie in ["moorline_session=", "moorline_session=abc", "other=1", "", "=;=;"] {
            assert!(SessionToken::of_request(&request(cookie)).is_none(), "{cookie}");
        }
    }

    #[test]
    fn tokens_are_random_hidden_and_43_characters_of_256_bits() {
        let (one, two) = (SessionToken::random(), SessionToken::random());
        assert_ne!(one.hash(), two.hash());
        assert_eq!(one.0.len(), 43);
        assert!(!format!("{one:?}").contains(&one.0));
    }
}
