//! What has no seq, and revoked sessions, stop within five seconds on every node: with the layer, without it, and with one
//! that lies.

use std::time::{Duration, Instant};

use moorline_chat::LeaseTimes;
use moorline_layer::{ChannelLayer, Message};
use moorline_store::Read;
use moorline_test_postgres::Database;
use serde_json::Value;

use crate::harness::{DEADLINE, TestChat, Window, dead_layer, layer, until, user};

/// The promise.
const IN_TIME: Duration = Duration::from_secs(5);

/// How the layer between two nodes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// It carries everything.
    Up,
    /// It loses everything.
    Down,
    /// Each node hears itself, so that nothing seems wrong, and never the other.
    Lying,
}

impl Layer {
    fn of_both(self) -> [Option<ChannelLayer>; 2] {
        match self {
            Self::Up => {
                let layer = layer();
                [Some(layer.clone()), Some(layer)]
            }
            Self::Down => [Some(dead_layer()), Some(dead_layer())],
            Self::Lying => [Some(layer()), Some(layer())],
        }
    }
}

async fn nodes(database: &Database, layer: Layer) -> [TestChat; 2] {
    let names = ["ann", "bob", "cid"];
    TestChat::nodes(&database.url(), layer.of_both(), &names, LeaseTimes::default()).await
}

fn is(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |frame| frame["type"] == kind
}

/// Makes ann type, read and turn away on a node, again and again until a window there saw all of it.
async fn fill_with_ephemerals(
    node: &TestChat,
    ann: &Window,
    witness: &Window,
    seq: u64,
) -> Vec<Value> {
    let hub = node.chat.hub();
    let (mut is_away, mut seen, started) = (false, Vec::new(), Instant::now());
    loop {
        is_away = !is_away;
        hub.typed(&ann.listener, &node.room, Instant::now());
        hub.set_away(&ann.listener, is_away, 9);
        seen.extend(witness.frames());
        let has = |kind| seen.iter().any(is(kind));
        if has("typing") && has("presence") && has("receipt") {
            return seen;
        }
        let room = node.room.clone();
        let seq = moorline_protocol::Seq(seq);
        node.chat.store().read(Read { user: user("ann"), room, seq });
        assert!(started.elapsed() < DEADLINE, "only {:?}", seen.last());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Bob is on the second node when ann removes him on the first; cid, beside him, sees what he must not see.
async fn the_removed_hear_nothing(layer: Layer) {
    let database = Database::new();
    let [one, two] = &nodes(&database, layer).await;
    let (ann, cid, bob) = (two.here("ann").await, two.here("cid").await, two.here("bob").await);
    let removed = one.remove("ann", "bob").await;
    let started = Instant::now();
    let mut heard = Vec::new();
    until("bob hears that he is out", || {
        heard.extend(bob.frames());
        heard.iter().any(is("room"))
    })
    .await;
    assert!(started.elapsed() < IN_TIME, "{layer:?}: {:?}", started.elapsed());
    let sent = one.send("cid", "without bob").await;
    cid.frames();
    fill_with_ephemerals(two, &ann, &cid, sent.seq.0).await;
    let after = bob.frames();
    assert!(after.is_empty(), "{layer:?}: {after:?}");
    let beyond = |frame: &&Value| frame["seq"].as_u64() > Some(removed.seq.0);
    assert_eq!(heard.iter().filter(beyond).count(), 0, "{heard:?}");
    // Nor is he seen by those who stay.
    two.chat.hub().set_away(&bob.listener, true, 9);
    two.chat.hub().typed(&bob.listener, &two.room, Instant::now());
    let sent = one.send("cid", "still without bob").await;
    let seen = fill_with_ephemerals(two, &ann, &cid, sent.seq.0).await;
    assert!(!seen.iter().any(|frame| frame.to_string().contains("\"bob\"")));
}

/// Bob is on the second node when his sessions are ended on the first.
async fn the_revoked_are_closed(layer: Layer) {
    let database = Database::new();
    let [one, two] = &nodes(&database, layer).await;
    let (bob, cid) = (two.here("bob").await, two.here("cid").await);
    one.chat.store().revoke_sessions(user("bob"), 9).await.unwrap();
    let started = Instant::now();
    until("bob is closed", || bob.closed() == Some(4403)).await;
    assert!(started.elapsed() < IN_TIME, "{layer:?}: {:?}", started.elapsed());
    assert_eq!(cid.closed(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_removed_hear_nothing_more_on_another_node_with_the_layer() {
    the_removed_hear_nothing(Layer::Up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_removed_hear_nothing_more_on_another_node_without_the_layer() {
    the_removed_hear_nothing(Layer::Down).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_removed_hear_nothing_more_on_another_node_when_the_layer_lies() {
    the_removed_hear_nothing(Layer::Lying).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_revoked_are_closed_on_another_node_however_the_layer_is() {
    for layer in [Layer::Up, Layer::Down, Layer::Lying] {
        the_revoked_are_closed(layer).await;
    }
}

/// Somebody who can write to the layer keeps what nodes say, and says it again when it is not true any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_again_of_typing_and_presence_is_believed_by_nobody() {
    let database = Database::new();
    let layer = layer();
    let layers = [Some(layer.clone()), Some(layer.clone())];
    let names = ["ann", "bob", "cid"];
    let [one, two] = &TestChat::nodes(&database.url(), layers, &names, LeaseTimes::default()).await;
    let spy = layer.new_channel().await.unwrap();
    layer.group_add("moorline.nodes", &spy).await.unwrap();
    let cid = two.here("cid").await;
    let bob = one.here("bob").await;
    one.chat.hub().typed(&bob.listener, &one.room, Instant::now());
    let mut heard = Vec::new();
    until("cid sees bob come and type", || {
        heard.extend(cid.frames());
        heard.iter().any(is("presence")) && heard.iter().any(is("typing"))
    })
    .await;
    let mut kept: Vec<Message> = Vec::new();
    let says =
        |message: &Message, word| message.text("body").is_some_and(|body| body.contains(word));
    while !["presence", "typing"].iter().all(|word| kept.iter().any(|kept| says(kept, word))) {
        kept.push(layer.receive(&spy).await.unwrap());
    }
    bob.close();
    one.chat.hub().tick(Instant::now() + Duration::from_secs(31), 9);
    until("cid sees bob go", || cid.presence_of("bob") == ["offline"]).await;
    for message in kept.iter().chain(&kept) {
        layer.group_send("moorline.nodes", message).await.unwrap();
    }
    // What comes after it shows that all of it was taken in.
    let ann = one.here("ann").await;
    let mut after = Vec::new();
    until("cid sees ann come", || {
        after.extend(cid.frames());
        after.iter().any(|frame| frame["user"] == "ann")
    })
    .await;
    let of_bob = |frame: &&Value| frame.to_string().contains("bob");
    assert_eq!(after.iter().filter(of_bob).count(), 0, "{after:?}");
    drop(ann);
}
