//! Two nodes on one PostgreSQL database, without anything between them: what one does reaches the windows of the other.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use moorline_chat::{Chat, Directory, Drained, Listener, Outbox, now_ms};
use moorline_protocol::{Cid, CloseCode, Frame, RoomId, RoomKind, UserId};
use moorline_store::{Create, NewSession, Send, SessionId, Store, StoreConfig};
use moorline_test_postgres::{Database, Server};
use tempfile::TempDir;

/// However busy the machine is, a revocation and a lost log are heard of by then. That looks come often enough for the
/// promised five seconds is tested with the clock stopped, beside them.
const WITHIN: Duration = Duration::from_secs(30);

struct Node {
    chat: Arc<Chat>,
    _folder: TempDir,
}

impl Node {
    fn on(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::new(folder.path()).in_database(url.parse().unwrap());
        let (store, commits) = Store::open(config).unwrap();
        let (chat, _) = Chat::start(store, commits, Directory::All, None);
        Self { chat, _folder: folder }
    }

    fn store(&self) -> &Store {
        self.chat.store()
    }

    /// A window of this person on this node, in no room yet.
    fn window(&self, who: &str, session: Option<SessionId>) -> Window {
        let outbox = Arc::new(Outbox::new(1 << 20));
        let listener = Listener::new(user(who), session, outbox);
        listener.introduce(who.into());
        self.chat.hub().came(&listener);
        Window(listener)
    }

    /// A window that follows a room from its head.
    async fn follow(&self, who: &str, room: &RoomId) -> Window {
        let window = self.window(who, None);
        let head = self.store().head(room).await.unwrap();
        self.chat.follow(&window.0, room, &mut (head.epoch, head.head)).await.unwrap();
        window
    }

    async fn make(&self, id: &str) -> RoomId {
        let create = Create {
            by: Some(user("ann")),
            id: Some(RoomId::new(id).unwrap()),
            cid: Cid::new(format!("make-{id}")).unwrap(),
            kind: RoomKind::Group,
            name: None,
            members: vec![],
            at_ms: 1,
        };
        self.store().create(create).await.unwrap().room
    }

    async fn send(&self, room: &RoomId, key: &str) -> bool {
        let (from, room, cid) = (user("ann"), room.clone(), Cid::new(key).unwrap());
        let body = key.to_owned();
        self.store().send(Send { from, room, cid, body, reply_to: None, at_ms: 2 }).await.is_ok()
    }
}

struct Window(Arc<Listener>);

impl Window {
    /// The code that it was closed with, once what was queued before is out.
    fn closed(&self) -> Option<CloseCode> {
        let context = Context::from_waker(Waker::noop());
        match self.0.outbox().drain(&context, |_| true) {
            Drained::Close(close) => Some(close.code),
            _ => None,
        }
    }

    async fn closes_with(&self, code: CloseCode) {
        self.frames_until_closed_with(code).await;
    }

    /// How many frames go out before the close.
    async fn frames_until_closed_with(&self, code: CloseCode) -> usize {
        let (started, mut frames) = (Instant::now(), 0);
        loop {
            let context = Context::from_waker(Waker::noop());
            let count = |_: &Frame| {
                frames += 1;
                true
            };
            if let Drained::Close(close) = self.0.outbox().drain(&context, count) {
                assert_eq!(close.code, code);
                return frames;
            }
            assert!(started.elapsed() < WITHIN, "still open after {WITHIN:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

async fn sign_in(node: &Node, token: u8) -> SessionId {
    let session = NewSession {
        token_hash: [token; 32],
        user: user("ann"),
        device: None,
        at_ms: now_ms(),
        expires_ms: now_ms() + 1_000_000,
    };
    node.store().add_session(session).await.unwrap()
}

async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(30), "did not come true in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_session_ended_on_one_node_is_closed_on_the_other_and_no_other_session_is() {
    let database = Database::new();
    let (one, other) = (Node::on(&database.url()), Node::on(&database.url()));
    one.store().put_user(user("ann"), "Ann".to_owned(), 1).await.unwrap();
    let (phone, desk) = (sign_in(&one, 1).await, sign_in(&one, 2).await);
    let window = other.window("ann", Some(phone.clone()));
    let stays = other.window("ann", Some(desk));
    let before = other.chat.hub().revocations();
    assert!(one.store().revoke_session(user("ann"), phone).await.unwrap());
    assert_eq!(window.frames_until_closed_with(CloseCode::SIGNED_OUT).await, 1, "a goodbye");
    assert_ne!(other.chat.hub().revocations(), before);
    assert_eq!(stays.closed(), None);
}

#[tokio::test]
async fn a_guest_ends_with_its_session_wherever_that_ends_and_is_told_nothing_of_the_chat() {
    let database = Database::new();
    let (one, other) = (Node::on(&database.url()), Node::on(&database.url()));
    one.store().put_user(user("ann"), "Ann".to_owned(), 1).await.unwrap();
    let (phone, desk) = (sign_in(&one, 1).await, sign_in(&one, 2).await);
    let revocations = other.chat.hub().revocations();
    let (guest, stays) = (guest(&phone), guest(&desk));
    for listener in [&guest, &stays] {
        other.chat.guest_came(&listener.0, revocations);
    }
    assert!(one.store().revoke_session(user("ann"), phone.clone()).await.unwrap());
    assert_eq!(
        guest.frames_until_closed_with(CloseCode::SIGNED_OUT).await,
        0,
        "it knows no goodbye"
    );
    assert_eq!(stays.closed(), None);
    // One whose proof was looked at before the end of its session, and that came after it.
    let late = self::guest(&phone);
    other.chat.guest_came(&late.0, revocations);
    late.closes_with(CloseCode::SIGNED_OUT).await;
    other.chat.hub().guest_went(&stays.0);
    one.store().revoke_sessions(user("ann"), now_ms()).await.unwrap();
    let window = other.window("ann", Some(desk));
    window.closes_with(CloseCode::SIGNED_OUT).await;
    assert_eq!(stays.closed(), None, "who has left is no longer looked after");
}

/// A connection of ann's that carries nothing of the chat.
fn guest(session: &SessionId) -> Window {
    let outbox = Arc::new(Outbox::new(1 << 20));
    Window(Listener::guest(user("ann"), Some(session.clone()), outbox))
}

#[tokio::test]
async fn ending_everything_closes_old_tokens_elsewhere_and_spares_who_has_signed_in_again() {
    let database = Database::new();
    let (one, other) = (Node::on(&database.url()), Node::on(&database.url()));
    one.store().put_user(user("ann"), "Ann".to_owned(), 1).await.unwrap();
    let old = other.window("ann", Some(sign_in(&one, 1).await));
    let token = other.window("ann", None);
    let now = now_ms();
    token.0.came_with_token_of(now - 1);
    one.store().revoke_sessions(user("ann"), now).await.unwrap();
    // Before the other node has looked.
    let again = other.window("ann", Some(sign_in(&one, 2).await));
    let fresh = other.window("ann", None);
    fresh.0.came_with_token_of(now);
    old.closes_with(CloseCode::SIGNED_OUT).await;
    token.closes_with(CloseCode::SIGNED_OUT).await;
    assert_eq!((again.closed(), fresh.closed()), (None, None));
}

#[tokio::test]
async fn who_follows_a_room_that_a_promoted_standby_lacks_a_piece_of_is_closed_and_others_go_on() {
    let mut primary = Server::start();
    let standby = Server::replica_of(&primary);
    let node = Node::on(&primary.url_or(&standby, "postgres"));
    node.store().put_user(user("ann"), "Ann".to_owned(), 1).await.unwrap();
    let (short, whole) = (node.make("short").await, node.make("whole").await);
    standby.catch_up_with(&primary);
    standby.fall_behind();
    assert!(node.send(&short, "lost").await);
    let (concerned, spared) = (node.follow("ann", &short).await, node.follow("ann", &whole).await);
    primary.kill("KILL");
    standby.promote();
    eventually(async || matches!(concerned.closed(), Some(CloseCode::MOVED))).await;
    eventually(async || node.send(&whole, "after").await).await;
    assert_eq!(spared.closed(), None);
    // The client comes back with what it has, and hears that it is of another life.
    let head = node.store().head(&short).await.unwrap();
    assert_eq!(head.head.0, 1);
}
