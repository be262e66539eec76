//! A `GET` of a stream or a poll: at most 50 rooms, and all positions in one text, as `EventSource` sends it back.

use std::collections::BTreeMap;

use http::StatusCode;
use moorline_protocol::over_http::QUERY_ROOMS;
use moorline_protocol::{Epoch, ErrorCode, Position, Positions, RoomId, Seq, UserId};
use moorline_store::{Error, Store};

use super::door::{Asked, invalid};
use crate::consumer::Refusal;
use crate::scope::Scope;
use crate::session::Told;
use crate::transport::Transport;

/// Reads the query of a person's request. A room without a position begins at its head, which the store says.
pub(super) async fn read(
    scope: &Scope,
    transport: Transport,
    store: &Store,
    user: &UserId,
) -> Result<Asked, Refusal> {
    let from = scope.header("last-event-id").map(str::to_owned).or_else(|| scope.query("from"));
    let from = from.filter(|from| !from.is_empty());
    let known = Positions::parse(from.as_deref().unwrap_or_default())
        .map_err(|error| invalid(error.to_string()))?;
    let is_back = !known.is_empty();
    let named = named(scope)?;
    let (keepalive, away) = (flag(scope, "keepalive")?, flag(scope, "away")?);
    let wait_ms = number(scope, "wait_ms")?;
    let is_closed = !named.is_empty();
    let resume = if is_closed {
        of_named(store, user, named, &known).await
    } else {
        of_all(store, user, known).await?
    }
    .map_err(|error| unavailable(&error))?;
    let told = match (transport, is_back, is_closed) {
        (Transport::Poll, true, true) => Told::Nothing,
        (Transport::Poll, true, false) => Told::Membership,
        _ => Told::Welcome,
    };
    let positions = match is_closed {
        true => Positions::only(resume.clone()),
        false => Positions::open(resume.clone()),
    };
    Ok(Asked {
        resume,
        told,
        keepalive,
        device: scope.query("device"),
        is_away: away.unwrap_or_default(),
        wait_ms,
        positions: Some(positions),
        tells_id: true,
    })
}

fn named(scope: &Scope) -> Result<Vec<RoomId>, Refusal> {
    let rooms: Result<Vec<RoomId>, _> =
        scope.query_all("room").map(|room| room.parse().map_err(|_| room)).collect();
    let rooms = rooms.map_err(|room| invalid(format!("`{room}` is no id of a room")))?;
    if rooms.len() > QUERY_ROOMS {
        return Err(too_many());
    }
    Ok(rooms)
}

fn too_many() -> Refusal {
    invalid(format!(
        "at most {QUERY_ROOMS} rooms: name those that you want by `room=`, or send a POST"
    ))
}

/// Where a client stands in the rooms that it names. In one that is not the person's it stands nowhere, and is told so.
async fn of_named(
    store: &Store,
    user: &UserId,
    named: Vec<RoomId>,
    known: &Positions,
) -> Result<BTreeMap<RoomId, Position>, Error> {
    let mut positions = BTreeMap::new();
    for room in named {
        let position = match known.get(&room) {
            Some(position) => position.clone(),
            None => match store.room_of(user, &room).await {
                Ok((info, _)) => Position { epoch: info.epoch, seq: info.head, check: None },
                Err(Error::NotFound) => {
                    Position { epoch: Epoch::UNKNOWN, seq: Seq(0), check: None }
                }
                Err(error) => return Err(error),
            },
        };
        positions.insert(room, position);
    }
    Ok(positions)
}

/// Where it stands in all rooms of the person, who has few.
async fn of_all(
    store: &Store,
    user: &UserId,
    known: Positions,
) -> Result<Result<BTreeMap<RoomId, Position>, Error>, Refusal> {
    let page = match store.rooms_of(user, None, QUERY_ROOMS).await {
        Ok(page) => page,
        Err(Error::NotFound) => return Ok(Ok(known.into_map())), // One who is seen for the first time.
        Err(error) => return Ok(Err(error)),
    };
    if page.more {
        return Err(too_many());
    }
    let is_back = !known.is_empty();
    let mut positions = known.into_map();
    // One who comes back is told of the rooms that came meanwhile.
    for room in page.rooms.into_iter().filter(|_| !is_back) {
        let head = Position { epoch: room.epoch, seq: room.head, check: None };
        positions.entry(room.id).or_insert(head);
    }
    Ok(Ok(positions))
}

fn unavailable(error: &Error) -> Refusal {
    let code = moorline_chat::Error::from(error.clone()).code();
    let word = if code == ErrorCode::Overloaded { "overloaded" } else { "unavailable" };
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, word, code.text())
}

fn flag(scope: &Scope, name: &str) -> Result<Option<bool>, Refusal> {
    match scope.query(name).as_deref() {
        None | Some("") => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(invalid(format!("`{name}` is true or false, not `{other}`"))),
    }
}

fn number(scope: &Scope, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(text) = scope.query(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| invalid(format!("`{name}` is no number: `{text}`")))
}
