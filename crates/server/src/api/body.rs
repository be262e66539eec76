//! Reading a JSON body: its type is checked, and a refusal says which field is wrong. The transport bounds size and
//! time of all bodies; the bound here is for callers without it.

use std::error::Error;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use moorline_protocol::ErrorCode;
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// A message of 64 KiB in JSON may be six times as long; a list of members of a large room fits too.
const MAX_BYTES: usize = 1024 * 1024;

/// A JSON body of this type.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

/// A JSON body as it came, for those who take parts of it as they are.
pub(crate) struct RawJson(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for RawJson {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        if !is_json(request.headers()) {
            return Err(Failure::of(ErrorCode::UnsupportedMediaType));
        }
        read(request.into_body()).await.map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let RawJson(bytes) = RawJson::from_request(request, state).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                Failure::new(ErrorCode::Invalid, format!("The body does not fit: {error}."))
            }
            _ => Failure::of(ErrorCode::BadJson),
        })
    }
}

async fn read(body: Body) -> Result<Bytes, Failure> {
    axum::body::to_bytes(body, MAX_BYTES).await.map_err(|error| {
        if is_too_long(&error) {
            return Failure::new(ErrorCode::TooLarge, "The body is longer than 1 MiB.");
        }
        Failure::new(ErrorCode::Invalid, "The body did not arrive in time.")
    })
}

/// Whether a body could not be read because it is over its limit.
pub(crate) fn is_too_long(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}
