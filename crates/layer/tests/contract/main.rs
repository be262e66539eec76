//! What every back end promises, run over all of them: memory, Redis, Redis with three hosts, Redis Pub/Sub.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by failing"
)]

#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use moorline_layer::{ChannelLayer, Error, Glob, Map, Message, Options, Value};
use tokio::sync::Semaphore;

use support::{DEADLINE, TestRedis, number, numbered};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Memory,
    Redis,
    ThreeHosts,
    PubSub,
}

/// One back end with the Redis servers that it needs.
struct Bench {
    kind: Kind,
    servers: Vec<TestRedis>,
}

impl Bench {
    fn new(kind: Kind) -> Self {
        let count = match kind {
            Kind::Memory => 0,
            Kind::Redis | Kind::PubSub => 1,
            Kind::ThreeHosts => 3,
        };
        Self { kind, servers: (0..count).map(|_| TestRedis::start()).collect() }
    }

    fn open(&self) -> ChannelLayer {
        // That a busy machine reads a message after ten seconds is no failure.
        self.open_with(Options { expiry: 10 * DEADLINE, ..Options::default() })
    }

    fn open_with(&self, mut options: Options) -> ChannelLayer {
        if self.kind != Kind::Memory {
            options.hosts = self.servers.iter().map(TestRedis::host).collect();
        }
        match self.kind {
            Kind::Memory => ChannelLayer::memory(options),
            Kind::Redis | Kind::ThreeHosts => ChannelLayer::redis(options),
            Kind::PubSub => ChannelLayer::redis_pubsub(options),
        }
        .unwrap()
    }

    /// Two processes, as far as Redis can tell; memory has only one.
    fn open_two(&self) -> (ChannelLayer, ChannelLayer) {
        let first = self.open();
        let second = if self.kind == Kind::Memory { first.clone() } else { self.open() };
        (first, second)
    }
}

async fn receive(layer: &ChannelLayer, channel: &str) -> Message {
    layer.receive_within(channel, DEADLINE).await.unwrap().expect("no message came in time")
}

async fn has_nothing(layer: &ChannelLayer, channel: &str) -> bool {
    layer.receive_within(channel, Duration::from_millis(200)).await.unwrap().is_none()
}

/// Every test below once for each back end.
macro_rules! contract {
    ($($test:ident for [$($kind:ident),*];)*) => {
        $(mod $test {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[allow(non_snake_case, reason = "named after the back end")]
            async fn $kind() {
                super::$test(super::Bench::new(super::Kind::$kind)).await;
            })*
        })*
    };
}

contract! {
    a_message_sent_to_a_channel_is_received_there for [Memory, Redis, ThreeHosts, PubSub];
    messages_of_one_channel_keep_their_order for [Memory, Redis, ThreeHosts, PubSub];
    messages_that_are_read_while_they_are_sent_keep_their_order for [Memory, Redis, ThreeHosts, PubSub];
    a_normal_channel_that_is_read_while_it_is_filled_keeps_its_order for [Memory, Redis];
    every_value_arrives_as_it_was_sent for [Memory, Redis, ThreeHosts, PubSub];
    a_group_reaches_its_members_and_not_those_who_left for [Memory, Redis, ThreeHosts, PubSub];
    many_channels_of_two_processes_each_get_their_copy for [Memory, Redis, ThreeHosts, PubSub];
    a_receive_that_is_dropped_loses_nothing for [Memory, Redis, ThreeHosts, PubSub];
    a_group_without_members_takes_any_message for [Memory, Redis, ThreeHosts, PubSub];
    closing_ends_a_receive for [Memory, Redis, ThreeHosts, PubSub];
    a_closed_channel_is_in_no_group for [Memory, Redis, ThreeHosts, PubSub];
    flushing_forgets_groups for [Memory, Redis, ThreeHosts, PubSub];
    encrypted_messages_arrive for [Redis, ThreeHosts, PubSub];
    json_messages_arrive for [Redis, PubSub];
    the_counters_count for [Memory, Redis, ThreeHosts, PubSub];
    a_full_channel_refuses_and_recovers for [Memory, Redis];
    patterns_give_capacities for [Memory, Redis];
    a_full_member_does_not_stop_a_group for [Memory, Redis, ThreeHosts];
    an_unread_message_expires for [Memory, Redis];
    a_membership_that_nobody_keeps_expires for [Memory, Redis];
    names_and_messages_that_no_peer_accepts_are_refused for [Memory, Redis];
    each_message_of_a_normal_channel_reaches_one_reader for [Memory, Redis, ThreeHosts];
}

async fn a_message_sent_to_a_channel_is_received_there(bench: Bench) {
    let (here, there) = bench.open_two();
    let channel = here.new_channel().await.unwrap();
    there.send(&channel, &numbered(1)).await.unwrap();
    assert_eq!(receive(&here, &channel).await, numbered(1));
    assert!(has_nothing(&here, &channel).await);
    // Also when the reader is there first.
    let (received, ()) = tokio::join!(receive(&here, &channel), async {
        tokio::task::yield_now().await;
        there.send(&channel, &numbered(2)).await.unwrap();
    });
    assert_eq!(received, numbered(2));
}

async fn messages_of_one_channel_keep_their_order(bench: Bench) {
    let (here, there) = bench.open_two();
    let channel = here.new_channel().await.unwrap();
    for n in 0..200 {
        there.send(&channel, &numbered(n)).await.unwrap();
    }
    for n in 0..200 {
        assert_eq!(number(&receive(&here, &channel).await), n);
    }
}

async fn messages_that_are_read_while_they_are_sent_keep_their_order(bench: Bench) {
    let (here, there) = bench.open_two();
    let channel = here.new_channel().await.unwrap();
    read_while_sent(&here, &there, &channel).await;
}

async fn a_normal_channel_that_is_read_while_it_is_filled_keeps_its_order(bench: Bench) {
    let (here, there) = bench.open_two();
    read_while_sent(&here, &there, "tasks").await;
}

/// Sends so many that a sender and a receiver meet in every place between them, and never more at once than fit.
async fn read_while_sent(here: &ChannelLayer, there: &ChannelLayer, channel: &str) {
    const MANY: i64 = 5_000;
    let room = Arc::new(Semaphore::new(100));
    let (there, to, sender_room) = (there.clone(), channel.to_owned(), Arc::clone(&room));
    let sending = tokio::spawn(async move {
        for n in 0..MANY {
            sender_room.acquire().await.unwrap().forget();
            there.send(&to, &numbered(n)).await.unwrap();
        }
    });
    for n in 0..MANY {
        assert_eq!(number(&receive(here, channel).await), n);
        room.add_permits(1);
    }
    sending.await.unwrap();
}

async fn every_value_arrives_as_it_was_sent(bench: Bench) {
    let (here, there) = bench.open_two();
    let channel = here.new_channel().await.unwrap();
    let message = Message::of_type("x")
        .with("text", "héllo ✓ 😀\0")
        .with("bytes", vec![0_u8, 255])
        .with("numbers", vec![Value::from(u64::MAX), i64::MIN.into(), (-33).into(), 3.0.into()])
        .with("nothing", Value::Nil)
        .with("map", Map::new().with("inner", Map::new()))
        .with("long", "x".repeat(100_000));
    there.send(&channel, &message).await.unwrap();
    let received = receive(&here, &channel).await;
    assert_eq!(received, message);
    let keys = |map: &Map| map.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&received), keys(&message));
}

async fn a_group_reaches_its_members_and_not_those_who_left(bench: Bench) {
    let (here, there) = bench.open_two();
    let (first, second) = (here.new_channel().await.unwrap(), there.new_channel().await.unwrap());
    here.group_add("room.1", &first).await.unwrap();
    there.group_add("room.1", &second).await.unwrap();
    here.group_send("room.1", &numbered(1)).await.unwrap();
    assert_eq!(receive(&here, &first).await, numbered(1));
    assert_eq!(receive(&there, &second).await, numbered(1));
    here.group_discard("room.1", &first).await.unwrap();
    here.group_discard("room.1", &first).await.unwrap();
    here.group_discard("never", &first).await.unwrap();
    there.group_send("room.1", &numbered(2)).await.unwrap();
    assert_eq!(receive(&there, &second).await, numbered(2));
    assert!(has_nothing(&here, &first).await);
}

async fn many_channels_of_two_processes_each_get_their_copy(bench: Bench) {
    let (here, there) = bench.open_two();
    let mut members = Vec::new();
    for index in 0..60 {
        let layer = if index % 2 == 0 { &here } else { &there };
        let channel = layer.new_channel().await.unwrap();
        layer.group_add("all", &channel).await.unwrap();
        members.push((layer.clone(), channel));
    }
    let receives = members.iter().map(|(layer, channel)| receive(layer, channel));
    let (received, ()) = tokio::join!(futures_util::future::join_all(receives), async {
        here.group_send("all", &numbered(7)).await.unwrap();
    });
    assert_eq!(received, vec![numbered(7); 60]);
    for (layer, channel) in &members[..4] {
        assert!(has_nothing(layer, channel).await, "one copy each");
    }
}

async fn a_receive_that_is_dropped_loses_nothing(bench: Bench) {
    let (here, there) = bench.open_two();
    let channel = here.new_channel().await.unwrap();
    for n in 0..30 {
        // The deadline falls before, into and after the arrival.
        let (early, message) = (Duration::from_micros(100 * n as u64), numbered(n));
        let (early, sent) =
            tokio::join!(here.receive_within(&channel, early), there.send(&channel, &message));
        sent.unwrap();
        let received = match early.unwrap() {
            Some(message) => message,
            None => receive(&here, &channel).await,
        };
        assert_eq!(number(&received), n);
    }
}

async fn a_group_without_members_takes_any_message(bench: Bench) {
    bench.open().group_send("nobody", &numbered(1)).await.unwrap();
}

async fn closing_ends_a_receive(bench: Bench) {
    let layer = bench.open();
    let channel = layer.new_channel().await.unwrap();
    let mut gaps = layer.gaps();
    let (received, ()) = tokio::join!(layer.receive(&channel), async {
        tokio::task::yield_now().await;
        layer.close().await;
    });
    assert_eq!(received, Err(Error::Closed));
    assert_eq!(layer.receive(&channel).await, Err(Error::Closed));
    while gaps.next().await.is_some() {}
}

async fn a_closed_channel_is_in_no_group(bench: Bench) {
    let (here, there) = bench.open_two();
    let channel = here.new_channel().await.unwrap();
    here.group_add("room", &channel).await.unwrap();
    here.close_channel(&channel).await.unwrap();
    there.group_send("room", &numbered(1)).await.unwrap();
    assert!(bench.kind == Kind::PubSub || has_nothing(&here, &channel).await);
    let keys: Vec<String> = match bench.servers.first() {
        Some(server) => server.query(&["KEYS", "*"]).await,
        None => Vec::new(),
    };
    assert_eq!(keys, [] as [String; 0]);
}

async fn flushing_forgets_groups(bench: Bench) {
    let (here, there) = bench.open_two();
    let channel = here.new_channel().await.unwrap();
    here.group_add("room", &channel).await.unwrap();
    here.flush().await.unwrap();
    there.group_send("room", &numbered(1)).await.unwrap();
    assert!(has_nothing(&here, &channel).await);
}

async fn encrypted_messages_arrive(bench: Bench) {
    let keys = |keys: &[&str]| Options {
        symmetric_encryption_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        ..Options::default()
    };
    let old = bench.open_with(keys(&["old"]));
    let rotated = bench.open_with(keys(&["new", "old"]));
    let channel = rotated.new_channel().await.unwrap();
    let stranger = bench.open_with(keys(&["other"]));
    stranger.send(&channel, &numbered(0)).await.unwrap();
    old.send(&channel, &numbered(1)).await.unwrap();
    rotated.send(&channel, &numbered(2)).await.unwrap();
    assert_eq!(receive(&rotated, &channel).await, numbered(1));
    assert_eq!(receive(&rotated, &channel).await, numbered(2));
    assert_eq!(rotated.counters().undecodable, 1);
}

async fn json_messages_arrive(bench: Bench) {
    let serializer = moorline_layer::Serializer::Json;
    let json = bench.open_with(Options { serializer, ..Options::default() });
    let channel = json.new_channel().await.unwrap();
    let message = numbered(1).with("text", "é\u{7f}").with("float", 3.0);
    json.send(&channel, &message).await.unwrap();
    assert_eq!(receive(&json, &channel).await, message);
    let bytes = numbered(1).with("bytes", vec![1_u8]);
    assert!(matches!(json.send(&channel, &bytes).await, Err(Error::InvalidMessage(_))));
}

async fn the_counters_count(bench: Bench) {
    let (here, there) = bench.open_two();
    let channel = here.new_channel().await.unwrap();
    there.send(&channel, &numbered(1)).await.unwrap();
    receive(&here, &channel).await;
    let (here, there) = (here.counters(), there.counters());
    assert_eq!((there.sent, here.received, here.undecodable, here.reconnects), (1, 1, 0, 0));
}

async fn a_full_channel_refuses_and_recovers(bench: Bench) {
    let layer = bench.open_with(Options { capacity: 2, ..Options::default() });
    let mut gaps = layer.gaps();
    layer.send("worker", &numbered(1)).await.unwrap();
    layer.send("worker", &numbered(2)).await.unwrap();
    let full = Error::ChannelFull { channel: "worker".to_owned(), capacity: 2 };
    assert_eq!(layer.send("worker", &numbered(3)).await, Err(full));
    let gap = moorline_layer::Gap::OverCapacity { name: "worker".to_owned(), count: 1 };
    assert_eq!(gaps.next().await, Some(gap));
    assert_eq!(layer.counters().dropped_at_capacity, 1);
    assert_eq!(receive(&layer, "worker").await, numbered(1));
    layer.send("worker", &numbered(4)).await.unwrap();
    assert_eq!(receive(&layer, "worker").await, numbered(2));
    assert_eq!(receive(&layer, "worker").await, numbered(4));
}

async fn patterns_give_capacities(bench: Bench) {
    let channel_capacity = vec![(Glob::new("http.*"), 1), (Glob::new("slow?"), 2)];
    let layer = bench.open_with(Options { channel_capacity, capacity: 3, ..Options::default() });
    for (channel, capacity) in [("http.request", 1), ("slow1", 2), ("other", 3)] {
        for n in 0..capacity {
            layer.send(channel, &numbered(n)).await.unwrap();
        }
        assert!(matches!(layer.send(channel, &numbered(9)).await, Err(Error::ChannelFull { .. })));
    }
}

async fn a_full_member_does_not_stop_a_group(bench: Bench) {
    let layer = bench.open_with(Options { capacity: 1, ..Options::default() });
    layer.group_add("g", "full").await.unwrap();
    layer.group_add("g", "free").await.unwrap();
    layer.group_send("g", &numbered(1)).await.unwrap();
    assert_eq!(receive(&layer, "free").await, numbered(1));
    let mut gaps = layer.gaps();
    layer.group_send("g", &numbered(2)).await.unwrap();
    assert_eq!(receive(&layer, "free").await, numbered(2));
    assert_eq!(receive(&layer, "full").await, numbered(1));
    let gap = moorline_layer::Gap::OverCapacity { name: "g".to_owned(), count: 1 };
    assert_eq!(gaps.next().await, Some(gap));
}

async fn an_unread_message_expires(bench: Bench) {
    let expiry = Duration::from_secs(1);
    let layer = bench.open_with(Options { expiry, ..Options::default() });
    layer.send("worker", &numbered(1)).await.unwrap();
    let deadline = tokio::time::Instant::now() + expiry + Duration::from_millis(200);
    tokio::time::sleep_until(deadline).await;
    assert!(has_nothing(&layer, "worker").await);
}

async fn a_membership_that_nobody_keeps_expires(bench: Bench) {
    let group_expiry = Duration::from_secs(1);
    let layer = bench.open_with(Options { group_expiry, ..Options::default() });
    // Nobody receives on it here, so its own process would have to keep it in the group.
    layer.group_add("g", "elsewhere").await.unwrap();
    let deadline = tokio::time::Instant::now() + group_expiry + Duration::from_millis(1100);
    tokio::time::sleep_until(deadline).await;
    layer.group_send("g", &numbered(1)).await.unwrap();
    assert!(has_nothing(&layer, "elsewhere").await);
}

async fn names_and_messages_that_no_peer_accepts_are_refused(bench: Bench) {
    let layer = bench.open();
    let invalid = |result| matches!(result, Err(Error::InvalidName { .. }));
    assert!(invalid(layer.send("a b", &numbered(1)).await));
    assert!(invalid(layer.group_send("a!b", &numbered(1)).await));
    assert!(invalid(layer.group_add("", "a").await));
    assert!(invalid(layer.group_add("g", "a/b").await));
    assert!(invalid(layer.group_discard("g:1", "a").await));
    assert!(invalid(layer.receive("é").await.map(|_| ())));
    assert!(invalid(layer.new_channel_with_prefix("é").await.map(|_| ())));
    let other = Error::WrongClient { channel: "specific.other!x".to_owned() };
    assert_eq!(layer.receive("specific.other!x").await, Err(other));
    let addressed = numbered(1).with("__asgi_channel__", "x");
    assert!(matches!(layer.send("a", &addressed).await, Err(Error::InvalidMessage(_))));
    // In a group it is replaced.
    let channel = layer.new_channel().await.unwrap();
    layer.group_add("g", &channel).await.unwrap();
    layer.group_send("g", &addressed).await.unwrap();
    assert_eq!(receive(&layer, &channel).await, numbered(1));
}

async fn each_message_of_a_normal_channel_reaches_one_reader(bench: Bench) {
    let (here, there) = bench.open_two();
    for n in 0..40 {
        here.send("worker", &numbered(n)).await.unwrap();
    }
    let seen = AtomicUsize::new(0);
    let read = async |layer: ChannelLayer| {
        let mut numbers = Vec::new();
        let began = tokio::time::Instant::now();
        // A wait without a message may only mean that the machine is slow, or that the other reader has the last one.
        while seen.load(Ordering::Relaxed) < 40 && began.elapsed() < DEADLINE {
            let wait = Duration::from_secs(2);
            let Some(message) = layer.receive_within("worker", wait).await.unwrap() else {
                continue;
            };
            numbers.push(number(&message));
            seen.fetch_add(1, Ordering::Relaxed);
        }
        numbers
    };
    let (mut all, more) = tokio::join!(read(here.clone()), read(there.clone()));
    all.extend(more);
    all.sort_unstable();
    assert!(has_nothing(&here, "worker").await && has_nothing(&there, "worker").await);
    assert_eq!(all, (0..40).collect::<Vec<_>>());
}
