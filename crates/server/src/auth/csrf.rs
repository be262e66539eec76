//! Keeps foreign pages from acting in the name of whoever visits them: every request that changes something must
//! come from an allowed page, or from no page at all and without a cookie.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};
use moorline_protocol::ErrorCode;

use super::cookie;
use super::sign_in::SignIn;
use crate::admission::Origins;
use crate::api::failure::Failure;
use crate::scope::ClientAddress;

/// Refuses requests of foreign pages before any handler sees them.
pub(super) async fn guard(
    State(sign_in): State<Arc<SignIn>>,
    request: Request,
    next: Next,
) -> Response {
    let is_secure = request.extensions().get().is_some_and(|client: &ClientAddress| client.secure);
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let checked = match is_safe {
        true => Ok(()),
        false => check(&sign_in.origins, request.headers(), is_secure),
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// Refuses a request that changes something and comes from a page that is not allowed.
pub(crate) fn check(
    origins: &Origins,
    headers: &HeaderMap,
    is_secure: bool,
) -> Result<(), Failure> {
    if may_change(origins, headers, is_secure) {
        return Ok(());
    }
    let text = match headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) {
        Some(origin) => format!(
            "Pages from {origin} may not do this. If this is the server's own address, start it with \
             --origin {origin}, or with --trusted-proxy for the proxy in front of it."
        ),
        None => "A request with a session cookie needs an Origin header.".to_owned(),
    };
    Err(Failure::new(ErrorCode::BadOrigin, text))
}

fn may_change(origins: &Origins, headers: &HeaderMap, is_secure: bool) -> bool {
    if headers.contains_key(header::ORIGIN) {
        return origins.allow(headers, is_secure);
    }
    match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
        Some(b"same-origin") => true,
        Some(b"same-site" | b"cross-site") => false,
        // A script or curl; browsers of the last years send one of the two headers.
        _ => !cookie::is_present(headers),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn may(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("chat.example:8000"));
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        may_change(&Origins::Own, &headers, false)
    }

    #[test]
    fn only_the_own_page_may_whatever_looks_like_it() {
        assert!(may(&[("origin", "http://chat.example:8000")]));
        let foreign = [
            "http://chat.example",
            "http://chat.example:8001",
            "https://chat.example:8000",
            "http://evil-chat.example:8000",
            "http://chat.example:8000.evil.example",
            "http://chat.example.evil.example:8000",
            "http://sub.chat.example:8000",
            "http://example:8000",
            "http://chat.example:8000/",
            "null",
            "",
        ];
        for origin in foreign {
            assert!(!may(&[("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn a_foreign_origin_is_not_saved_by_the_fetch_metadata() {
        assert!(!may(&[("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn without_an_origin_the_fetch_metadata_decides() {
        assert!(may(&[("sec-fetch-site", "same-origin")]));
        assert!(!may(&[("sec-fetch-site", "same-site")]));
        assert!(!may(&[("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn a_script_may_sign_in_but_a_cookie_needs_an_origin() {
        assert!(may(&[]));
        assert!(!may(&[("cookie", "moorline_session=x")]));
        assert!(!may(&[("cookie", "a=b; __Host-moorline_session=x"), ("sec-fetch-site", "none")]));
    }
}
