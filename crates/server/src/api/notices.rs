//! The server API about notices: what a backend tells a room's people, or one person, at once and unstored. The rules are
//! those of `chat.notice` over the channel layer.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use moorline_chat::{NoticeDraft, Reason, Refusal, now_ms};
use moorline_protocol::ErrorCode;
use moorline_protocol::api::{NoticeShown, PostNotice};

use super::body::JsonBody;
use super::failure::{Failure, json};
use super::{Api, idempotency_key};

/// `POST /api/v1/notices`: the same id again, on whatever node, is answered alike and shown to nobody twice.
pub(super) async fn post(
    State(api): State<Api>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<PostNotice>,
) -> Result<Response, Failure> {
    let PostNotice { room, user, name, data, id, at } = body;
    let key = idempotency_key(&headers)?;
    if id.is_some() && key.is_some() && id != key {
        let text = "The header Idempotency-Key and the field `id` name different notices.";
        return Err(Failure::new(ErrorCode::Invalid, text));
    }
    let draft = NoticeDraft { room, user, name, data, id: id.or(key), at_ms: at };
    let shown = api.chat.notify(draft, now_ms()).await.map_err(refused)?;
    let (repeated, everywhere) = (shown.is_repeated, shown.is_everywhere);
    Ok(json(StatusCode::OK, &NoticeShown { repeated, everywhere }))
}

/// What the layer would answer, as a refusal over HTTP.
fn refused(refusal: Refusal) -> Failure {
    let code = match refusal.reason {
        Reason::TooLarge => ErrorCode::TooLarge,
        Reason::TooDeep => ErrorCode::TooDeep,
        Reason::NotFound => ErrorCode::NotFound,
        Reason::Unavailable => ErrorCode::Unavailable,
        _ => ErrorCode::Invalid,
    };
    let failure = Failure::new(code, sentence(&refusal.text));
    match (refusal.retry_after_ms, code.is_retryable()) {
        (Some(ms), _) => failure.after(std::time::Duration::from_millis(ms)),
        (None, true) => failure.after(std::time::Duration::from_millis(500)),
        (None, false) => failure,
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
