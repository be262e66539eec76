//! A chat over a real store in a temporary folder, and people who look into their outboxes.
#![allow(unreachable_pub, reason = "a module of tests alone")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use moorline_chat::{Chat, Directory, Drained, Followed, LeaseTimes, Listener, Notice, Outbox};
use moorline_layer::{ChannelLayer, Faults, Options};
use moorline_protocol::{Cid, Epoch, Position, RoomId, RoomKind, Seq, UserId};
use moorline_store::{Create, Send, Store, StoreConfig, Stored};
use serde_json::Value;
use tempfile::TempDir;

/// Room for far more than a test sends.
const PLENTY: usize = 1 << 20;

/// However busy the machine is, what a test waits for has come by then.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "still waiting: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A layer that carries everything. Nothing on it expires: that a busy machine reads it after ten seconds is no failure.
pub fn layer() -> ChannelLayer {
    ChannelLayer::memory(Options { expiry: 10 * DEADLINE, ..Options::default() }).unwrap()
}

/// A layer that loses everything.
pub fn dead_layer() -> ChannelLayer {
    let none =
        Faults { lost: 1.0, repeated: 0.0, delayed: 0.0, reordered: 0.0, ..Faults::with_seed(1) };
    ChannelLayer::memory_with_faults(Options::default(), none).unwrap()
}

pub fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

pub struct TestChat {
    pub chat: Arc<Chat>,
    pub room: RoomId,
    pub epoch: Epoch,
    cids: AtomicU64,
    _folder: TempDir,
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn create(names: &[&str]) -> Create {
    Create {
        by: Some(user(names[0])),
        id: None,
        cid: Cid::new("create").unwrap(),
        kind: RoomKind::Group,
        name: Some("Ops".into()),
        members: names[1..].iter().map(|name| user(name)).collect(),
        at_ms: 1,
    }
}

impl TestChat {
    /// A group room of these people; the first is its owner.
    pub async fn with_room(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, commits) = Store::open(StoreConfig::new(folder.path())).unwrap();
        let (chat, _) = Chat::start(store, commits, Directory::All, None);
        for name in names.iter().chain(&["eve"]) {
            chat.store().put_user(user(name), (*name).to_owned(), 1).await.unwrap();
        }
        let created = chat.store().create(create(names)).await.unwrap();
        Self {
            chat,
            room: created.room,
            epoch: created.epoch,
            cids: AtomicU64::new(0),
            _folder: folder,
        }
    }

    /// Two nodes on the database of this URL and one layer, with a group room of these people.
    pub async fn two_nodes(database: &str, layer: ChannelLayer, names: &[&str]) -> [Self; 2] {
        let layers = [Some(layer.clone()), Some(layer)];
        Self::nodes(database, layers, names, LeaseTimes::default()).await
    }

    /// Nodes on the database of this URL, each with its layer, with a group room of these people.
    pub async fn nodes<const N: usize>(
        database: &str,
        layers: [Option<ChannelLayer>; N],
        names: &[&str],
        times: LeaseTimes,
    ) -> [Self; N] {
        let mut nodes = layers.map(|layer| Self::on(database, layer, times));
        let store = nodes[0].chat.store();
        for name in names.iter().chain(&["eve"]) {
            store.put_user(user(name), (*name).to_owned(), 1).await.unwrap();
        }
        let created = store.create(create(names)).await.unwrap();
        for (number, node) in nodes.iter_mut().enumerate() {
            node.room = created.room.clone();
            node.epoch = created.epoch;
            node.cids = AtomicU64::new((number as u64) << 32);
        }
        nodes
    }

    /// A node with this room beside others on the database of this URL.
    pub fn beside(
        other: &Self,
        database: &str,
        layer: Option<ChannelLayer>,
        times: LeaseTimes,
    ) -> Self {
        let (room, epoch) = (other.room.clone(), other.epoch);
        Self { room, epoch, cids: AtomicU64::new(1 << 48), ..Self::on(database, layer, times) }
    }

    fn on(database: &str, layer: Option<ChannelLayer>, times: LeaseTimes) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = StoreConfig::new(folder.path()).in_database(database.parse().unwrap());
        let (store, commits) = Store::open(place).unwrap();
        let (chat, _) = Chat::start_with(store, commits, Directory::All, layer, times);
        let room = RoomId::new("none").unwrap();
        Self { chat, room, epoch: Epoch(0), cids: AtomicU64::new(0), _folder: folder }
    }

    pub fn fresh_cid(&self) -> Cid {
        Cid::new(format!("c{}", self.cids.fetch_add(1, Ordering::Relaxed))).unwrap()
    }

    pub async fn send(&self, from: &str, body: &str) -> Stored {
        self.send_with(from, body, self.fresh_cid()).await.unwrap()
    }

    pub async fn send_with(
        &self,
        from: &str,
        body: &str,
        cid: Cid,
    ) -> Result<Stored, moorline_store::Error> {
        let room = self.room.clone();
        self.chat
            .store()
            .send(Send { from: user(from), room, cid, body: body.into(), reply_to: None, at_ms: 2 })
            .await
    }

    pub async fn head(&self) -> Seq {
        self.chat.store().head(&self.room).await.unwrap().head
    }

    /// A window of a person, in no room yet.
    pub fn window(&self, name: &str) -> Window {
        self.window_with(name, PLENTY)
    }

    pub fn window_with(&self, name: &str, limit_bytes: usize) -> Window {
        let outbox = Arc::new(Outbox::new(limit_bytes));
        let listener = Listener::new(user(name), None, outbox);
        listener.introduce(name.into());
        self.chat.hub().came(&listener);
        Window { listener, chat: self.chat.clone() }
    }

    /// A window that follows the room from its head.
    pub async fn live(&self, name: &str) -> Window {
        let window = self.window(name);
        assert_eq!(window.follow(self, self.head().await).await, Followed::Live);
        window
    }

    /// A window of the room whose person's coming is told, as a session does it.
    pub async fn here(&self, name: &str) -> Window {
        let window = self.live(name).await;
        self.chat.hub().set_members(&self.room, 2);
        self.chat.hub().tell_coming(&window.listener, 2);
        window
    }

    pub async fn remove(&self, by: &str, whom: &str) -> Stored {
        let removed = self.chat.remove(
            Some(&user(by)),
            self.room.clone(),
            self.fresh_cid(),
            vec![user(whom)],
            3,
        );
        removed.unwrap().await.unwrap()
    }

    pub async fn invite(&self, by: &str, whom: &str) -> Stored {
        let invited = self.chat.invite(
            Some(&user(by)),
            self.room.clone(),
            self.fresh_cid(),
            vec![user(whom)],
            3,
        );
        invited.unwrap().await.unwrap()
    }
}

pub struct Window {
    pub listener: Arc<Listener>,
    chat: Arc<Chat>,
}

impl Window {
    pub async fn follow(&self, chat: &TestChat, from: Seq) -> Followed {
        self.chat.follow(&self.listener, &chat.room, &mut (chat.epoch, from)).await.unwrap()
    }

    pub async fn resume(&self, chat: &TestChat, from: Position) -> usize {
        let resumed = self.chat.resume(&self.listener, &chat.room, from, 1_000).await.unwrap();
        let Some((mut cursor, sent)) = resumed else { return 0 };
        self.chat.follow(&self.listener, &chat.room, &mut cursor).await.unwrap();
        sent
    }

    /// Everything that came since the last look.
    pub fn frames(&self) -> Vec<Value> {
        let mut frames = Vec::new();
        let context = Context::from_waker(Waker::noop());
        let drained = self.listener.outbox().drain(&context, |frame| {
            frames.push(serde_json::from_slice(frame.payload()).unwrap());
            true
        });
        assert_eq!(drained, Drained::Empty);
        frames
    }

    /// The code with which the connection is to be closed, after all that is queued.
    pub fn closed(&self) -> Option<u16> {
        let context = Context::from_waker(Waker::noop());
        match self.listener.outbox().drain(&context, |_| true) {
            Drained::Close(close) => Some(close.code.0),
            Drained::Empty | Drained::More => None,
        }
    }

    /// The seqs of the events that came since the last look.
    pub fn seqs(&self) -> Vec<u64> {
        self.frames()
            .iter()
            .filter(|frame| frame["type"] == "event")
            .filter_map(|frame| frame["seq"].as_u64())
            .collect()
    }

    /// The events that came since the last look, as `seq from: body`.
    pub fn messages(&self) -> Vec<String> {
        let is_message = |frame: &&Value| frame["kind"] == "message";
        let text = |frame: &Value| {
            format!(
                "{} {}: {}",
                frame["seq"],
                frame["from"].as_str().unwrap(),
                frame["body"].as_str().unwrap()
            )
        };
        self.frames().iter().filter(is_message).map(text).collect()
    }

    /// How a person is, as the frames since the last look told.
    pub fn presence_of(&self, name: &str) -> Vec<String> {
        self.frames()
            .iter()
            .filter(|frame| frame["type"] == "presence" && frame["user"] == name)
            .map(|frame| frame["state"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn notices(&self) -> Vec<Notice> {
        match self.listener.outbox().poll_notices(&Context::from_waker(Waker::noop())) {
            Poll::Ready(notices) => notices,
            Poll::Pending => Vec::new(),
        }
    }

    pub fn close(&self) {
        self.chat.hub().went(&self.listener, Instant::now(), 0);
    }
}
