//! Texts published for programs that know no channel layer.

use futures_util::StreamExt as _;
use moorline_layer::{Error, Host, Publisher};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

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

/// A way to Redis whose first connection is cut between a publication and its reply.
async fn cut_after_the_first_publication(redis: &TestRedis) -> Host {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), redis.port);
    tokio::spawn(async move {
        let mut is_first = true;
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
            if std::mem::take(&mut is_first) {
                carry_until_published(&mut near, &mut far).await;
                continue;
            }
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    Host::pair("127.0.0.1", port).with_login(None, PASSWORD)
}

/// Carries commands and replies by turns, and ends when Redis has replied to a publication.
async fn carry_until_published(near: &mut TcpStream, far: &mut TcpStream) {
    let mut buffer = vec![0; 4096];
    loop {
        let length = near.read(&mut buffer).await.unwrap();
        let is_last = String::from_utf8_lossy(&buffer[..length]).contains("PUBLISH");
        far.write_all(&buffer[..length]).await.unwrap();
        let length = far.read(&mut buffer).await.unwrap();
        if is_last {
            return;
        }
        near.write_all(&buffer[..length]).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_under_way_when_the_connection_was_lost_is_not_published_again() {
    let redis = TestRedis::start();
    let publisher = Publisher::new(cut_after_the_first_publication(&redis).await);
    publisher.connected().await;
    let mut pubsub = subscribed(&redis).await;
    let cut = publisher.publish([("shop:a", "once")]).await;
    assert!(matches!(cut, Err(Error::Unavailable { .. })), "{cut:?}");
    assert_eq!(next(&mut pubsub).await.1, "once", "the cut came after Redis had it");
    publisher.connected().await;
    publisher.publish([("shop:a", "next")]).await.unwrap();
    assert_eq!(next(&mut pubsub).await.1, "next", "and it came once");
}
