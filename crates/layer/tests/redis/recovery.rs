//! What the core layer reads besides fresh messages: what the dead left behind, what came too late, what is hostile.

use std::time::Duration;

use moorline_layer::Gap;

use crate::support::{TestRedis, numbered};
use crate::{WIRE, add, ago, core, next, receive};

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
