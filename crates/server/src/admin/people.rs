//! People as an operator sees them.

use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use moorline_chat::now_ms;
use moorline_protocol::admin::{SessionLine, UserDetail, UserLine, UserLines};
use moorline_protocol::{ErrorCode, UserId};
use moorline_store::Profile;

use super::Node;
use super::query::{Pairs, check, limit, parsed};
use crate::api::failure::{Failure, json};
use crate::api::id;
use crate::api::path::Path;

/// `GET users?after=&limit=`: in the order of their ids.
pub(super) async fn list(
    State(node): State<Node>,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Failure> {
    check(&pairs, &["after", "limit"])?;
    let (after, limit) = (parsed::<UserId>(&pairs, "after")?, limit(&pairs)?);
    let people = node.chat.store().all_people(after.as_ref(), limit).await?;
    let is_full = people.len() == limit;
    let users: Vec<UserLine> = people.into_iter().map(|person| node.person(person)).collect();
    let next = users.last().filter(|_| is_full).map(|user| user.id.clone());
    Ok(json(StatusCode::OK, &UserLines { users, next }))
}

/// `GET users/{id}`.
pub(super) async fn show(
    State(node): State<Node>,
    Path(user): Path<String>,
) -> Result<Response, Failure> {
    let user: UserId = id(&user)?;
    let store = node.chat.store();
    let profile = store.profile(&user).await?.ok_or_else(|| {
        Failure::new(ErrorCode::NotFound, "There is no person with this id, or they are erased.")
    })?;
    let mut rooms: Vec<_> =
        store.room_ids_of(&user).await?.into_iter().map(|(room, _)| room).collect();
    rooms.sort_unstable();
    let sessions = store.sessions(&user, now_ms()).await?;
    let sessions = sessions.into_iter().map(|session| SessionLine {
        id: session.id.0,
        device: session.device,
        created_ms: session.created_ms,
        expires_ms: session.expires_ms,
    });
    let sessions = sessions.collect();
    Ok(json(StatusCode::OK, &UserDetail { user: node.person(profile), rooms, sessions }))
}

impl Node {
    fn person(&self, profile: Profile) -> UserLine {
        let hub = self.chat.hub();
        UserLine {
            presence: hub.presence(&profile.id),
            connections: hub.connections_here(&profile.id) as u64,
            account: profile.login.is_some(),
            id: profile.id,
            name: profile.name,
            seen_ms: profile.seen_ms,
            created_ms: profile.created_ms,
        }
    }
}
