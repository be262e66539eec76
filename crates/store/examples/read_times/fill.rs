//! A store with people, rooms and messages, written as a server writes them.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use moorline_protocol::{Cid, Position, RoomId, RoomKind, Seq, UserId};
use moorline_store::{Create, DatabaseUrl, Reply, Send, Store, StoreConfig, Stored};
use uuid::{Builder, Uuid};

/// Rooms of the one who reads, each with as many of the messages.
pub(crate) const ROOMS: usize = 500;
/// Rooms of the one in whose rooms nobody writes: more than search asks its index for one by one.
const QUIET_ROOMS: usize = 70;
/// Sends that wait at once: some full batches.
const IN_FLIGHT: usize = 4_000;
/// One message of so many has the rare word.
const RARE: usize = 1_000;
/// Words that messages are made of beside those that are searched for.
const WORDS: u64 = 20_000;
/// When the first message was sent; each is a second younger.
const BEGIN_MS: u64 = 1_700_000_000_000;

/// A filled store.
pub(crate) struct Filled {
    pub(crate) store: Store,
    pub(crate) rooms: Vec<RoomId>,
    /// In all rooms, and has read nothing.
    pub(crate) reader: UserId,
    /// In rooms of their own without messages.
    pub(crate) quiet: UserId,
    /// One event behind the head, in a hundred of the rooms.
    pub(crate) positions: Vec<(RoomId, Position)>,
    /// The middle of each room's log.
    pub(crate) middle: Seq,
}

impl Filled {
    pub(crate) async fn new(folder: &Path, database: Option<DatabaseUrl>, messages: usize) -> Self {
        let config = StoreConfig::new(folder);
        let config = match database {
            Some(url) => config.in_database(url),
            None => config,
        };
        let (store, commits) =
            tokio::task::spawn_blocking(|| Store::open(config)).await.unwrap().unwrap();
        tokio::spawn(commits.answer_all());
        let person = |id: &str| UserId::new(id).unwrap();
        let [reader, writer, quiet] = ["reader", "writer", "quiet"].map(person);
        for id in [&reader, &writer, &quiet] {
            store.put_user(id.clone(), id.as_str().to_owned(), 1).await.unwrap();
        }
        let rooms = make(&store, "room", ROOMS, &writer, std::slice::from_ref(&reader)).await;
        make(&store, "quiet", QUIET_ROOMS, &quiet, &[]).await;
        write(&store, &rooms, &writer, messages).await;
        while store.health().index_lag_rows > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut positions = Vec::new();
        for room in &rooms[..100] {
            let head = store.head(room).await.unwrap();
            let seq = Seq(head.head.0 - 1);
            positions.push((room.clone(), Position { epoch: head.epoch, seq, check: None }));
        }
        let middle = Seq((messages / ROOMS / 2).max(20) as u64);
        Self { store, rooms, reader, quiet, positions, middle }
    }
}

async fn make(
    store: &Store,
    name: &str,
    count: usize,
    by: &UserId,
    members: &[UserId],
) -> Vec<RoomId> {
    let mut rooms = Vec::new();
    let mut replies = Vec::new();
    for n in 0..count {
        let id = RoomId::new(format!("{name}-{n}")).unwrap();
        replies.push(store.create(Create {
            by: Some(by.clone()),
            id: Some(id.clone()),
            cid: Cid::new(format!("{name}-{n}")).unwrap(),
            kind: RoomKind::Group,
            name: Some(format!("{name} {n}")),
            members: members.to_vec(),
            at_ms: 1,
        }));
        rooms.push(id);
    }
    for reply in replies {
        reply.await.unwrap();
    }
    rooms
}

async fn write(store: &Store, rooms: &[RoomId], writer: &UserId, messages: usize) {
    let mut waiting: VecDeque<Reply<Stored>> = VecDeque::new();
    for n in 0..messages {
        if waiting.len() >= IN_FLIGHT {
            // Half of them are waited for at a time, so that the queue is never empty.
            for reply in waiting.drain(..IN_FLIGHT / 2) {
                reply.await.unwrap();
            }
        }
        let at_ms = BEGIN_MS + n as u64 * 1_000;
        let mut random = [0; 10];
        random[2..].copy_from_slice(&(n as u64).to_be_bytes());
        let cid: Uuid = Builder::from_unix_timestamp_millis(at_ms, &random).into_uuid();
        waiting.push_back(store.send(Send {
            from: writer.clone(),
            room: rooms[n % rooms.len()].clone(),
            cid: Cid::new(cid.to_string()).unwrap(),
            body: body(n),
            reply_to: None,
            at_ms,
        }));
    }
    for reply in waiting {
        reply.await.unwrap();
    }
}

/// Ten words, some of them far more frequent than others; `harbour` is in every message, `walrus` in one of a thousand.
fn body(n: usize) -> String {
    let mut words = vec!["harbour".to_owned()];
    let mut state = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..9 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bits = state % 1_000;
        words.push(format!("w{}", (state >> 20) % WORDS * bits / 1_000 * bits / 1_000));
    }
    if n % RARE == RARE / 2 {
        words.push("walrus".to_owned());
    }
    words.join(" ")
}
