//! What an operator sees of the layer: sizes, members, ages, ghosts, subscriptions; and that looking changes nothing.

use std::time::Duration;

use moorline_layer::{Bounds, ChannelLayer, Contents};

use crate::support::{TestRedis, numbered};
use crate::{WIRE, add, ago, core, receive};

async fn look(layer: &ChannelLayer, bounds: Bounds) -> Contents {
    let mut found = layer.inspect(bounds).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[tokio::test]
async fn queues_are_told_by_their_sizes_and_stay_as_they_are() {
    let redis = TestRedis::start();
    let layer = core(&redis);
    for number in 0..3 {
        layer.send("inbox", &numbered(number)).await.unwrap();
    }
    add(&redis, "asgiother$inflight", ago(7.0), WIRE).await;
    let () = redis.query(&["SET", "asginot_a_queue", "x"]).await;
    let found = look(&layer, Bounds::default()).await;
    let queue = &found.queues[0];
    assert_eq!((queue.channel.as_str(), queue.waiting, queue.is_in_flight), ("inbox", 3, false));
    assert_eq!(queue.capacity, redis.options().capacity_of("inbox"));
    let taken = &found.queues[1];
    assert_eq!((taken.channel.as_str(), taken.is_in_flight), ("other", true));
    assert!(taken.oldest >= Duration::from_secs(7), "{taken:?}");
    assert_eq!((found.queues.len(), found.is_complete), (2, true));
    assert!(!found.host.contains(moorline_test_redis::PASSWORD_IN_URL), "{}", found.host);
    assert_eq!(receive(&layer, "inbox").await, 0);
}

#[tokio::test]
async fn members_are_told_with_their_ages_and_those_whom_nobody_reads_are_ghosts() {
    let redis = TestRedis::start();
    let layer = core(&redis);
    let living = layer.new_channel().await.unwrap();
    layer.group_add("room.1", &living).await.unwrap();
    add(&redis, "asgi:group:room.1", ago(60.0), b"specific.dead!1").await;
    add(&redis, "asgi:group:room.1", ago(90_000.0), b"specific.expired!1").await;
    add(&redis, "asgispecific.dead!", ago(5.0), WIRE).await;
    let found = look(&layer, Bounds::default()).await;
    let group = &found.groups[0];
    assert_eq!((group.name.as_str(), group.count), ("room.1", 3));
    let told: Vec<(&str, bool)> =
        group.members.iter().map(|member| (member.channel.as_str(), member.is_ghost)).collect();
    let expected =
        [("specific.expired!1", true), ("specific.dead!1", true), (living.as_str(), false)];
    assert_eq!(told, expected);
    assert!(group.members[1].age >= Duration::from_secs(60));
    let few = look(&layer, Bounds { members: 1, found: 1, ..Bounds::default() }).await;
    assert!(!few.is_complete && few.groups.iter().all(|group| group.members.len() == 1));
}

#[tokio::test]
async fn subscriptions_of_the_other_layer_are_seen_by_both() {
    let redis = TestRedis::start();
    let pubsub = ChannelLayer::redis_pubsub(redis.options()).unwrap();
    let channel = pubsub.new_channel().await.unwrap();
    pubsub.group_add("room", &channel).await.unwrap();
    for layer in [&core(&redis), &pubsub] {
        let found = look(layer, Bounds::default()).await;
        let groups: Vec<_> = found.subscriptions.iter().filter(|one| one.is_group).collect();
        assert_eq!((groups[0].name.as_str(), groups[0].subscribers), ("room", 1));
        assert!(found.subscriptions.iter().any(|one| one.name == channel && !one.is_group));
        assert!(found.groups.is_empty() && found.queues.is_empty(), "{found:?}");
    }
}
