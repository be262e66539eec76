//! HTTP answers that the transport itself gives, and the headers that every answer carries.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::consumer::Refusal;

/// The content security policy of the chat page. Whoever serves the page sets it; `connect-src` must also name the
/// page's own `wss://host`, since older Safari does not count it under 'self'.
pub const PAGE_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'none'; \
    base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types svelte-trusted-html moorline-worker";

/// The policy of every answer that brings no own one: data, which runs nothing and is framed by nobody.
const DATA_CSP: &str = "default-src 'none'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, DATA_CSP),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// In an answer's extensions: who asked is known, so their connection counts no more among the unauthenticated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignedIn;

/// Adds the security headers that the answer does not bring itself.
pub(crate) fn secure(response: &mut Response, is_secure: bool) {
    let headers = response.headers_mut();
    let is_framed = may_be_framed(headers);
    for (name, value) in &SECURITY_HEADERS {
        // The older header knows no list of pages: beside a policy that names some it would only contradict.
        if is_framed && *name == header::X_FRAME_OPTIONS {
            continue;
        }
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(year);
    }
}

/// Whether the answer brings a policy that lets some pages frame it.
fn may_be_framed(headers: &HeaderMap) -> bool {
    let policy =
        headers.get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    policy.is_some_and(|policy| {
        policy.contains("frame-ancestors ") && !policy.contains("frame-ancestors 'none'")
    })
}

/// An error as all of the HTTP API gives it.
pub(crate) fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({"error": {"code": code, "message": message}}).to_string();
    let mut response = (status, body).into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut response = error(self.status, self.code, &self.text);
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UPGRADE_REQUIRED => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            // Only streams and polls refuse a method so; RFC 9110 section 15.5.6 asks for those that they take.
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(policy: Option<&'static str>) -> HeaderMap {
        let mut response = Response::new(Body::empty());
        if let Some(policy) = policy {
            let policy = HeaderValue::from_static(policy);
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        secure(&mut response, false);
        response.headers().clone()
    }

    #[test]
    fn nothing_is_framed_unless_its_policy_names_a_page() {
        for policy in [None, Some(PAGE_CSP), Some("default-src 'none'; frame-ancestors 'none'")] {
            assert_eq!(answered(policy)[header::X_FRAME_OPTIONS], "DENY", "{policy:?}");
        }
        let named =
            Some("default-src 'none'; frame-ancestors https://shop.example; base-uri 'none'");
        assert!(!answered(named).contains_key(header::X_FRAME_OPTIONS));
        assert_eq!(answered(named)[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
}
