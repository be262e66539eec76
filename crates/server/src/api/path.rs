//! The parts of a request's path, with a refusal in the API's own shape where one is no text. Handlers of `api` and `auth`
//! take it.

use axum::extract::FromRequestParts;
use http::request::Parts;
use moorline_protocol::ErrorCode;
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// As axum's own, whose refusal is plain text.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(_) => Err(Failure::new(ErrorCode::Invalid, "The path must be text in UTF-8.")),
        }
    }
}
