//! Several hosts: messages on the wrong one arrive, and old ones make room where they lie.

use moorline_layer::{ChannelLayer, Host, Options};

use crate::support::{TestRedis, numbered};
use crate::{WIRE, add, receive};

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
