//! How long a room's events are kept: for a backend with the API key, for a room's members to read, and for its owner to
//! set from the page. What is over its time is pruned by the chat's upkeep, never here.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use moorline_protocol::api::RoomRetention;
use moorline_protocol::{ErrorCode, Role, RoomId};
use moorline_store::SetRetention;

use super::body::JsonBody;
use super::failure::{Failure, json};
use super::path::Path;
use super::{Api, id, key, search};
use crate::auth::csrf;
use crate::scope::ClientAddress;

/// A century, so that no sum of times runs over.
const MOST_SECONDS: u64 = 100 * 366 * 86_400;

/// `GET /api/v1/rooms/{id}/retention`.
pub(super) async fn get(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(room): Path<String>,
) -> Result<Response, Failure> {
    if let Some(refused) = refused_backend(&api, &headers) {
        return Ok(refused);
    }
    let room: RoomId = id(&room)?;
    asker(&api, &headers, &room).await?;
    let seconds = api.chat.store().retention(&room).await?;
    Ok(json(StatusCode::OK, &RoomRetention { seconds }))
}

/// `PUT /api/v1/rooms/{id}/retention`: the same again changes nothing.
pub(super) async fn put(
    State(api): State<Api>,
    client: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    Path(room): Path<String>,
    JsonBody(body): JsonBody<RoomRetention>,
) -> Result<Response, Failure> {
    if let Some(refused) = refused_backend(&api, &headers) {
        return Ok(refused);
    }
    csrf::check(&api.origins, &headers, client.is_some_and(|client| client.secure))?;
    let room: RoomId = id(&room)?;
    if asker(&api, &headers, &room).await? == Asker::Other {
        let text = "Only the room's owner says how long its messages are kept.";
        return Err(Failure::new(ErrorCode::Forbidden, text));
    }
    let RoomRetention { seconds } = body;
    if seconds.is_some_and(|seconds| seconds > MOST_SECONDS) {
        let text = "`seconds` must be at most a century; 0 keeps the room's events for ever.";
        return Err(Failure::new(ErrorCode::Invalid, text));
    }
    api.chat.store().set_retention(SetRetention { room, seconds }).await?;
    Ok(json(StatusCode::OK, &body))
}

/// The answer to a request that shows a key which is none.
fn refused_backend(api: &Api, headers: &HeaderMap) -> Option<Response> {
    let is_backend = headers.contains_key(header::AUTHORIZATION);
    is_backend.then(|| key::check(api, headers).err().map(key::refused)).flatten()
}

/// Who asks, to whom the room is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    Backend,
    Owner,
    Other,
}

async fn asker(api: &Api, headers: &HeaderMap, room: &RoomId) -> Result<Asker, Failure> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Ok(Asker::Backend);
    }
    let user = search::signed_in(api, headers).await?;
    let (info, _) = api.chat.store().room_of(&user, room).await?;
    Ok(if info.role == Some(Role::Owner) { Asker::Owner } else { Asker::Other })
}
