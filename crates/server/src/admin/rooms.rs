//! Rooms as an operator sees them, and a message into one in the name of a member.

use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use moorline_chat::now_ms;
use moorline_protocol::admin::{MemberLine, RoomDetail, RoomLine, RoomLines, Say};
use moorline_protocol::api::Posted;
use moorline_protocol::{ErrorCode, RoomId, Send, UserId};
use moorline_store::{RoomOverview, Stored};

use super::Node;
use super::query::{Pairs, check, limit, parsed};
use crate::api::body::JsonBody;
use crate::api::failure::{Failure, json};
use crate::api::id;
use crate::api::path::Path;

/// Members that are named.
const MEMBERS: usize = 1_000;

/// `GET rooms?after=&limit=`: in the order of their ids.
pub(super) async fn list(
    State(node): State<Node>,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Failure> {
    check(&pairs, &["after", "limit"])?;
    let (after, limit) = (parsed::<RoomId>(&pairs, "after")?, limit(&pairs)?);
    let rooms = node.chat.store().all_rooms(after.as_ref(), limit).await?;
    let is_full = rooms.len() == limit;
    let rooms: Vec<RoomLine> = rooms.into_iter().map(|room| node.line(room)).collect();
    let next = rooms.last().filter(|_| is_full).map(|room| room.id.clone());
    Ok(json(StatusCode::OK, &RoomLines { rooms, next }))
}

/// `GET rooms/{id}`.
pub(super) async fn show(
    State(node): State<Node>,
    Path(room): Path<String>,
) -> Result<Response, Failure> {
    let room: RoomId = id(&room)?;
    let found = node.chat.store().room_overview(&room).await?.ok_or_else(no_such_room)?;
    let mut members = node.chat.store().member_ids(&room).await?;
    let more = members.len() > MEMBERS;
    members.sort_unstable();
    members.truncate(MEMBERS);
    let members = members.into_iter().map(|user| node.member(user)).collect();
    Ok(json(StatusCode::OK, &RoomDetail { room: node.line(found), members, more }))
}

/// `POST rooms/{id}/messages`: as durable as any other message; the same cid again is answered with the first position.
pub(super) async fn say(
    State(node): State<Node>,
    Path(room): Path<String>,
    JsonBody(say): JsonBody<Say>,
) -> Result<Response, Failure> {
    let room: RoomId = id(&room)?;
    let Say { from, body, cid } = say;
    let send = Send { room, cid, body, reply_to: None };
    let Stored { room, epoch, seq, id, at_ms } = node.chat.send(&from, send, now_ms())?.await?;
    Ok(json(StatusCode::CREATED, &Posted { room, epoch, seq, message: id, at: at_ms }))
}

impl Node {
    fn line(&self, room: RoomOverview) -> RoomLine {
        RoomLine {
            listeners: self.chat.hub().listening(&room.id) as u64,
            id: room.id,
            kind: room.kind,
            name: room.name,
            members: room.members,
            epoch: room.epoch,
            first: room.first,
            head: room.head,
            messages: room.messages,
            active_ms: room.active_ms,
            created_ms: room.created_ms,
            retention: room.retention,
        }
    }

    fn member(&self, user: UserId) -> MemberLine {
        let hub = self.chat.hub();
        let (presence, connections) = (hub.presence(&user), hub.connections_here(&user) as u64);
        MemberLine { user, presence, connections }
    }
}

fn no_such_room() -> Failure {
    Failure::new(ErrorCode::NotFound, "There is no such room.")
}
