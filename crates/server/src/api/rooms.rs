//! The server API about rooms: make one, add and remove members, post a message, read the log.

use axum::extract::{Query, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use moorline_chat::now_ms;
use moorline_protocol::api::{CreateRoom, PostMessage, Posted, RoomMade};
use moorline_protocol::{Cid, ErrorCode, Page, RoomId, RoomKind, Send, Seq, UserId};
use moorline_store::{Create, Stored};

use super::body::JsonBody;
use super::failure::{Failure, json};
use super::path::Path;
use super::{Api, id, idempotency_key, new_cid};
use crate::auth::names;

/// Events in one answer: a megabyte of ordinary messages.
const MAX_EVENTS: u64 = 1_000;

/// `POST /api/v1/rooms`: 201 for a new room, 200 for one that was there, 409 for another one with that id.
pub(super) async fn create(
    State(api): State<Api>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<CreateRoom>,
) -> Result<Response, Failure> {
    let name = checked(&body)?;
    let cid = match idempotency_key(&headers)? {
        Some(cid) => cid,
        None => new_cid()?,
    };
    let store = api.chat.store();
    let made = store
        .create(Create {
            by: None,
            id: body.id,
            cid,
            kind: body.kind,
            name: name.clone(),
            members: body.members,
            at_ms: now_ms(),
        })
        .await?;
    let head = store.head(&made.room).await?;
    let status = if made.existing { StatusCode::OK } else { StatusCode::CREATED };
    let kind = body.kind;
    Ok(json(status, &RoomMade { id: made.room, kind, name, epoch: head.epoch, head: head.head }))
}

/// The name, if name and members fit the kind.
fn checked(body: &CreateRoom) -> Result<Option<String>, Failure> {
    let invalid = |text: &str| Err(Failure::new(ErrorCode::Invalid, text));
    match body.kind {
        RoomKind::Direct if body.members.len() != 2 => {
            return invalid("A direct room needs exactly two people in `members`.");
        }
        RoomKind::Direct if body.name.is_some() => return invalid("A direct room has no `name`."),
        RoomKind::Public if body.name.is_none() => return invalid("A public room needs a `name`."),
        _ => {}
    }
    let name = body.name.as_deref().map(names::display).transpose();
    name.map_err(|error| Failure::new(ErrorCode::Invalid, error.to_string()))
}

/// `PUT /api/v1/rooms/{id}/members/{user}`.
pub(super) async fn add(
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Failure> {
    let (room, user) = member(&path)?;
    let stored = api.chat.invite(None, room, new_cid()?, vec![user], now_ms())?.await?;
    Ok(json(StatusCode::OK, &posted(stored)))
}

/// `DELETE /api/v1/rooms/{id}/members/{user}`.
pub(super) async fn remove(
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Failure> {
    let (room, user) = member(&path)?;
    let stored = api.chat.remove(None, room, new_cid()?, vec![user], now_ms())?.await?;
    Ok(json(StatusCode::OK, &posted(stored)))
}

/// `POST /api/v1/rooms/{id}/messages`: the same key again is answered with the first message, whatever happened.
pub(super) async fn post(
    State(api): State<Api>,
    Path(room): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<PostMessage>,
) -> Result<Response, Failure> {
    let room: RoomId = id(&room)?;
    let cid: Cid = idempotency_key(&headers)?.ok_or_else(|| {
        let text = "Send a header Idempotency-Key, a new one for each message: with it, repeating a \
                    request that was cut off cannot post twice.";
        Failure::new(ErrorCode::Invalid, text)
    })?;
    let PostMessage { from, body, reply_to } = body;
    let stored = api.chat.send(&from, Send { room, cid, body, reply_to }, now_ms())?.await?;
    Ok(json(StatusCode::CREATED, &posted(stored)))
}

/// The part of a log that is wanted.
#[derive(Debug)]
struct Wanted {
    after: u64,
    limit: u64,
}

/// `GET /api/v1/rooms/{id}/events?after=0&limit=1000`.
pub(super) async fn events(
    State(api): State<Api>,
    Path(room): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let room: RoomId = id(&room)?;
    let wanted = Wanted::read(&query)?;
    let limit = usize::try_from(wanted.limit).unwrap_or(1);
    let page = api.chat.store().log(&room, Seq(wanted.after), limit).await?;
    let page = Page {
        id: None,
        room,
        epoch: page.epoch,
        first: page.first,
        head: page.head,
        events: page.events,
        more: page.more,
        pruned: page.pruned,
        people: page.people,
    };
    Ok(json(StatusCode::OK, &page))
}

impl Wanted {
    fn read(query: &[(String, String)]) -> Result<Self, Failure> {
        let number = |name: &str, default: u64| {
            let Some((_, text)) = query.iter().find(|(known, _)| known == name) else {
                return Ok(default);
            };
            text.parse().ok().filter(|number| *number <= MAX_SEQ).ok_or_else(|| {
                Failure::new(ErrorCode::Invalid, format!("`{name}` must be a number from 0 on."))
            })
        };
        let limit = number("limit", MAX_EVENTS)?.clamp(1, MAX_EVENTS);
        Ok(Self { after: number("after", 0)?, limit })
    }
}

/// The largest integer of the protocol.
const MAX_SEQ: u64 = (1 << 53) - 1;

fn member((room, user): &(String, String)) -> Result<(RoomId, UserId), Failure> {
    Ok((id(room)?, id(user)?))
}

fn posted(stored: Stored) -> Posted {
    let Stored { room, epoch, seq, id, at_ms } = stored;
    Posted { room, epoch, seq, message: id, at: at_ms }
}
