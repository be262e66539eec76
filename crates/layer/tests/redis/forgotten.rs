//! What a Redis does that forgets the groups while no connection breaks, and what the audit makes of it.

use std::time::{Duration, Instant};

use moorline_layer::{ChannelLayer, Gap, Options};

use crate::support::{TestRedis, eventually, numbered};
use crate::{next, receive};

const OFTEN: Duration = Duration::from_millis(20);
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(86_400);

fn audited(redis: &TestRedis, audit_every: Duration) -> ChannelLayer {
    ChannelLayer::redis(Options { audit_every, ..redis.options() }).unwrap()
}

async fn member_of(layer: &ChannelLayer, groups: &[&str]) -> String {
    let channel = layer.new_channel().await.unwrap();
    for group in groups {
        layer.group_add(group, &channel).await.unwrap();
    }
    channel
}

async fn is_member(redis: &TestRedis, group: &str, channel: &str) -> bool {
    let score: Option<f64> =
        redis.query(&["ZSCORE", &format!("asgi:group:{group}"), channel]).await;
    score.is_some()
}

/// How often a command was given.
async fn calls(redis: &TestRedis, command: &str) -> u64 {
    let stats: String = redis.query(&["INFO", "commandstats"]).await;
    let line =
        stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn groups_that_a_flush_took_are_restored_and_told_and_without_the_audit_they_stay_away() {
    let redis = TestRedis::start();
    let (here, twin) = (audited(&redis, OFTEN), audited(&redis, NEVER));
    let ours = member_of(&here, &["room", "hall"]).await;
    let other = member_of(&here, &["room"]).await;
    let deaf = member_of(&twin, &["room"]).await;
    let mut gaps = here.gaps();
    let () = redis.query(&["FLUSHALL"]).await;
    let Gap::Forgotten { host } = next(&mut gaps).await else { panic!("another gap") };
    assert!(host.contains(&redis.port.to_string()) && !host.contains("p@ss"), "{host}");
    twin.group_send("room", &numbered(3)).await.unwrap();
    assert_eq!((receive(&here, &ours).await, receive(&here, &other).await), (3, 3));
    twin.group_send("hall", &numbered(4)).await.unwrap();
    assert_eq!(receive(&here, &ours).await, 4);
    assert_eq!(here.counters().forgotten, 1);
    assert_eq!(here.counters().reconnects, 0, "no connection broke");
    assert!(!is_member(&redis, "room", &deaf).await, "the flush did not bite");
    assert_eq!(twin.counters().forgotten, 0);
}

#[tokio::test]
async fn a_second_flush_is_noticed_like_the_first() {
    let redis = TestRedis::start();
    let layer = audited(&redis, OFTEN);
    let channel = member_of(&layer, &["room"]).await;
    let mut gaps = layer.gaps();
    for round in 1..=3 {
        let () = redis.query(&["FLUSHDB"]).await;
        assert!(matches!(next(&mut gaps).await, Gap::Forgotten { .. }));
        layer.group_send("room", &numbered(round)).await.unwrap();
        assert_eq!(receive(&layer, &channel).await, round);
    }
}

#[tokio::test]
async fn every_one_of_several_hosts_is_audited() {
    let servers = [TestRedis::start(), TestRedis::start(), TestRedis::start()];
    let hosts = servers.iter().map(TestRedis::host).collect();
    let options = Options { hosts, audit_every: OFTEN, ..Options::default() };
    let layer = ChannelLayer::redis(options).unwrap();
    let channel = member_of(&layer, &["chat_lobby", "room.1"]).await;
    let mut gaps = layer.gaps();
    for (server, group) in [(&servers[1], "chat_lobby"), (&servers[2], "room.1")] {
        let () = server.query(&["FLUSHALL"]).await;
        let Gap::Forgotten { host } = next(&mut gaps).await else { panic!("another gap") };
        assert!(host.contains(&server.port.to_string()), "{host} in place of {}", server.port);
        layer.group_send(group, &numbered(5)).await.unwrap();
        assert_eq!(receive(&layer, &channel).await, 5);
    }
}

#[tokio::test]
async fn a_membership_that_another_process_took_away_stays_away() {
    let redis = TestRedis::start();
    let (here, there) = (audited(&redis, OFTEN), audited(&redis, NEVER));
    let channel = member_of(&here, &["room", "hall"]).await;
    there.group_discard("room", &channel).await.unwrap();
    let before = calls(&redis, "zadd").await;
    // Each audit looks at both memberships.
    eventually(|| async { (calls(&redis, "zadd").await >= before + 20).then_some(()) }).await;
    assert!(!is_member(&redis, "room", &channel).await);
    assert!(is_member(&redis, "hall", &channel).await);
    assert_eq!(here.counters().forgotten, 0);
}

async fn come_and_go(layer: ChannelLayer, discards: bool, until: Instant) {
    while Instant::now() < until {
        let channel = member_of(&layer, &["room"]).await;
        if discards {
            layer.group_discard("room", &channel).await.unwrap();
        }
        layer.close_channel(&channel).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_and_goes_meanwhile_is_neither_brought_back_nor_taken_for_forgotten() {
    let redis = TestRedis::start();
    let layer = audited(&redis, Duration::from_millis(10));
    let until = Instant::now() + Duration::from_secs(2);
    let mut people = tokio::task::JoinSet::new();
    for person in 0..8 {
        people.spawn(come_and_go(layer.clone(), person % 2 == 0, until));
    }
    people.join_all().await;
    assert_eq!(layer.counters().forgotten, 0);
    assert_eq!(redis.query::<u64>(&["EXISTS", "asgi:group:room"]).await, 0, "a ghost");
}

#[tokio::test]
async fn an_audit_of_thousands_of_memberships_asks_for_a_few() {
    let redis = TestRedis::start();
    let layer = audited(&redis, OFTEN);
    let channel = layer.new_channel().await.unwrap();
    for n in 0..3000 {
        layer.group_add(&format!("room.{n}"), &channel).await.unwrap();
    }
    let before = calls(&redis, "zadd").await;
    // Sixteen each time, so that this is the third audit at the earliest.
    let after = eventually(|| async {
        Some(calls(&redis, "zadd").await - before).filter(|count| *count >= 48)
    });
    let after = after.await;
    assert!(after < 3000, "{after} commands");
}
