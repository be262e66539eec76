//! A relay over a real Redis, core and Pub/Sub, with Django as another process on it: also while Redis is away, comes
//! back, and forgets everything.

use std::time::Duration;

use moorline_layer::{ChannelLayer, Host, Message, Options};
use moorline_server::relay::RelayRule;
use moorline_test_redis::Server;
use tokio::time::{Instant, timeout};

use crate::layered::{SOON, Socket, hear, say};
use crate::stage::{PAGE, Stage, tutorial, with_inbox};

const PATH: &str = "/ws/chat/lobby/";

/// Which of the two layers of `channels_redis`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Core,
    PubSub,
}

impl Kind {
    fn open(self, redis: &Server) -> ChannelLayer {
        let options = Options {
            hosts: vec![Host::parse(&redis.url(0)).unwrap()],
            patience: Duration::from_millis(200),
            audit_every: Duration::from_millis(50),
            expiry: 10 * SOON,
            ..Options::default()
        };
        match self {
            Self::Core => ChannelLayer::redis(options).unwrap(),
            Self::PubSub => ChannelLayer::redis_pubsub(options).unwrap(),
        }
    }
}

/// A relay on this Redis, and Django beside it.
async fn start(kind: Kind, rule: RelayRule) -> (Server, Stage, ChannelLayer) {
    let redis = Server::start();
    let stage = Stage::start_on(rule, false, kind.open(&redis)).await;
    let django = kind.open(&redis);
    (redis, stage, django)
}

fn chat(text: &str) -> Message {
    Message::of_type("chat.message").with("message", text)
}

/// Sends as Django until a page hears one of these: nothing is kept for whoever is not in the group at the moment.
async fn is_heard(django: &ChannelLayer, page: &mut Socket, text: &str) {
    let wanted = format!(r#"{{"message": "{text}"}}"#);
    // What was sent too often before comes first.
    let hears = async { while hear(page).await != wanted {} };
    let sends = async {
        loop {
            let _ = django.group_send("chat_lobby", &chat(text)).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = hears => {}
        () = sends => {}
    }
}

async fn passes_both_ways(kind: Kind) {
    let (_redis, stage, django) = start(kind, with_inbox()).await;
    let worker = django.receive_within("chat.inbox", SOON);
    // Over Pub/Sub what is said before the worker listens is lost.
    let (mut ann, mut bob) = (stage.page_of("ann", PATH).await, stage.page(PATH).await);
    let mut worker = Box::pin(worker);
    let got = loop {
        say(&mut ann, "hi").await;
        if let Ok(got) = timeout(Duration::from_millis(100), worker.as_mut()).await {
            break got.unwrap().expect("a message");
        }
    };
    assert_eq!((got.kind(), got.text("text")), (Some("websocket.receive"), Some("hi")));
    django.send(got.text("reply_channel").unwrap(), &chat("for ann")).await.unwrap();
    assert_eq!(hear(&mut ann).await, r#"{"message": "for ann"}"#);
    let before = stage.server.counted("relay_encoded_total");
    for text in ["one", "two"] {
        django.group_send("chat_lobby", &chat(text)).await.unwrap();
        for page in [&mut ann, &mut bob] {
            assert_eq!(hear(page).await, format!(r#"{{"message": "{text}"}}"#));
        }
    }
    assert_eq!(stage.server.counted("relay_encoded_total") - before, 2, "once for both pages");
}

#[tokio::test]
async fn over_the_core_layer_it_passes_both_ways_and_encodes_once() {
    passes_both_ways(Kind::Core).await;
}

#[tokio::test]
async fn over_pubsub_it_passes_both_ways_and_encodes_once() {
    passes_both_ways(Kind::PubSub).await;
}

async fn outlives_that_redis_is_away(kind: Kind) {
    let (mut redis, stage, django) = start(kind, tutorial()).await;
    let mut page = stage.page(PATH).await;
    is_heard(&django, &mut page, "before").await;
    redis.kill();
    say(&mut page, r#"{"message":"into the void"}"#).await;
    stage.server.counts(r#"relay_dropped_total{reason="layer"}"#, 1).await;
    let refused = stage.server.try_socket(PATH, &[PAGE]).await;
    assert_eq!(refused.err(), Some(503), "who comes now is told to come later");
    redis.restart();
    // The same socket, which nobody closed.
    is_heard(&django, &mut page, "after").await;
    let mut again = loop {
        match stage.server.try_socket(PATH, &[PAGE]).await {
            Ok(socket) => break socket,
            Err(status) => assert_eq!(status, 503),
        }
    };
    is_heard(&django, &mut again, "again").await;
    assert_eq!(stage.server.counted("relay_sockets"), 2);
}

#[tokio::test]
async fn over_the_core_layer_it_outlives_that_redis_is_away() {
    outlives_that_redis_is_away(Kind::Core).await;
}

#[tokio::test]
async fn over_pubsub_it_outlives_that_redis_is_away() {
    outlives_that_redis_is_away(Kind::PubSub).await;
}

#[tokio::test]
async fn a_redis_that_was_flushed_leaves_no_page_deaf() {
    for kind in [Kind::Core, Kind::PubSub] {
        let (redis, stage, django) = start(kind, tutorial()).await;
        let mut page = stage.page(PATH).await;
        is_heard(&django, &mut page, "before").await;
        let () = redis.query(&["FLUSHALL"]).await;
        is_heard(&django, &mut page, "after").await;
        let forgotten = stage.server.layer.counters().forgotten;
        assert_eq!(forgotten, u64::from(kind == Kind::Core), "groups are stored by core alone");
    }
}

#[tokio::test]
async fn a_page_that_leaves_while_redis_is_away_is_no_ghost_afterwards() {
    let (mut redis, stage, django) = start(Kind::Core, tutorial()).await;
    let (mut stays, leaves) = (stage.page(PATH).await, stage.page(PATH).await);
    is_heard(&django, &mut stays, "before").await;
    redis.kill();
    drop(leaves);
    stage.server.counts("relay_sockets", 1).await;
    redis.restart();
    is_heard(&django, &mut stays, "after").await;
    let until = Instant::now() + SOON;
    loop {
        let members: u64 = redis.query(&["ZCARD", "asgi:group:chat_lobby"]).await;
        if members == 1 {
            return;
        }
        assert!(Instant::now() < until, "{members} members");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
