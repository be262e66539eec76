//! Who may do what: passwords that are missing, wrong or changed, and users with only the rights that are needed.

use std::time::Duration;

use moorline_layer::{Cause, ChannelLayer, Host, Options};

use crate::receive;
use crate::support::{PASSWORD, TestRedis, eventually, numbered};

#[tokio::test]
async fn missing_and_wrong_passwords_are_told_as_that() {
    let redis = TestRedis::start();
    let host = Host::pair("127.0.0.1", redis.port);
    let none = (host.clone(), "NOAUTH", Cause::PasswordMissing);
    let wrong = (host.with_login(None, "hunter2"), "WRONGPASS", Cause::PasswordWrong);
    for (host, word, cause) in [none, wrong] {
        let options = Options { hosts: vec![host], ..Options::default() };
        for layer in [
            ChannelLayer::redis(options.clone()).unwrap(),
            ChannelLayer::redis_pubsub(options.clone()).unwrap(),
        ] {
            let error = layer.send("worker", &numbered(1)).await.unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
            let troubles = layer.troubles();
            assert_eq!(troubles.iter().map(|one| one.cause).collect::<Vec<_>>(), [cause]);
            assert!(troubles[0].why.contains(word) && !layer.is_up(), "{troubles:?}");
            assert!(!format!("{troubles:?}").contains("hunter2"));
        }
    }
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
