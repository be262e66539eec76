//! The server API about what is kept of a person: erasing them, and all that is known of one. `retention` has rooms.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use moorline_chat::{Erased, Export, now_ms};
use moorline_protocol::api::ErasedPerson;
use moorline_protocol::{ErrorCode, UserId};
use moorline_store::{Error, Store};

use super::failure::{Failure, empty, json};
use super::path::Path;
use super::{Api, id};

/// How long a request waits for the end of an erasing, which goes on without it: below every proxy's patience.
const PATIENCE: Duration = Duration::from_secs(10);

/// `DELETE /api/v1/users/{id}`: 200 once all is done, 202 while it goes on; asked again, it tells how it stands.
pub(super) async fn erase(
    State(api): State<Api>,
    Path(user): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let user: UserId = id(&user).map_err(|_| no_such_person())?;
    let keeps_messages = match query.iter().find(|(name, _)| name == "messages") {
        None => api.keeps_messages,
        Some((_, way)) if way == "tombstone" => false,
        Some((_, way)) if way == "keep" => true,
        Some(_) => {
            let text = "`messages` must be tombstone or keep.";
            return Err(Failure::new(ErrorCode::Invalid, text));
        }
    };
    let erased = match api.chat.erase(&user, keeps_messages, PATIENCE).await {
        Err(Error::UnknownUser) => return Err(no_such_person()),
        other => other?,
    };
    let (status, done) = match erased {
        Erased::Through => (StatusCode::OK, true),
        Erased::Begun => (StatusCode::ACCEPTED, false),
    };
    Ok(json(status, &ErasedPerson { id: user, done }))
}

/// `GET /api/v1/users/{id}/export`.
pub(super) async fn export(
    State(api): State<Api>,
    Path(user): Path<String>,
) -> Result<Response, Failure> {
    let user: UserId = id(&user).map_err(|_| no_such_person())?;
    exported(api.chat.store(), &user).await
}

/// All that is known of a person as a file, a piece at a time as the peer reads. Where the store fails in between, the
/// connection breaks, so that nobody takes a part for the whole.
pub(crate) async fn exported(store: &Store, user: &UserId) -> Result<Response, Failure> {
    let export = Export::begin(store, user, now_ms()).await?.ok_or_else(no_such_person)?;
    let pieces = stream::try_unfold(export, |mut export| async move {
        let piece = export.next().await.inspect_err(|error| {
            tracing::warn!(%error, "an export ended early: the store could not be read");
        })?;
        Ok::<_, Error>(piece.map(|piece| (piece, export)))
    });
    let mut response = empty(StatusCode::OK);
    *response.body_mut() = Body::from_stream(pieces);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let name = HeaderValue::from_static("attachment; filename=\"moorline-export.json\"");
    headers.insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

fn no_such_person() -> Failure {
    Failure::new(ErrorCode::NotFound, "There is no such person.")
}
