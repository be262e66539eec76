//! `GET /api/v1/search`: for a backend with the API key in the name of `user`, and for whoever is signed in.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use moorline_protocol::api::SearchQuery;
use moorline_protocol::{ErrorCode, Search, UserId};

use super::failure::{Failure, json};
use super::{Api, key};

/// Answers with the fields of `hits`.
pub(super) async fn search(
    State(api): State<Api>,
    headers: HeaderMap,
    wanted: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    // The key is looked at first, so that nobody without it learns what the parameters should be.
    let is_backend = headers.contains_key(header::AUTHORIZATION);
    let asker = match is_backend {
        true => match key::check(&api, &headers) {
            Ok(()) => None,
            Err(why) => return Ok(key::refused(why)),
        },
        false => Some(signed_in(&api, &headers).await?),
    };
    let invalid = |text: String| Failure::new(ErrorCode::Invalid, text);
    let Query(wanted) = wanted.map_err(|error| invalid(format!("{}.", error.body_text())))?;
    let user = match (asker, wanted.user) {
        (None, Some(user)) => {
            let known = api.chat.store().user(&user).await?;
            known.ok_or_else(|| Failure::new(ErrorCode::NotFound, "There is no such person."))?;
            user
        }
        (None, None) => {
            return Err(invalid("Say in `user` for whom you search.".to_owned()));
        }
        (Some(asker), None) => asker,
        (Some(asker), Some(user)) if asker == user => asker,
        (Some(_), Some(_)) => {
            return Err(invalid("`user` is for backends with the API key.".to_owned()));
        }
    };
    let SearchQuery { query, room, sort, after, limit, .. } = wanted;
    let search = Search { query, room, sort, after, limit };
    let hits = crate::search::search(&api.chat, &user, None, search).await?;
    Ok(json(StatusCode::OK, &hits))
}

/// Whoever the request's session says.
pub(super) async fn signed_in(api: &Api, headers: &HeaderMap) -> Result<UserId, Failure> {
    let identity = api.sessions.by_request(headers).await?;
    let text = "Sign in first, or send the API key as `Authorization: Bearer KEY`.";
    let identity = identity.ok_or_else(|| Failure::new(ErrorCode::Unauthorized, text))?;
    Ok(identity.user)
}
