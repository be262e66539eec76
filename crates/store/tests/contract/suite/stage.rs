//! A store for one test, people who act in it, and what its commits told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moorline_protocol::{
    Change, Cid, Event, EventId, EventKind, Position, RoomId, RoomKind, Seq, UserId,
};
use moorline_store::{
    Commits, Create, Created, Delete, Edit, Error, Hits, Invite, Join, Leave, MadeRoom, Page,
    Range, Read, Receipt, Remove, Rename, Reply, Resumed, Revoked, Search, Send, Store, Stored,
    TouchedRoom,
};
use parking_lot::Mutex;

use crate::backend::Place;

/// How long a test waits for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What the commits told so far.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) rooms: Vec<TouchedRoom>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) revoked: Vec<Revoked>,
    pub(crate) made: Vec<MadeRoom>,
}

/// The store of one test.
pub(crate) struct Stage {
    pub(crate) store: Store,
    pub(crate) told: Arc<Mutex<Told>>,
    place: Arc<Place>,
    clock: AtomicU64,
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn room(id: &str) -> RoomId {
    RoomId::new(id).unwrap()
}

pub(crate) fn cid(id: &str) -> Cid {
    Cid::new(id).unwrap()
}

/// Reads commits as a hub does: what they tell first, the answers after it.
pub(crate) fn follow(mut commits: Commits) -> Arc<Mutex<Told>> {
    let told = Arc::new(Mutex::new(Told::default()));
    let kept = Arc::clone(&told);
    tokio::spawn(async move {
        while let Some(commit) = commits.next().await {
            let mut told = kept.lock();
            told.events.extend(commit.events.iter().cloned());
            told.rooms.extend(commit.rooms.iter().cloned());
            told.receipts.extend(commit.receipts.iter().cloned());
            told.revoked.extend(commit.revoked.iter().cloned());
            told.made.extend(commit.made.iter().cloned());
            drop(told);
            commit.answer();
        }
    });
    told
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::at(Arc::new(Place::new()))
    }

    pub(crate) fn at(place: Arc<Place>) -> Self {
        let (store, commits) = Store::open(place.config()).unwrap();
        let clock = AtomicU64::new(1_795_000_000_000);
        Self { store, told: follow(commits), place, clock }
    }

    /// Another store, with the clock and the place of this one.
    pub(crate) fn of(store: Store, told: Arc<Mutex<Told>>, other: &Self) -> Self {
        let clock = AtomicU64::new(other.now());
        Self { store, told, place: Arc::clone(&other.place), clock }
    }

    /// People by these ids, each named after the id.
    pub(crate) async fn with(people: &[&str]) -> Self {
        let stage = Self::new();
        for id in people {
            stage.store.put_user(user(id), id.to_uppercase(), stage.now()).await.unwrap();
        }
        stage
    }

    /// A group of these people, made by the first; everybody sees what came after they joined.
    pub(crate) async fn with_group(id: &str, people: &[&str]) -> Self {
        let stage = Self::with(people).await;
        stage.make(id, RoomKind::Group, people).await.unwrap();
        stage
    }

    /// A public room, made by the first, joined by the others.
    pub(crate) async fn with_public(id: &str, people: &[&str]) -> Self {
        let stage = Self::with(people).await;
        stage.make(id, RoomKind::Public, people).await.unwrap();
        stage
    }

    /// The same data in a new process's place.
    pub(crate) async fn reopen(self) -> Self {
        let place = Arc::clone(&self.place);
        self.store.close().await;
        Self::at(place)
    }

    /// Where the store is.
    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// A clock that never stands still.
    pub(crate) fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn make(&self, id: &str, kind: RoomKind, people: &[&str]) -> Reply<Created> {
        let (by, members) = people.split_first().unwrap();
        self.store.create(Create {
            by: Some(user(by)),
            id: Some(room(id)),
            cid: cid(&format!("make-{id}")),
            kind,
            name: (kind != RoomKind::Direct).then(|| format!("The {id}")),
            members: members.iter().map(|id| user(id)).collect(),
            at_ms: self.now(),
        })
    }

    pub(crate) fn direct(&self, by: &str, other: &str, key: &str) -> Reply<Created> {
        self.store.create(Create {
            by: Some(user(by)),
            id: None,
            cid: cid(key),
            kind: RoomKind::Direct,
            name: None,
            members: vec![user(other)],
            at_ms: self.now(),
        })
    }

    pub(crate) fn send(&self, from: &str, to: &str, key: &str, body: &str) -> Reply<Stored> {
        self.answer(from, to, key, body, None)
    }

    pub(crate) fn answer(
        &self,
        from: &str,
        to: &str,
        key: &str,
        body: &str,
        reply_to: Option<EventId>,
    ) -> Reply<Stored> {
        self.store.send(Send {
            from: user(from),
            room: room(to),
            cid: cid(key),
            body: body.to_owned(),
            reply_to,
            at_ms: self.now(),
        })
    }

    pub(crate) fn edit(
        &self,
        by: &str,
        at: &str,
        key: &str,
        message: EventId,
        body: &str,
    ) -> Reply<Stored> {
        self.store.edit(Edit {
            by: user(by),
            room: room(at),
            cid: cid(key),
            message,
            body: body.to_owned(),
            at_ms: self.now(),
        })
    }

    pub(crate) fn delete(&self, by: &str, at: &str, key: &str, message: EventId) -> Reply<Stored> {
        let (by, room, cid, at_ms) = (user(by), room(at), cid(key), self.now());
        self.store.delete(Delete { by, room, cid, message, at_ms })
    }

    pub(crate) fn join(&self, who: &str, to: &str, key: &str) -> Reply<Stored> {
        self.join_granted(who, to, key, None)
    }

    pub(crate) fn join_granted(
        &self,
        who: &str,
        to: &str,
        key: &str,
        granted_ms: Option<u64>,
    ) -> Reply<Stored> {
        let (user, room, cid, at_ms) = (user(who), room(to), cid(key), self.now());
        self.store.join(Join { user, room, cid, granted_ms, at_ms })
    }

    pub(crate) fn leave(&self, who: &str, from: &str, key: &str) -> Reply<Stored> {
        let (user, room, cid, at_ms) = (user(who), room(from), cid(key), self.now());
        self.store.leave(Leave { user, room, cid, at_ms })
    }

    pub(crate) fn invite(&self, by: &str, to: &str, key: &str, whom: &[&str]) -> Reply<Stored> {
        let (by, room, cid, at_ms) = (Some(user(by)), room(to), cid(key), self.now());
        let users = whom.iter().map(|id| user(id)).collect();
        self.store.invite(Invite { by, room, cid, users, at_ms })
    }

    pub(crate) fn remove(&self, by: &str, from: &str, key: &str, whom: &[&str]) -> Reply<Stored> {
        let (by, room, cid, at_ms) = (Some(user(by)), room(from), cid(key), self.now());
        let users = whom.iter().map(|id| user(id)).collect();
        self.store.remove(Remove { by, room, cid, users, at_ms })
    }

    pub(crate) fn rename(&self, by: &str, what: &str, key: &str, name: &str) -> Reply<Stored> {
        let (by, room, cid, at_ms) = (Some(user(by)), room(what), cid(key), self.now());
        self.store.rename(Rename { by, room, cid, name: name.to_owned(), at_ms })
    }

    pub(crate) fn read(&self, who: &str, at: &str, seq: u64) {
        self.store.read(Read { user: user(who), room: room(at), seq: Seq(seq) });
    }

    /// All that a person may read of a room.
    pub(crate) async fn history(&self, who: &str, of: &str) -> Result<Page, Error> {
        self.store.events(&user(who), &room(of), Range::After(Seq(0)), 1_000).await
    }

    /// The same, as lines.
    pub(crate) async fn lines(&self, who: &str, of: &str) -> Vec<String> {
        self.history(who, of).await.unwrap().events.iter().map(line).collect()
    }

    pub(crate) async fn position(&self, of: &str, seq: u64) -> Position {
        let head = self.store.head(&room(of)).await.unwrap();
        let page = self.store.log(&room(of), Seq(seq.saturating_sub(1)), 1).await.unwrap();
        let check = page.events.first().filter(|_| seq > 0).map(|event| event.id.check());
        Position { epoch: head.epoch, seq: Seq(seq), check }
    }

    pub(crate) async fn resume(&self, who: &str, of: &str, from: Position) -> Resumed {
        self.store.resume(&user(who), &room(of), from, 1_000).await.unwrap()
    }

    /// What a search finds, newest first.
    pub(crate) async fn find(&self, who: &str, words: &str) -> Vec<String> {
        let hits = self.search(who, &Search::new(words, 100)).await;
        hits.hits.iter().map(line).collect()
    }

    pub(crate) async fn search(&self, who: &str, asked: &Search) -> Hits {
        self.store.search(&user(who), asked).await.unwrap()
    }

    /// The whole answer, page by page, as lines; and how many pages it took.
    pub(crate) async fn pages(&self, who: &str, mut asked: Search) -> (Vec<String>, usize) {
        let (mut lines, mut pages) = (Vec::new(), 0);
        loop {
            let page = self.search(who, &asked).await;
            lines.extend(page.hits.iter().map(line));
            pages += 1;
            assert_eq!(page.more, page.after.is_some());
            let Some(after) = page.after else { return (lines, pages) };
            asked.after = Some(after.to_string().parse().unwrap());
        }
    }

    /// Waits until search knows everything.
    pub(crate) async fn indexed(&self) {
        eventually(async || self.store.health().index_lag_rows == 0).await;
    }
}

/// Waits for something that must come true.
pub(crate) async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < DEADLINE, "did not come true in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// An event as a short line.
pub(crate) fn line(event: &Event) -> String {
    let (seq, from) = (event.seq, &event.from);
    match &event.kind {
        EventKind::Message { deleted: Some(mark), .. } => {
            format!("{seq} {from}: (deleted by {})", mark.seq)
        }
        EventKind::Message { body, edited: Some(mark), .. } => {
            format!("{seq} {from}: {body} (edited by {})", mark.seq)
        }
        EventKind::Message { body, .. } => format!("{seq} {from}: {body}"),
        EventKind::Edit { of, body, .. } => format!("{seq} {from} edits {of}: {body}"),
        EventKind::Delete { of, .. } => format!("{seq} {from} deletes {of}"),
        EventKind::Rename { name } => format!("{seq} {from} renames: {name}"),
        EventKind::Member { changes } => {
            let words: Vec<String> = changes
                .iter()
                .map(|change| {
                    let how = match change.change {
                        Change::Joined => '+',
                        Change::Left => '-',
                        Change::Removed => '!',
                    };
                    format!("{how}{}", change.user)
                })
                .collect();
            format!("{seq} {from} {}", words.join(" "))
        }
    }
}
