//! What happens on this node, line by line, as long as the operator listens.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::response::Response;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use moorline_chat::{Wanted, Watch, now_ms};
use moorline_protocol::ErrorCode;
use moorline_protocol::admin::{Line, What};
use tokio::time::{Duration, timeout};

use super::Node;
use super::query::{Pairs, all, check, invalid, one};
use crate::api::failure::{Failure, empty};

/// An empty line goes out after so much quiet, so that a listener who is gone is noticed.
const QUIET: Duration = Duration::from_secs(15);

/// `GET tail?room=&user=&kind=&text=1`: one JSON object a line, an empty line now and then.
pub(super) async fn tail(
    State(node): State<Node>,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Failure> {
    let watch = node.chat.hub().tap().watch(wanted(&pairs)?).ok_or_else(|| {
        let text = "Too many watch this node already; end one of the others.";
        Failure::new(ErrorCode::RateLimited, text)
    })?;
    let lines =
        stream::unfold(Tailing::Begins(watch), |tailing| async move { tailing.next().await });
    let mut response = empty(StatusCode::OK);
    *response.body_mut() = Body::from_stream(lines);
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Where an answer is.
enum Tailing {
    /// Nothing was said yet.
    Begins(Watch),
    Goes(Watch),
    Ended,
}

impl Tailing {
    async fn next(self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let mut watch = match self {
            // At once, so that the listener knows that it misses nothing from here on.
            Self::Begins(watch) => return Some((Ok(Bytes::from_static(b"\n")), Self::Goes(watch))),
            Self::Goes(watch) => watch,
            Self::Ended => return None,
        };
        match timeout(QUIET, watch.next()).await {
            Err(_) => Some((Ok(Bytes::from_static(b"\n")), Self::Goes(watch))),
            Ok(Some(line)) => Some((Ok(text(&line)), Self::Goes(watch))),
            Ok(None) => {
                let end = Line { at: now_ms(), room: None, user: None, what: What::End };
                Some((Ok(text(&end)), Self::Ended))
            }
        }
    }
}

fn text(line: &Line) -> Bytes {
    // Only words and numbers are in it, so there is always a form for it.
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

fn wanted(pairs: &Pairs) -> Result<Wanted, Failure> {
    check(pairs, &["room", "user", "kind", "text"])?;
    let kinds: Vec<String> = all(pairs, "kind")?;
    if let Some(unknown) = kinds.iter().find(|kind| !What::KINDS.contains(&kind.as_str())) {
        let unknown = moorline_protocol::admin::cut(unknown, 40);
        let known = What::KINDS.join(", ");
        return Err(invalid(format!("There is no kind `{unknown}`, only: {known}.")));
    }
    Ok(Wanted {
        rooms: all(pairs, "room")?,
        users: all(pairs, "user")?,
        kinds,
        with_texts: one(pairs, "text") == Some("1"),
    })
}
