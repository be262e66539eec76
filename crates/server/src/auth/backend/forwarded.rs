//! What of a request is shown to the backend. It stays with a connection, since the backend is asked again with it; it
//! holds secrets of another program, so nothing here can be printed.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::auth::cookie;

/// The chosen headers of one request.
#[derive(Clone)]
pub struct Forwarded {
    headers: HeaderMap,
    key: [u8; 32],
}

impl std::fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Forwarded(hidden)")
    }
}

impl Forwarded {
    /// Those of a request; none where it has none of them, which then is nobody's. Our own cookie is not for the backend.
    pub(in crate::auth) fn of(request: &HeaderMap, names: &[HeaderName]) -> Option<Self> {
        let mut headers = HeaderMap::new();
        for name in names {
            for value in request.get_all(name) {
                let value = match *name {
                    header::COOKIE => cookie::without_own(value),
                    _ => Some(value.clone()),
                };
                if let Some(mut value) = value {
                    value.set_sensitive(true);
                    headers.append(name.clone(), value);
                }
            }
        }
        let key = key(&headers, names);
        (!headers.is_empty()).then_some(Self { headers, key })
    }

    /// As they go out.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// A digest that no other content has.
    pub(super) fn key(&self) -> &[u8; 32] {
        &self.key
    }
}

/// Lengths stand before what they measure, so that no two contents read the same.
fn key(headers: &HeaderMap, names: &[HeaderName]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for name in names {
        let values: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
        digest.update((values.len() as u64).to_le_bytes());
        for value in values {
            digest.update((value.len() as u64).to_le_bytes());
            digest.update(value.as_bytes());
        }
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &'static str)]) -> Option<Forwarded> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Forwarded::of(&headers, &[header::COOKIE, HeaderName::from_static("x-team")])
    }

    #[test]
    fn only_the_chosen_headers_go_out_and_never_our_own_cookie() {
        let shown = of(&[
            ("cookie", "moorline_session=secret; sessionid=abc;__Host-moorline_session=x; a=b"),
            ("authorization", "Bearer x"),
            ("x-team", "red"),
        ]);
        let shown = shown.unwrap();
        assert_eq!(shown.headers()["cookie"], "sessionid=abc; a=b");
        assert_eq!(
            (shown.headers().len(), &shown.headers()["x-team"]),
            (2, &"red".parse().unwrap())
        );
    }

    #[test]
    fn a_request_without_any_of_them_is_nobodys() {
        assert!(of(&[]).is_none());
        assert!(of(&[("authorization", "Bearer x")]).is_none());
        assert!(of(&[("cookie", "moorline_session=secret")]).is_none());
    }

    #[test]
    fn another_content_has_another_key_however_it_is_cut() {
        let key = |pairs: &[_]| *of(pairs).unwrap().key();
        let keys = [
            key(&[("cookie", "a=1")]),
            key(&[("cookie", "a=2")]),
            key(&[("x-team", "a=1")]),
            key(&[("x-team", "a"), ("x-team", "=1")]),
            key(&[("cookie", "a=1"), ("x-team", "red")]),
        ];
        for (place, one) in keys.iter().enumerate() {
            assert!(!keys[..place].contains(one), "{place}");
        }
        assert_eq!(key(&[("cookie", "a=1")]), key(&[("cookie", "a=1"), ("accept", "x")]));
    }

    #[test]
    fn it_cannot_be_printed() {
        let shown = of(&[("cookie", "sessionid=abc")]).unwrap();
        assert!(!format!("{shown:?} {:?}", shown.headers()).contains("abc"));
    }
}
