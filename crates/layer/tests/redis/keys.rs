//! The keys of the core layer: as Django makes them, and whose they are when the layer ends or flushes.

use moorline_layer::{ChannelLayer, Error, Options};

use crate::support::{TestRedis, numbered};
use crate::{core, receive};

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
async fn a_key_of_another_type_is_an_error_that_names_the_cause() {
    let redis = TestRedis::start();
    let layer = core(&redis);
    let () = redis.query(&["SET", "asgiworker", "x"]).await;
    let Err(Error::Unavailable { why, .. }) = layer.send("worker", &numbered(1)).await else {
        panic!("sent to a string");
    };
    assert!(why.contains("WRONGTYPE") && why.contains("prefix"), "{why}");
}
