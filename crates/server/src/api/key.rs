//! The API key: compared without telling, by its time, how much of a guess was right.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use moorline_protocol::ErrorCode;
use sha2::{Digest, Sha256};

use super::Api;
use super::failure::Failure;

/// The key's hash; the key itself is not kept.
#[derive(Clone)]
pub struct ApiKey([u8; 32]);

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(hidden)")
    }
}

impl ApiKey {
    /// Keeps the hash of a key.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Whether this is the key. All 32 bytes of the hashes are compared, wherever they differ.
    #[must_use]
    pub fn is(&self, key: &str) -> bool {
        let other: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let differences = self.0.iter().zip(other).fold(0, |sum, (one, two)| sum | (one ^ two));
        std::hint::black_box(differences) == 0
    }
}

/// Lets a request pass that carries the key.
pub(super) async fn require(State(api): State<Api>, request: Request, next: Next) -> Response {
    match check(&api, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refused(refusal),
    }
}

/// Whether a request carries the key; else why it is refused.
pub(super) fn check(api: &Api, headers: &HeaderMap) -> Result<(), &'static str> {
    match (&api.key, shown(headers)) {
        (Some(key), Some(shown)) if key.is(shown) => Ok(()),
        (None, _) => Err("The server API is off. Start the server with --api-key-file."),
        (Some(_), None) => Err("Send the API key as `Authorization: Bearer KEY`."),
        (Some(_), Some(_)) => Err("This is not the API key."),
    }
}

/// The key or token that a request shows.
pub(crate) fn shown(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok().and_then(bearer)
}

/// The answer to a request without the key.
pub(crate) fn refused(why: &str) -> Response {
    let mut response = Failure::new(ErrorCode::Unauthorized, why).into_response();
    let challenge = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_is_the_key() {
        let key = ApiKey::new("correct horse");
        assert!(key.is("correct horse"));
        for wrong in ["", "correct", "correct horse ", "Correct horse", "correct horse\0"] {
            assert!(!key.is(wrong), "{wrong}");
        }
        assert!(!format!("{key:?}").contains("correct"));
    }

    #[test]
    fn the_scheme_may_be_written_in_any_case() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
