//! The head of a stream's answer. It is written by hand, since hyper gives a socket up only before it has answered.

use std::fmt::Write;

use http::{HeaderName, HeaderValue, header};

use crate::{answer, cors};

/// Blanks before the first event: a proxy that passes nothing on before it has filled a buffer has filled it then.
const PADDING: usize = 2048;
/// How long an `EventSource` waits before it comes back: a second, and so much more, so that not all come at once.
const RETRY_SPREAD_MS: u32 = 2_000;

/// The head, the padding and the time after which to come back. The body ends with the connection, so it is in no chunks.
pub(crate) fn head(is_secure: bool, set_cookie: Option<HeaderValue>) -> Vec<u8> {
    let mut answer = axum::response::Response::new(axum::body::Body::empty());
    let headers = answer.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (header::CONNECTION, "close"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.extend(set_cookie.map(|line| (header::SET_COOKIE, line)));
    cors::open(headers);
    answer::secure(&mut answer, is_secure);
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    for (name, value) in answer.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let mut body = String::with_capacity(PADDING + 32);
    let retry = 1_000 + rand::random_range(0..RETRY_SPREAD_MS);
    // Writing to a String cannot fail.
    let _ = write!(body, "\r\n:{:PADDING$}\n\nretry: {retry}\n\n", "");
    head.extend_from_slice(body.as_bytes());
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_asks_proxies_to_hold_nothing_back_and_keeps_to_http() {
        let head = String::from_utf8(head(true, Some(HeaderValue::from_static("a=b")))).unwrap();
        let (lines, body) = head.split_once("\r\n\r\n").unwrap();
        assert!(lines.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream"), "{lines}");
        for line in [
            "cache-control: no-store, no-transform",
            "x-accel-buffering: no",
            "connection: close",
            "set-cookie: a=b",
            "access-control-allow-origin: *",
            "x-content-type-options: nosniff",
            "strict-transport-security: max-age=31536000",
        ] {
            assert!(lines.split("\r\n").any(|told| told == line), "{line} is not in {lines}");
        }
        assert!(body.starts_with(':') && body.len() > 2048, "{}", body.len());
        assert!(body.ends_with("\n\n") && body.contains("\nretry: "), "{body}");
    }
}
