//! Faults of Redis, and of the other side. The other side is a second channel layer, whose bytes are those of channels_redis;
//! `tests/interop` plants the same with channels_redis itself.

use std::time::Duration;

use moorline_layer::{ChannelLayer, Host, Message, Options};
use moorline_test_redis::{PASSWORD_IN_URL, Server};

use crate::examined::{Doctor, KEY, OTHER_KEY, WRONG_PASSWORD};

fn on(url: &str) -> Doctor {
    Doctor::default().variable("REDIS_URL", url)
}

/// The other side, with the options that the first users have.
fn options(server: &Server, database: u8) -> Options {
    Options { hosts: vec![Host::parse(&server.url(database)).unwrap()], ..Options::default() }
}

/// Somebody of the other side in a group.
async fn in_a_group(layer: &ChannelLayer) -> String {
    let channel = layer.new_channel().await.unwrap();
    layer.group_add("chat.lobby", &channel).await.unwrap();
    channel
}

/// Messages of the other side that nobody reads.
async fn unread(layer: &ChannelLayer, count: usize) {
    for _ in 0..count {
        layer.send("worker", &Message::of_type("chat.message")).await.unwrap();
    }
}

/// Asks while the other side goes on in its own threads.
async fn asked<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[test]
fn a_missing_a_wrong_and_a_needless_password_are_told_apart() {
    let server = Server::start();
    let port = server.port();
    let none = on(&format!("redis://127.0.0.1:{port}/0"));
    none.finds("ML-REDIS-002", "asks for a password (NOAUTH)", "redis://:PASSWORD@HOST");
    let wrong = on(&format!("redis://:{WRONG_PASSWORD}@127.0.0.1:{port}/0"));
    wrong.finds("ML-REDIS-002", "WRONGPASS", "requirepass");
    on(&server.url(0)).passes("ML-REDIS-002");
    let open = Server::start_with(&["--requirepass", ""]);
    let needless = on(&format!("redis://:{PASSWORD_IN_URL}@127.0.0.1:{}/0", open.port()));
    let (exit, found) = needless.check("ML-REDIS-002");
    assert_eq!((exit, found.status.as_str()), (0, "warn"), "{}", found.told);
}

#[test]
fn a_redis_that_is_not_there_ends_with_3() {
    let doctor = on(&format!("redis://:{PASSWORD_IN_URL}@127.0.0.1:1/0"));
    let (exit, found) = doctor.check("ML-REDIS-001");
    assert_eq!((exit, found.status.as_str()), (3, "fail"), "{}", found.told);
    assert!(found.fix.contains("redis-cli"), "{}", found.fix);
    let server = Server::start();
    on(&server.url(0)).passes("ML-REDIS-001");
}

#[tokio::test]
async fn another_database_than_the_other_sides_is_found() {
    let server = Server::start();
    let django = ChannelLayer::redis(options(&server, 1)).unwrap();
    in_a_group(&django).await;
    let (here, there) = (on(&server.url(0)), on(&server.url(1)));
    let none = on(&server.url(99));
    asked(move || {
        here.finds("ML-REDIS-003", "in database 1", "redis://…/1");
        none.finds("ML-REDIS-003", "no database 99", "redis://…/0");
        let told = there.passes("ML-REDIS-003");
        assert!(told.contains("Pub/Sub ignores the number"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn another_prefix_than_the_other_sides_is_found() {
    let server = Server::start();
    let prefix = "my-app".to_owned();
    let django = ChannelLayer::redis(Options { prefix, ..options(&server, 0) }).unwrap();
    in_a_group(&django).await;
    let doctor = on(&server.url(0));
    asked(move || {
        doctor.finds("ML-REDIS-008", "`my-app`", "--layer-prefix my-app");
        doctor.and(&["--layer-prefix", "my-app"]).passes("ML-REDIS-008");
    })
    .await;
}

#[tokio::test]
async fn keys_of_other_programs_that_are_called_alike_are_no_other_side() {
    let server = Server::start();
    let _: i64 = server.query(&["ZADD", "shop:group:7", "1", "article-9"]).await;
    let _: i64 = server.query(&["SADD", "shop:group:8", "article-9"]).await;
    let doctor = on(&server.url(0));
    asked(move || doctor.passes("ML-REDIS-008")).await;
}

#[tokio::test]
async fn a_user_who_may_do_no_more_than_the_layer_needs_is_no_fault() {
    let server = Server::start();
    let rights =
        "+@sortedset +@connection +@pubsub +@scripting +@transaction +expire +del +pttl +time";
    let user: Vec<&str> = ["ACL", "SETUSER", "chat", "on", ">of-the-layer", "~asgi*", "&*"]
        .into_iter()
        .chain(rights.split(' '))
        .collect();
    let _: String = server.query(&user).await;
    let doctor = on(&format!("redis://chat:of-the-layer@127.0.0.1:{}/0", server.port()));
    let (exit, text) = asked(move || doctor.run(&["--only", "redis"])).await;
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("ok   ML-REDIS-019") && text.contains("SCAN is refused"), "{text}");
    assert!(!text.contains("of-the-layer"), "{text}");
}

#[tokio::test]
async fn the_other_kind_of_layer_is_found_from_both_sides() {
    let server = Server::start();
    let django = ChannelLayer::redis_pubsub(options(&server, 0)).unwrap();
    in_a_group(&django).await;
    let doctor = on(&server.url(0));
    asked(move || {
        doctor.finds("ML-REDIS-009", "pubsub layer are in use", "--layer pubsub");
        doctor.and(&["--layer", "pubsub"]).passes("ML-REDIS-009");
    })
    .await;
    let other = Server::start();
    let django = ChannelLayer::redis(options(&other, 0)).unwrap();
    in_a_group(&django).await;
    let doctor = on(&other.url(0));
    asked(move || {
        doctor.clone().and(&["--layer", "pubsub"]).finds(
            "ML-REDIS-009",
            "core layer are in use",
            "--layer core",
        );
        doctor.passes("ML-REDIS-009");
    })
    .await;
}

#[tokio::test]
async fn another_key_than_the_other_sides_is_found() {
    let server = Server::start();
    let keys = vec![OTHER_KEY.to_owned()];
    // So that a slow machine has the time to look.
    let options = Options {
        symmetric_encryption_keys: keys,
        expiry: Duration::from_secs(600),
        ..options(&server, 0)
    };
    let django = ChannelLayer::redis(options).unwrap();
    unread(&django, 3).await;
    let doctor = on(&server.url(0));
    asked(move || {
        let with = |key: &str| doctor.clone().variable("MOORLINE_LAYER_KEY", key);
        with(KEY).finds("ML-REDIS-012", "another key", "symmetric_encryption_keys");
        doctor.finds("ML-REDIS-012", "this side has no key", "--layer-key-file");
        with(OTHER_KEY).passes("ML-REDIS-012");
    })
    .await;
}

#[tokio::test]
async fn another_expiry_than_the_other_sides_is_found() {
    let server = Server::start();
    let expiry = Duration::from_secs(600);
    let django = ChannelLayer::redis(Options { expiry, ..options(&server, 0) }).unwrap();
    unread(&django, 1).await;
    let doctor = on(&server.url(0));
    asked(move || {
        doctor.finds("ML-REDIS-010", "were given 600 s; this side uses 10 s", "--layer-expiry 600");
        doctor.and(&["--layer-expiry", "600"]).passes("ML-REDIS-010");
    })
    .await;
}

#[tokio::test]
async fn another_group_expiry_than_the_other_sides_is_warned_of() {
    let server = Server::start();
    let group_expiry = Duration::from_secs(3_600);
    let django = ChannelLayer::redis(Options { group_expiry, ..options(&server, 0) }).unwrap();
    in_a_group(&django).await;
    let doctor = on(&server.url(0));
    asked(move || {
        let (exit, found) = doctor.check("ML-REDIS-011");
        assert_eq!((exit, found.status.as_str()), (0, "warn"), "{}", found.told);
        assert!(found.fix.contains("--layer-group-expiry 3600"), "{}", found.fix);
        doctor.and(&["--layer-group-expiry", "3600"]).passes("ML-REDIS-011");
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_is_found() {
    let server = Server::start();
    let django = ChannelLayer::redis(Options {
        capacity: 5,
        expiry: Duration::from_secs(600),
        ..options(&server, 0)
    });
    unread(&django.unwrap(), 5).await;
    let doctor = on(&server.url(0));
    asked(move || {
        let small = doctor.clone().and(&["--layer-capacity", "5"]);
        small.finds("ML-REDIS-013", "worker (5 of 5)", "--layer-capacity");
        doctor.passes("ML-REDIS-013");
    })
    .await;
}

#[tokio::test]
async fn members_whose_process_is_gone_are_warned_of() {
    let server = Server::start();
    let doctor = on(&server.url(0)).and(&["--layer-expiry", "600"]);
    // A message of an hour ago that nobody took from the queue of somebody who is still in a group.
    let queue = "asgispecific.0123456789abcdef0123456789abcdef!";
    let member = "specific.0123456789abcdef0123456789abcdef!a";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let _: i64 = server.query(&["ZADD", queue, &(now - 3_600).to_string(), "x"]).await;
    let _: i64 = server.query(&["ZADD", "asgi:group:chat.lobby", &now.to_string(), member]).await;
    let (exit, found) = asked({
        let doctor = doctor.clone();
        move || doctor.check("ML-REDIS-014")
    })
    .await;
    assert_eq!((exit, found.status.as_str()), (0, "warn"), "{}", found.told);
    assert!(found.told.contains("1 members of 1 groups"), "{}", found.told);
    let _: i64 = server.query(&["DEL", queue]).await;
    asked(move || doctor.passes("ML-REDIS-014")).await;
}

#[test]
fn a_policy_that_throws_keys_away_is_found() {
    let server = Server::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    on(&server.url(0)).finds("ML-REDIS-015", "allkeys-lru", "maxmemory-policy noeviction");
    let server = Server::start_with(&["--maxmemory", "100mb"]);
    on(&server.url(0)).passes("ML-REDIS-015");
}

#[test]
fn a_stale_replica_is_found() {
    let server = Server::start_with(&["--replicaof", "127.0.0.1", "1"]);
    on(&server.url(0)).finds("ML-REDIS-016", "stale", "redis+sentinel://");
    let strict =
        Server::start_with(&["--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no"]);
    on(&strict.url(0)).finds("ML-REDIS-016", "is a replica", "REPLICAOF NO ONE");
    on(&Server::start().url(0)).passes("ML-REDIS-016");
}

#[test]
fn a_message_of_the_doctor_goes_through_either_layer_and_leaves_nothing() {
    let server = Server::start();
    let doctor = on(&server.url(0));
    assert!(doctor.passes("ML-REDIS-019").contains("came back after"));
    doctor.clone().and(&["--layer", "pubsub"]).passes("ML-REDIS-019");
    doctor.passes("ML-REDIS-004");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keys: i64 = runtime.block_on(server.query(&["DBSIZE"]));
    assert_eq!(keys, 0);
}
