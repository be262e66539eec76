//! Why this server refuses a token, for its operator; clients never learn it.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use moorline_chat::now_ms;
use moorline_protocol::admin::{InspectToken, TokenVerdict};

use super::Node;
use crate::api::body::JsonBody;
use crate::api::failure::{Failure, json};

/// `POST token`: judged by what judges every sign-in, the store's word on its person included.
pub(super) async fn inspect(
    State(node): State<Node>,
    JsonBody(InspectToken { token }): JsonBody<InspectToken>,
) -> Result<Response, Failure> {
    let why = node.auth.why_refused(&token).await?;
    let verdict = TokenVerdict { good: why.is_none(), why, now: now_ms() / 1_000 };
    Ok(json(StatusCode::OK, &verdict))
}
