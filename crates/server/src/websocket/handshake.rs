//! The opening handshake (RFC 6455 section 4.2): what a request must say, and the answer to it.

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};
use sha1_smol::Sha1;

use crate::consumer::Refusal;

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether the request asks for an upgrade to WebSocket at all.
pub(crate) fn is_upgrade<B>(request: &Request<B>) -> bool {
    has_token(request.headers(), header::UPGRADE, "websocket")
}

/// Checks the request and computes the answer to its key.
pub(crate) fn accept_key<B>(request: &Request<B>) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    if request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return Err(bad("A WebSocket handshake is a GET of HTTP/1.1."));
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(bad("A WebSocket handshake says `Connection: Upgrade`."));
    }
    if single(headers, header::SEC_WEBSOCKET_VERSION) != Some("13") {
        let text = "Only version 13 of the WebSocket protocol is spoken here.";
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, "invalid", text));
    }
    let key = single(headers, header::SEC_WEBSOCKET_KEY).unwrap_or_default();
    if STANDARD.decode(key).map(|key| key.len()) != Ok(16) {
        return Err(bad("`Sec-WebSocket-Key` must be 16 bytes in base64, once."));
    }
    let mut sha1 = Sha1::new();
    sha1.update(key.as_bytes());
    sha1.update(GUID);
    let answer = STANDARD.encode(sha1.digest().bytes());
    HeaderValue::try_from(answer).map_err(|_| bad("The key has no answer."))
}

/// The subprotocols on offer, in the client's order.
pub(crate) fn subprotocols(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    names.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn bad(text: &'static str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "invalid", text)
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|word| word.trim().eq_ignore_ascii_case(token))
}

/// A header's value if it is there exactly once.
fn single(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}

/// The answer that lets the client go on as a WebSocket.
pub(crate) fn switching(key: HeaderValue, subprotocol: Option<&str>) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    if let Some(name) = subprotocol.and_then(|name| HeaderValue::from_str(name).ok()) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(changes: &[(&'static str, Option<&'static str>)]) -> Request<()> {
        let mut request = Request::new(());
        let fine = [
            ("connection", Some("keep-alive, Upgrade")),
            ("upgrade", Some("websocket")),
            ("sec-websocket-version", Some("13")),
            ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ==")),
        ];
        for (name, value) in fine.iter().chain(changes) {
            match value {
                Some(value) => request.headers_mut().insert(*name, value.parse().unwrap()),
                None => request.headers_mut().remove(*name),
            };
        }
        request
    }

    #[test]
    fn the_key_of_the_rfc_has_the_answer_of_the_rfc() {
        assert_eq!(accept_key(&request(&[])).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_missing_or_wrong_part_is_refused() {
        for (name, value, status) in [
            ("connection", Some("close"), 400),
            ("sec-websocket-version", Some("8"), 426),
            ("sec-websocket-version", None, 426),
            ("sec-websocket-key", None, 400),
            ("sec-websocket-key", Some("c2hvcnQ="), 400),
            ("sec-websocket-key", Some("not base64"), 400),
        ] {
            let refusal = accept_key(&request(&[(name, value)])).unwrap_err();
            assert_eq!(refusal.status.as_u16(), status, "{name}: {value:?}");
        }
    }
}
