//! What other nodes committed, a log's new life, and holes that can never be filled.

use std::task::{Context, Poll, Waker};

use moorline_protocol::{Cid, Epoch, Event, EventKind, RoomKind, Seq};
use moorline_store::{ChangedRooms, Create, Head, Joined, Prune, Send, Store, StoreConfig, Stored};
use tempfile::TempDir;

use super::*;
use crate::changes::Haste;
use crate::feed::Entered;
use crate::listener::Listener;
use crate::outbox::Notice;
use crate::outbox::{Drained, Outbox};

/// A hub over a real store whose commits reach nobody: as far as it knows, another node wrote them.
struct Node {
    hub: Hub,
    store: Store,
    room: RoomId,
    epoch: Epoch,
    _folder: TempDir,
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

impl Node {
    async fn with_room(people: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, commits) = Store::open(StoreConfig::new(folder.path())).unwrap();
        tokio::spawn(commits.answer_all());
        for id in people {
            store.put_user(user(id), (*id).to_owned(), 1).await.unwrap();
        }
        let create = Create {
            by: Some(user(people[0])),
            id: None,
            cid: Cid::new("make").unwrap(),
            kind: RoomKind::Group,
            name: Some("Ops".into()),
            members: people[1..].iter().map(|id| user(id)).collect(),
            at_ms: 1,
        };
        let made = store.create(create).await.unwrap();
        let hub = Hub::new(store.clone(), Haste::always(), None, None);
        Self { hub, store, room: made.room, epoch: made.epoch, _folder: folder }
    }

    async fn send(&self, body: &str, at_ms: u64) -> Stored {
        let (from, room) = (user("ann"), self.room.clone());
        let (cid, body) = (Cid::new(body).unwrap(), body.to_owned());
        self.store.send(Send { from, room, cid, body, reply_to: None, at_ms }).await.unwrap()
    }

    /// A window of a person that is in the room's feed, as if the node had read its head.
    fn live(&self, id: &str, head: u64) -> Arc<Listener> {
        let listener = self.window(id);
        self.hub.warm(&self.room, Head { epoch: self.epoch, first: Seq(1), head: Seq(head) });
        let entered = self.hub.enter(&listener, &self.room, (self.epoch, Seq(head)));
        assert_eq!(entered, Entered::Live);
        listener
    }

    fn window(&self, id: &str) -> Arc<Listener> {
        let listener = Listener::new(user(id), None, Arc::new(Outbox::new(1 << 20)));
        self.hub.came(&listener);
        listener
    }

    /// What a look at the store says of the room.
    async fn changed(&self) -> ChangedRooms {
        let head = self.store.head(&self.room).await.unwrap();
        let touched = TouchedRoom { room: self.room.clone(), head, members: 2 };
        ChangedRooms { rooms: vec![touched], ..ChangedRooms::default() }
    }
}

/// The seqs of the events that wait for a connection, and how it is to be closed.
fn heard(listener: &Listener) -> (Vec<u64>, Option<u16>) {
    let mut seqs = Vec::new();
    let context = Context::from_waker(Waker::noop());
    let drained = listener.outbox().drain(&context, |frame| {
        seqs.extend(serde_json::from_slice::<Event>(frame.payload()).ok().map(|event| event.seq.0));
        true
    });
    let close = match drained {
        Drained::Close(close) => Some(close.code.0),
        _ => None,
    };
    (seqs, close)
}

#[tokio::test]
async fn what_another_node_committed_is_delivered_in_order_and_once() {
    let node = Node::with_room(&["ann", "bob"]).await;
    let bob = node.live("bob", 1);
    node.send("one", 2).await;
    node.send("two", 2).await;
    let changed = node.changed().await;
    node.hub.catch_up(&changed).await;
    node.hub.catch_up(&changed).await;
    assert_eq!(heard(&bob), (vec![2, 3], None));
}

#[tokio::test]
async fn a_look_that_is_behind_or_of_another_room_changes_nothing() {
    let node = Node::with_room(&["ann", "bob"]).await;
    let early = node.changed().await;
    let bob = node.live("bob", 1);
    node.send("one", 2).await;
    node.hub.catch_up(&node.changed().await).await;
    node.hub.catch_up(&early).await;
    let mut elsewhere = early.clone();
    elsewhere.rooms[0].room = RoomId::new("unknown").unwrap();
    node.hub.catch_up(&elsewhere).await;
    assert_eq!(heard(&bob), (vec![2], None));
}

#[tokio::test]
async fn a_new_life_of_a_log_closes_its_listeners_with_4442_and_forgets_the_feed() {
    let node = Node::with_room(&["ann", "bob"]).await;
    let (ann, bob, elsewhere) = (node.live("ann", 1), node.live("bob", 1), node.window("bob"));
    let mut changed = node.changed().await;
    changed.rooms[0].head.epoch = Epoch(node.epoch.0 ^ 1);
    node.hub.catch_up(&changed).await;
    assert_eq!(heard(&ann), (vec![], Some(4442)));
    assert_eq!(heard(&bob), (vec![], Some(4442)));
    assert_eq!(heard(&elsewhere), (vec![], None), "one who is in no feed of the room stays");
    let back = node.window("bob");
    let entered = node.hub.enter(&back, &node.room, (node.epoch, Seq(1)));
    assert_eq!(entered, Entered::Cold, "the feed knows nothing of the old life");
}

#[tokio::test]
async fn an_event_of_a_new_life_ends_the_old_one_too() {
    let node = Node::with_room(&["ann", "bob"]).await;
    let bob = node.live("bob", 1);
    let event = Event {
        room: node.room.clone(),
        epoch: Epoch(node.epoch.0 ^ 1),
        seq: Seq(2),
        kind: EventKind::Rename { name: "New".into() },
        id: node.send("other", 2).await.id,
        from: user("ann"),
        cid: None,
        at: 2,
        people: Vec::new(),
    };
    let mut commit = moorline_store::Commit::default();
    commit.events.push(Arc::new(event));
    node.hub.publish(commit).await;
    assert_eq!(heard(&bob), (vec![], Some(4442)), "nothing of the new life came before the close");
}

#[tokio::test]
async fn a_hole_whose_events_were_pruned_ends_the_feed_instead_of_skipping_them() {
    let node = Node::with_room(&["ann", "bob"]).await;
    let bob = node.live("bob", 1);
    for n in 0..5 {
        node.send(&format!("m{n}"), 2).await;
    }
    node.send("young", 10).await;
    let prune = Prune { room: node.room.clone(), before_ms: 5 };
    assert_eq!(node.store.prune(prune).await.unwrap(), 6);
    node.hub.catch_up(&node.changed().await).await;
    assert_eq!(heard(&bob), (vec![], Some(4442)));
    let back = node.window("bob");
    let entered = node.hub.enter(&back, &node.room, (node.epoch, Seq(1)));
    assert_eq!(entered, Entered::Cold, "who comes back is not let into what cannot go on");
}

#[tokio::test]
async fn what_is_pruned_is_not_given_from_memory_either() {
    let node = Node::with_room(&["ann", "bob"]).await;
    let bob = node.live("bob", 1);
    let sent = node.send("old", 2).await;
    node.send("young", 10).await;
    node.hub.catch_up(&node.changed().await).await;
    assert_eq!(heard(&bob), (vec![2, 3], None));
    let from = moorline_protocol::Position {
        epoch: node.epoch,
        seq: sent.seq,
        check: Some(sent.id.check()),
    };
    assert!(node.hub.holds(&node.room, &from));
    let prune = Prune { room: node.room.clone(), before_ms: 5 };
    assert_eq!(node.store.prune(prune).await.unwrap(), 2);
    node.hub.catch_up(&node.changed().await).await;
    assert!(!node.hub.holds(&node.room, &from));
}

#[tokio::test]
async fn one_whom_another_node_brought_in_hears_of_the_room_unless_they_are_in_it() {
    let node = Node::with_room(&["ann", "bob"]).await;
    let (inside, outside) = (node.live("bob", 1), node.window("bob"));
    outside.bar(&node.room, Seq(9));
    let mut changed = node.changed().await;
    changed.joined = vec![Joined { room: node.room.clone(), user: user("bob"), seq: Seq(1) }];
    node.hub.catch_up(&changed).await;
    let notices = |listener: &Listener| {
        let context = Context::from_waker(Waker::noop());
        listener.outbox().poll_notices(&context)
    };
    let room = node.room.clone();
    assert_eq!(notices(&outside), Poll::Ready(vec![Notice::Added { room }]));
    assert!(outside.may_enter(&node.room, Seq(1)), "the removal before it is history");
    assert!(notices(&inside).is_pending());
}

#[tokio::test]
async fn those_around_an_erased_person_are_told_and_nothing_of_them_is_kept_in_memory() {
    let node = Node::with_room(&["ann", "bob"]).await;
    let (ann, bob, stranger) = (node.live("ann", 1), node.live("bob", 1), node.window("eve"));
    let sent = node.send("mine", 2).await;
    node.hub.catch_up(&node.changed().await).await;
    let (seq, check) = (sent.seq, Some(sent.id.check()));
    let from = moorline_protocol::Position { epoch: node.epoch, seq, check };
    assert!(node.hub.holds(&node.room, &from));
    for listener in [&ann, &bob, &stranger] {
        heard(listener);
    }
    node.hub.erased(&user("ann"), std::slice::from_ref(&node.room));
    assert!(!node.hub.holds(&node.room, &from));
    let frames = |listener: &Listener| {
        let mut frames = Vec::new();
        let context = Context::from_waker(Waker::noop());
        let _ = listener.outbox().drain(&context, |frame| {
            frames.push(String::from_utf8(frame.payload().to_vec()).unwrap());
            true
        });
        frames
    };
    let told = frames(&bob);
    assert!(told.len() == 1 && told[0].contains(DELETED_NAME), "{told:?}");
    assert!(frames(&stranger).is_empty() && frames(&ann).is_empty());
}

/// Carries an erasing on by so many steps.
async fn erase(store: &Store, who: &str, steps: usize) {
    store.begin_erasing(user(who), false, 3).await.unwrap();
    let erasing = store.erasings().await.unwrap().pop().unwrap();
    let mut eraser = moorline_store::Eraser::new(store.clone(), erasing);
    for _ in 0..steps {
        if !eraser.step(4).await.unwrap() {
            return;
        }
    }
}

#[tokio::test]
async fn one_who_is_erased_on_another_node_is_signed_out_here_and_one_who_is_removed_is_not() {
    let node = Node::with_room(&["ann", "bob", "cleo"]).await;
    let (bob, cleo) = (node.live("bob", 1), node.live("cleo", 1));
    let remove = moorline_store::Remove {
        by: Some(user("ann")),
        room: node.room.clone(),
        cid: Cid::new("r").unwrap(),
        users: vec![user("cleo")],
        at_ms: 2,
    };
    node.store.remove(remove).await.unwrap();
    erase(&node.store, "bob", 1).await;
    node.hub.catch_up(&node.changed().await).await;
    assert_eq!(heard(&bob), (vec![2, 3], Some(4403)));
    assert_eq!(heard(&cleo), (vec![2], None));
}

#[tokio::test]
async fn one_who_stands_as_nobody_already_hears_nothing_above_their_removal() {
    let node = Node::with_room(&["ann", "bob"]).await;
    let (ann, bob) = (node.live("ann", 1), node.live("bob", 1));
    erase(&node.store, "bob", usize::MAX).await;
    node.send("secret", 5).await;
    let page = node.store.log(&node.room, Seq(1), 1).await.unwrap();
    assert!(
        format!("{:?}", page.events[0].kind).contains("deleted"),
        "the log tells no id any more"
    );
    node.hub.catch_up(&node.changed().await).await;
    assert_eq!(heard(&bob), (vec![], Some(4403)));
    assert!(!bob.may_enter(&node.room, Seq(1)));
    assert_eq!(heard(&ann), (vec![2, 3], None), "the others stay");
}

#[tokio::test]
async fn where_nobody_can_say_who_was_erased_all_come_back_instead_of_one_hearing_too_much() {
    let node = Node::with_room(&["ann", "bob"]).await;
    let bob = node.live("bob", 1);
    erase(&node.store, "bob", usize::MAX).await;
    let page = node.store.log(&node.room, Seq(1), 10).await.unwrap();
    node.store.clone().close().await;
    let mut commit = moorline_store::Commit::default();
    commit.events.extend(page.events.into_iter().map(Arc::new));
    node.hub.publish(commit).await;
    assert_eq!(heard(&bob), (vec![], Some(4442)));
}

#[tokio::test]
async fn the_removed_are_barred_before_they_hear_what_follows() {
    let node = Node::with_room(&["ann", "bob"]).await;
    let bob = node.live("bob", 1);
    let remove = moorline_store::Remove {
        by: Some(user("ann")),
        room: node.room.clone(),
        cid: Cid::new("r").unwrap(),
        users: vec![user("bob")],
        at_ms: 2,
    };
    node.store.remove(remove).await.unwrap();
    node.send("secret", 3).await;
    node.hub.catch_up(&node.changed().await).await;
    assert_eq!(heard(&bob).0, [2], "the removal, and nothing above it");
    assert!(!bob.may_enter(&node.room, Seq(1)));
}
