//! What stands before a consumer: layers that look at a handshake's scope, add to it, or refuse it.
//!
//! They run in the order in which a route names them, before the consumer's `connect` and before the upgrade, so what
//! they refuse never becomes a socket.

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::consumer::Refusal;
use crate::live::Live;
use crate::scope::Scope;

/// One layer before a consumer.
pub trait Admission: Send + Sync + 'static {
    /// Lets the handshake pass, perhaps with more in its scope, or refuses it.
    fn admit<'a>(&'a self, scope: &'a mut Scope) -> BoxFuture<'a, Result<(), Refusal>>;
}

/// Origins that a browser may come from, compared exactly: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Only pages of this server itself, as the request's own scheme and `Host` say.
    Own,
    /// Exactly these, each written as browsers do: `https://chat.example.org` or with a port.
    Listed(Vec<String>),
    /// What is in there at the moment of asking.
    Live(Live<Origins>),
}

/// Refuses handshakes from foreign pages. A socket that a cookie may sign in needs an `Origin` at all; `null` never
/// passes there.
#[derive(Debug, Clone)]
pub struct OriginCheck {
    origins: Origins,
    /// The cookie that makes an origin necessary; without it in the request any origin may connect, since then the
    /// page of another site gains nothing that it could not send itself.
    cookie: Option<String>,
    /// Headers that make it necessary too.
    headers: Vec<HeaderName>,
}

impl OriginCheck {
    /// Asks every handshake for an allowed origin.
    #[must_use]
    pub fn always(origins: Origins) -> Self {
        Self { origins, cookie: None, headers: Vec::new() }
    }

    /// Asks only handshakes that carry this cookie for an allowed origin.
    #[must_use]
    pub fn with_cookie(origins: Origins, cookie: impl Into<String>) -> Self {
        Self { origins, cookie: Some(cookie.into()), headers: Vec::new() }
    }

    /// Asks also those that carry one of these headers, whatever is in it: a browser may add it by itself, and somebody
    /// is known by it.
    #[must_use]
    pub fn or_headers(mut self, headers: &[HeaderName]) -> Self {
        self.headers.extend_from_slice(headers);
        self
    }

    /// Whether a request that is no handshake may come from where it comes. Browsers leave the origin out of a `GET` of the
    /// own page; then their own word on it counts, which no page can forge.
    pub(crate) fn passes(&self, headers: &HeaderMap, is_secure: bool) -> bool {
        !self.is_needed(headers) || self.is_own_page(headers, is_secure)
    }

    /// The same for one whose cookie is known to count.
    pub(crate) fn is_own_page(&self, headers: &HeaderMap, is_secure: bool) -> bool {
        let own = || {
            let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
            !headers.contains_key(header::ORIGIN) && site == Some(b"same-origin")
        };
        self.origins.allow(headers, is_secure) || own()
    }

    /// What a page is told that does not pass.
    pub(crate) const REFUSED: &str =
        "This page may not connect here: its origin is not on the list.";

    fn is_needed(&self, headers: &HeaderMap) -> bool {
        self.cookie.as_deref().is_none_or(|name| has_cookie(headers, name))
            || self.headers.iter().any(|name| headers.contains_key(name))
    }
}

impl Origins {
    /// Whether a request with these headers comes from an allowed origin. `is_secure` says whether the client's own
    /// leg is encrypted.
    #[must_use]
    pub fn allow(&self, headers: &HeaderMap, is_secure: bool) -> bool {
        let mut sent = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (sent.next(), sent.next()) else { return false };
        let Ok(origin) = origin.to_str() else { return false };
        match self {
            Self::Live(origins) => origins.get().allow(headers, is_secure),
            Self::Listed(listed) => listed.iter().any(|allowed| same_origin(allowed, origin)),
            Self::Own => {
                own_origin(headers, is_secure).is_some_and(|own| same_origin(&own, origin))
            }
        }
    }
}

impl Admission for OriginCheck {
    fn admit<'a>(&'a self, scope: &'a mut Scope) -> BoxFuture<'a, Result<(), Refusal>> {
        let is_fine = !self.is_needed(&scope.headers)
            || self.origins.allow(&scope.headers, scope.client.secure);
        Box::pin(std::future::ready(if is_fine {
            Ok(())
        } else {
            Err(Refusal::new(StatusCode::FORBIDDEN, "bad_origin", Self::REFUSED))
        }))
    }
}

fn own_origin(headers: &HeaderMap, is_secure: bool) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    Some(format!("{}://{host}", if is_secure { "https" } else { "http" }))
}

/// Scheme and host do not care about case; a port that the scheme implies may be left out.
fn same_origin(allowed: &str, origin: &str) -> bool {
    normal(allowed).is_some_and(|allowed| Some(allowed) == normal(origin))
}

fn normal(origin: &str) -> Option<String> {
    let origin = origin.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://")?;
    let implied = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    if authority.is_empty() || authority.contains(['/', '@', '?', '#', ' ', ',']) {
        return None;
    }
    Some(format!("{scheme}://{}", authority.strip_suffix(implied).unwrap_or(authority)))
}

fn has_cookie(headers: &HeaderMap, name: &str) -> bool {
    headers.get_all(header::COOKIE).iter().any(|line| {
        let line = String::from_utf8_lossy(line.as_bytes());
        line.split(';').any(|pair| {
            let (key, _) = pair.split_once('=').unwrap_or((pair, ""));
            let key = key.trim();
            // A prefix that browsers enforce does not make it another cookie.
            key == name || key.strip_prefix("__Host-") == Some(name)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn an_origin_passes_only_if_scheme_host_and_port_fit() {
        let listed = Origins::Listed(vec!["https://chat.example.org".into()]);
        for (origin, passes) in [
            ("https://chat.example.org", true),
            ("https://chat.example.org:443", true),
            ("https://CHAT.example.org", true),
            ("https://chat.example.org:8443", false),
            ("http://chat.example.org", false),
            ("https://chat.example.org.evil.net", false),
            ("https://evil-chat.example.org", false),
            ("https://sub.chat.example.org", false),
            ("https://example.org", false),
            ("https://chat.example.org/", false),
            ("https://chat.example.org@evil.net", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(listed.allow(&headers(&[("origin", origin)]), true), passes, "{origin}");
        }
        assert!(!listed.allow(&headers(&[]), true));
        let two = headers(&[
            ("origin", "https://chat.example.org"),
            ("origin", "https://chat.example.org"),
        ]);
        assert!(!listed.allow(&two, true));
    }

    #[test]
    fn the_own_origin_is_what_scheme_and_host_say() {
        let sent = headers(&[("host", "localhost:8000"), ("origin", "http://localhost:8000")]);
        assert!(Origins::Own.allow(&sent, false));
        assert!(!Origins::Own.allow(&sent, true));
        let foreign = headers(&[("host", "localhost:8000"), ("origin", "http://localhost:9000")]);
        assert!(!Origins::Own.allow(&foreign, false));
    }

    #[test]
    fn without_the_cookie_no_origin_is_needed() {
        let check = OriginCheck::with_cookie(Origins::Own, "moorline_session");
        assert!(!check.is_needed(&headers(&[("cookie", "theme=dark; xmoorline_session=1")])));
        assert!(check.is_needed(&headers(&[("cookie", "theme=dark; moorline_session=1")])));
        assert!(check.is_needed(&headers(&[("cookie", "__Host-moorline_session=1")])));
    }

    #[test]
    fn a_header_by_which_a_backend_knows_people_needs_an_origin_too() {
        let check = OriginCheck::with_cookie(Origins::Own, "moorline_session");
        let check = check.or_headers(&[header::COOKIE, HeaderName::from_static("x-team")]);
        assert!(check.is_needed(&headers(&[("cookie", "sessionid=1")])));
        assert!(check.is_needed(&headers(&[("x-team", "red")])));
        assert!(!check.is_needed(&headers(&[("accept", "text/html")])));
    }
}
