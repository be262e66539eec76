//! Texts published for programs that know no channel layer.

use futures_util::StreamExt as _;
use moorline_layer::{Error, Publisher};

use crate::support::{DEADLINE, PASSWORD, TestRedis};

async fn subscribed(redis: &TestRedis) -> redis::aio::PubSub {
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let info = redis::IntoConnectionInfo::into_connection_info(url).unwrap();
    let settings = redis::RedisConnectionInfo::default().set_password(PASSWORD);
    let client = redis::Client::open(info.set_redis_settings(settings)).unwrap();
    let mut pubsub = client.get_async_pubsub().await.unwrap();
    pubsub.psubscribe("shop:*").await.unwrap();
    pubsub
}

async fn next(pubsub: &mut redis::aio::PubSub) -> (String, String) {
    let message = tokio::time::timeout(DEADLINE, pubsub.on_message().next()).await;
    let message = message.unwrap().unwrap();
    (message.get_channel_name().to_owned(), message.get_payload().unwrap())
}

#[tokio::test]
async fn texts_are_published_in_order_on_their_channels_whatever_the_database() {
    let redis = TestRedis::start();
    let publisher = Publisher::new(redis.host().with_database(1));
    publisher.connected().await;
    let mut pubsub = subscribed(&redis).await;
    publisher.publish([("shop:a", "1"), ("other:a", "no"), ("shop:b", "é\0")]).await.unwrap();
    publisher.publish([]).await.unwrap();
    publisher.publish([("shop:a", "3")]).await.unwrap();
    for (channel, text) in [("shop:a", "1"), ("shop:b", "é\0"), ("shop:a", "3")] {
        assert_eq!(next(&mut pubsub).await, (channel.to_owned(), text.to_owned()));
    }
}

#[tokio::test]
async fn it_says_when_redis_is_gone_and_goes_on_when_it_is_back() {
    let mut redis = TestRedis::start();
    let publisher = Publisher::new(redis.host());
    publisher.connected().await;
    redis.kill();
    let lost = publisher.publish([("shop:a", "lost")]).await;
    assert!(matches!(lost, Err(Error::Unavailable { .. })), "{lost:?}");
    assert!(!publisher.is_connected());
    redis.restart();
    publisher.connected().await;
    let mut pubsub = subscribed(&redis).await;
    publisher.publish([("shop:a", "back")]).await.unwrap();
    assert_eq!(next(&mut pubsub).await.1, "back");
}

#[tokio::test]
async fn what_was_under_way_when_the_connection_was_lost_is_not_published_again() {
    let redis = TestRedis::start();
    let publisher = Publisher::new(redis.host());
    publisher.connected().await;
    let mut pubsub = subscribed(&redis).await;
    // The commands wait in Redis, and the connection ends before their replies.
    let () = redis.query(&["CLIENT", "PAUSE", "300", "ALL"]).await;
    let under_way = publisher.publish([("shop:a", "perhaps")]);
    let kill = async {
        let () = redis.query(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    };
    let (published, ()) = tokio::join!(under_way, kill);
    assert!(published.is_err(), "{published:?}");
    publisher.connected().await;
    publisher.publish([("shop:a", "next")]).await.unwrap();
    let mut got = vec![next(&mut pubsub).await.1];
    while got.last().is_some_and(|last| last != "next") {
        got.push(next(&mut pubsub).await.1);
    }
    let perhaps = got.iter().filter(|text| *text == "perhaps").count();
    assert!(perhaps <= 1 && got.len() == perhaps + 1, "{got:?}");
}
