//! A store with history: people, rooms and as many messages as a proof wants, some edited, some deleted, written through
//! the store itself, since clients would take hours.

use std::path::Path;

use anyhow::{Context, Result};
use moorline_protocol::{Cid, EventId, RoomId, RoomKind, UserId};
use moorline_store::{
    Create, Delete, Edit, NewAccount, NewSession, Reply, Send, Store, StoreConfig, Stored,
};
use uuid::Uuid;

/// The room that everybody is in, and everybody.
pub const HALL: &str = "hall";
/// Who talks.
pub const PEOPLE: [&str; 4] = ["ann", "bob", "cem", "dan"];
/// Rooms beside the hall.
const ROOMS: usize = 49;
/// Messages under way at once.
const WINDOW: u64 = 2_000;
/// When the history begins; ms since 1970.
const START_MS: u64 = 1_790_000_000_000;

/// Fills the store of this configuration with so many messages.
///
/// # Errors
/// If the store refuses anything.
pub async fn fill(config: StoreConfig, messages: u64) -> Result<()> {
    let (store, commits) = Store::open(config)?;
    tokio::spawn(commits.answer_all());
    let rooms = people_and_rooms(&store).await?;
    let mut last: Option<Reply<Stored>> = None;
    for n in 0..messages {
        let reply = store.send(message(n, &rooms)?);
        // Answers come in order: the last one of a window stands for all of it.
        if n % WINDOW == WINDOW - 1 {
            let stored = reply.await?;
            change(&store, n, &stored, &rooms).await?;
        } else {
            last = Some(reply);
        }
    }
    if let Some(last) = last {
        last.await?;
    }
    store.flush().await?;
    store.close().await;
    Ok(())
}

/// The same in a data folder.
///
/// # Errors
/// If the store refuses anything.
pub async fn fill_folder(folder: &Path, messages: u64) -> Result<()> {
    fill(StoreConfig::new(folder), messages).await
}

fn user(id: &str) -> Result<UserId> {
    UserId::new(id).context("an id")
}

fn cid() -> Result<Cid> {
    Cid::new(Uuid::now_v7().to_string()).context("a cid")
}

async fn people_and_rooms(store: &Store) -> Result<Vec<RoomId>> {
    for (n, id) in PEOPLE.iter().enumerate() {
        store.put_user(user(id)?, id.to_uppercase(), START_MS).await?;
        let login = format!("{id}@example.org");
        let (name, password_hash) = (id.to_uppercase(), "$argon2id$none".to_owned());
        store.create_account(NewAccount { login, name, password_hash, at_ms: START_MS }).await?;
        let session = NewSession {
            token_hash: [u8::try_from(n)?; 32],
            user: user(id)?,
            device: Some("Desk".to_owned()),
            at_ms: START_MS,
            expires_ms: START_MS * 2,
        };
        store.add_session(session).await?;
    }
    let mut rooms = vec![RoomId::new(HALL)?];
    for n in 0..ROOMS {
        rooms.push(RoomId::new(format!("room-{n}"))?);
    }
    for id in &rooms {
        let members = PEOPLE[1..].iter().map(|id| user(id)).collect::<Result<_>>()?;
        let create = Create {
            by: Some(user(PEOPLE[0])?),
            id: Some(id.clone()),
            cid: cid()?,
            kind: RoomKind::Group,
            name: Some(format!("The {id}")),
            members,
            at_ms: START_MS,
        };
        store.create(create).await?;
    }
    Ok(rooms)
}

fn message(n: u64, rooms: &[RoomId]) -> Result<Send> {
    let (from, room) = place(n, rooms)?;
    let body = format!("message {n}: the ship {} left harbour {} with the tide", n % 977, n % 31);
    Ok(Send { from, room, cid: cid()?, body, reply_to: None, at_ms: START_MS + n * 50 })
}

/// Who says it, and where.
fn place(n: u64, rooms: &[RoomId]) -> Result<(UserId, RoomId)> {
    let index = |n: u64, of: usize| usize::try_from(n % of as u64).unwrap_or(0);
    let from = user(PEOPLE[index(n / 7, PEOPLE.len())])?;
    Ok((from, rooms[index(n, rooms.len())].clone()))
}

/// Now and then a message is edited, and another deleted.
async fn change(store: &Store, n: u64, stored: &Stored, rooms: &[RoomId]) -> Result<()> {
    let (by, room) = place(n, rooms)?;
    let (message, at_ms): (EventId, u64) = (stored.id, START_MS + n * 50);
    if (n / WINDOW).is_multiple_of(2) {
        let body = "it came back".to_owned();
        store.edit(Edit { by, room, cid: cid()?, message, body, at_ms }).await?;
    } else {
        store.delete(Delete { by, room, cid: cid()?, message, at_ms }).await?;
    }
    Ok(())
}
