//! The server API about people: make or rename one, end all of someone's sessions.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use moorline_chat::now_ms;
use moorline_protocol::api::{PutUser, Revoked};
use moorline_protocol::{ErrorCode, Person, UserId};
use moorline_store::{DELETED_USER, SYSTEM_USER};

use super::body::JsonBody;
use super::failure::{Failure, json};
use super::path::Path;
use super::{Api, id};
use crate::auth::{RESERVED, names};

/// `PUT /api/v1/users/{id}`: the same again changes nothing.
pub(super) async fn put(
    State(api): State<Api>,
    Path(user): Path<String>,
    JsonBody(body): JsonBody<PutUser>,
) -> Result<Response, Failure> {
    let user = UserId::new(&user)
        .map_err(|error| Failure::new(ErrorCode::Invalid, format!("{error}.")))?;
    let name = names::display(&body.name)
        .map_err(|error| Failure::new(ErrorCode::Invalid, error.to_string()))?;
    let store = api.chat.store();
    let known = store.user(&user).await?;
    let is_reserved =
        user.as_str().starts_with(RESERVED) || [SYSTEM_USER, DELETED_USER].contains(&user.as_str());
    if is_reserved && !known.as_ref().is_some_and(|known| known.has_account) {
        let text = "This id is reserved: ids that begin with u_ belong to built-in accounts.";
        return Err(Failure::new(ErrorCode::Invalid, text));
    }
    if store.put_user(user.clone(), name.clone(), now_ms()).await? {
        api.chat.hub().renamed(&user, &name);
    }
    let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json(status, &Person { id: user, name, presence: None }))
}

/// `DELETE /api/v1/users/{id}/sessions`: signs someone out everywhere, within 5 s on every node.
pub(super) async fn revoke_sessions(
    State(api): State<Api>,
    Path(user): Path<String>,
) -> Result<Response, Failure> {
    let user: UserId = id(&user).map_err(|_| no_such_person())?;
    api.chat.store().user(&user).await?.ok_or_else(no_such_person)?;
    let sessions = api.chat.store().revoke_sessions(user, now_ms()).await?;
    Ok(json(StatusCode::OK, &Revoked { sessions }))
}

fn no_such_person() -> Failure {
    Failure::new(ErrorCode::NotFound, "There is no such person.")
}
