//! Which answers a page of another site may read: those of the ways beside the WebSocket, for widgets where sockets are
//! blocked. Called by the service around every answer and by the head of a stream; it decides nothing else, and no cookie is ever let through.
//!
//! It is the rule of the WebSocket's origin check: with a token and without a cookie any page may connect, since it gains
//! nothing that it could not send itself. `*` says exactly that to a browser, which sends no cookie along then.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use moorline_protocol::api::Operation;

/// Streams, polls, and the commands and tickets beside them.
const PATHS: [&str; 4] = [
    Operation::OpenStream.path(),
    Operation::Poll.path(),
    Operation::CarryOut.path(),
    Operation::MakeTicket.path(),
];
/// What such a request carries: a token, JSON, where an `EventSource` goes on.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, last-event-id");
/// Two hours, the most that Chromium remembers: an own question before each poll would double them.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Whether pages of other sites may read what this path answers.
pub(crate) fn is_open(path: &str) -> bool {
    PATHS.contains(&path)
}

/// The answer to a browser that asks beforehand whether a page may send its request.
pub(crate) fn preflight<B>(request: &Request<B>) -> Option<Response> {
    let is_asked = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !is_asked || !is_open(request.uri().path()) {
        return None;
    }
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Some(answer)
}

/// Lets pages of other sites read an answer to a request without a cookie.
pub(crate) fn open(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, path: &str, wanted: Option<&str>) -> Request<()> {
        let request = Request::builder().method(method).uri(path);
        let request = match wanted {
            Some(wanted) => request.header("access-control-request-method", wanted),
            None => request,
        };
        request.body(()).unwrap()
    }

    #[test]
    fn a_page_may_ask_for_the_ways_beside_the_socket_and_for_nothing_else() {
        let answer = preflight(&asked("OPTIONS", "/api/v1/poll", Some("POST"))).unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let allowed = &answer.headers()["access-control-allow-headers"];
        assert!(allowed.to_str().unwrap().contains("authorization"));
        for path in ["/api/v1/session", "/api/v1/login", "/api/v1/users/ann", "/", "/api/v1/poll/x"]
        {
            assert!(!is_open(path), "{path}");
            assert!(preflight(&asked("OPTIONS", path, Some("POST"))).is_none(), "{path}");
        }
        assert!(preflight(&asked("OPTIONS", "/api/v1/poll", None)).is_none());
        assert!(preflight(&asked("POST", "/api/v1/poll", Some("POST"))).is_none());
    }

    #[test]
    fn no_cookie_is_ever_let_through() {
        let mut answer = preflight(&asked("OPTIONS", "/api/v1/stream", Some("GET"))).unwrap();
        open(answer.headers_mut());
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        assert!(!answer.headers().contains_key("access-control-allow-credentials"));
    }
}
