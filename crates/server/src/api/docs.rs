//! `/api/docs`: the API's account of itself, made from the Rust types by `cargo xtask schema` and built in. Nothing of
//! it is secret, and nothing of it runs: the page has no script.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

const PAGE: &str = include_str!("../../../../docs/schema/index.html");
const STYLE: &str = include_str!("../../../../docs/schema/style.css");
const OPENAPI: &str = include_str!("../../../../docs/schema/openapi.json");
const ASYNCAPI: &str = include_str!("../../../../docs/schema/asyncapi.json");

/// The page may have its own style sheet and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'none'";

pub(super) async fn page() -> Response {
    let mut response = file(PAGE, "text/html; charset=utf-8");
    let policy = HeaderValue::from_static(POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

pub(super) async fn style() -> Response {
    file(STYLE, "text/css; charset=utf-8")
}

pub(super) async fn openapi() -> Response {
    file(OPENAPI, "application/json")
}

pub(super) async fn asyncapi() -> Response {
    file(ASYNCAPI, "application/json")
}

fn file(text: &'static str, kind: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Another version of the server has other documents.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
