//! Two nodes over one database and one layer: what one commits the other's people get, whatever becomes of the hints.

use std::time::Instant;

use moorline_chat::HintCounts;
use moorline_layer::{ChannelLayer, Faults, Message, Options};
use moorline_protocol::{Limits, Seq};
use moorline_test_postgres::Database;

use crate::harness::{TestChat, Window, layer, read, until, user};

const GROUP: &str = "moorline.nodes";

fn counts(node: &TestChat) -> &HintCounts {
    node.chat.hub().hints().unwrap().0
}

fn filled(node: &TestChat) -> u64 {
    read(&node.chat.hub().counts().filled)
}

/// The seqs that a window gets, up to this one.
async fn seqs_up_to(window: &Window, last: u64) -> Vec<u64> {
    let mut seqs = Vec::new();
    until(&format!("event {last}"), || {
        seqs.extend(window.seqs());
        seqs.last().is_some_and(|seq| *seq >= last)
    })
    .await;
    seqs
}

/// Two nodes of ann and bob on this layer that hear each other.
struct Site {
    nodes: [TestChat; 2],
    layer: ChannelLayer,
    _database: Database,
}

impl Site {
    async fn new() -> Self {
        let (database, layer) = (Database::new(), layer());
        let nodes = TestChat::two_nodes(&database.url(), layer.clone(), &["ann", "bob"]).await;
        let hears = |node: &TestChat| read(&counts(node).received) > 0;
        until("both nodes hear", || nodes.iter().all(hears)).await;
        Self { nodes, layer, _database: database }
    }

    /// Somebody with access to Redis.
    async fn spy(&self) -> Spy {
        let channel = self.layer.new_channel().await.unwrap();
        self.layer.group_add(GROUP, &channel).await.unwrap();
        Spy { layer: self.layer.clone(), channel }
    }
}

/// Hears what the nodes tell each other, and says what it likes.
struct Spy {
    layer: ChannelLayer,
    channel: String,
}

impl Spy {
    /// The next hint that has this in it.
    async fn hears(&self, part: &str) -> Message {
        loop {
            let message = self.layer.receive(&self.channel).await.unwrap();
            if message.text("body").unwrap().contains(part) {
                return message;
            }
        }
    }

    async fn says(&self, message: &Message) {
        self.layer.group_send(GROUP, message).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_commits_the_other_delivers_without_reading_the_store() {
    let site = Site::new().await;
    let [one, two] = &site.nodes;
    let (ann, bob) = (one.live("ann").await, two.live("bob").await);
    for n in 0..40 {
        let node = &site.nodes[n % 2];
        let sent = node.send(["ann", "bob"][n % 2], "hello").await;
        // Each answers what they have seen.
        let window = if n % 2 == 0 { &bob } else { &ann };
        assert_eq!(seqs_up_to(window, sent.seq.0).await.last(), Some(&sent.seq.0));
    }
    assert_eq!((filled(one), filled(two)), (0, 0));
    assert!(read(&counts(two).received) >= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_repeated_late_and_reordered_hints_change_nothing_that_people_see() {
    let database = Database::new();
    let faults = ChannelLayer::memory_with_faults(Options::default(), Faults::with_seed(5));
    let nodes = TestChat::two_nodes(&database.url(), faults.unwrap(), &["ann", "bob"]).await;
    let [one, two] = &nodes;
    let (ann, bob) = (one.live("ann").await, two.live("bob").await);
    for n in 0..300 {
        nodes[n % 2].send(["ann", "bob"][n % 2], "hello").await;
    }
    let expected: Vec<u64> = (2..=301).collect();
    assert_eq!(seqs_up_to(&ann, 301).await, expected);
    assert_eq!(seqs_up_to(&bob, 301).await, expected);
    let missed = read(&counts(one).missed) + read(&counts(two).missed);
    assert!(missed > 0 && filled(one) + filled(two) > 0, "no fault bit: {missed} hints missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_write_to_one_room_at_full_rate_hardly_read_the_store() {
    const EACH: usize = 1_000;
    let site = Site::new().await;
    let [one, two] = &site.nodes;
    let (ann, bob) = (one.live("ann").await, two.live("bob").await);
    let last = 1 + 2 * EACH as u64;
    let write = |node: usize| {
        let node = &site.nodes[node];
        futures_util::future::join_all((0..8).map(move |_| async move {
            for _ in 0..EACH / 8 {
                node.send("ann", "hello").await;
            }
        }))
    };
    let expected: Vec<u64> = (2..=last).collect();
    let (seen_by_ann, seen_by_bob, ..) =
        futures_util::join!(seqs_up_to(&ann, last), seqs_up_to(&bob, last), write(0), write(1));
    assert_eq!(seen_by_ann, expected);
    assert_eq!(seen_by_bob, expected);
    let filled = filled(one) + filled(two);
    assert!(filled < 2 * EACH as u64 / 100, "the store was read {filled} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_put_on_the_nodes_group_reaches_nobody_and_is_counted() {
    let site = Site::new().await;
    let ([one, two], spy) = (&site.nodes, site.spy().await);
    let (ann, bob) = (one.live("ann").await, two.live("bob").await);
    let sent = one.send("ann", "the real one").await;
    let real = spy.hears("the real one").await;
    let body = real
        .text("body")
        .unwrap()
        .replace("the real one", "a forged one")
        .replace("\"seq\":2", "\"seq\":3");
    let forged = [
        real.clone().with("body", body),
        real.clone().with("number", 1_000_000_i64),
        Message::of_type("moorline.hint").with("body", "x".repeat(3_000_000)),
        Message::of_type("chat.message").with("text", "hello"),
    ];
    for message in forged.iter().chain([&real, &real]) {
        spy.says(message).await;
    }
    until("all forged ones are counted", || read(&counts(two).refused) >= 4).await;
    let after = one.send("ann", "after").await;
    assert_eq!(seqs_up_to(&bob, after.seq.0).await, [sent.seq.0, after.seq.0]);
    assert_eq!(ann.seqs(), [sent.seq.0, after.seq.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_on_one_node_ends_what_the_other_delivers_and_a_repeated_one_is_not_told_again() {
    let site = Site::new().await;
    let ([one, two], spy) = (&site.nodes, site.spy().await);
    let bob = two.live("bob").await;
    let removed = one.remove("ann", "bob").await;
    one.send("ann", "not for bob").await;
    let mut frames = Vec::new();
    until("bob hears of it", || {
        frames.extend(bob.frames());
        frames.iter().any(|frame| frame["type"] == "room")
    })
    .await;
    let back = one.invite("ann", "bob").await;
    until("bob hears of that too", || !bob.notices().is_empty()).await;
    assert_eq!(bob.follow(two, back.seq).await, moorline_chat::Followed::Live);
    spy.says(&spy.hears("removed").await).await;
    let again = one.send("ann", "welcome back").await;
    until("the message after the return", || {
        frames.extend(bob.frames());
        frames.iter().any(|frame| frame["seq"] == again.seq.0)
    })
    .await;
    let told = frames.iter().filter(|frame| frame["type"] == "room").count();
    assert_eq!(told, 1, "{frames:?}");
    let beyond = |frame: &&serde_json::Value| {
        frame["type"] == "event" && frame["seq"].as_u64() == Some(removed.seq.0 + 1)
    };
    assert_eq!(frames.iter().filter(beyond).count(), 0, "{frames:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_and_receipts_cross_over() {
    let site = Site::new().await;
    let [one, two] = &site.nodes;
    let (ann, bob) = (one.live("ann").await, two.live("bob").await);
    for node in &site.nodes {
        node.chat.hub().set_members(&node.room, u64::from(Limits::DEFAULT.receipt_members));
    }
    let sent = one.send("ann", "hello").await;
    seqs_up_to(&bob, sent.seq.0).await;
    one.chat.hub().typed(&ann.listener, &one.room, Instant::now());
    let mut frames = Vec::new();
    until("bob sees ann type", || {
        frames.extend(bob.frames());
        frames.iter().any(|frame| frame["type"] == "typing")
    })
    .await;
    let read = moorline_store::Read { user: user("bob"), room: two.room.clone(), seq: sent.seq };
    two.chat.store().read(read);
    until("ann sees that bob has read", || {
        frames.extend(ann.frames());
        frames.iter().any(|frame| frame["type"] == "receipt" && frame["user"] == "bob")
    })
    .await;
    assert!(sent.seq > Seq(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_whose_group_was_forgotten_join_it_again_by_themselves() {
    let Site { nodes, layer, .. } = &Site::new().await;
    layer.flush().await.unwrap();
    let is_deaf = |node: &TestChat| node.chat.hub().hints().unwrap().1;
    until("both nodes know", || nodes.iter().all(is_deaf)).await;
    until("both nodes hear again", || !nodes.iter().any(is_deaf)).await;
    let before = read(&counts(&nodes[1]).received);
    nodes[0].send("ann", "hello").await;
    until("a hint comes", || read(&counts(&nodes[1]).received) > before).await;
}
