//! What is known of a connection before it is accepted: where it wants to go, who asks, from where.
//!
//! The router builds a `Scope` for each handshake, admissions add to it, and the consumer's `connect` reads it. It is
//! dropped after the handshake: a consumer keeps the few parts it needs, so that an idle connection stays small.

use std::net::IpAddr;

use http::{Extensions, HeaderMap, Uri};
use moorline_protocol::UserId;
use percent_encoding::percent_decode_str;

/// One handshake, as Channels' `scope` has it.
#[derive(Debug)]
pub struct Scope {
    /// The path and the query as the client sent them.
    pub uri: Uri,
    /// All request headers.
    pub headers: HeaderMap,
    /// The subprotocols that the client offers, in its order.
    pub subprotocols: Vec<String>,
    /// Where the client is.
    pub client: ClientAddress,
    /// The person, once an admission has found out who asks.
    pub user: Option<UserId>,
    /// What an admission leaves for the consumer, such as the session that a cookie named.
    pub extensions: Extensions,
    /// The parts of the path that the route names, decoded.
    pub parameters: Vec<(String, String)>,
}

/// Where a client is: the other end of the socket and what trusted proxies say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// The other end of the socket; none on a Unix socket.
    pub peer: Option<IpAddr>,
    /// The client as the nearest trusted proxy saw it; none without a trusted proxy in between.
    pub forwarded: Option<IpAddr>,
    /// Whether the client's own leg is encrypted, as a trusted proxy says.
    pub secure: bool,
}

impl Scope {
    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// A part of the path that the route names.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a query parameter, decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        self.query_all(name).next()
    }

    /// All values of a query parameter, decoded, in their order.
    pub fn query_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        self.uri.query().into_iter().flat_map(|query| query.split('&')).filter_map(move |pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }

    /// A header as text; none if it is absent or not ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl ClientAddress {
    /// The address that limits and logs go by.
    #[must_use]
    pub fn effective(&self) -> Option<IpAddr> {
        self.forwarded.or(self.peer)
    }

    /// Whether the client itself, not a proxy in front of others, is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.forwarded.is_none() && self.peer.is_none_or(|peer| peer.to_canonical().is_loopback())
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        let scope = Scope {
            uri: Uri::from_static("/ws?a=1&name=Ann%20B+C&flag"),
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            client: ClientAddress { peer: None, forwarded: None, secure: false },
            user: None,
            extensions: Extensions::new(),
            parameters: vec![("room".into(), "r1".into())],
        };
        assert_eq!(scope.query("name").as_deref(), Some("Ann B C"));
        assert_eq!(scope.query("flag").as_deref(), Some(""));
        assert_eq!(scope.query("b"), None);
        assert_eq!(scope.parameter("room"), Some("r1"));
    }
}
