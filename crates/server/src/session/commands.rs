//! What each command begins. Durable ones are queued at once, in the order in which they came; reads become jobs.

use std::sync::Arc;

use moorline_chat::{Chat, Directory, Error, Grants, Listener, Outbox, check_positions, now_ms};
use moorline_protocol::{
    Browse, Command, ErrorCode, Frame, Limits, Members, MembersPage, Page, People, PeopleList,
    Person, Reply, Rooms, RoomsPage, Search, UserId,
};
use moorline_store::{Range, RoomCursor};

use super::Live;
use super::following::Follow;
use super::pending::{Pending, refusal};
use crate::connection::ConnectionId;
use crate::search::search;

/// Rooms in a page where the client names no number.
const ROOMS: u64 = 100;
/// People found where the client names no number.
const PEOPLE: u64 = 20;
/// Events in a page where the client names no number.
const EVENTS: u64 = 50;
/// Most rooms or people in one answer.
const MOST: u64 = 100;

/// What a read ends in: the answer and the rooms that the client follows from then on.
type Answer = Result<(Option<Reply>, Vec<Follow>), Error>;

/// Begins a command. What has no answer begins nothing to wait for.
pub(crate) fn begin(
    chat: &Arc<Chat>,
    live: &Live,
    id: Option<u64>,
    command: Command,
    outbox: &Outbox,
) -> Option<Pending> {
    match begin_durable(chat, live, id, command) {
        Ok(Begun::Pending(pending)) => Some(pending),
        Ok(Begun::Nothing) => None,
        Ok(Begun::Answered(frame)) => {
            outbox.reply(frame);
            None
        }
        Ok(Begun::Read(command)) => {
            let job = read(chat.clone(), live.listener.clone(), id, *command);
            Some(Pending::Reading(Box::pin(job)))
        }
        Err(error) => {
            outbox.reply(refusal(id, &error, speaker(&live.listener)).frame());
            None
        }
    }
}

/// The connection that a listener is of; none where it is of a request without one.
pub(super) fn speaker(listener: &Listener) -> Option<ConnectionId> {
    Some(listener.connection()).filter(|number| *number != 0).map(ConnectionId)
}

enum Begun {
    Pending(Pending),
    Answered(Frame),
    Nothing,
    Read(Box<Command>),
}

fn begin_durable(
    chat: &Chat,
    live: &Live,
    id: Option<u64>,
    command: Command,
) -> Result<Begun, Error> {
    let (user, at) = (live.listener.user(), now_ms());
    let reply = match command {
        Command::Send(send) => chat.send(user, send, at)?,
        Command::Edit(edit) => chat.edit(user, edit, at)?,
        Command::Delete(delete) => chat.delete(user, delete, at),
        Command::Join(join) => {
            let none = Grants::default();
            chat.join(user, join, live.grants.as_deref().unwrap_or(&none), at)
        }
        Command::Leave(leave) => chat.leave(user, leave, at),
        Command::Invite(invite) => {
            chat.invite(Some(user), invite.room, invite.cid, invite.users, at)?
        }
        Command::Remove(remove) => {
            chat.remove(Some(user), remove.room, remove.cid, remove.users, at)?
        }
        Command::Rename(rename) => chat.rename(user, rename, at)?,
        Command::Create(create) => {
            return Ok(Begun::Pending(Pending::Created {
                id,
                reply: chat.create(user, create, at)?,
            }));
        }
        Command::Read(read) => {
            chat.read(user, read);
            return Ok(Begun::Nothing);
        }
        Command::Typing(typing) => {
            chat.hub().typed(&live.listener, &typing.room, std::time::Instant::now());
            return Ok(Begun::Nothing);
        }
        Command::Away(away) => {
            chat.hub().set_away(&live.listener, away.on, at);
            return Ok(Begun::Nothing);
        }
        Command::Ping(_) => return Ok(Begun::Answered(Reply::Pong { id }.frame())),
        Command::Pong(_) => return Ok(Begun::Nothing),
        Command::Hello(_) => {
            return Ok(Begun::Answered(Reply::refusal(id, ErrorCode::AlreadyHello).frame()));
        }
        other => return Ok(Begun::Read(Box::new(other))),
    };
    Ok(Begun::Pending(Pending::Stored { id, reply }))
}

/// Carries out a command that only reads.
async fn read(
    chat: Arc<Chat>,
    listener: Arc<Listener>,
    id: Option<u64>,
    command: Command,
) -> (Option<Reply>, Vec<Follow>) {
    let user = listener.user();
    let answer = match command {
        Command::History(history) => page(&chat, user, id, history).await,
        Command::Rooms(rooms) => own_rooms(&chat, user, id, rooms).await,
        Command::Browse(browse) => public_rooms(&chat, user, id, browse).await,
        Command::Members(members) => members_of(&chat, user, id, members).await,
        Command::People(people) => people_found(&chat, user, id, people).await,
        Command::Search(wanted) => hits(&chat, user, id, wanted).await,
        Command::Resume(resume) => check_positions(&resume.positions).map(|()| {
            let follow =
                resume.positions.into_iter().map(|(room, position)| Follow::resume(room, position));
            (None, follow.collect())
        }),
        _ => Ok((Some(Reply::refusal(id, ErrorCode::UnknownType)), Vec::new())),
    };
    answer.unwrap_or_else(|error| (Some(refusal(id, &error, speaker(&listener))), Vec::new()))
}

async fn page(
    chat: &Chat,
    user: &UserId,
    id: Option<u64>,
    history: moorline_protocol::History,
) -> Answer {
    let range = match (history.before, history.after) {
        (Some(_), Some(_)) => {
            return Err(Error::Invalid("give `before` or `after`, not both".into()));
        }
        (Some(before), None) => Range::Before(before),
        (None, Some(after)) => Range::After(after),
        (None, None) => Range::Newest,
    };
    let limit = bounded(history.limit, EVENTS, u64::from(Limits::DEFAULT.history));
    let page = chat.store().events(user, &history.room, range, limit).await?;
    let moorline_store::Page { epoch, first, head, events, more, pruned, people } = page;
    let reply = Page { id, room: history.room, epoch, first, head, events, more, pruned, people };
    Ok((Some(reply.into()), Vec::new()))
}

async fn own_rooms(chat: &Chat, user: &UserId, id: Option<u64>, rooms: Rooms) -> Answer {
    let page = chat
        .store()
        .rooms_of(user, cursor(rooms.after)?, bounded(rooms.limit, ROOMS, MOST))
        .await?;
    let mut follow = Vec::with_capacity(page.rooms.len());
    for room in &page.rooms {
        chat.hub().set_members(&room.id, room.members);
        follow.push(Follow::from_head(room.id.clone(), room.epoch, room.head));
    }
    Ok((Some(rooms_page(chat, id, page)), follow))
}

async fn public_rooms(chat: &Chat, user: &UserId, id: Option<u64>, browse: Browse) -> Answer {
    let limit = bounded(browse.limit, ROOMS, MOST);
    let query = browse.query.as_deref().map(str::trim).filter(|query| !query.is_empty());
    let page = chat.store().browse(user, query, cursor(browse.after)?, limit).await?;
    Ok((Some(rooms_page(chat, id, page)), Vec::new()))
}

fn rooms_page(chat: &Chat, id: Option<u64>, page: moorline_store::Rooms) -> Reply {
    let moorline_store::Rooms { rooms, more, after, mut people, .. } = page;
    chat.hub().add_presence(&mut people);
    RoomsPage { id, rooms, more, after: after.map(|after| after.to_string()), people }.into()
}

async fn members_of(chat: &Chat, user: &UserId, id: Option<u64>, wanted: Members) -> Answer {
    let limit = bounded(wanted.limit, MOST, MOST);
    let page = chat.store().members(user, &wanted.room, wanted.after.as_ref(), limit).await?;
    let moorline_store::Members { mut members, more, total } = page;
    // Of a large room neither is told as it changes, so neither is told once.
    let is_small = total <= u64::from(Limits::DEFAULT.receipt_members);
    for member in &mut members {
        member.presence = is_small.then(|| chat.hub().presence(&member.id));
        member.read = member.read.filter(|_| is_small);
    }
    Ok((Some(MembersPage { id, room: wanted.room, members, more, total }.into()), Vec::new()))
}

async fn people_found(chat: &Chat, user: &UserId, id: Option<u64>, wanted: People) -> Answer {
    let limit = bounded(wanted.limit, PEOPLE, MOST);
    let mut people: Vec<Person> = match (wanted.ids, wanted.query) {
        (Some(ids), None) => {
            if ids.len() > Limits::DEFAULT.list as usize {
                return Err(Error::Invalid(format!(
                    "at most {} `ids` at once",
                    Limits::DEFAULT.list
                )));
            }
            chat.store().people_by_ids(user, &ids).await?
        }
        (None, Some(query)) => {
            let among = match chat.directory() {
                Directory::All => None,
                Directory::Shared => Some(user),
                Directory::Off => {
                    return Ok((Some(PeopleList { id, people: Vec::new() }.into()), Vec::new()));
                }
            };
            chat.store().people_by_name(query.trim(), among, limit).await?
        }
        _ => return Err(Error::Invalid("give either `ids` or `query`".into())),
    };
    chat.hub().add_presence(&mut people);
    Ok((Some(PeopleList { id, people }.into()), Vec::new()))
}

async fn hits(chat: &Chat, user: &UserId, id: Option<u64>, wanted: Search) -> Answer {
    Ok((Some(search(chat, user, id, wanted).await?.into()), Vec::new()))
}

fn bounded(wanted: Option<u64>, usual: u64, most: u64) -> usize {
    usize::try_from(wanted.unwrap_or(usual).clamp(1, most)).unwrap_or(1)
}

fn cursor(after: Option<String>) -> Result<Option<RoomCursor>, Error> {
    Ok(after.map(|after| after.parse::<RoomCursor>()).transpose()?)
}
