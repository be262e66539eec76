//! Refusals over HTTP: one shape, one place where causes become statuses.
//! Handlers return these; the inside of the server is never told.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use moorline_protocol::ErrorCode;
use moorline_protocol::api::{ErrorBody, ErrorDetail};
use serde::Serialize;
use tracing::warn;

/// A request that is not answered as wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    code: ErrorCode,
    message: String,
    retry_after_ms: Option<u64>,
}

impl Failure {
    /// A refusal with the usual text of its code.
    #[must_use]
    pub(crate) fn of(code: ErrorCode) -> Self {
        Self::new(code, code.text())
    }

    /// A refusal with a text of its own.
    #[must_use]
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// Says when to try again.
    #[must_use]
    pub(crate) fn after(mut self, wait: std::time::Duration) -> Self {
        self.retry_after_ms = u64::try_from(wait.as_millis()).ok();
        self
    }
}

impl From<moorline_chat::Error> for Failure {
    fn from(error: moorline_chat::Error) -> Self {
        let code = error.code();
        if matches!(code, ErrorCode::Unavailable | ErrorCode::StorageFull | ErrorCode::Internal) {
            warn!(error = %error, "the store could not serve an HTTP request: {error}");
        }
        let retry_after_ms = error.retry_after_ms().or(code.is_retryable().then_some(500));
        Self { code, message: error.text(), retry_after_ms }
    }
}

impl From<moorline_store::Error> for Failure {
    fn from(error: moorline_store::Error) -> Self {
        moorline_chat::Error::from(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.http_status());
        let Self { code, message, retry_after_ms } = self;
        let body = ErrorBody { error: ErrorDetail { code, message, retry_after_ms } };
        let mut response = json(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &body);
        if let Some(ms) = retry_after_ms {
            response.headers_mut().insert(header::RETRY_AFTER, ms.div_ceil(1_000).into());
        }
        response
    }
}

/// An answer in JSON that no cache keeps. The transport adds the headers that every answer carries.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let Ok(text) = serde_json::to_vec(body) else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = empty(status);
    *response.body_mut() = Body::from(text);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a path under `/api` answers that is none.
pub(crate) async fn no_such_path() -> Failure {
    Failure::new(ErrorCode::NotFound, "There is no such path in this API.")
}

/// What a known path answers to a method that it does not have.
pub(crate) async fn no_such_method() -> Failure {
    Failure::of(ErrorCode::MethodNotAllowed)
}
