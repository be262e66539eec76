//! Where the site lies and what it calls itself: the path before all of its paths, and the `Server` header.

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, header};

/// Takes the site's own path from the front of a request's. A request without it passes as it is, since a proxy may have
/// taken it away.
pub(crate) fn below_root<B>(request: &mut Request<B>, root: &str) {
    let Some(rest) = request.uri().path().strip_prefix(root) else { return };
    if root.is_empty() || !(rest.is_empty() || rest.starts_with('/')) {
        return;
    }
    let path = if rest.is_empty() { "/" } else { rest };
    let path = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(path).ok();
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Says in an answer what serves it.
pub(crate) fn sign<B>(response: &mut Response<B>, name: Option<&HeaderValue>) {
    if let Some(name) = name {
        response.headers_mut().insert(header::SERVER, name.clone());
    }
}

/// The same in a head that is already written.
pub(crate) fn sign_head(head: &mut Vec<u8>, name: Option<&HeaderValue>) {
    let first_line = head.windows(2).position(|pair| pair == b"\r\n");
    if let (Some(name), Some(end)) = (name, first_line) {
        let line = [b"server: ", name.as_bytes(), b"\r\n"].concat();
        head.splice(end + 2..end + 2, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(root: &str, uri: &str) -> String {
        let mut request = Request::builder().uri(uri).body(()).unwrap();
        below_root(&mut request, root);
        request.uri().to_string()
    }

    #[test]
    fn the_sites_path_is_taken_away_where_it_is_a_whole_segment() {
        for (uri, expected) in [
            ("/chat/ws?a=1", "/ws?a=1"),
            ("/chat/", "/"),
            ("/chat", "/"),
            ("/chat?a=1", "/?a=1"),
            ("/ws", "/ws"),
            ("/chatter/ws", "/chatter/ws"),
            ("/other/chat/ws", "/other/chat/ws"),
        ] {
            assert_eq!(below("/chat", uri), expected, "{uri}");
            assert_eq!(below("", uri), uri);
        }
    }

    #[test]
    fn a_name_stands_in_written_heads_too() {
        let mut head = b"HTTP/1.1 200 OK\r\na: b\r\n\r\n".to_vec();
        sign_head(&mut head, None);
        sign_head(&mut head, Some(&HeaderValue::from_static("chat")));
        assert_eq!(head, b"HTTP/1.1 200 OK\r\nserver: chat\r\na: b\r\n\r\n");
    }
}
