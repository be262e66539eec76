//! What the Redis back ends promise beyond the contract: keys as Django makes them, recovery, and never being deaf.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by failing"
)]

mod support;

use std::time::Duration;

use moorline_layer::{ChannelLayer, Error, Gap, Gaps, Host, Options};
use support::{DEADLINE, PASSWORD, TestRedis, eventually, number, numbered};

async fn receive(layer: &ChannelLayer, channel: &str) -> i64 {
    number(
        &layer.receive_within(channel, DEADLINE).await.unwrap().expect("no message came in time"),
    )
}

async fn next(gaps: &mut Gaps) -> Gap {
    tokio::time::timeout(DEADLINE, gaps.next()).await.unwrap().unwrap()
}

fn core(redis: &TestRedis) -> ChannelLayer {
    ChannelLayer::redis(redis.options()).unwrap()
}

/// A score some seconds ago, so that order is kept and nothing expires.
fn ago(seconds: f64) -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs_f64() - seconds
}

/// Django's bytes of `{"type": "test.message", "n": 7}` with twelve bytes before it.
const WIRE: &[u8] = b"123456789012\x82\xa4type\xactest.message\xa1n\x07";

async fn add(redis: &TestRedis, key: &str, score: f64, member: &[u8]) {
    let mut command = redis::cmd("ZADD");
    command.arg(key).arg(score).arg(member);
    let () = command.query_async(&mut redis.peer().await).await.unwrap();
}

#[tokio::test]
async fn keys_and_expiries_are_those_of_django() {
    let redis = TestRedis::start();
    let layer = core(&redis);
    layer.send("test_channel", &numbered(1)).await.unwrap();
    let channel = layer.new_channel().await.unwrap();
    layer.send(&channel, &numbered(1)).await.unwrap();
    layer.group_add("room.1", &channel).await.unwrap();
    let specific = format!("asgi{}!", channel.split('!').next().unwrap());
    for (key, expiry) in [("asgitest_channel", 10), (&specific, 10), ("asgi:group:room.1", 86_400)]
    {
        assert_eq!(redis.query::<String>(&["TYPE", key]).await, "zset", "{key}");
        let left: i64 = redis.query(&["TTL", key]).await;
        assert!((expiry - 2..=expiry).contains(&left), "{key} expires in {left}");
    }
    let members: Vec<String> = redis.query(&["ZRANGE", "asgi:group:room.1", "0", "-1"]).await;
    assert_eq!(members, std::slice::from_ref(&channel));
    let stored: Vec<Vec<u8>> = redis.query(&["ZRANGE", "asgitest_channel", "0", "-1"]).await;
    assert_eq!(stored[0][12..], *b"\x82\xa4type\xactest.message\xa1n\x01");
    let stored: Vec<Vec<u8>> = redis.query(&["ZRANGE", &specific, "0", "-1"]).await;
    let tail = [b"\xb0__asgi_channel__\xd9\x4a", channel.as_bytes()].concat();
    assert!(stored[0].ends_with(&tail));
}

#[tokio::test]
async fn what_a_dead_reader_left_in_flight_is_read() {
    let redis = TestRedis::start();
    let layer = core(&redis);
    add(&redis, "asgiworker$inflight", 1.5, WIRE).await;
    assert_eq!(receive(&layer, "worker").await, 7);
    assert_eq!(redis.query::<Vec<String>>(&["KEYS", "*"]).await, [] as [String; 0]);
}

#[tokio::test]
async fn what_a_reader_dies_with_later_is_read_too() {
    let redis = TestRedis::start();
    let layer = core(&redis);
    layer.send("worker", &numbered(1)).await.unwrap();
    assert_eq!(receive(&layer, "worker").await, 1);
    add(&redis, "asgiworker$inflight", 1.5, WIRE).await;
    assert_eq!(receive(&layer, "worker").await, 7);
}

#[tokio::test]
async fn a_message_that_came_when_nobody_waited_any_more_goes_back() {
    let redis = TestRedis::start();
    let (here, there) = (core(&redis), core(&redis));
    // This one leaves a blocking read behind.
    let none = here.receive_within("worker", Duration::from_millis(300)).await.unwrap();
    assert_eq!(none, None);
    there.send("worker", &numbered(1)).await.unwrap();
    there.send("worker", &numbered(2)).await.unwrap();
    assert_eq!((receive(&there, "worker").await, receive(&there, "worker").await), (1, 2));
}

#[tokio::test]
async fn hostile_members_are_skipped_counted_and_told() {
    let redis = TestRedis::start();
    let layer = core(&redis);
    let mut gaps = layer.gaps();
    let deep = [b"123456789012".to_vec(), [0x91].repeat(100_000)].concat();
    let members: [&[u8]; 5] = [
        b"short",
        b"123456789012\xc1",
        b"123456789012\xdd\xff\xff\xff\xff",
        b"123456789012\x01",
        &deep,
    ];
    for (index, member) in members.iter().enumerate() {
        add(&redis, "asgiworker", ago(5.0 - index as f64), member).await;
    }
    layer.send("worker", &numbered(1)).await.unwrap();
    assert_eq!(receive(&layer, "worker").await, 1);
    assert_eq!(layer.counters().undecodable, 5);
    for _ in 0..5 {
        assert!(matches!(next(&mut gaps).await, Gap::Undecodable { why: Some(_) }));
    }
    // On the own queue: for nobody, for a stranger, and for a name of another type.
    let channel = layer.new_channel().await.unwrap();
    let key = format!("asgi{}!", channel.split('!').next().unwrap());
    add(&redis, &key, ago(3.0), WIRE).await;
    add(&redis, &key, ago(2.0), b"123456789012\x81\xb0__asgi_channel__\xa3a!b").await;
    add(&redis, &key, ago(1.0), b"123456789012\x81\xb0__asgi_channel__\x05").await;
    layer.send(&channel, &numbered(2)).await.unwrap();
    assert_eq!(receive(&layer, &channel).await, 2);
    assert_eq!(layer.counters().undecodable, 8);
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_that_names_the_cause() {
    let redis = TestRedis::start();
    let layer = core(&redis);
    let () = redis.query(&["SET", "asgiworker", "x"]).await;
    let Err(Error::Unavailable { why, .. }) = layer.send("worker", &numbered(1)).await else {
        panic!("sent to a string");
    };
    assert!(why.contains("WRONGTYPE") && why.contains("prefix"), "{why}");
}

#[tokio::test]
async fn missing_and_wrong_passwords_are_told_as_that() {
    let redis = TestRedis::start();
    let host = Host::pair("127.0.0.1", redis.port);
    for (host, word) in [(host.clone(), "NOAUTH"), (host.with_login(None, "hunter2"), "WRONGPASS")]
    {
        let options = Options { hosts: vec![host], ..Options::default() };
        for layer in [
            ChannelLayer::redis(options.clone()).unwrap(),
            ChannelLayer::redis_pubsub(options.clone()).unwrap(),
        ] {
            let error = layer.send("worker", &numbered(1)).await.unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_unavailable_after_the_patience() {
    let mut redis = TestRedis::start();
    redis.kill();
    let patience = Duration::from_millis(200);
    let layer = ChannelLayer::redis(Options { patience, ..redis.options() }).unwrap();
    let error = layer.send("worker", &numbered(1)).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { why, .. } if why.contains("refused")), "{error}");
    // It waits for the next one to come, and for Redis.
    redis.restart();
    eventually(|| async { layer.send("worker", &numbered(2)).await.ok() }).await;
    assert_eq!(receive(&layer, "worker").await, 2);
}

#[tokio::test]
async fn memberships_are_there_again_after_redis_lost_everything() {
    for is_pubsub in [false, true] {
        let mut redis = TestRedis::start();
        let open = if is_pubsub { ChannelLayer::redis_pubsub } else { ChannelLayer::redis };
        let (here, there) = (open(redis.options()).unwrap(), open(redis.options()).unwrap());
        let channel = here.new_channel().await.unwrap();
        let left = here.new_channel().await.unwrap();
        here.group_add("room", &channel).await.unwrap();
        here.group_add("room", &left).await.unwrap();
        let mut gaps = here.gaps();
        let mut waiting = Box::pin(here.receive(&channel));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        redis.kill();
        let discarded = here.group_discard("room", &left).await;
        // Over Pub/Sub groups are known only here, so that Redis need not be told at once.
        assert_eq!(discarded.is_ok(), is_pubsub, "{discarded:?}");
        redis.restart();
        loop {
            match next(&mut gaps).await {
                Gap::Reconnected { .. } if !is_pubsub => break,
                Gap::Resubscribed { .. } => break,
                _ => {}
            }
        }
        eventually(|| async { there.group_send("room", &numbered(3)).await.ok() }).await;
        let message = tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap();
        assert_eq!(number(&message), 3);
        let none = here.receive_within(&left, Duration::from_millis(100)).await.unwrap();
        assert_eq!(none, None, "it left while Redis was away");
        assert!(here.counters().reconnects >= 1);
    }
}

#[tokio::test]
async fn killed_connections_are_replaced_and_nothing_is_lost() {
    let redis = TestRedis::start();
    let (here, there) = (core(&redis), core(&redis));
    let channel = here.new_channel().await.unwrap();
    let mut gaps = here.gaps();
    for round in 0..5 {
        let mut waiting = Box::pin(here.receive(&channel));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        eventually(|| async {
            let clients: String = redis.query(&["CLIENT", "LIST"]).await;
            clients.contains("cmd=bzpopmin").then_some(())
        })
        .await;
        let killed: i64 = redis.query(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        assert!(killed >= 3, "the fault did not bite: {killed}");
        there.send(&channel, &numbered(round)).await.unwrap();
        let message = tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap();
        assert_eq!(number(&message), round);
    }
    assert!(matches!(next(&mut gaps).await, Gap::Reconnected { .. }));
}

#[tokio::test]
async fn memberships_are_refreshed_well_before_they_expire() {
    let redis = TestRedis::start();
    let group_expiry = Duration::from_secs(2);
    let layer = ChannelLayer::redis(Options { group_expiry, ..redis.options() }).unwrap();
    let channel = layer.new_channel().await.unwrap();
    layer.group_add("room", &channel).await.unwrap();
    let score = || async {
        let score: Option<f64> = redis.query(&["ZSCORE", "asgi:group:room", &channel]).await;
        score.expect("the membership expired")
    };
    let first = score().await;
    let refreshed = eventually(|| async { Some(score().await).filter(|now| *now > first) }).await;
    assert!(refreshed - first < 1.5, "refreshed after {} s of 2", refreshed - first);
    let again = eventually(|| async { Some(score().await).filter(|now| *now > refreshed) }).await;
    assert!(again - first > 1.0);
}

#[tokio::test]
async fn a_clean_end_leaves_nothing_of_its_own_behind() {
    let redis = TestRedis::start();
    let (here, there) = (core(&redis), core(&redis));
    let channel = here.new_channel().await.unwrap();
    here.group_add("room", &channel).await.unwrap();
    here.group_add("room", "worker").await.unwrap();
    there.send(&channel, &numbered(1)).await.unwrap();
    there.send(&channel, &numbered(2)).await.unwrap();
    assert_eq!(receive(&here, &channel).await, 1);
    there.send(&channel, &numbered(3)).await.unwrap();
    there.send("worker", &numbered(4)).await.unwrap();
    here.close().await;
    let mut keys: Vec<String> = redis.query(&["KEYS", "*"]).await;
    keys.sort();
    assert_eq!(keys, ["asgi:group:room", "asgiworker"], "a shared channel is not its own");
    let members: Vec<String> = redis.query(&["ZRANGE", "asgi:group:room", "0", "-1"]).await;
    assert_eq!(members, ["worker"]);
    assert!(matches!(here.send("worker", &numbered(5)).await, Err(Error::Closed)));
}

#[tokio::test]
async fn flushing_deletes_this_layers_keys_only() {
    let redis = TestRedis::start();
    let layer =
        ChannelLayer::redis(Options { prefix: "a?b".to_owned(), ..redis.options() }).unwrap();
    let others = ["axb:group:room", "a?b:1:session", "a?b", "a?b settings", "other"];
    for key in others {
        let () = redis.query(&["SET", key, "x"]).await;
    }
    for n in 0..2500 {
        layer.group_add(&format!("room.{n}"), "worker").await.unwrap();
    }
    layer.send("worker", &numbered(1)).await.unwrap();
    layer.flush().await.unwrap();
    let mut left: Vec<String> = redis.query(&["KEYS", "*"]).await;
    left.sort();
    let mut others = others.map(str::to_owned);
    others.sort();
    assert_eq!(left, others);
}

#[tokio::test]
async fn messages_that_django_puts_on_the_wrong_host_arrive() {
    let servers = [TestRedis::start(), TestRedis::start(), TestRedis::start()];
    let hosts = servers.iter().map(TestRedis::host).collect();
    let layer = ChannelLayer::redis(Options { hosts, ..Options::default() }).unwrap();
    let channel = layer.new_channel().await.unwrap();
    let key = format!("asgi{}!", channel.split('!').next().unwrap());
    let address = [b"\xb0__asgi_channel__\xd9\x4a", channel.as_bytes()].concat();
    for (host, server) in servers.iter().enumerate() {
        let body = [b"123456789012\x82\xa1n", &[host as u8][..], &address].concat();
        add(server, &key, 1.0, &body).await;
    }
    let mut numbers = Vec::new();
    for _ in 0..3 {
        numbers.push(receive(&layer, &channel).await);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2]);
}

#[tokio::test]
async fn old_messages_on_a_busy_queue_make_room_on_their_own_host() {
    let servers = [TestRedis::start(), TestRedis::start(), TestRedis::start()];
    let hosts: Vec<Host> = servers.iter().map(TestRedis::host).collect();
    let layer = ChannelLayer::redis(Options { hosts, capacity: 1, ..Options::default() }).unwrap();
    for n in 0..12 {
        let name = format!("worker.{n}");
        for server in &servers {
            add(server, &format!("asgi{name}"), 1.0, WIRE).await;
        }
        layer.group_add("all", &name).await.unwrap();
    }
    layer.group_send("all", &numbered(1)).await.unwrap();
    let counters = layer.counters();
    assert_eq!((counters.sent, counters.expired, counters.dropped_at_capacity), (12, 12, 0));
}

#[tokio::test]
async fn unix_sockets_databases_and_users_are_reached() {
    let redis = TestRedis::start_with(&["--unixsocket", "FOLDER/redis.sock"]);
    let () = redis
        .query(&["ACL", "SETUSER", "ann", "on", ">s3cret", "~*", "&*", "+@all", "-ping"])
        .await;
    let path = redis.folder().join("redis.sock");
    let url = format!("unix://ann:s3cret@{}?db=3", path.display());
    let hosts = vec![Host::parse(&url).unwrap()];
    let layer = ChannelLayer::redis(Options { hosts, ..Options::default() }).unwrap();
    layer.send("worker", &numbered(1)).await.unwrap();
    assert_eq!(redis.query::<String>(&["INFO", "keyspace"]).await.matches("db3:keys=1").count(), 1);
    assert_eq!(receive(&layer, "worker").await, 1);
}

#[tokio::test]
async fn the_commands_that_django_needs_are_enough() {
    let redis = TestRedis::start();
    let commands = "+zadd +zrem +zrange +zcount +zremrangebyscore +zpopmin +bzpopmin +expire +del +eval +multi +exec";
    let rule: Vec<&str> = ["ACL", "SETUSER", "django", "on", ">pw", "~asgi*"]
        .into_iter()
        .chain(commands.split(' '))
        .collect();
    let () = redis.query(&rule).await;
    let hosts = vec![Host::pair("127.0.0.1", redis.port).with_login(Some("django"), "pw")];
    let layer = ChannelLayer::redis(Options { hosts, ..Options::default() }).unwrap();
    let channel = layer.new_channel().await.unwrap();
    layer.group_add("room", &channel).await.unwrap();
    layer.group_send("room", &numbered(1)).await.unwrap();
    assert_eq!(receive(&layer, &channel).await, 1);
    layer.send("worker", &numbered(2)).await.unwrap();
    assert_eq!(receive(&layer, "worker").await, 2);
    layer.group_discard("room", &channel).await.unwrap();
    layer.close().await;
}

#[tokio::test]
async fn a_subscriber_who_may_not_ping_keeps_its_subscriptions() {
    let redis = TestRedis::start();
    let rule = "ACL SETUSER django on >pw &asgi* +subscribe +unsubscribe +publish";
    let () = redis.query(&rule.split(' ').collect::<Vec<_>>()).await;
    let hosts = vec![Host::pair("127.0.0.1", redis.port).with_login(Some("django"), "pw")];
    let layer = ChannelLayer::redis_pubsub(Options { hosts, ..Options::default() }).unwrap();
    let channel = layer.new_channel().await.unwrap();
    layer.group_add("room", &channel).await.unwrap();
    for n in 1..=20 {
        layer.group_send("room", &numbered(n)).await.unwrap();
        assert_eq!(receive(&layer, &channel).await, n);
    }
    assert_eq!(layer.counters().reconnects, 0);
}

#[tokio::test]
async fn a_full_redis_is_told_and_the_layer_goes_on_afterwards() {
    let redis = TestRedis::start_with(&["--maxmemory-policy", "noeviction"]);
    let layer = core(&redis);
    layer.send("worker", &numbered(1)).await.unwrap();
    let () = redis.query(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let Err(Error::Unavailable { why, .. }) = layer.send("worker", &numbered(2)).await else {
        panic!("sent into a full Redis");
    };
    assert!(why.contains("OOM") && why.contains("maxmemory"), "{why}");
    let () = redis.query(&["CONFIG", "SET", "maxmemory", "0"]).await;
    layer.send("worker", &numbered(3)).await.unwrap();
    assert_eq!((receive(&layer, "worker").await, receive(&layer, "worker").await), (1, 3));
}

#[tokio::test]
async fn a_password_that_changes_is_told_and_then_used() {
    let redis = TestRedis::start();
    let patience = Duration::from_millis(500);
    let layer = ChannelLayer::redis(Options { patience, ..redis.options() }).unwrap();
    layer.send("worker", &numbered(1)).await.unwrap();
    let mut peer = redis.peer().await;
    let () = redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", "new"])
        .query_async(&mut peer)
        .await
        .unwrap();
    let () = redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
        .query_async(&mut peer)
        .await
        .unwrap();
    eventually(|| async {
        let error = layer.send("worker", &numbered(2)).await.unwrap_err().to_string();
        error.contains("WRONGPASS").then_some(())
    })
    .await;
    let () = redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", PASSWORD])
        .query_async(&mut peer)
        .await
        .unwrap();
    eventually(|| async { layer.send("worker", &numbered(3)).await.ok() }).await;
    assert_eq!((receive(&layer, "worker").await, receive(&layer, "worker").await), (1, 3));
}
