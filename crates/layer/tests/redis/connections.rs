//! Never deaf: what holds when Redis is away, cuts the connections, forgets everything or is full.

use std::time::Duration;

use moorline_layer::{ChannelLayer, Error, Gap, Options};

use crate::support::{DEADLINE, TestRedis, eventually, number, numbered};
use crate::{core, next, receive};

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
