//! What a person may do with what is known of themselves: change the name that others read, download all of it. Mounted
//! by the sign-in; knows no password.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use moorline_chat::now_ms;
use moorline_protocol::api::{PutUser, SignedIn};
use moorline_protocol::{ErrorCode, Person};

use super::names;
use super::sign_in::SignIn;
use crate::api::body::JsonBody;
use crate::api::failure::{Failure, json};
use crate::api::upkeep::exported;

/// `PUT /api/v1/profile`: another name for whoever asks; open windows hear of it.
pub(super) async fn rename(
    State(sign_in): State<Arc<SignIn>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<PutUser>,
) -> Result<Response, Failure> {
    let (identity, _) = sign_in.identity(&headers).await?;
    let name = names::display(&body.name)
        .map_err(|error| Failure::new(ErrorCode::Invalid, error.to_string()))?;
    let (chat, user) = (&sign_in.chat, identity.user);
    if chat.store().put_user(user.clone(), name.clone(), now_ms()).await? {
        chat.hub().renamed(&user, &name);
    }
    Ok(json(StatusCode::OK, &SignedIn { user: Person { id: user, name, presence: None } }))
}

/// `GET /api/v1/export`: all that is known of whoever asks, as a file.
pub(super) async fn export(
    State(sign_in): State<Arc<SignIn>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let identity = sign_in.authenticator.by_request(&headers).await?;
    let identity =
        identity.ok_or_else(|| Failure::new(ErrorCode::Unauthorized, "Sign in first."))?;
    exported(sign_in.chat.store(), &identity.user).await
}
